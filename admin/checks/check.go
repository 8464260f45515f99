package checks

import (
	"context"
	"fmt"
	"time"
)

// State says how a check ended.
type State string

const (
	OK      State = "ok"
	Warn    State = "warn"
	Fail    State = "fail"
	Unknown State = "unknown"
)

// severity orders states for people: what is worst comes first.
func (s State) severity() int {
	switch s {
	case Fail:
		return 3
	case Warn:
		return 2
	case Unknown:
		return 1
	}
	return 0
}

// Group is what checks are about.
type Group string

const (
	Network Group = "network" // the world, and the way to it
	Names   Group = "names"   // DNS, reverse names, certificates
	Host    Group = "host"    // this machine
	Mail    Group = "mail"    // the queue
)

// Check is one question. ID, Group, Title and Run are needed.
type Check struct {
	ID     string // stable, such as "ptr.v4"; API and history use it
	Group  Group
	Title  string // a few words
	Want   string // what is expected
	Why    string // what happens otherwise
	Domain string // of ours that it is about, if it is about one
	After  []string
	Every  time.Duration // how often it runs by itself; 0 is DefaultEvery
	Run    func(ctx context.Context) Finding
}

// DefaultEvery is how often a check runs by itself.
const DefaultEvery = time.Hour

// Finding is what a check saw, and what to do about it.
type Finding struct {
	State   State
	Saw     string // one sentence
	Fix     string // what to do; "" when it is ok
	FixLink string // an https URL, or a path of the console
	Action  string // an operation that may fix it, such as ActionAcceptClock
}

// ActionAcceptClock believes the clock of the system.
const ActionAcceptClock = "accept-clock"

func ok(format string, a ...any) Finding {
	return Finding{State: OK, Saw: fmt.Sprintf(format, a...)}
}

func unknown(format string, a ...any) Finding {
	return Finding{State: Unknown, Saw: fmt.Sprintf(format, a...)}
}

func (s State) because(format string, a ...any) Finding {
	return Finding{State: s, Saw: fmt.Sprintf(format, a...)}
}

// fix says what to do.
func (f Finding) fix(format string, a ...any) Finding {
	f.Fix = fmt.Sprintf(format, a...)
	return f
}

// link says where it is done or explained.
func (f Finding) link(to string) Finding {
	f.FixLink = to
	return f
}

// Result is a check with what it found.
type Result struct {
	ID         string     `json:"id"`
	Group      Group      `json:"group"`
	Title      string     `json:"title"`
	State      State      `json:"state" enum:"ok,warn,fail,unknown"`
	Saw        string     `json:"saw"`
	Want       string     `json:"want"`
	Why        string     `json:"why"`
	Fix        string     `json:"fix,omitempty"`
	FixLink    string     `json:"fixLink,omitempty"`
	Action     string     `json:"action,omitempty" enum:"accept-clock" doc:"An operation that fixes it, if somebody says that it is right to."`
	Domain     string     `json:"domain,omitempty"`
	MutedUntil *time.Time `json:"mutedUntil,omitempty"`
	Since      time.Time  `json:"since,omitzero"`     // of the state
	CheckedAt  time.Time  `json:"checkedAt,omitzero"` // absent if it has not run yet
	History    []Point    `json:"history" doc:"Changes of 30 days, oldest first."`
}

// Point is a change of state.
type Point struct {
	At    time.Time `json:"at"`
	State State     `json:"state" enum:"ok,warn,fail,unknown"`
}

// muted reports whether nobody wants to hear of a result.
func (r *Result) muted(now time.Time) bool { return r.MutedUntil != nil && now.Before(*r.MutedUntil) }
