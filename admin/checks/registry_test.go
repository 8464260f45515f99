package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// remembered is a Store.
type remembered struct {
	mu   sync.Mutex
	rows map[string][]byte
	err  error
}

func (m *remembered) State(_ context.Context, name string, v any) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[name]
	if !ok {
		return false, m.err
	}
	return true, json.Unmarshal(row, v)
}

func (m *remembered) PutState(_ context.Context, name string, v any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, err := json.Marshal(v)
	if m.rows == nil {
		m.rows = map[string][]byte{}
	}
	m.rows[name] = row
	return errors.Join(err, m.err)
}

// fixed is a check that finds what state says.
func fixed(id string, state *State, after ...string) Check {
	return Check{ID: id, Group: Host, Title: "Check " + id, After: after, Run: func(context.Context) Finding { return state.because("it is %s", *state) }}
}

func states(list []Result) string {
	var s []string
	for _, r := range list {
		s = append(s, r.ID+"="+string(r.State))
	}
	return strings.Join(s, " ")
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestRegistryRemembers(t *testing.T) {
	clock := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	a, b := OK, Warn
	store := &remembered{}
	var changes []string
	o := Options{
		Checks: func() []Check { return []Check{fixed("a", &a), fixed("b", &b)} }, Store: store, Now: func() time.Time { return clock },
		Changed: func(id string, from, to State, at time.Time) { changes = append(changes, fmt.Sprint(id, from, to)) },
	}
	r := New(o)
	if got := must[[]Result](t)(r.Results(t.Context())); states(got) != "a=unknown b=unknown" || got[0].Saw != "not checked yet" {
		t.Errorf("before: %v", got)
	}
	if got := must[[]Result](t)(r.Run(t.Context(), "b")); states(got) != "b=warn" {
		t.Errorf("one: %v", got)
	}
	must[[]Result](t)(r.Run(t.Context()))
	clock = clock.Add(time.Hour)
	a = Fail
	must[[]Result](t)(r.Run(t.Context()))
	clock = clock.Add(time.Hour)
	must[[]Result](t)(r.Run(t.Context()))
	again := New(o) // as after a restart
	got := must[[]Result](t)(again.Results(t.Context()))
	if states(got) != "a=fail b=warn" || !got[0].Since.Equal(clock.Add(-time.Hour)) || !got[0].CheckedAt.Equal(clock) || len(got[0].History) != 2 {
		t.Errorf("after a restart: %+v", got)
	}
	if !reflect.DeepEqual(changes, []string{"aokfail"}) {
		t.Errorf("changes: %v", changes)
	}
	store.err = errors.New("disk is gone")
	if _, err := r.Run(t.Context()); !errors.Is(err, store.err) {
		t.Errorf("store fails: %v", err)
	}
	if _, err := r.Run(t.Context(), "c"); !errors.Is(err, ErrNoCheck) {
		t.Errorf("unknown check: %v", err)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	clock := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	a := OK
	r := New(Options{Checks: func() []Check { return []Check{fixed("a", &a)} }, Now: func() time.Time { return clock }})
	for i := range 3 * maxHistory {
		a = []State{OK, Fail}[i%2]
		clock = clock.Add(time.Hour)
		must[[]Result](t)(r.Run(t.Context()))
	}
	got := must[[]Result](t)(r.Results(t.Context()))[0].History
	if len(got) != maxHistory {
		t.Errorf("%d changes are kept", len(got))
	}
	clock = clock.AddDate(0, 0, historyDays+1)
	must[[]Result](t)(r.Run(t.Context()))
	if got := must[[]Result](t)(r.Results(t.Context()))[0].History; len(got) != 1 || got[0].State != a {
		t.Errorf("after a month: %v", got)
	}
}

func TestDependants(t *testing.T) {
	for _, tt := range []struct {
		parent State
		want   string
	}{
		{OK, "child=fail"}, {Warn, "child=fail"}, {Fail, "child=unknown"}, {Unknown, "child=unknown"},
	} {
		t.Run(string(tt.parent), func(t *testing.T) {
			child := Fail
			r := New(Options{Checks: func() []Check {
				return []Check{fixed("child", &child, "parent", "absent"), fixed("parent", &tt.parent)}
			}})
			got := must[[]Result](t)(r.Run(t.Context(), "child"))
			if states(got) != tt.want || tt.want == "child=unknown" && !strings.Contains(got[0].Saw, "Check parent") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A check that hangs is left behind, one that panics is unknown, and neither
// keeps others from running.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		good := OK
		list := []Check{
			{ID: "hangs", Run: func(context.Context) Finding { <-end; return Finding{} }},
			{ID: "slow", Run: func(ctx context.Context) Finding { <-ctx.Done(); return unknown("in time") }},
			{ID: "panics", Run: func(context.Context) Finding { panic("no") }},
			fixed("good", &good),
		}
		r := New(Options{Checks: func() []Check { return list }})
		begin := time.Now()
		got := must[[]Result](t)(r.Run(t.Context()))
		if states(got) != "hangs=unknown slow=unknown panics=unknown good=ok" || time.Since(begin) > budget {
			t.Errorf("%s after %v", states(got), time.Since(begin))
		}
	})
}

func TestMute(t *testing.T) {
	clock := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	a, b := Fail, Warn
	r := New(Options{Checks: func() []Check { return []Check{fixed("b", &b), fixed("a", &a)} }, Now: func() time.Time { return clock }, Store: &remembered{}})
	all := must[[]Result](t)(r.Run(t.Context()))
	s := Summarize(all, clock)
	if s.State != Fail || s.Sentence != "1 problem, 1 more thing to fix" || states(s.ToFix) != "a=fail b=warn" {
		t.Errorf("summary = %+v", s)
	}
	if _, err := r.Mute(t.Context(), "a", clock); !errors.Is(err, ErrMute) {
		t.Errorf("until now: %v", err)
	}
	if res := must[Result](t)(r.Mute(t.Context(), "a", clock.Add(time.Hour))); res.MutedUntil == nil {
		t.Errorf("muted: %+v", res)
	}
	s = Summarize(must[[]Result](t)(r.Run(t.Context())), clock)
	if s.State != Warn || s.Sentence != "Working, 1 thing to fix" || s.Counts != (Counts{Warn: 1, Fail: 1, Muted: 1}) {
		t.Errorf("summary = %+v", s)
	}
	must[Result](t)(r.Unmute(t.Context(), "a"))
	must[Result](t)(r.Mute(t.Context(), "b", clock.Add(time.Hour)))
	clock = clock.Add(2 * time.Hour)
	if s := Summarize(must[[]Result](t)(r.Results(t.Context())), clock); len(s.ToFix) != 2 {
		t.Errorf("after the time: %+v", s)
	}
}

func TestSummaries(t *testing.T) {
	at := time.Now()
	for _, tt := range []struct {
		states []State
		want   string
		state  State
	}{
		{nil, "Not checked yet", Unknown},
		{[]State{OK, OK}, "Working", OK},
		{[]State{OK, Unknown}, "Working", OK},
		{[]State{Unknown}, "Nothing could be checked", Unknown},
		{[]State{OK, Warn, Warn}, "Working, 2 things to fix", Warn},
		{[]State{Fail, Fail}, "2 problems", Fail},
	} {
		var list []Result
		for _, s := range tt.states {
			list = append(list, Result{State: s, CheckedAt: at})
		}
		if got := Summarize(list, at); got.Sentence != tt.want || got.State != tt.state {
			t.Errorf("%v: %+v", tt.states, got)
		}
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		runs := map[string]int{}
		count := func(id string, every time.Duration, s State) Check {
			return Check{ID: id, Every: every, Run: func(context.Context) Finding {
				mu.Lock()
				defer mu.Unlock()
				runs[id]++
				return s.because("x")
			}}
		}
		r := New(Options{Checks: func() []Check {
			return []Check{count("hourly", 0, OK), count("quarterly", 15*time.Minute, OK), count("unknown", time.Hour, Unknown)}
		}})
		done := make(chan error, 1)
		go func() { done <- r.Watch(ctx) }()
		time.Sleep(2*time.Hour + 30*time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !reflect.DeepEqual(runs, map[string]int{"hourly": 2, "quarterly": 8, "unknown": 8}) {
			t.Errorf("runs = %v", runs)
		}
	})
}

func TestErrorLog(t *testing.T) {
	clock := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var out strings.Builder
	l := NewErrorLog(slog.NewTextHandler(&out, nil), func() time.Time { return clock })
	log := slog.New(l).With("a", 1).WithGroup("g")
	log.Info("fine")
	log.Debug("not written")
	log.Error("broken", "secret", "x")
	if n, last, at := l.Last(); n != 1 || last != "broken" || at != clock {
		t.Errorf("last = %d %q %v", n, last, at)
	}
	if got := out.String(); !strings.Contains(got, "fine") || !strings.Contains(got, "broken") || strings.Contains(got, "not written") {
		t.Errorf("log = %q", got)
	}
	clock = clock.Add(25 * time.Hour)
	if n, _, _ := l.Last(); n != 0 {
		t.Errorf("%d after a day", n)
	}
}
