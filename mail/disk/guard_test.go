package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const mib = 1 << 20

// fakeDisk is a disk of which a test says how full it is.
type fakeDisk struct {
	mu   sync.Mutex
	room Room
	err  error
}

func (d *fakeDisk) set(free int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room.Free = free
}

func (d *fakeDisk) ask() (Room, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.room, d.err
}

// TestReserve: what is kept goes with the size of the disk.
func TestReserve(t *testing.T) {
	for _, tt := range []struct{ total, want int64 }{
		{0, 128 * mib}, {64 * mib, 4 * mib}, {128 * mib, 4 * mib}, {1024 * mib, 32 * mib}, {4096 * mib, 128 * mib}, {1 << 40, 128 * mib},
	} {
		if got := (Room{Total: tt.total}).Reserve(); got != tt.want {
			t.Errorf("of %s: %s, want %s", Size(tt.total), Size(got), Size(tt.want))
		}
	}
}

// TestOrder: as the disk fills, uses stop one after the other; as it empties
// they come back, each a little later than it had stopped.
func TestOrder(t *testing.T) {
	d := &fakeDisk{room: Room{Total: 4096 * mib}}
	var told []string
	g := New("", Options{Ask: d.ask, Changed: func(from, to Stage) { told = append(told, from.String()+">"+to.String()) }})
	allowed := func() string {
		s := ""
		for u, name := range []string{Spare: "spare", Bulk: "bulk", Mail: "mail", Owed: "owed", Rows: "rows"} {
			if g.Check(Use(u), 0) == nil {
				s += " " + name
			}
		}
		return strings.TrimSpace(s)
	}
	for _, tt := range []struct {
		free  int64 // MiB
		stage Stage
		want  string
	}{
		{4000, Plenty, "spare bulk mail owed rows"},
		{512, Plenty, "spare bulk mail owed rows"},
		{511, Low, "bulk mail owed rows"},
		{520, Low, "bulk mail owed rows"}, // within the margin of 16
		{528, Plenty, "spare bulk mail owed rows"},
		{256, Low, "bulk mail owed rows"},
		{255, Lower, "mail owed rows"},
		{271, Lower, "mail owed rows"},
		{272, Low, "bulk mail owed rows"},
		{127, Full, "owed rows"},
		{143, Full, "owed rows"},
		{144, Lower, "mail owed rows"},
		{64, Full, "owed rows"},
		{63, Full, "rows"},
		{32, Full, "rows"},
		{31, Exhausted, ""},
		{47, Exhausted, ""},
		{48, Full, "rows"},
		{0, Exhausted, ""},
		{300, Low, "bulk mail owed rows"},
		{4000, Plenty, "spare bulk mail owed rows"},
	} {
		d.set(tt.free * mib)
		g.Forget()
		if got := allowed(); got != tt.want || g.Stage() != tt.stage {
			t.Errorf("%d MiB free: %v allows %q, want %v and %q", tt.free, g.Stage(), got, tt.stage, tt.want)
		}
	}
	want := "plenty>low low>plenty plenty>low low>lower lower>low low>full full>lower lower>full full>exhausted exhausted>full full>exhausted exhausted>low low>plenty"
	if got := strings.Join(told, " "); got != want {
		t.Errorf("told\n%s, want\n%s", got, want)
	}
}

// TestLarge: a message that is too large is refused alone; one of the usual
// size that does not fit stops the others.
func TestLarge(t *testing.T) {
	d := &fakeDisk{room: Room{Free: 140 * mib}}
	g := New("", Options{Ask: d.ask})
	var full *Error
	if err := g.Check(Mail, 20*mib); !errors.As(err, &full) || !full.Large {
		t.Errorf("a large message: %v", err)
	}
	if err := g.Check(Mail, 10*mib); err != nil {
		t.Errorf("a smaller one after it: %v", err)
	}
	// 130 MiB are left until somebody asks the disk again.
	if err := g.Check(Mail, 3*mib); !errors.As(err, &full) || full.Large {
		t.Errorf("one that does not fit: %v", err)
	}
	if err := g.Check(Mail, 1); err == nil {
		t.Error("after it a message was taken")
	}
	if err := g.Check(Owed, 60*mib); err != nil {
		t.Errorf("a delivery report: %v", err)
	}
	if err := g.Check(Owed, 60*mib); err == nil {
		t.Error("delivery reports take more than half of the reserve")
	}
	if err := g.Check(Rows, 0); err != nil {
		t.Errorf("rows: %v", err)
	}
}

// TestNoGuard: without a Guard there is room.
func TestNoGuard(t *testing.T) {
	var g *Guard
	if err := g.Check(Mail, 1<<60); err != nil || g.Stage() != Plenty {
		t.Error(err, g.Stage())
	}
	if st, err := g.Status(); err != nil || st != (Status{}) {
		t.Error(st, err)
	}
	g.Forget()
}

// TestNotKnown: a disk that gives no answer takes nothing, and is no other
// stage because of that.
func TestNotKnown(t *testing.T) {
	d := &fakeDisk{room: Room{Free: 200 * mib, Total: 4096 * mib}}
	g := New("", Options{Ask: d.ask})
	if g.Stage() != Lower {
		t.Fatal(g.Stage())
	}
	d.err = errors.New("no answer")
	g.Forget()
	if err := g.Check(Mail, 1); !errors.Is(err, d.err) {
		t.Errorf("Check = %v", err)
	}
	if g.Stage() != Lower {
		t.Errorf("the stage is %v now", g.Stage())
	}
}

// TestAwait waits for room, and is told why.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{room: Room{Free: 100 * mib, Total: 4096 * mib}}
		g := New("", Options{Ask: d.ask})
		var waits []error
		done := make(chan error)
		go func() {
			done <- g.Await(context.Background(), Bulk, func(err error) { waits = append(waits, err) })
		}()
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("did not wait: %v", err)
		default:
		}
		d.set(1000 * mib)
		if err := <-done; err != nil || len(waits) != 1 {
			t.Errorf("Await = %v after it was told %v", err, waits)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		d.set(0)
		g.Forget()
		if err := g.Await(ctx, Bulk, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await on a disk that stays full = %v", err)
		}
	})
}

// TestBallast: the file is made while there is room, removed when there is
// none, and when there is plenty; that of an earlier process counts.
func TestBallast(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ballast")
	size := func() int64 {
		info, err := os.Stat(file)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	d := &fakeDisk{room: Room{Total: 64 * mib}} // a reserve of 4 MiB
	// What the file takes is not there for others.
	ask := func() (Room, error) {
		r, err := d.ask()
		r.Free = max(r.Free-size(), 0)
		return r, err
	}
	open := func() *Guard { return New("", Options{Ask: ask, Ballast: file}) }
	g := open()
	for _, tt := range []struct {
		free  int64 // MiB, without the file
		stage Stage
		file  int64
	}{
		{40, Plenty, 0}, {15, Low, 2}, {17, Low, 2}, {9, Lower, 2}, {5, Full, 2},
		{2, Full, 0}, // exhausted with the file, and not without
		{2, Full, 0}, {0, Exhausted, 0}, {4, Full, 0}, {7, Lower, 0}, {9, Lower, 2}, {30, Plenty, 0}, {15, Low, 2},
	} {
		d.set(tt.free * mib)
		g.Forget()
		if g.Stage() != tt.stage || size() != tt.file*mib {
			t.Errorf("%d MiB free: %v and a file of %s; want %v and %d MiB", tt.free, g.Stage(), Size(size()), tt.stage, tt.file)
		}
	}
	g = open()
	if st, err := g.Status(); err != nil || st.Ballast == 0 {
		t.Errorf("another process sees %+v, %v", st, err)
	}
	d.set(30 * mib)
	g.Forget()
	if g.Stage() != Plenty || size() != 0 {
		t.Errorf("another process leaves the file with plenty of room: %v", g.Stage())
	}
}

// TestWords: each stage has words, and a later one stops what an earlier one
// does.
func TestWords(t *testing.T) {
	for s := Low; s <= Exhausted; s++ {
		if s.Says() == "" || s.Fix() == "" || len(stops[s]) == 0 || len(s.Stopped()) <= len((s-1).Stopped()) {
			t.Errorf("%v: %q, %q, %q", s, s.Says(), s.Fix(), s.Stopped())
		}
		if !slices.Contains(s.Stopped(), stops[Low][0]) {
			t.Errorf("%v has not stopped %q", s, stops[Low][0])
		}
	}
	if Plenty.Says() != "" || Plenty.Fix() != "" || len(Plenty.Stopped()) != 0 {
		t.Error("there is something to say with plenty of room")
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 4 * mib: "4 MiB", 3 << 40: "3 TiB", 5 << 50: "5120 TiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestOf(t *testing.T) {
	dir := t.TempDir()
	if r, err := Of(dir); err != nil || r.Total <= 0 || r.Free > r.Total {
		t.Errorf("Of = %+v, %v", r, err)
	}
	if _, err := Of(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	if !Same(dir, filepath.Dir(dir)) || Same(dir, "/proc") || Same(dir, filepath.Join(dir, "none")) {
		t.Error("Same")
	}
}
