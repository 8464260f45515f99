package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox/store/disktest"
)

// The end-to-end tests run the real binary and real mail programs against it.
// Where a program is not installed its test is skipped, unless MAILSTEAD_PEERS
// is "required": then it fails.

// deadline is how long a test waits for something that takes well under a
// second on an idle machine.
const deadline = 2 * time.Minute

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mailstead-e2e")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "mailstead")
	build := exec.Command("go", "build", "-trimpath", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as in packages
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	disktest.Main()
	code := m.Run()
	if file, err := binary(); err == nil && code == 0 {
		os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(code)
}

// instance is a running server.
type instance struct {
	tryInfo
	cmd    *exec.Cmd
	exited chan error
	log    *logBuffer
}

// logBuffer is a bytes.Buffer for several goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// take returns what was written, and forgets it.
func (l *logBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b = bytes.Buffer{}
	return s
}

// startTry starts `mailstead try --json` with further arguments on free ports
// and stops it when the test ends.
func startTry(t *testing.T, args ...string) *instance {
	t.Helper()
	return startTryBy(t, (*exec.Cmd).Start, args...)
}

// startTryBy is startTry with another way to start a command.
func startTryBy(t *testing.T, start func(*exec.Cmd) error, args ...string) *instance {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"try", "--json", "-v", "--port-offset", fmt.Sprint(freeOffset(t))}, args...)
	i := &instance{cmd: exec.Command(file, args...), exited: make(chan error, 1), log: &logBuffer{}}
	i.cmd.Stderr = i.log
	stdout, err := i.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := start(i.cmd); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1)
	go func() {
		sc := bufio.NewScanner(stdout)
		sc.Buffer(nil, 1<<20)
		if sc.Scan() {
			lines <- sc.Text()
		}
		close(lines)
		io.Copy(io.Discard, stdout)
		i.exited <- i.cmd.Wait()
	}()
	t.Cleanup(func() {
		i.stop(t)
		if log := i.log.String(); t.Failed() && log != "" {
			t.Logf("log of %s:\n%s", strings.Join(args, " "), tail(log, 8000))
		}
	})
	select {
	case line, ok := <-lines:
		if !ok {
			t.Fatalf("mailstead %v ended: %s", args, i.log)
		}
		if err := json.Unmarshal([]byte(line), &i.tryInfo); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
	case <-time.After(deadline):
		t.Fatalf("mailstead %v is not ready: %s", args, i.log)
	}
	return i
}

func tail(s string, n int) string {
	if len(s) > n {
		s = "…" + s[len(s)-n:]
	}
	return s
}

// stop ends the server as systemd would and reports an unclean end.
func (i *instance) stop(t *testing.T) {
	t.Helper()
	if i.cmd.ProcessState != nil {
		return
	}
	i.cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-i.exited:
		i.exited <- err
		if err != nil {
			t.Errorf("mailstead ended with %v", err)
		}
	case <-time.After(deadline):
		i.cmd.Process.Kill()
		t.Errorf("mailstead did not end when asked to")
	}
}

// kill ends the server as a power cut of the process would: kill -9.
func (i *instance) kill(t *testing.T) {
	t.Helper()
	i.cmd.Process.Kill()
	<-i.exited
}

// Ports of tests lie below those that the system gives to connections
// (32768 and up), and each test gets its own. Offsets that differ by less than
// the ports of services do never share a port.
var (
	nextOffset = sequence{next: 12_000 + 120*rand.IntN(100), last: 24_100}
	nextPort   = sequence{next: 28_400 + rand.IntN(2000), last: 32_700}
)

// sequence gives out numbers, each once.
type sequence struct {
	mu         sync.Mutex
	next, last int
}

// take returns the next number that is free.
func (s *sequence) take(t *testing.T, free func(n int) bool) int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.next < s.last; s.next++ {
		if free(s.next) {
			s.next++
			return s.next - 1
		}
	}
	t.Fatal("no free ports")
	return 0
}

// freeOffset finds a port offset whose ports are free.
func freeOffset(t *testing.T) int {
	t.Helper()
	return nextOffset.take(t, portsFree)
}

// freePort finds a port of loopback.
func freePort(t *testing.T) int {
	t.Helper()
	return nextPort.take(t, func(n int) bool {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			return false
		}
		l.Close()
		return true
	})
}

func portsFree(offset int) bool {
	for _, p := range []int{25, 80, 110, 143, 443, 465, 587, 993, 995, 4190} {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", offset+p))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// need returns the path of a program of another project, or skips the test.
func need(t *testing.T, program string) string {
	t.Helper()
	file, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err == nil {
			break
		}
		file, err = exec.LookPath(filepath.Join(dir, program))
	}
	if err != nil {
		if os.Getenv("MAILSTEAD_PEERS") == "required" {
			t.Fatalf("%s is not installed; `make tools` installs it", program)
		}
		t.Skipf("%s is not installed", program)
	}
	return file
}

// output runs a program to its end and returns what it printed; it fails the
// test when the program fails or takes longer than the deadline.
func output(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	out, err := tryOutput(t, stdin, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, tail(out, 4000))
	}
	return out
}

// tryOutput is output for programs that may fail.
func tryOutput(t *testing.T, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return string(out), err
}

// eventually waits until check is true.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	until := time.Now().Add(deadline)
	for !check() {
		if time.Now().After(until) {
			t.Fatalf("gave up waiting: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
