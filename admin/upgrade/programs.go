package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// How long a program may take for what it is asked to do.
const (
	askTimeout  = 30 * time.Second
	testTimeout = 6 * time.Hour // migrations of large data take their time
)

// ask runs a program and returns what it printed. Its user is that of the data
// folder, so that files it makes belong to the service.
func ask(ctx context.Context, timeout time.Duration, data, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	if c, err := credentialOf(data); err != nil {
		return nil, err
	} else if c != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &tailWriter{w: &errs}
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		text := strings.TrimSpace(errs.String())
		return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, text)
	}
	return out.Bytes(), nil
}

// tailWriter keeps the first 8 KiB.
type tailWriter struct{ w *bytes.Buffer }

func (t *tailWriter) Write(p []byte) (int, error) {
	t.w.Write(p[:min(len(p), max(0, 8<<10-t.w.Len()))])
	return len(p), nil
}

// credentialOf is the user that a folder belongs to; nil if that is who we are,
// or we may not become somebody else.
func credentialOf(data string) (*syscall.Credential, error) {
	info, err := os.Stat(data)
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || st.Uid == 0 {
		return nil, nil
	}
	return &syscall.Credential{Uid: st.Uid, Gid: st.Gid}, nil
}

// About asks a program for its version.
func About(ctx context.Context, program string) (Program, error) {
	out, err := ask(ctx, askTimeout, filepath.Dir(program), program, "version", "-o", "json")
	if err != nil {
		return Program{}, fmt.Errorf("this is no program of Mailstead that can be upgraded to: %w", err)
	}
	var p Program
	if err := json.Unmarshal(out, &p); err != nil || p.Version == "" || p.Schema < 1 {
		return Program{}, fmt.Errorf("%s does not say which version it is: %.80q", program, out)
	}
	return p, nil
}

// install puts a copy of a program in its place, whole or not at all.
func install(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	unfinished := to + ".new"
	out, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Chmod(0o755), out.Sync(), out.Close()); err != nil {
		os.Remove(unfinished)
		return err
	}
	if err := os.Rename(unfinished, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// Control stops and starts the service.
type Control interface {
	Stop(ctx context.Context) error
	Start(ctx context.Context) error
}

// Script is a program that is called with "stop" and "start".
type Script string

// Stop implements Control.
func (s Script) Stop(ctx context.Context) error { return command(ctx, string(s), "stop") }

// Start implements Control.
func (s Script) Start(ctx context.Context) error { return command(ctx, string(s), "start") }

func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &tailWriter{&out}, &tailWriter{&out}
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) { // a server that was started keeps our pipe
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}
