package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// machine is one whose clock can be set.
type machine struct {
	wall           time.Time
	elapsed, slept time.Duration
	told           int
	file           string
	rest           time.Duration
}

func newMachine(t *testing.T) *machine {
	return &machine{wall: noon, file: filepath.Join(t.TempDir(), "clock")}
}

func (m *machine) open() *Clock {
	return Open(Options{File: m.file, Rest: m.rest, Changed: func() { m.told++ },
		System: func() time.Time { return m.wall }, Elapsed: func() time.Duration { return m.elapsed }, Slept: func() time.Duration { return m.slept }})
}

func (m *machine) pass(d time.Duration) { m.wall, m.elapsed = m.wall.Add(d), m.elapsed+d }
func (m *machine) jump(d time.Duration) { m.wall = m.wall.Add(d) }
func (m *machine) sleep(d time.Duration) {
	m.wall, m.slept = m.wall.Add(d), m.slept+d
}

func says(t time.Time) Ask {
	return func(context.Context) (time.Time, error) { return t, nil }
}

// nobody is asked in vain.
func nobody(context.Context) (time.Time, error) { return time.Time{}, errors.New("no answer") }

func want(t *testing.T, c *Clock, now time.Time, doubted bool) {
	t.Helper()
	if got := c.Now(); !got.Equal(now) {
		t.Errorf("Now() = %v, want %v", got, now)
	}
	if _, ok := c.Doubt(); ok != doubted {
		t.Errorf("doubt: %v, want %v", ok, doubted)
	}
}

func TestJumpIsNotBelieved(t *testing.T) {
	for _, by := range []time.Duration{Most + time.Second, -Most - time.Second, day, -day, 10 * 365 * day, -365 * day, math.MaxInt64, -56 * 365 * day} {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			m := newMachine(t)
			c := m.open()
			m.pass(time.Hour)
			c.watch(t.Context(), nil)
			m.jump(by)
			want(t, c, noon.Add(time.Hour), true)
			m.pass(time.Hour)
			c.watch(t.Context(), nobody)
			want(t, c, noon.Add(2*time.Hour), true)
			m.wall = noon.Add(2*time.Hour + time.Second) // somebody has put it right
			c.watch(t.Context(), nobody)
			want(t, c, m.wall, false)
			if m.told != 2 {
				t.Errorf("Changed was called %d times, want 2", m.told)
			}
			if d := c.Keep(day); d != day {
				t.Errorf("Keep(day) = %v after nothing has happened", d)
			}
		})
	}
}

func TestSmallCorrectionsAndSleepAreNoJumps(t *testing.T) {
	m := newMachine(t)
	c := m.open()
	for range 100 { // more than Most together
		m.pass(time.Minute)
		m.jump(time.Minute)
		c.watch(t.Context(), nil)
		want(t, c, m.wall, false)
	}
	m.sleep(90 * day)
	want(t, c, m.wall, false)
	if d := c.Keep(day); d != day || m.told != 0 {
		t.Errorf("Keep(day) = %v, told %d times; want what was", d, m.told)
	}
}

func TestAskedForTheTime(t *testing.T) {
	m := newMachine(t)
	c := m.open()
	m.jump(90 * day) // resumed from a snapshot, and now right
	c.watch(t.Context(), nobody)
	want(t, c, noon, true)
	m.pass(askFirst)
	c.watch(t.Context(), says(noon.Add(45*day))) // fits nothing
	want(t, c, noon.Add(askFirst), true)
	m.pass(2 * askFirst)
	c.watch(t.Context(), says(m.wall.Add(2*time.Second)))
	want(t, c, m.wall, false)
}

func TestAskedForTheTimeWhenTheSystemIsWrong(t *testing.T) {
	m := newMachine(t)
	c := m.open()
	m.jump(-365 * day)
	c.watch(t.Context(), says(noon))
	want(t, c, noon, true)
	if d, _ := c.Doubt(); !d.Wrong || d.By != -365*day || d.Start {
		t.Errorf("%+v; want a system that is known to be a year behind", d)
	}
}

// TestAskedAgain: those who are asked are not asked all the time.
func TestAskedAgain(t *testing.T) {
	m := newMachine(t)
	c := m.open()
	n := 0
	ask := func(context.Context) (time.Time, error) { n++; return time.Time{}, errors.New("no answer") }
	c.watch(t.Context(), ask)
	if n != 0 {
		t.Fatal("asked without a doubt")
	}
	m.jump(day)
	for range int(time.Hour / watchEvery) {
		c.watch(t.Context(), ask)
		m.pass(watchEvery)
	}
	if n < 6 || n > 10 {
		t.Errorf("asked %d times in an hour, want 6 to 10", n)
	}
}

func TestAccept(t *testing.T) {
	m := newMachine(t)
	c := m.open()
	if _, err := c.Accept(); !errors.Is(err, ErrSure) {
		t.Errorf("Accept() = %v, want ErrSure", err)
	}
	m.jump(100 * day)
	c.Now()
	if j, err := c.Accept(); err != nil || j.By != 100*day || !j.At.Equal(m.wall) {
		t.Errorf("Accept() = %+v, %v", j, err)
	}
	want(t, c, m.wall, false)
}

// TestKeep: what was there before the clock was set forward is not older by
// that, and what comes later is kept as always.
func TestKeep(t *testing.T) {
	m := newMachine(t)
	c := m.open()
	m.jump(100 * day)
	c.Now()
	c.Accept()
	if d := c.Keep(30 * day); d != 130*day {
		t.Errorf("Keep(30 days) = %v days, want 130", d/day)
	}
	m.pass(29 * day)
	c.watch(t.Context(), nil)
	m.jump(-10 * day)
	c.Now()
	c.Accept()
	if d := c.Keep(30 * day); d != 130*day {
		t.Errorf("Keep(30 days) = %v days after it was set back, want 130", d/day)
	}
	m.pass(12 * day)
	c.watch(t.Context(), nil)
	if d := c.Keep(30 * day); d != 30*day {
		t.Errorf("Keep(30 days) = %v days a month later, want 30", d/day)
	}
	m.jump(math.MaxInt64)
	c.Now()
	c.Accept()
	if d := c.Keep(30 * day); d != math.MaxInt64 {
		t.Errorf("Keep(30 days) = %v after the largest jump", d)
	}
}

func TestStart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		off     time.Duration // between the end and the next start
		rest    time.Duration
		doubted bool
	}{
		{"at once", 0, 0, false},
		{"a week later", 7 * day, 0, false},
		{"set a little back", -Most, 0, false},
		{"an empty battery", -20 * 365 * day, 0, true},
		{"an hour back", -time.Hour, 0, true},
		{"ten years later", 10 * 365 * day, 0, true},
		{"ten years later, which is fine", 10 * 365 * day, math.MaxInt64, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			m.rest = tt.rest
			if err := m.open().Close(); err != nil {
				t.Fatal(err)
			}
			m.jump(tt.off)
			c := m.open()
			now := m.wall
			if tt.doubted {
				now = noon
			}
			want(t, c, now, tt.doubted)
			if d, ok := c.Doubt(); ok && (!d.Start || d.By != tt.off) {
				t.Errorf("%+v, want one of the start by %v", d, tt.off)
			}
		})
	}
}

// TestBehindAtTheStart: a computer without a battery starts in the past, and is
// right once it has asked for the time.
func TestBehindAtTheStart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		right   time.Duration // when the system is right, it is this much after the last time
		doubted bool
	}{
		{"an hour later", time.Hour, false},
		{"years later", 9 * 365 * day, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			if err := m.open().Close(); err != nil {
				t.Fatal(err)
			}
			m.jump(-20 * 365 * day)
			c := m.open()
			want(t, c, noon, true)
			m.jump(20*365*day + tt.right)
			c.watch(t.Context(), nil)
			now := m.wall
			if tt.doubted {
				now = noon
			}
			want(t, c, now, tt.doubted)
		})
	}
}

// TestDoubtOutlivesTheProgram: who starts the server again has not said that
// its clock is right, and jumps that came true are not forgotten.
func TestDoubtOutlivesTheProgram(t *testing.T) {
	m := newMachine(t)
	c := m.open()
	m.jump(2 * day)
	c.watch(t.Context(), nobody)
	c.Close()
	c = m.open()
	want(t, c, noon, true)
	c.watch(t.Context(), says(m.wall))
	want(t, c, m.wall, false)
	c = m.open() // without Close: it was written when the doubt ended
	want(t, c, m.wall, false)
	if d := c.Keep(day); d != 3*day {
		t.Errorf("Keep(day) = %v, want 3 days", d)
	}
}

func TestNoteIsWrittenEachMinute(t *testing.T) {
	m := newMachine(t)
	c := m.open()
	c.watch(t.Context(), nil)
	m.pass(noteEvery - time.Second)
	c.watch(t.Context(), nil)
	if n, _ := c.readNote(); !n.At.Equal(noon) {
		t.Errorf("%v was noted, want the time of the start", n.At)
	}
	m.pass(time.Second)
	c.watch(t.Context(), nil)
	if n, _ := c.readNote(); !n.At.Equal(noon.Add(noteEvery)) {
		t.Errorf("%v was noted, want a minute later", n.At)
	}
}

func TestNoteThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"", "{", "[]", "{}", `{"at":"yesterday"}`} {
		m := newMachine(t)
		if err := os.WriteFile(m.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want(t, m.open(), noon, false)
	}
}

// TestReal: the clock of this machine, with the monotonic one in its times.
func TestReal(t *testing.T) {
	c := Open(Options{})
	before := time.Now()
	if now := c.Now(); now.Before(before) || now.After(time.Now()) || now == now.Round(0) {
		t.Errorf("Now() = %v, want the system's with its monotonic clock", now)
	}
}
