package disktest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// scriptEnv makes this program one that runs the lines of its input: a file,
// and what is done to it. It answers each with "ok" or the error.
const scriptEnv = "MAILSTEAD_DISKTEST_SCRIPT"

func TestMain(m *testing.M) {
	Main()
	if dir := os.Getenv(scriptEnv); dir != "" {
		runScript(dir)
	}
	os.Exit(m.Run())
}

func runScript(dir string) {
	files := map[string]*os.File{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if err := runLine(dir, files, f[0], f[1], f[2:]); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
	os.Exit(0)
}

func runLine(dir string, files map[string]*os.File, what, name string, args []string) error {
	path := filepath.Join(dir, name)
	switch what {
	case "open":
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		files[name] = f
		return err
	case "write": // text, at an offset
		var off int64
		fmt.Sscan(args[1], &off)
		_, err := files[name].WriteAt([]byte(args[0]), off)
		return err
	case "add":
		_, err := files[name].WriteString(args[0])
		return err
	case "fill":
		_, err := files[name].WriteAt([]byte(strings.Repeat(args[0], 5*512)), 0)
		return err
	case "truncate":
		return files[name].Truncate(2)
	case "sync":
		return files[name].Sync()
	case "syncdir":
		d, err := os.Open(path)
		if err != nil {
			return err
		}
		defer d.Close()
		return d.Sync()
	case "make":
		return os.WriteFile(path, []byte(args[0]), 0o600)
	case "mkdir":
		return os.Mkdir(path, 0o700)
	case "remove":
		return os.Remove(path)
	case "rename":
		return os.Rename(path, filepath.Join(dir, args[0]))
	}
	return errors.New("unknown")
}

// script is a running one.
type script struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
	*Disk
	dir string
}

func newScript(t *testing.T) *script {
	t.Helper()
	s := &script{t: t, dir: filepath.Join(t.TempDir(), "disk")}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), scriptEnv+"="+s.dir)
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if s.Disk, err = Start(s.cmd, s.dir); err != nil {
		t.Fatal(err)
	}
	s.in, s.out = in, bufio.NewScanner(out)
	return s
}

// run runs one line and returns its answer.
func (s *script) run(line string) string {
	s.t.Helper()
	fmt.Fprintln(s.in, line)
	if !s.out.Scan() {
		s.t.Fatalf("%s: the script has ended: %v, %v", line, s.out.Err(), s.cmd.Wait())
	}
	return s.out.Text()
}

func (s *script) must(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		if got := s.run(line); got != "ok" {
			s.t.Fatalf("%s: %s", line, got)
		}
	}
}

// cut kills the script, takes the power away and returns what is there.
func (s *script) cut(kind Loss) string {
	s.t.Helper()
	s.cmd.Process.Kill()
	s.cmd.Wait()
	if _, err := s.Cut(kind, rand.New(rand.NewPCG(1, uint64(kind)))); err != nil {
		s.t.Error(err)
	}
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
	var all []string
	filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(s.dir, path)
		if b, err := os.ReadFile(path); err == nil {
			name += "=" + string(b)
		}
		if name != "." {
			all = append(all, name)
		}
		return err
	})
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestCut: what was synced is there, and of the rest what the loss leaves.
func TestCut(t *testing.T) {
	t.Parallel()
	before := []string{"open a", "write a 12345678 0", "sync a", "syncdir ."}
	for _, tt := range []struct {
		name      string
		lines     []string
		all, none string
	}{
		{"nothing", nil, "a=12345678", "a=12345678"},
		{"overwritten", []string{"write a xy 2", "write a z 3"}, "a=12345678", "a=12xz5678"},
		{"and synced", []string{"write a xy 2", "sync a", "write a z 3"}, "a=12xy5678", "a=12xz5678"},
		{"extended", []string{"write a 9 8"}, "a=12345678", "a=123456789"},
		{"added to", []string{"open b", "add b 1", "sync b", "syncdir .", "add b 2", "add b 3"}, "a=12345678 b=1", "a=12345678 b=123"},
		{"cut short", []string{"truncate a", "write a x 1"}, "a=12345678", "a=1x"},
		{"made", []string{"open b", "write b x 0", "sync b"}, "a=12345678", "a=12345678 b=x"},
		{"made, and its name synced", []string{"open b", "write b x 0", "syncdir ."}, "a=12345678 b=", "a=12345678 b=x"},
		{"emptied", []string{"make a x"}, "a=12345678", "a=x"},
		{"removed", []string{"remove a"}, "a=12345678", ""},
		{"removed and synced", []string{"remove a", "syncdir ."}, "", ""},
		{"renamed", []string{"rename a b"}, "a=12345678", "b=12345678"},
		{"renamed over another", []string{"open b", "write b x 0", "sync b", "syncdir .", "rename a b"}, "a=12345678 b=x", "b=12345678"},
		{"written and renamed", []string{"make b x", "rename b a"}, "a=12345678", "a=x"},
		{"renamed without its text", []string{"make b x", "rename b a", "syncdir ."}, "a=", "a=x"},
		{"in a folder", []string{"mkdir d", "make d/b x"}, "a=12345678", "a=12345678 d d/b=x"},
		{"in a synced folder", []string{"mkdir d", "open d/b", "sync d/b", "syncdir d", "syncdir .", "write d/b x 0"}, "a=12345678 d d/b=", "a=12345678 d d/b=x"},
		{"made and removed", []string{"open b", "remove b"}, "a=12345678", "a=12345678"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for kind, want := range map[Loss]string{All: tt.all, None: tt.none} {
				s := newScript(t)
				s.must(append(before, tt.lines...)...)
				if got := s.cut(kind); got != want {
					t.Errorf("loss %d: %q, want %q", kind, got, want)
				}
			}
		})
	}
}

// TestCutInPart: of ten sectors some are new, and some writes.
func TestCutInPart(t *testing.T) {
	t.Parallel()
	for _, kind := range []Loss{Sectors, Writes, Early} {
		s := newScript(t)
		s.must("open a", "fill a old--", "sync a", "syncdir .")
		for i := range 10 {
			s.must(fmt.Sprintf("write a new%02d %d", i, i*1000))
		}
		s.must("fill a NEW--")
		got := strings.TrimPrefix(s.cut(kind), "a=")
		for i := 0; i < len(got); i += 5 {
			if unit := got[i : i+5]; kind == Early && unit != "NEW--" || unit != "NEW--" && unit != "old--" && !strings.HasPrefix(unit, "new") && kind != Sectors {
				t.Fatalf("loss %d leaves %q", kind, unit)
			}
		}
		if kind == Sectors && (!strings.Contains(got, "old--") || !strings.Contains(got, "NEW--")) {
			t.Errorf("loss %d leaves %.200q", kind, got)
		}
	}
}

// TestLie: a disk that lies about syncs loses what was synced.
func TestLie(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.must("open a", "write a 1 0", "mkdir d", "open d/b", "write d/b 1 0", "sync a", "sync d/b", "syncdir .", "syncdir d")
	s.Lie("d")
	s.must("write a 2 0", "sync a", "write d/b 2 0", "sync d/b", "remove d/b", "syncdir d")
	if got := s.cut(All); got != "a=2 d d/b=1" {
		t.Errorf("%q is left", got)
	}
}

// TestMissed: what a failed sync did not write no later one does, but what was
// written again since is there.
func TestMissed(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.must("open a", "write a 1234 0", "sync a", "syncdir .", "write a xy 0")
	s.Fail(func(op Op) syscall.Errno { return map[Kind]syscall.Errno{Sync: syscall.EIO}[op.Kind] })
	if got := s.run("sync a"); !strings.Contains(got, "input/output error") {
		t.Error(got)
	}
	s.Fail(nil)
	s.must("write a Y 1", "write a z 3", "sync a", "write a q 2")
	if got := s.cut(All); got != "a=1Y3z" {
		t.Errorf("%q is left", got)
	}
}

// TestFail: an operation fails where and when it is told to, and nowhere else.
func TestFail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind Kind
		line string
	}{
		{Write, "write a 1 0"}, {Write, "add a 1"}, {Sync, "sync a"}, {SyncDir, "syncdir d"}, {Create, "open b"}, {Open, "open a"}, {Truncate, "truncate a"}, {Truncate, "make a x"},
		{Mkdir, "mkdir e"}, {Remove, "remove c"}, {Rename, "rename c b"},
	} {
		s := newScript(t)
		s.must("open a", "mkdir d", "make c x")
		s.Fail(func(op Op) syscall.Errno {
			if op.Kind == tt.kind {
				return syscall.EROFS
			}
			return 0
		})
		if got := s.run(tt.line); !strings.Contains(got, "read-only file system") {
			t.Errorf("%s, %s: %s", tt.kind, tt.line, got)
		}
		s.Fail(nil)
		s.must(tt.line)
		s.cut(None)
	}
	s := newScript(t)
	s.must("open a")
	s.Fail(func(op Op) syscall.Errno {
		if op.Kind == Write && op.Name == "a" {
			return syscall.ENOSPC
		}
		return 0
	})
	if got := s.run("fill a x"); !strings.Contains(got, "no space left") {
		t.Error(got)
	}
	if got := s.cut(None); got != "a=" {
		t.Errorf("%q is left", got)
	}
}

// TestEnd: a process that ends by itself, or cannot be started, is no trouble.
func TestEnd(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.must("make a x")
	s.in.(io.Closer).Close()
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := s.cut(None); got != "a=x" {
		t.Errorf("%q is left", got)
	}
	dir := t.TempDir()
	cmd := exec.Command("/nowhere/at-all")
	if d, err := Start(cmd, dir); err == nil {
		if err := cmd.Wait(); err == nil {
			t.Error("a program that is not there has run")
		}
		d.Close()
	}
}
