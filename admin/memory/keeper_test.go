package memory

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// kept is a Keeper of a computer with 512 MB in its cgroup, and what became of
// it.
type kept struct {
	*Keeper
	set, used atomic.Int64
	env       map[string]string
	goal      int64 // what Go was told last; 0: nothing
	plans     []Plan
}

func keep(env map[string]string) *kept {
	k := &kept{env: env}
	k.used.Store(40 * mb)
	k.Keeper = New(Options{
		Limit: func() int64 { return k.set.Load() }, Apply: func(p Plan) { k.plans = append(k.plans, p) }, Machine: Machine{2, password},
		Root: "testdata/systemd", Getenv: func(name string) string { return k.env[name] }, Set: func(n int64) { k.goal = n },
		InUse: func() (int64, int64) { return k.used.Load(), k.used.Load() + 10*mb },
	})
	return k
}

// TestKeeper: the least of setting and cgroup counts, a changed setting within a
// moment, and each plan is applied once.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go k.Run(ctx)
		want := func(limit int64, from string, goal int64, plans int) {
			t.Helper()
			time.Sleep(3 * every / 2)
			synctest.Wait()
			s := k.State()
			if s.Bytes != limit || s.From != from || k.goal != goal || len(k.plans) != plans || s.Used != k.used.Load() || s.Resident != s.Used+10*mb {
				t.Errorf("limit %d MB from %s, goal %d MB, %d plans, %d MB used; want %d MB from %s, %d MB, %d, %d MB",
					s.Bytes/mb, s.From, k.goal/mb, len(k.plans), s.Used/mb, limit/mb, from, goal/mb, plans, k.used.Load()/mb)
			}
		}
		const cgroup = "memory.max of cgroup /system.slice/mailstead.service"
		want(512*mb, cgroup, 150*mb, 1)
		k.set.Store(128 * mb)
		want(128*mb, "the setting memory.limit", 112*mb, 2)
		k.set.Store(2 << 30)
		want(512*mb, cgroup, 150*mb, 3)
		k.used.Store(300 * mb)
		want(512*mb, cgroup, 395*mb, 3)
		k.used.Store(400 * mb)
		want(512*mb, cgroup, 448*mb, 3)
	})
}

// TestNear: what is in use is near the limit since it was first, and no more
// when it was not once.
func TestNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(nil)
		k.look()
		if near := k.State().Near; !near.IsZero() {
			t.Errorf("40 of 448 MB are near since %v", near)
		}
		k.used.Store(300 * mb)
		if k.look(); !k.State().Near.IsZero() {
			t.Error("300 of 448 MB are near")
		}
		k.used.Store(440 * mb)
		since := time.Now()
		for range 3 {
			k.look()
			if near := k.State().Near; !near.Equal(since) {
				t.Errorf("near since %v, want %v", near, since)
			}
			time.Sleep(time.Minute)
		}
		k.used.Store(300 * mb)
		if k.look(); !k.State().Near.Equal(since) {
			t.Error("300 of 448 MB are far at once")
		}
		k.used.Store(200 * mb)
		if k.look(); !k.State().Near.IsZero() {
			t.Error("200 of 448 MB are near")
		}
	})
}

// TestKeeperEnvironment: who sets GOMEMLIMIT or GOGC knows better.
func TestKeeperEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		heap, goal  int64
		from        string
	}{
		{"GOMEMLIMIT", "200MiB", 200 * mb, 0, "GOMEMLIMIT in the environment"},
		{"GOMEMLIMIT", "off", 112 * mb, 0, "the setting memory.limit"},
		{"GOGC", "50", 112 * mb, 112 * mb, "the setting memory.limit"},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			k := keep(map[string]string{tt.name: tt.value})
			k.set.Store(128 * mb)
			k.look()
			if s := k.State(); s.Heap != tt.heap || s.From != tt.from || tt.goal == 0 && k.goal != 0 || tt.goal != 0 && k.goal != tt.goal {
				t.Errorf("heap %d MB from %s, Go was told %d MB", s.Heap/mb, s.From, k.goal/mb)
			}
		})
	}
}

// TestParts: what is counted is set against what the plan allows.
func TestParts(t *testing.T) {
	k := New(Options{
		Apply: func(Plan) {}, Machine: Machine{2, password}, Root: "testdata/systemd", Getenv: func(string) string { return "" }, Set: func(int64) {},
		Counts: func() Counts {
			return Counts{Passwords: 1, Connections: 10, Messages: 3 * mb, Databases: 4, DNS: 5 * mb, Words: 100}
		},
	})
	s := k.State()
	want := []Part{
		{"passwords", password, 2 * password}, {"connections", 10 * connectionSize, int64(s.Connections) * connectionSize}, {"messages", 3 * mb, s.Intake},
		{"databases", 4 * databaseSize, int64(s.Databases) * databaseSize}, {"dns", 5 * mb, s.DNSCache}, {"words", 100 * wordSize, int64(s.JunkWords) * wordSize},
	}
	if !slices.Equal(s.Parts, want) {
		t.Errorf("parts %+v, want %+v", s.Parts, want)
	}
}

func TestInUse(t *testing.T) {
	runtime.GC()
	before := inUse()
	held := make([]byte, 64*mb)
	runtime.GC()
	after := inUse()
	if before < mb || after < before+60*mb || after > before+80*mb {
		t.Errorf("%d octets are in use, and %d with 64 MiB more", before, after)
	}
	runtime.KeepAlive(held)
}
