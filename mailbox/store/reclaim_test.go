package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// fakeClock is a time that a test moves.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func reclaiming() (Options, *fakeClock) {
	clock := &fakeClock{now: time.Unix(1_800_000_000, 0)}
	opts := quiet()
	opts.Now, opts.Grace = clock.Now, time.Hour
	return opts, clock
}

func mustReclaim(t testing.TB, e *Engine) {
	t.Helper()
	if err := e.Reclaim(context.Background()); err != nil {
		t.Fatalf("Reclaim: %v", err)
	}
}

// deadRows is how many bodies an owner has let go of that are not given back.
func deadRows(t *testing.T, e *Engine) int {
	t.Helper()
	n, rc := 0, e.newReclaim(e.grace())
	for after, more := (Ref{}), true; more; {
		var dead deadBodies
		var err error
		if dead, after, more, err = rc.collectDead(context.Background(), after); err != nil {
			t.Fatal(err)
		}
		n += len(dead)
	}
	return n
}

// TestReclaimInParts gives back the same in many small parts as in one, also
// of bodies that only some of their owners have let go of.
func TestReclaimInParts(t *testing.T) {
	t.Parallel()
	for _, part := range []int{1, 2, 7, 1000} {
		opts, clock := reclaiming()
		opts.reclaimPart, opts.SegmentSize = part, 20_000
		e := mustOpen(t, t.TempDir(), opts)
		var gone, kept []Ref
		for i := range 60 {
			owners := []Owner{1, 2, 3}[:1+i%3]
			r := mustAccept(t, e, fmt.Sprint(i), pattern(i, 1000), owners...)
			if i%10 == 9 { // the last owner keeps it
				owners, kept = owners[:len(owners)-1], append(kept, r)
			} else {
				gone = append(gone, r)
			}
			for _, id := range owners {
				mustRelease(t, e, id, r)
			}
		}
		clock.add(25 * time.Hour)
		mustReclaim(t, e)
		for _, r := range gone {
			if _, err := readAll(e, r); !errors.Is(err, ErrNoBody) {
				t.Errorf("parts of %d: a body that nobody needs is there: %v", part, err)
			}
		}
		for _, r := range kept {
			if _, err := readAll(e, r); err != nil {
				t.Errorf("parts of %d: a body that is needed: %v", part, err)
			}
		}
		if n := deadRows(t, e); n != 4 { // those of kept with more than one owner
			t.Errorf("parts of %d: %d bodies are still noted, want 4", part, n)
		}
	}
}

func TestReclaim(t *testing.T) {
	t.Parallel()
	for what, n := range map[string]int{"small": 9000, "large": maxInLog + 1} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			opts, clock := reclaiming()
			e := mustOpen(t, dir, opts)
			body := pattern(1, n)
			alone := mustAccept(t, e, "alone", body, 1)
			shared := mustAccept(t, e, "shared", body, 1, 2, 3)
			kept := mustAccept(t, e, "kept", body, 1)

			mustRelease(t, e, 1, alone, shared)
			mustReclaim(t, e)
			for _, r := range []Ref{alone, shared, kept} {
				wantBody(t, e, r, body) // within the grace time
			}
			clock.add(30 * time.Minute)
			mustRelease(t, e, 2, shared)
			clock.add(31 * time.Minute)
			mustReclaim(t, e)
			wantNoBody(t, e, alone)
			wantBody(t, e, shared, body) // 2 has let go not long enough ago, 3 not at all
			mustRelease(t, e, 3, shared)
			clock.add(2 * time.Hour)
			mustReclaim(t, e)
			wantNoBody(t, e, shared)
			wantBody(t, e, kept, body)
			if n := deadRows(t, e); n != 0 {
				t.Errorf("%d rows of dead bodies are left", n)
			}
			if got := e.Stats().Reclaimed; got < int64(2*n) {
				t.Errorf("%d octets were given back, want %d or more", got, 2*n)
			}
			e = mustOpen(t, crash(t, dir), opts)
			wantMetas(t, e, 1, "alone shared kept")
			wantNoBody(t, e, shared)
			wantBody(t, e, kept, body)
			if err := e.Scrub(context.Background(), func(p string) { t.Error(p) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// A crash between the hole and the rows that ask for it does no harm.
func TestReclaimTwice(t *testing.T) {
	opts, clock := reclaiming()
	fs := &faultFS{}
	opts.fs = fs
	dir := t.TempDir()
	e := mustOpen(t, dir, opts)
	small := mustAccept(t, e, "small", pattern(1, 9000), 1)
	large := mustAccept(t, e, "large", pattern(1, maxInLog+1), 1)
	kept := mustAccept(t, e, "kept", "kept", 1)
	mustRelease(t, e, 1, small, large)
	clock.add(2 * time.Hour)
	fs.set(failOp("sync", "00000001.log", io.ErrNoProgress)) // after the punch
	if err := e.Reclaim(context.Background()); !errors.Is(err, ErrFailed) {
		t.Fatalf("Reclaim = %v, want ErrFailed", err)
	}
	fs.set(nil)
	e.Close()
	e = mustOpen(t, dir, opts)
	if deadRows(t, e) != 2 {
		t.Error("the rows are gone although the holes were not durable")
	}
	mustReclaim(t, e)
	if deadRows(t, e) != 0 {
		t.Error("the rows are still there")
	}
	wantNoBody(t, e, small)
	wantNoBody(t, e, large)
	wantBody(t, e, kept, "kept")
}

// A segment with nothing left is removed, but for the one written to.
func TestReclaimSegment(t *testing.T) {
	opts, clock := reclaiming()
	opts.SegmentSize = 64 << 10
	dir := t.TempDir()
	e := mustOpen(t, dir, opts)
	var refs []Ref
	for i := range 40 {
		refs = append(refs, mustAccept(t, e, "m", pattern(i, 8<<10), 1))
	}
	segs, err := e.log.segments()
	if err != nil || len(segs) < 4 {
		t.Fatalf("segments %d, %v", segs, err)
	}
	mustRelease(t, e, 1, refs[1:]...)
	clock.add(2 * time.Hour)
	mustReclaim(t, e)
	left, err := e.log.segments()
	if err != nil || len(left) != 2 {
		t.Errorf("segments %d are left (%v), want the first and the last", left, err)
	}
	wantBody(t, e, refs[0], pattern(0, 8<<10))
	for _, r := range refs[1:] {
		wantNoBody(t, e, r)
	}
	mustAccept(t, e, "n", "after", 1)
	mustClose(t, e)
	e = mustOpen(t, dir, opts)
	if n := len(entriesOf(t, e, 1)); n != 41 {
		t.Errorf("%d messages, want 41", n)
	}
	wantBody(t, e, refs[0], pattern(0, 8<<10))
}

// Bodies of an owner that was dropped are found and given back, those of
// others and those that came later are not.
func TestReclaimAfterDrop(t *testing.T) {
	opts, clock := reclaiming()
	e := mustOpen(t, t.TempDir(), opts)
	ctx := context.Background()
	small, large := pattern(1, 9000), pattern(2, maxInLog+1)
	alone := []Ref{mustAccept(t, e, "a", small, 1), mustAccept(t, e, "b", large, 1)}
	shared := []Ref{mustAccept(t, e, "c", small, 1, 2), mustAccept(t, e, "d", large, 1, 2)}
	others := []Ref{mustAccept(t, e, "e", small, 2), mustAccept(t, e, "f", large, 2)}
	if err := e.Drop(ctx, 1); err != nil {
		t.Fatal(err)
	}
	mustReclaim(t, e)
	for _, r := range alone {
		wantNoBody(t, e, r)
	}
	for _, refs := range [][]Ref{shared, others} {
		wantBody(t, e, refs[0], small)
		wantBody(t, e, refs[1], large)
	}
	again := mustAccept(t, e, "g", small, 1)
	if wanted, err := e.sys.sweepWanted(); err != nil || len(wanted) != 0 {
		t.Errorf("the log is to be swept again for %d (%v)", wanted, err)
	}
	mustRelease(t, e, 2, shared...)
	clock.add(2 * time.Hour)
	mustReclaim(t, e)
	wantNoBody(t, e, shared[0])
	wantBody(t, e, again, small)
	wantMetas(t, e, 1, "g")
	wantBody(t, e, others[0], small)
}

// Mail that waits for a database set aside is kept, whatever others do.
func TestReclaimKeepsWhatWaits(t *testing.T) {
	opts, clock := reclaiming()
	dir := t.TempDir()
	e := mustOpen(t, dir, opts)
	mustAccept(t, e, "a", "body", 1, 2)
	mustClose(t, e)
	name := filepath.Join(dir, "acct/1/mail.db")
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, dir, opts)
	shared := mustAccept(t, e, "b", "shared body", 1, 2)
	entriesOf(t, e, 2)
	mustRelease(t, e, 2, shared)
	clock.add(2 * time.Hour)
	mustReclaim(t, e)
	mustClose(t, e)
	if err := os.WriteFile(name, good, 0o600); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, dir, opts)
	wantMetas(t, e, 1, "a b")
	wantBody(t, e, shared, "shared body")
}

// dirSink writes a backup into a folder.
type dirSink string

func (d dirSink) Create(name string) (io.WriteCloser, error) {
	path := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// A backup taken while mail comes in, rows change and bodies are given back
// opens as a store, with all that was there when it began, and no message
// twice or without its body.
func TestBackupWhileWriting(t *testing.T) {
	t.Parallel()
	opts := quiet()
	opts.ApplyDelay, opts.SegmentSize, opts.MaxOpen, opts.Grace = time.Millisecond, 256<<10, few(2), time.Nanosecond
	e := mustOpen(t, t.TempDir(), opts)
	ctx := context.Background()
	before := map[Owner]int{}
	for i := range 30 {
		id := Owner(i % 4)
		n := 500
		if i%10 == 0 {
			n = maxInLog + 1
		}
		mustAccept(t, e, fmt.Sprint(i), pattern(i, n), id)
		before[id]++
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := 100 * (w + 1); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				mustAccept(t, e, fmt.Sprint(i), pattern(i, 700), Owner(i%4), 9)
				gone := mustAccept(t, e, "gone", pattern(i, 700), 8)
				mustRelease(t, e, 8, gone)
				if err := e.Reclaim(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	copies := []string{t.TempDir(), t.TempDir()}
	for _, to := range copies {
		if err := e.Backup(ctx, dirSink(to)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	writers.Wait()
	for _, to := range copies {
		e := mustOpen(t, to, opts)
		for id := range Owner(10) {
			seen := map[string]bool{}
			for _, m := range entriesOf(t, e, id) {
				var seed int
				if id == 8 {
					continue // let go of
				}
				if _, err := fmt.Sscan(m.meta, &seed); err != nil || seen[m.meta] {
					t.Errorf("owner %d: %q twice, or %v", id, m.meta, err)
				}
				seen[m.meta] = true
				n := 700
				if seed < 30 {
					if n = 500; seed%10 == 0 {
						n = maxInLog + 1
					}
				}
				wantBody(t, e, m.ref, pattern(seed, n))
			}
			if len(seen) < before[id] {
				t.Errorf("owner %d has %d messages in the copy, %d before it began", id, len(seen), before[id])
			}
			if err := e.Check(ctx, id); err != nil {
				t.Errorf("owner %d: %v", id, err)
			}
		}
		r := mustAccept(t, e, "restored", "new", 1)
		wantBody(t, e, r, "new")
	}
}

// failingSink fails at its nth file.
type failingSink struct{ n *int }

func (f failingSink) Create(string) (io.WriteCloser, error) {
	if *f.n--; *f.n < 0 {
		return nil, io.ErrShortWrite
	}
	return struct {
		io.Writer
		io.Closer
	}{new(bytes.Buffer), io.NopCloser(nil)}, nil
}

func TestBackupSaysWhatFails(t *testing.T) {
	e := mustOpen(t, t.TempDir(), quiet())
	mustAccept(t, e, "a", "b", 1, 2)
	mustAccept(t, e, "a", pattern(1, maxInLog+1), 1)
	entriesOf(t, e, 1)
	entriesOf(t, e, 2)
	for n := range 5 { // sys.db, two owners, log, large body
		if err := e.Backup(context.Background(), failingSink{&n}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("Backup with %d files = %v", n, err)
		}
	}
	n := 5
	if err := e.Backup(context.Background(), failingSink{&n}); err != nil {
		t.Error(err)
	}
}

// TestReclaimOlder: whoever asks has another grace time than others, and waits
// for whoever holds what was deleted.
func TestReclaimOlder(t *testing.T) {
	t.Parallel()
	opts, clock := reclaiming()
	held := false
	opts.Hold = func() bool { return held }
	e := mustOpen(t, t.TempDir(), opts)
	body := pattern(1, 9000)
	r := mustAccept(t, e, "gone", body, 1)
	mustRelease(t, e, 1, r)
	reclaim := func(grace time.Duration, want error) int64 {
		t.Helper()
		n, err := e.ReclaimOlder(context.Background(), grace)
		if !errors.Is(err, want) {
			t.Fatalf("ReclaimOlder: %v, want %v", err, want)
		}
		return n
	}

	clock.add(5 * time.Minute)
	if n := reclaim(10*time.Minute, nil); n != 0 {
		t.Errorf("%d octets were given back too early", n)
	}
	wantBody(t, e, r, body)
	held = true
	reclaim(time.Minute, ErrHeld)
	mustReclaim(t, e)
	wantBody(t, e, r, body)
	held = false
	if n := reclaim(time.Minute, nil); n < 9000 {
		t.Errorf("%d octets were given back, want 9000 or more", n)
	}
	wantNoBody(t, e, r)
	if n := reclaim(time.Minute, nil); n != 0 {
		t.Errorf("%d octets were given back twice", n)
	}
}
