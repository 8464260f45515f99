package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/disk"
)

// Rows of the tests: what was accepted, numbered.
const testInbox Bucket = 'i'

// testApply stores ref, meta and the octets of the body, numbered in order.
func testApply(rw RW, a Accepted) error {
	n := uint64(1)
	for k := range rw.ScanBack(testInbox, nil, nil) {
		n = binary.BigEndian.Uint64(k) + 1
		break
	}
	v := append(a.Ref[:], a.Meta...)
	*a.Told = n
	return rw.Put(testInbox, binary.BigEndian.AppendUint64(nil, n), v)
}

type testEntry struct {
	key  string
	ref  Ref
	meta string
}

func testEntries(tx Tx) (all []testEntry) {
	for k, v := range tx.Scan(testInbox, nil, nil) {
		all = append(all, testEntry{string(k), Ref(v[:16]), string(v[16:])})
	}
	return all
}

func entriesOf(t testing.TB, e *Engine, id Owner) (all []testEntry) {
	t.Helper()
	err := e.View(context.Background(), id, func(tx Tx) error {
		all = testEntries(tx)
		return nil
	})
	if err != nil {
		t.Fatalf("View of owner %d: %v", id, err)
	}
	return all
}

// metas is what is in an owner's inbox, in order.
func metas(t testing.TB, e *Engine, id Owner) string {
	t.Helper()
	var b strings.Builder
	for _, m := range entriesOf(t, e, id) {
		b.WriteString(m.meta)
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

func wantMetas(t testing.TB, e *Engine, id Owner, want string) {
	t.Helper()
	if got := metas(t, e, id); got != want {
		t.Errorf("owner %d has %q, want %q", id, got, want)
	}
}

// quiet options: nothing happens in the background.
func quiet() Options {
	return Options{Apply: testApply, ApplyDelay: time.Hour, Reserve: -1}
}

func mustOpen(t testing.TB, dir string, opts Options) *Engine {
	t.Helper()
	e, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func mustClose(t testing.TB, e *Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func tryAccept(e *Engine, meta, body string, owners ...Owner) (Ref, error) {
	m := &Message{Meta: []byte(meta), Body: strings.NewReader(body), Size: int64(len(body))}
	for _, o := range owners {
		m.To = append(m.To, Recipient{Owner: o})
	}
	return e.Accept(context.Background(), m)
}

func mustAccept(t testing.TB, e *Engine, meta, body string, owners ...Owner) Ref {
	t.Helper()
	r, err := tryAccept(e, meta, body, owners...)
	if err != nil {
		t.Fatalf("Accept of %q: %v", meta, err)
	}
	return r
}

func mustRelease(t testing.TB, e *Engine, id Owner, refs ...Ref) {
	t.Helper()
	err := e.Update(context.Background(), id, func(rw RW) error {
		for _, r := range refs {
			rw.Release(r)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Update of owner %d: %v", id, err)
	}
}

func readAll(e *Engine, r Ref) (string, error) {
	b, err := e.Open(context.Background(), r)
	if err != nil {
		return "", err
	}
	defer b.Close()
	var out bytes.Buffer
	_, err = io.Copy(&out, io.NewSectionReader(b, 0, b.Size()))
	return out.String(), err
}

func wantBody(t testing.TB, e *Engine, r Ref, want string) {
	t.Helper()
	if got, err := readAll(e, r); err != nil || got != want {
		t.Errorf("body has %d octets (%v), want %d", len(got), err, len(want))
	}
}

func wantNoBody(t testing.TB, e *Engine, r Ref) {
	t.Helper()
	if got, err := readAll(e, r); !errors.Is(err, ErrNoBody) {
		t.Errorf("body of %d octets is still there (%v), want it reclaimed", len(got), err)
	}
}

// crash copies a store's folder as it is on the disk, without closing it.
func crash(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// faultFS fails where a test says so. Each operation is named like
// "write 00000001.log".
type faultFS struct {
	osFS
	mu   sync.Mutex
	fail func(op, name string) error // nil: go on
	free int64                       // > 0: room on the disk
	half bool                        // a write that fails leaves half of it
	did  []string
}

func (f *faultFS) check(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, op+" "+filepath.Base(name))
	if f.fail == nil {
		return nil
	}
	if err := f.fail(op, filepath.Base(name)); err != nil {
		return &os.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (f *faultFS) set(fail func(op, name string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *faultFS) Create(name string) (file, error) {
	if err := f.check("create", name); err != nil {
		return nil, err
	}
	o, err := f.osFS.Create(name)
	return faultFile{o, f, name}, err
}

func (f *faultFS) Open(name string) (file, error) {
	if err := f.check("open", name); err != nil {
		return nil, err
	}
	o, err := f.osFS.Open(name)
	return faultFile{o, f, name}, err
}

func (f *faultFS) Remove(name string) error {
	return errors.Join(f.check("remove", name), f.osFS.Remove(name))
}

func (f *faultFS) SyncDir(name string) error {
	if err := f.check("syncdir", name); err != nil {
		return err
	}
	return f.osFS.SyncDir(name)
}

func (f *faultFS) Room(name string) (disk.Room, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free > 0 {
		return disk.Room{Free: f.free}, nil
	}
	return f.osFS.Room(name)
}

type faultFile struct {
	file
	fs   *faultFS
	name string
}

func (f faultFile) WriteVec(off int64, bufs [][]byte) error {
	if err := f.fs.check("write", f.name); err != nil {
		if f.fs.half {
			all := bytes.Join(bufs, nil)
			return errors.Join(err, f.file.WriteVec(off, [][]byte{all[:len(all)/2]}))
		}
		return err
	}
	return f.file.WriteVec(off, bufs)
}

func (f faultFile) Datasync() error {
	if err := f.fs.check("sync", f.name); err != nil {
		return err
	}
	return f.file.Datasync()
}

func (f faultFile) Truncate(n int64) error {
	if err := f.fs.check("truncate", f.name); err != nil {
		return err
	}
	return f.file.Truncate(n)
}

func (f faultFile) Allocate(off, n int64) error {
	if err := f.fs.check("allocate", f.name); err != nil {
		return err
	}
	return f.file.Allocate(off, n)
}

func (f faultFile) Punch(off, n int64) error {
	if err := f.fs.check("punch", f.name); err != nil {
		return err
	}
	return f.file.Punch(off, n)
}

// logBuffer is what an engine logged.
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

func pattern(seed, n int) string {
	unit := fmt.Sprintf("%d-%d,", seed, n)
	return strings.Repeat(unit, n/len(unit)+1)[:n]
}
