package alerts

import (
	"cmp"
	"slices"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
)

// Phase says how far an alert is.
type Phase string

const (
	Pending  Phase = "pending"
	Firing   Phase = "firing"
	Resolved Phase = "resolved"
)

// Alert is a finding with its history.
type Alert struct {
	Finding
	Phase      Phase      `json:"phase" enum:"pending,firing,resolved"`
	Since      time.Time  `json:"since" doc:"When it was first seen."`
	Fired      time.Time  `json:"firedAt,omitzero"`
	Resolved   time.Time  `json:"resolvedAt,omitzero"`
	MutedUntil *time.Time `json:"mutedUntil,omitempty"`
	Told       time.Time  `json:"toldAt,omitzero" doc:"When people were last told; absent: they were not."`

	Worst checks.State `json:"-"` // that was told
	Good  time.Time    `json:"-"` // since when it is gone, while it fires
}

// muted reports whether nobody wants to hear of an alert.
func (a *Alert) muted(now time.Time) bool {
	return a.quiet || a.MutedUntil != nil && now.Before(*a.MutedUntil)
}

// Kinds of changes that are told.
const (
	Fired       = "fired"
	Worse       = "worse"
	Still       = "still"
	ResolvedNow = "resolved"
)

// Change is something to tell.
type Change struct {
	Event string       `json:"event" enum:"fired,worse,still,resolved"`
	Alert Alert        `json:"alert"`
	Worst checks.State `json:"worst"` // that is told, or was told before
	About string       `json:"about,omitempty"`
}

// Rules say how soon people are told.
type Rules struct {
	Confirm time.Duration // between the first and the second look
	Clear   time.Duration // that something has to be gone
	Remind  time.Duration // of what fails still; 0: never
}

// Bounds of what is remembered of alerts.
const (
	keepResolved = 30 * day
	maxResolved  = 40
	maxAlerts    = 2 * maxFindings // with more, what is gone is over at once
)

// book is all alerts by their ID.
type book map[string]*Alert

// step takes what was found, and returns what is to be told.
func (b book) step(findings []Finding, now time.Time, r Rules) []Change {
	var changes []Change
	found := map[string]bool{}
	for i := range findings {
		f := &findings[i]
		found[f.ID] = true
		switch severity(f.State) {
		case 0:
			if f.State != checks.Unknown {
				changes = append(changes, b.good(f.ID, now, r)...)
			}
		default:
			changes = append(changes, b.bad(f, now, r)...)
		}
	}
	for _, id := range b.ids() {
		if !found[id] { // there is nothing of the kind any more
			changes = append(changes, b.good(id, now, r)...)
		}
	}
	b.forget(now)
	return changes
}

func (b book) ids() []string {
	var ids []string
	for id := range b {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// earlier is a time that is not still to come: the clock was set back since.
func earlier(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// bad notes trouble.
func (b book) bad(f *Finding, now time.Time, r Rules) []Change {
	a := b[f.ID]
	if a == nil || a.Phase == Resolved {
		next := &Alert{Phase: Pending, Since: now}
		if a != nil {
			next.MutedUntil = a.MutedUntil
		}
		a, b[f.ID] = next, next
	}
	a.Finding, a.Good = *f, time.Time{}
	a.Since, a.Told = earlier(a.Since, now), earlier(a.Told, now)
	if a.Phase == Pending {
		if f.twice && now.Sub(a.Since) < r.Confirm {
			return nil
		}
		a.Phase, a.Fired = Firing, now
	}
	event := Worse
	switch {
	case a.muted(now):
		return nil
	case a.Worst == "":
		event = Fired
	case severity(f.State) > severity(a.Worst):
	case r.Remind > 0 && f.State == checks.Fail && now.Sub(a.Told) >= r.Remind:
		event = Still
	default:
		return nil
	}
	a.Told = now
	if severity(f.State) > severity(a.Worst) {
		a.Worst = f.State
	}
	return []Change{{event, *a, a.Worst, f.about}}
}

// good notes that there is no trouble.
func (b book) good(id string, now time.Time, r Rules) []Change {
	a := b[id]
	switch {
	case a == nil || a.Phase == Resolved:
		return nil
	case a.Phase == Pending:
		delete(b, id)
		return nil
	}
	if a.Good.IsZero() || a.Good.After(now) { // or the clock was set back
		a.Good = now
	}
	if now.Sub(a.Good) < r.Clear && len(b) <= maxAlerts {
		return nil
	}
	told, worst, muted := a.Worst != "", a.Worst, a.muted(now)
	a.Phase, a.Resolved, a.Worst = Resolved, now, ""
	if !told || muted {
		return nil
	}
	a.Told = now
	return []Change{{ResolvedNow, *a, worst, a.about}}
}

// forget drops what is over for long.
func (b book) forget(now time.Time) {
	var over []*Alert
	for id, a := range b {
		switch {
		case a.Phase != Resolved:
		case now.Sub(a.Resolved) > keepResolved:
			delete(b, id)
		default:
			over = append(over, a)
		}
	}
	slices.SortFunc(over, func(x, y *Alert) int { return cmp.Or(y.Resolved.Compare(x.Resolved), cmp.Compare(x.ID, y.ID)) })
	for _, a := range over[min(len(over), maxResolved):] {
		delete(b, a.ID)
	}
}

// list returns alerts for people: what fires first, the worst of it before the
// rest, then what is over, the newest first.
func (b book) list() []Alert {
	all := []Alert{}
	for _, a := range b {
		all = append(all, *a)
	}
	order := map[Phase]int{Firing: 0, Pending: 1, Resolved: 2}
	slices.SortFunc(all, func(x, y Alert) int {
		if c := cmp.Compare(order[x.Phase], order[y.Phase]); c != 0 {
			return c
		}
		if x.Phase == Resolved {
			return cmp.Or(y.Resolved.Compare(x.Resolved), cmp.Compare(x.ID, y.ID))
		}
		return cmp.Or(cmp.Compare(severity(y.State), severity(x.State)), y.Since.Compare(x.Since), cmp.Compare(x.ID, y.ID))
	})
	return all
}
