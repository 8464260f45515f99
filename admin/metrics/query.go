package metrics

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// ErrUnknown means that a query asks for a series that there is not.
var ErrUnknown = errors.New("metrics: no such series")

// Bounds of a query.
const (
	pointsDefault = 300
	maxPoints     = 3_000
	maxNames      = 64
)

// Query asks for series over time.
type Query struct {
	// Names of series; "connections.*" stands for the series of all label
	// values.
	Names []string
	// From and To bound the time; To not included. Zero: the last 24 hours.
	From, To time.Time
	// Step is the time between two points; it becomes a multiple of what is
	// kept. 0: one that gives about 300 points.
	Step time.Duration

	live bool // To is now
}

// Series are numbers over time.
type Series struct {
	Names  []string
	Step   time.Duration
	Points []Point // ascending
}

// Point is one step: for a counter how often it counted in it, for a gauge its
// highest value. NaN: not known, as the server did not run or nothing was
// measured.
type Point struct {
	Time   time.Time // begin of the step
	Values []float64 // one for each name
}

// Names returns all series that can be asked for.
func (r *Registry) Names() []string {
	var names []string
	for _, m := range r.metrics {
		if m.histogram != nil {
			names = append(names, m.Name+".p50", m.Name+".p95", m.Name+".p99")
			continue
		}
		names = append(names, m.Name)
		if m.Label != "" {
			names = append(names, m.labelled()...)
		}
	}
	return names
}

// labelled are the series of all label values.
func (m *metric) labelled() []string {
	var names []string
	for _, v := range m.Values {
		names = append(names, m.series(v))
	}
	return names
}

// column is how one name of a query is put together from series of rows.
type column struct {
	name     string
	series   []string
	quantile float64 // of a histogram; else 0
	bounds   []float64
}

// columns finds what the names mean.
func (r *Registry) columns(names []string) ([]column, error) {
	var all []column
	for _, name := range names {
		found, err := r.column(name)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 || len(all) > maxNames {
		return nil, fmt.Errorf("%w: ask for 1 to %d of them at once", ErrUnknown, maxNames)
	}
	return all, nil
}

func (r *Registry) column(name string) ([]column, error) {
	if base, ok := strings.CutSuffix(name, ".*"); ok && r.byName[base] != nil && r.byName[base].Label != "" {
		var all []column
		for _, s := range r.byName[base].labelled() {
			all = append(all, column{name: s, series: []string{s}})
		}
		return all, nil
	}
	if m := r.byName[name]; m != nil && m.histogram == nil {
		if m.Label == "" {
			return []column{{name: name, series: []string{name}}}, nil
		}
		return []column{{name: name, series: m.labelled()}}, nil
	}
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return nil, unknown(name)
	}
	m, last := r.byName[name[:i]], name[i+1:]
	if m == nil {
		return nil, unknown(name)
	}
	if m.histogram != nil {
		q := map[string]float64{"p50": 0.50, "p95": 0.95, "p99": 0.99}[last]
		if q == 0 {
			return nil, unknown(name)
		}
		return []column{{name: name, series: []string{m.Name}, quantile: q, bounds: m.histogram.bounds}}, nil
	}
	if !slices.Contains(m.Values, last) {
		return nil, unknown(name)
	}
	return []column{{name: name, series: []string{name}}}, nil
}

func unknown(name string) error {
	return fmt.Errorf("%w: %q", ErrUnknown, name)
}

// value is a column's number from the samples of one step.
func (c *column) value(step map[string]sample) float64 {
	if c.quantile > 0 {
		return quantile(c.quantile, c.bounds, step[c.series[0]].counts)
	}
	sum := 0.0
	known := false
	for _, name := range c.series {
		s, ok := step[name]
		if !ok {
			continue
		}
		known = true
		sum += s.value + float64(s.count)
	}
	if !known {
		return math.NaN()
	}
	return sum
}

// Query returns numbers over time.
func (s *Store) Query(ctx context.Context, q Query) (Series, error) {
	columns, err := s.reg.columns(q.Names)
	if err != nil {
		return Series{}, err
	}
	now := s.opts.Now()
	q.withDefaults(now)
	lev, step := q.resolve(now)
	steps, err := s.steps(ctx, lev, step, q, columns)
	if err != nil {
		return Series{}, fmt.Errorf("read metrics: %w", err)
	}
	out := Series{Step: step}
	for _, c := range columns {
		out.Names = append(out.Names, c.name)
	}
	counts := s.countNames(columns)
	for t := q.From.Truncate(step); t.Before(q.To); t = t.Add(step) {
		row, ran := steps[t.Unix()]
		p := Point{Time: t.UTC(), Values: make([]float64, len(columns))}
		for i := range columns {
			p.Values[i] = columns[i].value(row)
			if ran && counts[i] && math.IsNaN(p.Values[i]) { // a row leaves zeros out
				p.Values[i] = 0
			}
		}
		out.Points = append(out.Points, p)
	}
	return out, nil
}

// countNames says which columns count, so that no entry in a row means none.
func (s *Store) countNames(columns []column) []bool {
	counts := make([]bool, len(columns))
	for i, c := range columns {
		m := s.reg.byName[c.name]
		if m == nil {
			m = s.reg.byName[c.name[:strings.LastIndexByte(c.name, '.')]]
		}
		counts[i] = m.kind == counterKind
	}
	return counts
}

func (q *Query) withDefaults(now time.Time) {
	if q.To.IsZero() || !q.To.Before(now) {
		q.To, q.live = now, true
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-24 * time.Hour)
	}
	if oldest := now.Add(-levels[len(levels)-1].keep); q.From.Before(oldest) {
		q.From = oldest
	}
	if q.From.After(q.To) {
		q.From = q.To
	}
}

// resolve chooses the level to read and the step of the points: the coarsest
// level that is fine enough, among those that reach back far enough.
func (q *Query) resolve(now time.Time) (level, time.Duration) {
	span := q.To.Sub(q.From)
	want := q.Step
	if want <= 0 {
		want = span / pointsDefault
	}
	want = max(want, span/maxPoints)
	lev := levels[len(levels)-1]
	for i := len(levels) - 1; i >= 0; i-- {
		if q.From.Before(now.Add(-levels[i].keep)) {
			continue
		}
		if lev = levels[i]; lev.step <= want {
			break
		}
	}
	return lev, max(want+lev.step-1, lev.step).Truncate(lev.step)
}

// steps reads the samples that columns need, merged by step, keyed by the
// step's begin in Unix seconds. What was not written yet is among them.
func (s *Store) steps(ctx context.Context, lev level, step time.Duration, q Query, columns []column) (map[int64]map[string]sample, error) {
	// From before reading until after it: what a Flush in between has written
	// would count twice.
	s.mu.Lock()
	defer s.mu.Unlock()
	steps := map[int64]map[string]sample{}
	at := func(t time.Time) map[string]sample {
		key := t.Truncate(step).Unix()
		if steps[key] == nil {
			steps[key] = map[string]sample{}
		}
		return steps[key]
	}
	err := s.db.View(func(tx *bolt.Tx) error {
		names := wanted(tx, columns)
		c := tx.Bucket(lev.bucket).Cursor()
		for k, v := c.Seek(stepKey(q.From.Truncate(step))); k != nil && timeOf(k).Before(q.To); k, v = c.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			row := at(timeOf(k))
			err := readRow(v, func(id uint16) bool { return names[id] != "" }, func(id uint16, news sample) {
				row[names[id]] = row[names[id]].merge(news)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if q.live {
		row := at(q.To)
		for name, news := range s.since(s.reg.snapshot()) {
			row[name] = row[name].merge(news)
		}
	}
	return steps, nil
}

// wanted returns the names of the series that columns need by their numbers.
func wanted(tx *bolt.Tx, columns []column) map[uint16]string {
	names := map[uint16]string{}
	b := tx.Bucket(bucketName)
	for _, c := range columns {
		for _, name := range c.series {
			if v := b.Get([]byte(name)); len(v) == 2 {
				names[binary.BigEndian.Uint16(v)] = name
			}
		}
	}
	return names
}

// Totals returns one number for each name over a time: the sum of a counter,
// the highest value of a gauge, the quantile of a histogram; NaN if nothing is
// known.
func (s *Store) Totals(ctx context.Context, names []string, from, to time.Time) ([]float64, error) {
	columns, err := s.reg.columns(names)
	if err != nil {
		return nil, err
	}
	now := s.opts.Now()
	q := Query{From: from, To: to}
	q.withDefaults(now)
	q.Step = time.Minute
	lev, _ := q.resolve(now)
	steps, err := s.steps(ctx, lev, lev.step, q, columns)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	all := map[string]sample{}
	for _, row := range steps {
		for name, sample := range row {
			all[name] = all[name].merge(sample)
		}
	}
	counts := s.countNames(columns)
	totals := make([]float64, len(columns))
	for i := range columns {
		totals[i] = columns[i].value(all)
		if counts[i] && math.IsNaN(totals[i]) {
			totals[i] = 0
		}
	}
	return totals, nil
}
