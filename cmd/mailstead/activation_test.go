package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSocketsOfSystemd: the server takes ports that are open already, by the
// names of their services, and opens only the others. Who has connected before
// it ran is served.
func TestSocketsOfSystemd(t *testing.T) {
	t.Parallel()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var given []*os.File
	at := map[string]string{}
	for _, service := range []string{portSMTP, portIMAPS} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		given, at[service] = append(given, f), l.Addr().String()
	}
	early := dialLine(t, at[portSMTP])

	dir := t.TempDir()
	own := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	conf := filepath.Join(dir, "mailstead.toml")
	// It could not open the first two itself: their ports are in use.
	text := fmt.Sprintf("hostname = \"mail.example.test\"\ndata = %q\n[listen]\nsmtp = [%q]\nimaps = [%q]\nsubmissions = [%q]\nsubmission = []\nimap = []\nhttp = []\nhttps = []\n[dns]\nservers = [%q]\n",
		filepath.Join(dir, "data"), at[portSMTP], at[portIMAPS], own, serveDNS(t, ""))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" serve --config "$1"`, file, conf)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES="+portSMTP+":"+portIMAPS)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, given
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(deadline):
			cmd.Process.Kill()
			t.Error("it does not end")
		}
		if t.Failed() {
			t.Logf("log:\n%s", log.String())
		}
	}()
	early.say("", "220 mail.example.test")
	for _, addr := range []string{at[portIMAPS], own} {
		c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(deadline))
		b := make([]byte, 4)
		if _, err := io.ReadFull(c, b); err != nil || !strings.HasPrefix(string(b), "* OK") && string(b) != "220 " {
			t.Errorf("%s greets with %q, %v", addr, b, err)
		}
		c.Close()
	}
}
