package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/mailstead/mailstead/admin/config"
)

// sandboxEnv names, in a child process of TestSandbox, the folder of the test.
const sandboxEnv = "MAILSTEAD_SANDBOX_TEST"

// sandboxConfig is what the child confines itself to: data and a certificate,
// with backups and a hook besides.
func sandboxConfig(dir string) config.Config {
	c := config.Default()
	c.Data = filepath.Join(dir, "data")
	c.TLS.CertFile = filepath.Join(dir, "live", "cert.pem")
	c.Sandbox.Write = []string{filepath.Join(dir, "more")}
	return c
}

// TestSandbox confines a process, and has it try what it must not do and what
// it must be able to do, from threads that were there before and from new ones.
func TestSandbox(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	dir := sandboxFolder(t)
	cmd := sandboxChild(t, dir, "TestSandboxChild")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "confined" {
		fmt.Fprintln(log, lines.Text())
	}
	// Whoever renews a certificate puts a new file in the place of the link.
	renewed := filepath.Join(dir, "archive", "cert2.pem")
	writeFile(t, renewed, "second")
	if err := errors.Join(os.Chmod(renewed, 0o644), os.Symlink(renewed, filepath.Join(dir, "live", "new")), os.Rename(filepath.Join(dir, "live", "new"), filepath.Join(dir, "live", "cert.pem"))); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "go on")
	var got map[string]string
	for lines.Scan() {
		if b, ok := strings.CutPrefix(lines.Text(), "result "); ok {
			if err := json.Unmarshal([]byte(b), &got); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || got == nil {
		t.Fatalf("child: %v\n%s", err, log.String())
	}
	for what, result := range got {
		if forbidden := strings.HasPrefix(what, "no: "); forbidden != strings.Contains(result, "permission denied") || !forbidden && result != "done" {
			t.Errorf("%s: %s", what, result)
		}
	}
	if len(got) < 13 {
		t.Errorf("only %d things were tried: %v", len(got), got)
	}
}

func needLandlock(t *testing.T) {
	t.Helper()
	if v, err := llsys.LandlockGetABIVersion(); err != nil || v < 2 {
		t.Skip("this kernel has no Landlock that moves files between folders")
	}
}

// sandboxChild returns a process that runs a test in a folder, as the unit
// starts the server.
func sandboxChild(t *testing.T, dir, test string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(dir, "program") // where another user may run it
	if err := os.Link(os.Args[0], program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), sandboxEnv+"="+dir, "TMPDIR="+filepath.Join(dir, "tmp"))
	if os.Geteuid() == 0 {
		chown(t, dir, 65534)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: []uintptr{10}}
	}
	return cmd
}

// sandboxFolder is what the child finds: a certificate behind a link, as
// certbot has it, and what is none of its business.
func sandboxFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"data/one", "data/two", "backup", "more", "live", "archive", "other", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "archive", "cert1.pem"), "first")
	if err := os.Symlink(filepath.Join(dir, "archive", "cert1.pem"), filepath.Join(dir, "live", "cert.pem")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "other", "file"), "of others")
	return dir
}

// chown gives a folder with all in it to a user, and opens the way to it.
func chown(t *testing.T, dir string, uid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(p, uid, uid))
	})
	for p := filepath.Dir(dir); p != os.TempDir() && p != "/" && err == nil; p = filepath.Dir(p) {
		err = os.Chmod(p, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSandboxChild is the process that TestSandbox starts.
func TestSandboxChild(t *testing.T) {
	dir := os.Getenv(sandboxEnv)
	if dir == "" {
		t.Skip("it is run by TestSandbox")
	}
	old := newLockedThread()
	if err := confine(sandboxConfig(dir), "", []string{filepath.Join(dir, "backup")}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	fmt.Println("confined")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	results := map[string]string{}
	for thread, on := range map[string]func(func()){"old thread": old, "new thread": newLockedThread()} {
		for what, try := range sandboxTries(dir) {
			on(func() { results[what+" ("+thread+")"] = resultOf(try()) })
		}
	}
	b, err := json.Marshal(results)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("result %s\n", b)
}

// newLockedThread starts a goroutine with an OS thread of its own, and returns
// what runs functions there.
func newLockedThread() func(func()) {
	work, done := make(chan func()), make(chan struct{})
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(started)
		for fn := range work {
			fn()
			done <- struct{}{}
		}
	}()
	<-started
	return func(fn func()) {
		work <- fn
		<-done
	}
}

func resultOf(err error) string {
	if err != nil {
		return err.Error()
	}
	return "done"
}

// sandboxTries are what the child does; names that begin with "no: " are what
// it must not be able to do.
func sandboxTries(dir string) map[string]func() error {
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	read := func(name string) error { _, err := os.ReadFile(name); return err }
	return map[string]func() error{
		"no: read a file of others":  func() error { return read(in("other", "file")) },
		"no: write a file of others": func() error { return os.WriteFile(in("other", "file"), nil, 0o600) },
		"no: make a file elsewhere":  func() error { return os.WriteFile(in("new"), nil, 0o600) },
		"no: list a folder":          func() error { _, err := os.ReadDir(in("other")); return err },
		"no: run a program":          func() error { return exec.Command("/bin/true").Run() },
		"no: write a certificate":    func() error { return os.WriteFile(in("archive", "cert2.pem"), nil, 0o600) },
		"read the renewed certificate": func() error {
			b, err := os.ReadFile(in("live", "cert.pem"))
			if err == nil && string(b) != "second" {
				return fmt.Errorf("it is %q", b)
			}
			return err
		},
		"write data and move it": func() error {
			return errors.Join(os.WriteFile(in("data", "one", "f"), []byte("x"), 0o600), os.Rename(in("data", "one", "f"), in("data", "two", "f")), os.Remove(in("data", "two", "f")))
		},
		"write what the file names": func() error { return os.WriteFile(in("more", "b"), []byte("x"), 0o600) },
		"write a backup":            func() error { return os.WriteFile(in("backup", "b"), []byte("x"), 0o600) },
		"open the socket of the command line": func() error {
			l, err := net.Listen("unix", in("data", "s"))
			if err != nil {
				return err
			}
			return l.Close()
		},
		"find roots of certificates": func() error {
			pool, err := x509.SystemCertPool()
			if err == nil && pool.Equal(x509.NewCertPool()) {
				return errors.New("there is none")
			}
			return err
		},
		"find resolvers": func() error { return read("/etc/resolv.conf") },
		"resolve a name": func() error {
			addrs, err := (&net.Resolver{PreferGo: true}).LookupHost(context.Background(), "localhost")
			if err == nil && !slices.Contains(addrs, "127.0.0.1") {
				return fmt.Errorf("localhost is %q", addrs)
			}
			return err
		},
		"give up capabilities": func() error {
			b, err := os.ReadFile("/proc/thread-self/status")
			if os.Geteuid() != 0 && !strings.Contains(string(b), "CapEff:\t0000000000000000") || strings.Contains(string(b), "CapAmb:\t0000000000000400") {
				return errors.New("there are some left")
			}
			return err
		},
	}
}
