package metrics

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"sync/atomic"
)

// Desc says what a metric is.
type Desc struct {
	Name string // of the series: words with dots, "logins.ok"
	Help string // one line
	// Label and Values are the closed set of parts that are counted apart; empty:
	// there is one number. What is none of them counts as "other".
	Label  string
	Values []string
}

// other stands for label values outside of the closed set.
const other = "other"

// Counter counts what has happened. It never goes down.
type Counter struct{ n atomic.Int64 }

// Add counts n more; a negative n counts nothing.
func (c *Counter) Add(n int64) {
	if c != nil && n > 0 {
		c.n.Add(n)
	}
}

// Value returns what was counted since the start.
func (c *Counter) Value() int64 { return c.n.Load() }

// Counters is a counter for each value of a label.
type Counters struct{ byValue map[string]*Counter }

// Of returns the counter of a label value.
func (c *Counters) Of(value string) *Counter {
	if n, ok := c.byValue[value]; ok {
		return n
	}
	return c.byValue[other]
}

// Gauge is a number that goes up and down.
type Gauge struct{ bits atomic.Int64 }

// Add changes the number.
func (g *Gauge) Add(n int64) { g.bits.Add(n) }

// Set replaces the number.
func (g *Gauge) Set(n int64) { g.bits.Store(n) }

// Value returns the number.
func (g *Gauge) Value() int64 { return g.bits.Load() }

// Gauges is a gauge for each value of a label.
type Gauges struct{ byValue map[string]*Gauge }

// Of returns the gauge of a label value.
func (g *Gauges) Of(value string) *Gauge {
	if n, ok := g.byValue[value]; ok {
		return n
	}
	return g.byValue[other]
}

// Histogram counts values by class. A class is what is at most its bound; the
// last one has no bound.
type Histogram struct {
	bounds []float64
	counts []atomic.Int64
	sum    atomic.Int64 // of all values, in thousandths
}

// Observe counts one value.
func (h *Histogram) Observe(v float64) {
	if h == nil || math.IsNaN(v) {
		return
	}
	h.counts[sort.SearchFloat64s(h.bounds, v)].Add(1)
	h.sum.Add(int64(v * 1000))
}

// snapshot returns the counts by class.
func (h *Histogram) snapshot() []int64 {
	counts := make([]int64, len(h.counts))
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
	}
	return counts
}

// kind is how the numbers of a series are put together.
type kind uint8

const (
	counterKind   kind = 1 // the sum
	gaugeKind     kind = 2 // the highest
	histogramKind kind = 3 // the sum of each class
)

// metric is one entry of a Registry.
type metric struct {
	Desc
	kind      kind
	counters  *Counters
	gauges    *Gauges
	read      func() (float64, bool) // of a gauge that is asked
	histogram *Histogram
}

// Registry is a closed list of metrics. It is filled before it is used, and
// its metrics may be counted and read concurrently after that.
type Registry struct {
	metrics []*metric
	byName  map[string]*metric
}

// NewRegistry makes an empty Registry.
func NewRegistry() *Registry { return &Registry{byName: map[string]*metric{}} }

func (r *Registry) add(m *metric) {
	if r.byName[m.Name] != nil {
		panic(fmt.Sprintf("metrics: %q is defined twice", m.Name))
	}
	if m.Label != "" && !slices.Contains(m.Values, other) {
		m.Values = append(slices.Clone(m.Values), other)
	}
	r.metrics = append(r.metrics, m)
	r.byName[m.Name] = m
}

// Counter defines a counter without labels.
func (r *Registry) Counter(name, help string) *Counter {
	return r.Counters(Desc{Name: name, Help: help}).Of("")
}

// Counters defines a counter with a label.
func (r *Registry) Counters(d Desc) *Counters {
	m := &metric{Desc: d, kind: counterKind, counters: &Counters{byValue: map[string]*Counter{}}}
	r.add(m)
	for _, v := range m.values() {
		m.counters.byValue[v] = &Counter{}
	}
	return m.counters
}

// Gauges defines a gauge with a label.
func (r *Registry) Gauges(d Desc) *Gauges {
	m := &metric{Desc: d, kind: gaugeKind, gauges: &Gauges{byValue: map[string]*Gauge{}}}
	r.add(m)
	for _, v := range m.values() {
		m.gauges.byValue[v] = &Gauge{}
	}
	return m.gauges
}

// GaugeFunc defines a gauge that is asked when it is needed, a few times a
// minute at most. read says false when it does not know.
func (r *Registry) GaugeFunc(name, help string, read func() (float64, bool)) {
	r.add(&metric{Desc: Desc{Name: name, Help: help}, kind: gaugeKind, read: read})
}

// Histogram defines a histogram. bounds ascend. A histogram that gets other
// bounds needs another name: rows of before have the old classes.
func (r *Registry) Histogram(name, help string, bounds []float64) *Histogram {
	h := &Histogram{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
	r.add(&metric{Desc: Desc{Name: name, Help: help}, kind: histogramKind, histogram: h})
	return h
}

// values are the label values; one empty one where there is no label.
func (m *metric) values() []string {
	if m.Label == "" {
		return []string{""}
	}
	return m.Values
}

// series is the name of the numbers for a label value.
func (m *metric) series(value string) string {
	if value == "" {
		return m.Name
	}
	return m.Name + "." + value
}

// sample is what a series has at one moment.
type sample struct {
	kind   kind
	count  int64   // of a counter
	value  float64 // of a gauge
	counts []int64 // of a histogram
}

// snapshot reads all metrics.
func (r *Registry) snapshot() map[string]sample {
	all := map[string]sample{}
	for _, m := range r.metrics {
		switch {
		case m.counters != nil:
			for v, c := range m.counters.byValue {
				all[m.series(v)] = sample{kind: counterKind, count: c.Value()}
			}
		case m.gauges != nil:
			for v, g := range m.gauges.byValue {
				all[m.series(v)] = sample{kind: gaugeKind, value: float64(g.Value())}
			}
		case m.read != nil:
			if v, ok := m.read(); ok {
				all[m.Name] = sample{kind: gaugeKind, value: v}
			}
		case m.histogram != nil:
			all[m.Name] = sample{kind: histogramKind, counts: m.histogram.snapshot()}
		}
	}
	return all
}

// since is what came after before.
func (s sample) since(before sample) sample {
	switch s.kind {
	case counterKind:
		s.count -= before.count
	case histogramKind:
		s.counts = slices.Clone(s.counts)
		for i := range min(len(s.counts), len(before.counts)) {
			s.counts[i] -= before.counts[i]
		}
	}
	return s
}

// isZero reports whether the sample says nothing that its absence does not.
func (s sample) isZero() bool {
	switch s.kind {
	case counterKind:
		return s.count == 0
	case histogramKind:
		return !slices.ContainsFunc(s.counts, func(n int64) bool { return n != 0 })
	}
	return false
}

// merge adds a later sample of the same series.
func (s sample) merge(later sample) sample {
	if s.kind == 0 {
		return later
	}
	switch s.kind {
	case counterKind:
		s.count += later.count
	case gaugeKind:
		s.value = max(s.value, later.value)
	case histogramKind:
		counts := make([]int64, max(len(s.counts), len(later.counts)))
		copy(counts, s.counts)
		for i, n := range later.counts {
			counts[i] += n
		}
		s.counts = counts
	}
	return s
}

// quantile estimates the value below which the part q of all lies, evenly
// spread within a class; the last class counts as its lower bound. NaN where
// nothing was counted.
func quantile(q float64, bounds []float64, counts []int64) float64 {
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return math.NaN()
	}
	rank := q * float64(total)
	below := 0.0
	for i, n := range counts {
		if i >= len(bounds) {
			break
		}
		if below+float64(n) >= rank && n > 0 {
			lower := 0.0
			if i > 0 {
				lower = bounds[i-1]
			}
			return lower + (bounds[i]-lower)*(rank-below)/float64(n)
		}
		below += float64(n)
	}
	return bounds[len(bounds)-1]
}
