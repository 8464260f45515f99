package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A full disk refuses mail and passes; nothing that was refused comes back.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		op, name string
		big      bool
		half     bool
	}{
		{op: "write", name: "00000001.log"},
		{op: "write", name: "00000001.log", half: true},
		{op: "allocate", name: "00000002.log"},
		{op: "create", name: "00000002.log"},
		{op: "create", name: "0", big: true},
		{op: "write", name: "0", big: true},
		{op: "write", name: "00000001.log", big: true},
	} {
		t.Run(fmt.Sprintf("%+v", tt), func(t *testing.T) {
			dir := t.TempDir()
			fs := &faultFS{half: tt.half}
			opts := quiet()
			opts.fs = fs
			opts.SegmentSize = 1 << 10
			e := mustOpen(t, dir, opts)
			mustAccept(t, e, "a", "body", 1)
			if tt.name == "00000002.log" {
				mustAccept(t, e, "fill", pattern(0, 2<<10), 2)
			}
			body := pattern(1, 100)
			if tt.big {
				body = pattern(1, maxInLog+1)
			}
			hit := false
			fs.set(func(op, name string) error {
				if op == tt.op && name == tt.name {
					hit = true
					return syscall.ENOSPC
				}
				return nil
			})
			_, err := tryAccept(e, "refused", body, 1)
			if !errors.Is(err, ErrFull) || errors.Is(err, ErrFailed) || !hit {
				t.Fatalf("Accept = %v, want ErrFull", err)
			}
			fs.set(nil)
			// A record of the same length in the place of the first of the refused.
			b := mustAccept(t, e, "b______", pattern(2, 100), 1)
			wantMetas(t, e, 1, "a b______")
			image := crash(t, dir)
			for _, dir := range []string{image, dir} {
				if dir != image {
					mustClose(t, e)
				}
				e := mustOpen(t, dir, quiet())
				wantMetas(t, e, 1, "a b______")
				wantBody(t, e, b, pattern(2, 100))
				if left, _ := filepath.Glob(filepath.Join(dir, "big/*/*")); len(left) > 0 {
					t.Errorf("%q are left of what was refused", left)
				}
			}
		})
	}
}

// What a failed group has left behind the end of the log must not come back
// after a later record that is as long as its first.
func TestRefusedGroupStaysAway(t *testing.T) {
	dir := t.TempDir()
	fs := &faultFS{}
	opts := quiet()
	opts.fs = fs
	e := mustOpen(t, dir, opts)
	record := func(meta string) *request {
		r := &request{owners: []*owner{e.owner(1)}, block: metaBlock{meta: []byte(meta), to: []Recipient{{Owner: 1}}}, done: make(chan struct{})}
		if err := errors.Join(e.prepareSmall(r, []byte("body")), e.own(r)); err != nil {
			t.Fatal(err)
		}
		return r
	}
	// All of it reaches the file, and yet the write fails.
	fs.set(func(op, _ string) error {
		if op == "write" {
			return syscall.ENOSPC
		}
		return nil
	})
	group := []*request{record("1"), record("2"), record("3")}
	l := e.log
	var all []byte
	off := l.off
	for _, r := range group {
		r.header.seg, r.header.off = l.seg, off
		r.header.put(r.head[:])
		all = append(append(append(all, r.head[:]...), r.meta...), r.body...)
		all = append(all, zeros[:r.header.size()-int64(headerSize+len(r.meta)+len(r.body))]...)
		off += r.header.size()
	}
	if err := l.current.(faultFile).file.WriteVec(l.off, [][]byte{all}); err != nil {
		t.Fatal(err)
	}
	if err := l.write(group); !errors.Is(err, ErrFull) {
		t.Fatalf("write = %v, want ErrFull", err)
	}
	fs.set(nil)
	mustAccept(t, e, "a", "body", 1)
	wantMetas(t, mustOpen(t, crash(t, dir), quiet()), 1, "a")
}

// A failed sync, and a failed write of another kind, end the store until it is
// opened again. Nothing that was acknowledged is lost.
func TestFailedSync(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		op, name string
		err      error
		big      bool
	}{
		{"sync", "00000001.log", syscall.EIO, false},
		{"sync", "00000001.log", syscall.ENOSPC, false}, // even so: it is not known what was written
		{"write", "00000001.log", syscall.EIO, false},
		{"sync", "0", syscall.EIO, true},
		{"syncdir", "00", syscall.EIO, true},
		{"syncdir", "acct", syscall.EIO, false},
	} {
		t.Run(fmt.Sprintf("%+v", tt), func(t *testing.T) {
			dir := t.TempDir()
			fs := &faultFS{}
			opts := quiet()
			opts.fs = fs
			e := mustOpen(t, dir, opts)
			mustAccept(t, e, "a", "body", 1)
			if tt.name == "acct" { // the first rows of an owner fail
				fs.set(failOp(tt.op, tt.name, tt.err))
				if err := e.View(context.Background(), 1, func(Tx) error { return nil }); !errors.Is(err, ErrFailed) {
					t.Errorf("View = %v, want ErrFailed", err)
				}
			} else {
				entriesOf(t, e, 1)
				body := "small"
				if tt.big {
					body = pattern(1, maxInLog+1)
				}
				fs.set(failOp(tt.op, tt.name, tt.err))
				if _, err := tryAccept(e, "not acknowledged", body, 2); !errors.Is(err, ErrFailed) {
					t.Errorf("Accept = %v, want ErrFailed", err)
				}
			}
			fs.set(nil)
			if _, err := tryAccept(e, "later", "body", 1); !errors.Is(err, ErrFailed) {
				t.Errorf("a later Accept = %v, want ErrFailed", err)
			}
			if err := e.Update(context.Background(), 1, func(RW) error { return nil }); !errors.Is(err, ErrFailed) {
				t.Errorf("a later Update = %v, want ErrFailed", err)
			}
			if tt.name != "acct" {
				wantMetas(t, e, 1, "a") // what is there can be read
			}
			e.Close()
			e = mustOpen(t, dir, quiet())
			mustAccept(t, e, "b", "body", 1)
			wantMetas(t, e, 1, "a b")
		})
	}
}

// While rows cannot be written an account shows what it had; the queue waits.
func TestReadWhileNoRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fs := &faultFS{free: 100 << 20}
	opts := quiet()
	opts.fs, opts.Reserve = fs, 1<<20
	e := mustOpen(t, dir, opts)
	mustAccept(t, e, "a", "body", 1, Queue)
	wantMetas(t, e, 1, "a")
	wantMetas(t, e, Queue, "a")
	b := mustAccept(t, e, "b", "body b", 1, 2, Queue)
	fs.set(failOp("sync", "00000001.log", syscall.EIO))
	if _, err := tryAccept(e, "not acknowledged", "body", 1); !errors.Is(err, ErrFailed) {
		t.Fatalf("Accept = %v, want ErrFailed", err)
	}
	wantMetas(t, e, 1, "a")
	for _, o := range []Owner{2, Queue} {
		if err := e.View(context.Background(), o, func(Tx) error { return nil }); !errors.Is(err, ErrFailed) {
			t.Errorf("View of owner %d = %v, want ErrFailed", o, err)
		}
	}
	wantBody(t, e, b, "body b")
	fs.set(nil)
	e.Close()
	e = mustOpen(t, dir, quiet())
	for o, want := range map[Owner]string{1: "a b", 2: "b", Queue: "a b"} {
		if got := metas(t, e, o); got != want && got != want+" not acknowledged" {
			t.Errorf("owner %d has %q, want %q", o, got, want)
		}
	}
}

// Errors of bbolt that say that the disk was full pass, unless a sync found it.
func TestFullDatabase(t *testing.T) {
	e := mustOpen(t, t.TempDir(), quiet())
	for _, tt := range []struct {
		err    error
		passes bool
	}{
		{&os.PathError{Op: "write", Err: syscall.ENOSPC}, true},
		{&os.PathError{Op: "write", Err: syscall.EDQUOT}, true},
		{errors.New("file resize error: truncate mail.db: no space left on device"), true},
		{errors.New("file resize error: truncate mail.db: file too large"), false},
		{errors.New("file sync error: sync mail.db: no space left on device"), false},
		{syscall.ENOSPC, false}, // of fdatasync
		{&os.PathError{Op: "write", Err: syscall.EIO}, false},
	} {
		if err := e.storageError(tt.err); errors.Is(err, ErrFull) != tt.passes || errors.Is(err, ErrFailed) == tt.passes {
			t.Errorf("storageError(%v) = %v", tt.err, err)
		}
		e.failed.Store(nil)
	}
}

func failOp(op, name string, err error) func(o, n string) error {
	return func(o, n string) error {
		if o == op && n == name {
			return err
		}
		return nil
	}
}

// A system that is short of file descriptors refuses, and goes on later.
func TestTooManyOpenFiles(t *testing.T) {
	fs := &faultFS{}
	opts := quiet()
	opts.fs = fs
	e := mustOpen(t, t.TempDir(), opts)
	fs.set(failOp("create", "0", syscall.EMFILE))
	if _, err := tryAccept(e, "big", pattern(1, maxInLog+1), 1); !errors.Is(err, syscall.EMFILE) || errors.Is(err, ErrFailed) {
		t.Errorf("Accept = %v, want EMFILE only", err)
	}
	fs.set(nil)
	mustAccept(t, e, "a", pattern(1, maxInLog+1), 1)
	wantMetas(t, e, 1, "a")
}

func TestReserve(t *testing.T) {
	t.Parallel()
	fs := &faultFS{free: 100 << 20}
	opts := quiet()
	opts.fs, opts.Reserve = fs, 80<<20
	e := mustOpen(t, t.TempDir(), opts)
	r := mustAccept(t, e, "a", "body", 1)
	set := func(free int64) {
		fs.mu.Lock()
		fs.free = free
		fs.mu.Unlock()
		e.disk.Forget()
	}
	set(80<<20 - 1)
	if _, err := tryAccept(e, "b", "body", 1); !errors.Is(err, ErrFull) {
		t.Errorf("Accept = %v, want ErrFull", err)
	}
	mustRelease(t, e, 1, r) // rows may use a part of the reserve
	wantMetas(t, e, 1, "a")
	set(10 << 20)
	if err := e.Update(context.Background(), 1, func(RW) error { return nil }); !errors.Is(err, ErrFull) {
		t.Errorf("Update = %v, want ErrFull", err)
	}
	wantMetas(t, e, 1, "a")
	set(91 << 20)
	m := &Message{To: []Recipient{{Owner: 1}}, Body: strings.NewReader(pattern(1, 30<<20)), Size: -1}
	if _, err := e.Accept(context.Background(), m); !errors.Is(err, ErrFull) {
		t.Errorf("Accept of a body of unknown size = %v, want ErrFull", err)
	}
	set(100 << 20)
	mustAccept(t, e, "c", "body", 1)
	wantMetas(t, e, 1, "a c")
}

// A panic of an update reaches whoever asked for it, wherever it ran, and
// leaves the others alone. One of bbolt's words in it does not matter.
func TestPanicOfCaller(t *testing.T) {
	e := mustOpen(t, t.TempDir(), quiet())
	ctx := context.Background()
	recovered := func(call func()) (p any) {
		defer func() { p = recover() }()
		call()
		return nil
	}
	const words = "page 7: invalid freelist cursor of leaf"
	if p := recovered(func() { e.Update(ctx, 1, func(RW) error { panic(words) }) }); p != words {
		t.Errorf("Update panics with %v", p)
	}
	mustAccept(t, e, "a", "b", 1)
	if p := recovered(func() { e.View(ctx, 1, func(tx Tx) error { panic(words) }) }); p != words {
		t.Errorf("View panics with %v", p)
	}
	var nothing *testing.T
	if p := recovered(func() {
		e.Update(ctx, 1, func(rw RW) error {
			for range rw.Scan(testInbox, nil, nil) {
				_ = nothing.Name()
			}
			return nil
		})
	}); p == nil {
		t.Error("a nil pointer was swallowed")
	}
	// Many at once: whoever commits runs those of others.
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 60 {
		wg.Go(func() {
			<-start
			p := recovered(func() {
				err := e.Update(ctx, 1, func(rw RW) error {
					if i%3 == 0 {
						panic(i)
					}
					if i%3 == 1 {
						return io.ErrNoProgress
					}
					return rw.Put('x', fmt.Append(nil, i), nil)
				})
				if want := map[int]error{1: io.ErrNoProgress}[i%3]; err != want {
					t.Errorf("Update %d = %v, want %v", i, err, want)
				}
			})
			if i%3 == 0 != (p == i) {
				t.Errorf("Update %d panics with %v", i, p)
			}
		})
	}
	close(start)
	wg.Wait()
	err := e.View(ctx, 1, func(tx Tx) error {
		n := 0
		for range tx.Scan('x', nil, nil) {
			n++
		}
		if n != 20 {
			t.Errorf("%d rows are there, want 20", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// An Apply that fails or panics keeps its owner waiting, and nobody else; the
// mail is filed when it can be.
func TestApplyRefuses(t *testing.T) {
	dir := t.TempDir()
	opts := quiet()
	opts.Apply = func(rw RW, a Accepted) error {
		switch string(a.Meta) {
		case "panic":
			panic("page of a book")
		case "error":
			return io.ErrNoProgress
		}
		return testApply(rw, a)
	}
	e := mustOpen(t, dir, opts)
	ctx := context.Background()
	view := func(id Owner) error { return e.View(ctx, id, func(Tx) error { return nil }) }
	mustAccept(t, e, "a", "b", 1, 2, 3)
	mustAccept(t, e, "error", "b", 1)
	mustAccept(t, e, "panic", "b", 2)
	if err := view(1); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("View = %v", err)
	}
	if err := view(2); err == nil || errors.Is(err, ErrSetAside) || errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "page of a book") {
		t.Errorf("View = %v, want the panic", err)
	}
	wantMetas(t, e, 3, "a")
	if err := e.Close(); err == nil {
		t.Error("Close does not say that mail is not filed")
	}
	e = mustOpen(t, dir, opts) // recovery is not stopped by it
	if err := view(1); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("View after restart = %v", err)
	}
	wantMetas(t, e, 3, "a")
	e.Close()
	e = mustOpen(t, dir, quiet())
	wantMetas(t, e, 1, "a error")
	wantMetas(t, e, 2, "a panic")
}

// Mail and rows that come while an owner is dropped are either gone with it or
// there to stay, also after a restart.
func TestDropAmongOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := quiet()
	opts.ApplyDelay = time.Millisecond
	e := mustOpen(t, dir, opts)
	ctx := context.Background()
	for round := range 5 {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := range 10 {
					mustAccept(t, e, fmt.Sprint(round, i, j), "body", 1, 2)
					if err := e.Update(ctx, 1, func(rw RW) error { return rw.Put('x', fmt.Append(nil, round, i, j), nil) }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			for range 3 {
				if err := e.Drop(ctx, 1); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		before := metas(t, e, 1)
		if n := len(entriesOf(t, e, 2)); n != 40*(round+1) {
			t.Errorf("the other owner has %d messages, want %d", n, 40*(round+1))
		}
		image := mustOpen(t, crash(t, dir), quiet())
		wantMetas(t, image, 1, before)
		mustClose(t, image)
		mustClose(t, e)
		e = mustOpen(t, dir, opts)
		wantMetas(t, e, 1, before)
	}
	if err := errors.Join(e.Check(ctx, 1), e.Check(ctx, 2)); err != nil {
		t.Error(err)
	}
}

// A drop that a crash cut short is finished by the next start, before mail
// that came later is filed.
func TestDropCutShort(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	mustAccept(t, e, "old", "body", 1, 2)
	entriesOf(t, e, 1)
	end := e.log.position()
	mustAccept(t, e, "new", "body", 1)
	if err := e.sys.setDropped(1, end-1); err != nil { // the folder is still there
		t.Fatal(err)
	}
	e = mustOpen(t, crash(t, dir), quiet())
	wantMetas(t, e, 1, "new")
	wantMetas(t, e, 2, "old")
	mustClose(t, e)
	e = mustOpen(t, e.dir, quiet())
	wantMetas(t, e, 1, "new")
}

// A drop that cannot be written down leaves everything as it was.
func TestDropFails(t *testing.T) {
	fs := &faultFS{}
	opts := quiet()
	opts.fs = fs
	e := mustOpen(t, t.TempDir(), opts)
	mustAccept(t, e, "a", "b", 1)
	entriesOf(t, e, 1)
	mustAccept(t, e, "c", "d", 1)
	ctx, cancel := context.WithCancel(context.Background())
	err := e.View(ctx, 1, func(Tx) error {
		cancel()
		return e.Drop(ctx, 1) // in use, by us
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Drop of an owner in use = %v", err)
	}
	wantMetas(t, e, 1, "a c")
}

// Close waits for what is under way, refuses the rest, and lets nothing happen
// afterwards.
func TestCloseWithRequestsUnderWay(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	ctx := context.Background()
	mustAccept(t, e, "0", "body", 1)
	reading, goOn := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		m := &Message{To: []Recipient{{Owner: 1}}, Meta: []byte("slow"), Size: -1, Body: io.MultiReader(gate{reading, goOn}, strings.NewReader("body"))}
		if _, err := e.Accept(ctx, m); err != nil {
			t.Errorf("an Accept that was under way: %v", err)
		}
	})
	<-reading
	accepted := make([][]string, 8)
	for i := range accepted {
		wg.Go(func() {
			for {
				meta := fmt.Sprint(i, ".", len(accepted[i]))
				if _, err := tryAccept(e, meta, "body", 2); errors.Is(err, ErrClosed) {
					return
				} else if err != nil {
					t.Error(err)
				}
				accepted[i] = append(accepted[i], meta)
			}
		})
	}
	closing := make(chan error)
	go func() { closing <- e.Close() }()
	for {
		if _, err := tryAccept(e, "early", "body", 3); errors.Is(err, ErrClosed) {
			break // and the slow one is still under way
		} else if err != nil {
			t.Error(err)
		}
	}
	close(goOn)
	if err := <-closing; err != nil {
		t.Errorf("Close = %v", err)
	}
	wg.Wait()
	e = mustOpen(t, dir, quiet())
	wantMetas(t, e, 1, "0 slow")
	have := " " + metas(t, e, 2) + " "
	for _, m := range slices.Concat(accepted...) {
		if !strings.Contains(have, " "+m+" ") {
			t.Errorf("%q was accepted and is lost", m)
		}
	}
}

// gate is a reader that says when it is read and ends when it may.
type gate struct{ reading, goOn chan struct{} }

func (g gate) Read([]byte) (int, error) {
	close(g.reading)
	<-g.goOn
	return 0, io.EOF
}

// Many owners and few open databases, from all sides, also at recovery.
func TestFewOpenDatabases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := quiet()
	opts.MaxOpen = few(2)
	e := mustOpen(t, dir, opts)
	const owners = 40
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range owners {
				id := Owner(1 + (i*7+j)%owners)
				mustAccept(t, e, fmt.Sprint(i), "body", id)
				if err := e.Update(context.Background(), id, func(rw RW) error { return rw.Put('x', fmt.Append(nil, i), nil) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range Owner(owners) {
		mustAccept(t, e, "late", "body", 1+i)
	}
	e = mustOpen(t, crash(t, dir), opts)
	if n := e.Stats().OpenDBs; n > 3 {
		t.Errorf("%d databases are open after recovery, want no more than 3", n)
	}
	for i := range Owner(owners) {
		if got := entriesOf(t, e, 1+i); len(got) != 5 || got[4].meta != "late" {
			t.Errorf("owner %d has %d messages", 1+i, len(got))
		}
	}
	seen := 0
	for _, err := range e.Owners(context.Background()) {
		if err != nil {
			t.Error(err)
		}
		seen++
	}
	if seen != owners {
		t.Errorf("%d owners, want %d", seen, owners)
	}
}
