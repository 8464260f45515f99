package plan

import (
	"slices"
	"strings"
	"time"
)

// Retention says which backups are kept: the last ones, and of so many days,
// weeks and months with any the last one.
type Retention struct{ Last, Daily, Weekly, Monthly int }

// idTime begins the ID of a backup, so that IDs sort by time: no backup takes
// less than a millisecond, and there is one at a time.
const idTime = "20060102T150405.000Z"

// ID makes the ID of a backup of its time and something random.
func ID(t time.Time, random string) string { return t.UTC().Format(idTime) + "-" + random }

// TimeOf reads the time of an ID.
func TimeOf(id string) (t time.Time, ok bool) {
	stamp, random, ok := strings.Cut(id, "-")
	t, err := time.Parse(idTime, stamp)
	return t, ok && err == nil && random != "" && !strings.Contains(random, "/")
}

// Keep says which of some backups are kept; ids are the oldest first, and the
// last one is always kept. loc says when a day begins.
func (k Retention) Keep(ids []string, loc *time.Location) map[string]bool {
	kept := map[string]bool{}
	if len(ids) > 0 {
		kept[ids[len(ids)-1]] = true
	}
	newest := slices.Clone(ids)
	slices.Reverse(newest)
	for _, id := range newest[:min(len(newest), max(0, k.Last))] {
		kept[id] = true
	}
	for _, rule := range []struct {
		n      int
		period func(time.Time) [2]int
	}{
		{k.Daily, func(t time.Time) [2]int { return [2]int{t.Year(), t.YearDay()} }},
		{k.Weekly, func(t time.Time) [2]int { y, w := t.ISOWeek(); return [2]int{y, w} }},
		{k.Monthly, func(t time.Time) [2]int { return [2]int{t.Year(), int(t.Month())} }},
	} {
		seen := map[[2]int]bool{}
		for _, id := range newest {
			t, ok := TimeOf(id)
			if !ok {
				continue
			}
			p := rule.period(t.In(loc))
			if seen[p] || len(seen) >= rule.n {
				continue
			}
			seen[p] = true
			kept[id] = true
		}
	}
	return kept
}
