package store

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/disk"
)

// TestSqueeze: deleted mail gives its room back at once while the disk is full,
// and at leisure else.
func TestSqueeze(t *testing.T) {
	t.Parallel()
	fs := &faultFS{free: 1 << 30}
	opts := quiet()
	opts.fs, opts.Reserve = fs, 80<<20
	e := mustOpen(t, t.TempDir(), opts)
	a := mustAccept(t, e, "a", pattern(1, 10_000), 1)
	mustRelease(t, e, 1, a)
	long := reclaimed{began: time.Now(), grace: e.grace()}
	if e.grace() != opts.Grace && e.grace() != defaultGrace || !e.next(long).Equal(long.began.Add(reclaimEvery)) {
		t.Errorf("with room the grace time is %v, and Reclaim due at %v", e.grace(), e.next(long))
	}
	fs.mu.Lock()
	fs.free = 70 << 20
	fs.mu.Unlock()
	e.disk.Forget()
	if e.disk.Stage() != disk.Full || e.grace() != graceFull {
		t.Fatalf("the disk is %v, and the grace time %v", e.disk.Stage(), e.grace())
	}
	if _, err := tryAccept(e, "b", "body", 1); err == nil { // somebody wants room
		t.Fatal("mail was taken")
	}
	for until := time.Now().Add(time.Minute); e.Stats().Reclaimed == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the room was not given back")
		}
	}
	wantNoBody(t, e, a)
	done := reclaimed{began: time.Now().Add(time.Minute), grace: graceFull}
	if !e.next(done).Equal(done.began.Add(reclaimEvery)) {
		t.Error("with nothing left to give back it looks again and again")
	}
	e.squeeze.first.Store(0)
	e.squeeze.let()
	first := e.next(reclaimed{began: time.Now(), grace: graceFull})
	e.squeeze.let()
	if again := e.next(reclaimed{began: time.Now(), grace: graceFull}); again.After(first) {
		t.Errorf("whoever deletes again puts Reclaim off from %v to %v", first, again)
	}
	slow := reclaimed{began: time.Now(), took: time.Minute, grace: graceFull}
	e.squeeze.let()
	if at := e.next(slow); at.Before(slow.began.Add(restFactor * slow.took)) {
		t.Errorf("after a Reclaim of a minute the next is due at once, at %v", at)
	}
}

// TestReleasedUnderAWrongClock: what was let go of at a time that has not come
// is given back, and what was just now is not.
func TestReleasedUnderAWrongClock(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	opts := quiet()
	opts.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	e := mustOpen(t, t.TempDir(), opts)
	a, b := mustAccept(t, e, "a", pattern(1, 10_000), 1), mustAccept(t, e, "b", pattern(2, 10_000), 1)
	ahead.Store(int64(365 * 24 * time.Hour))
	mustRelease(t, e, 1, a)
	ahead.Store(0)
	mustRelease(t, e, 1, b)
	if err := e.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNoBody(t, e, a)
	wantBody(t, e, b, pattern(2, 10_000))
}
