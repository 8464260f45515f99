package alerts

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
)

// dailyState is what the last daily mail was made of.
type dailyState struct {
	Day      string // that it was for, where this server is
	At       time.Time
	Snapshot *snapshot
}

// snapshot is what the next daily mail is compared with.
type snapshot struct {
	Version      string
	Checks       map[string]seen // by ID
	Certificates map[string]time.Time
	Hooks        []string // webhooks that are switched off
}

// seen is a check as it stood.
type seen struct {
	Title string
	State checks.State
	Saw   string
	Quiet bool
}

// report is a daily mail, and what it leaves behind.
type report struct {
	subject, text string
	silent        bool // nothing is sent
	next          dailyState
}

// dailyDue makes the mail of a day when its hour has come. The first one is
// that of the day after: there is nothing to compare with before.
func (s *Service) dailyDue(o Observations, set Settings) (report, bool) {
	local := o.Now.In(s.opts.Zone)
	today := local.Format(time.DateOnly)
	if s.daily.Snapshot == nil {
		return report{silent: true, next: dailyState{Day: today, At: o.Now.UTC(), Snapshot: s.snapshot(o)}}, true
	}
	if set.Daily == DailyOff || s.daily.Day >= today && !s.daily.At.After(o.Now) || local.Hour() < set.DailyHour {
		return report{}, false
	}
	r := report{next: dailyState{Day: today, At: o.Now.UTC(), Snapshot: s.snapshot(o)}}
	lines := slices.Concat(s.daily.Snapshot.diff(r.next.Snapshot), s.alertsSince(s.daily.At))
	r.next.Snapshot.keep(s.daily.Snapshot)
	state := summarize(o.Checks, s.firing(), o.Now)
	if len(lines) == 0 {
		r.silent = set.Daily != DailyAlways
		r.subject, r.text = "Nothing has changed", "Nothing has changed since yesterday. "+state+"\n"
		return r, true
	}
	r.subject = fmt.Sprintf("%s since yesterday", changes(len(lines)))
	r.text = "Since " + clock(s.daily.At) + ":\n\n" + strings.Join(lines, "\n") + "\n\n" + state + "\n"
	return r, true
}

func changes(n int) string {
	if n == 1 {
		return "1 change"
	}
	return fmt.Sprintf("%d changes", n)
}

// dailyNotices are for the channels that want the daily mail.
func (s *Service) dailyNotices(r report, now time.Time) []notice {
	if r.silent {
		return nil
	}
	var list []notice
	for _, c := range s.channels {
		if c.Daily {
			list = append(list, notice{ID: "daily-" + c.ID + "-" + r.next.Day, Channel: c.ID, Subject: r.subject, Text: clipText(r.text), Made: now, Next: now})
		}
	}
	return list
}

// maxDaily bounds a daily mail, in octets: it waits in the store.
const maxDaily = 20_000

func clipText(s string) string {
	if len(s) <= maxDaily {
		return s
	}
	return strings.ToValidUTF8(s[:maxDaily], "") + "…\nThere is more; see the console.\n"
}

func (s *Service) firing() int {
	n := 0
	for _, a := range s.alerts {
		if a.Phase == Firing {
			n++
		}
	}
	return n
}

// maxSnapshot bounds how many checks are remembered from day to day.
const maxSnapshot = 300

func (s *Service) snapshot(o Observations) *snapshot {
	v := &snapshot{Version: s.opts.Version, Checks: map[string]seen{}, Certificates: map[string]time.Time{}}
	for _, r := range o.Checks {
		if len(v.Checks) == maxSnapshot {
			break
		}
		v.Checks[r.ID] = seen{r.Title, r.State, clip(r.Saw), r.MutedUntil != nil}
	}
	for _, c := range o.Certificates {
		if len(v.Certificates) < maxSnapshot {
			v.Certificates[c.Name] = c.NotAfter.UTC()
		}
	}
	for _, h := range o.Webhooks {
		v.Hooks = append(v.Hooks, h.URL)
	}
	slices.Sort(v.Hooks)
	return v
}

// diff is what has changed, a line each: "-" was, "+" is.
func (v *snapshot) diff(now *snapshot) []string {
	var lines []string
	if v.Version != now.Version {
		lines = append(lines, "- version "+v.Version, "+ version "+now.Version)
	}
	for _, id := range union(v.Checks, now.Checks) {
		was, before := v.Checks[id]
		is, after := now.Checks[id]
		switch {
		case before && after && (was.State == is.State || is.State == checks.Unknown):
			continue // what could not be found out is no change
		case before:
			lines = append(lines, "- "+was.line())
		}
		if after {
			lines = append(lines, "+ "+is.line())
		}
	}
	for _, name := range union(v.Certificates, now.Certificates) {
		was, before := v.Certificates[name]
		is, after := now.Certificates[name]
		if before && after && was.Equal(is) {
			continue
		}
		if before && !was.IsZero() {
			lines = append(lines, "- certificate of "+name+" until "+was.Format(time.DateOnly))
		}
		if after && !is.IsZero() {
			lines = append(lines, "+ certificate of "+name+" until "+is.Format(time.DateOnly))
		}
	}
	for _, url := range now.Hooks {
		if !slices.Contains(v.Hooks, url) {
			lines = append(lines, "+ webhook "+url+" is switched off")
		}
	}
	for _, url := range v.Hooks {
		if !slices.Contains(now.Hooks, url) {
			lines = append(lines, "- webhook "+url+" is switched off")
		}
	}
	return lines
}

// keep takes over what could not be found out today.
func (v *snapshot) keep(before *snapshot) {
	for id, is := range v.Checks {
		if was, ok := before.Checks[id]; ok && is.State == checks.Unknown {
			v.Checks[id] = was
		}
	}
}

func (c seen) line() string {
	text := fmt.Sprintf("%s: %s", c.Title, c.State)
	if c.Saw != "" {
		text += " (" + strings.TrimSuffix(c.Saw, ".") + ")"
	}
	return text
}

func union[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// alertsSince are alerts that have come or gone, and are not the state of a
// check.
func (s *Service) alertsSince(at time.Time) []string {
	var lines []string
	for _, id := range s.alerts.ids() {
		a := s.alerts[id]
		if a.Check != "" {
			continue
		}
		if a.Phase != Pending && a.Fired.After(at) {
			lines = append(lines, "+ alert: "+a.Title+": "+a.Saw)
		}
		if a.Phase == Resolved && a.Resolved.After(at) {
			lines = append(lines, "- alert: "+a.Title+": "+a.Saw)
		}
	}
	return lines
}
