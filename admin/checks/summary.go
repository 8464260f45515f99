package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Summary is all results in one sentence, and what to do.
type Summary struct {
	Sentence string   `json:"sentence"`
	State    State    `json:"state" enum:"ok,warn,fail,unknown"`
	ToFix    []Result `json:"toFix"` // the worst first; without what is muted
	Counts   Counts   `json:"counts"`
}

// Counts are numbers of results by state.
type Counts struct {
	OK      int `json:"ok"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Unknown int `json:"unknown"`
	Muted   int `json:"muted"`
}

// Summarize says how everything stands. What is unknown is counted, but is
// nothing to fix.
func Summarize(results []Result, now time.Time) Summary {
	s := Summary{State: OK, ToFix: []Result{}}
	fails, warns, ran := 0, 0, false
	for _, r := range results {
		ran = ran || !r.CheckedAt.IsZero()
		s.Counts.add(r.State)
		switch {
		case r.State != Warn && r.State != Fail:
			continue
		case r.muted(now):
			s.Counts.Muted++
			continue
		case r.State == Fail:
			fails++
		default:
			warns++
		}
		s.ToFix = append(s.ToFix, r)
	}
	slices.SortStableFunc(s.ToFix, func(a, b Result) int { return cmp.Compare(b.State.severity(), a.State.severity()) })
	switch {
	case !ran:
		s.State, s.Sentence = Unknown, "Not checked yet"
	case fails > 0:
		s.State, s.Sentence = Fail, things(fails, "problem", "problems")
		if warns > 0 {
			s.Sentence += ", " + things(warns, "more thing to fix", "more things to fix")
		}
	case warns > 0:
		s.State, s.Sentence = Warn, "Working, "+things(warns, "thing to fix", "things to fix")
	case s.Counts.OK == 0:
		s.State, s.Sentence = Unknown, "Nothing could be checked"
	default:
		s.Sentence = "Working"
	}
	return s
}

func (c *Counts) add(s State) {
	switch s {
	case OK:
		c.OK++
	case Warn:
		c.Warn++
	case Fail:
		c.Fail++
	default:
		c.Unknown++
	}
}

func things(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// list writes names as people do.
func list(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
