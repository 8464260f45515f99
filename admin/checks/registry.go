package checks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Bounds of a run.
const (
	budget   = 45 * time.Second // of all checks together
	perCheck = 20 * time.Second
	parallel = 8

	historyDays = 30
	maxHistory  = 120 // changes that are kept of a check
	maxSaw      = 1000
)

// Errors of the registry, for errors.Is.
var (
	ErrNoCheck = errors.New("checks: there is no such check")
	ErrMute    = errors.New("checks: until when is not in the future, or more than a year away")
)

// Store remembers what checks found; *directory.Directory.
type Store interface {
	State(ctx context.Context, name string, v any) (found bool, err error)
	PutState(ctx context.Context, name string, v any) error
}

// Options of a Registry. Checks is needed.
type Options struct {
	// Checks returns all checks; which there are may change.
	Checks func() []Check
	Store  Store // nil: nothing is remembered
	// Changed is told of each check that has another state than before.
	Changed func(id string, from, to State, at time.Time)

	Now    func() time.Time
	Logger *slog.Logger
}

// Registry runs checks and keeps what they found. Its methods may be called
// concurrently.
type Registry struct {
	opts Options

	mu   sync.Mutex
	kept map[string]kept // by ID; read from the store when first needed
}

// kept is what is remembered of a check.
type kept struct {
	Finding
	Since      time.Time
	CheckedAt  time.Time
	MutedUntil time.Time
	History    []Point
}

// New makes a Registry. It runs nothing by itself but in Watch.
func New(o Options) *Registry {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Registry{opts: o, kept: map[string]kept{}}
}

func rowName(id string) string { return "check/" + id }

// recall returns what is known of a check.
func (r *Registry) recall(ctx context.Context, id string) (kept, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.kept[id]; ok {
		return k, nil
	}
	var k kept
	if r.opts.Store != nil {
		if _, err := r.opts.Store.State(ctx, rowName(id), &k); err != nil {
			return kept{}, err
		}
	}
	r.kept[id] = k
	return k, nil
}

// Results returns what all checks found last, in their order.
func (r *Registry) Results(ctx context.Context) ([]Result, error) {
	list := []Result{}
	for _, c := range r.opts.Checks() {
		k, err := r.recall(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		list = append(list, r.describe(c, k))
	}
	return list, nil
}

// describe puts a check and what it found together.
func (r *Registry) describe(c Check, k kept) Result {
	res := Result{ID: c.ID, Group: c.Group, Title: c.Title, State: k.State, Saw: k.Saw, Want: c.Want, Why: c.Why, Fix: k.Fix, FixLink: k.FixLink, Action: k.Action,
		Domain: c.Domain, Since: k.Since, CheckedAt: k.CheckedAt, History: slices.Clone(k.History)}
	if res.History == nil {
		res.History = []Point{}
	}
	if res.State == "" {
		res.State, res.Saw = Unknown, "not checked yet"
	}
	if r.opts.Now().Before(k.MutedUntil) {
		res.MutedUntil = &k.MutedUntil
	}
	return res
}

// Run runs checks now, all of them or those that are named, with those they
// depend on, and returns the results of what was asked for.
func (r *Registry) Run(ctx context.Context, ids ...string) ([]Result, error) {
	all := r.opts.Checks()
	wanted, err := choose(all, ids)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	found := r.runAll(ctx, withParents(all, wanted))
	if err := context.Cause(ctx); errors.Is(err, context.Canceled) {
		return nil, err
	}
	list := []Result{}
	for _, c := range all {
		if f, ok := found[c.ID]; ok {
			k, err := r.note(context.WithoutCancel(ctx), c.ID, f)
			if err != nil {
				return nil, err
			}
			if wanted[c.ID] {
				list = append(list, r.describe(c, k))
			}
		}
	}
	return list, nil
}

// choose returns the checks that are meant; none named are all.
func choose(all []Check, ids []string) (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(c Check) bool { return c.ID == id }) {
			return nil, fmt.Errorf("%w: %q", ErrNoCheck, id)
		}
		wanted[id] = true
	}
	if len(ids) == 0 {
		for _, c := range all {
			wanted[c.ID] = true
		}
	}
	return wanted, nil
}

// withParents adds the checks that others depend on.
func withParents(all []Check, wanted map[string]bool) []Check {
	need := map[string]bool{}
	var add func(id string)
	add = func(id string) {
		for _, c := range all {
			if c.ID == id && !need[id] {
				need[id] = true
				for _, parent := range c.After {
					add(parent)
				}
			}
		}
	}
	for id := range wanted {
		add(id)
	}
	var list []Check
	for _, c := range all {
		if need[c.ID] {
			list = append(list, c)
		}
	}
	return list
}

// running is a check under way; done is closed when finding is there.
type running struct {
	done    chan struct{}
	title   string
	finding Finding
}

// runAll runs checks at once, each after those that it depends on.
func (r *Registry) runAll(ctx context.Context, list []Check) map[string]Finding {
	under := map[string]*running{}
	for _, c := range list {
		under[c.ID] = &running{done: make(chan struct{}), title: c.Title}
	}
	slots := make(chan struct{}, parallel)
	for _, c := range list {
		go func() {
			u := under[c.ID]
			defer close(u.done)
			for _, id := range c.After {
				parent, ok := under[id]
				if !ok || id == c.ID {
					continue
				}
				<-parent.done
				if parent.finding.State == Fail || parent.finding.State == Unknown {
					u.finding = unknown("not tried, because of %q: %s", parent.title, parent.finding.Saw)
					return
				}
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			u.finding = r.runOne(ctx, c)
		}()
	}
	found := map[string]Finding{}
	for id, u := range under {
		<-u.done
		found[id] = u.finding
	}
	return found
}

// runOne runs a check for as long as it may take. One that does not come back
// is left behind.
func (r *Registry) runOne(ctx context.Context, c Check) Finding {
	ctx, cancel := context.WithTimeout(ctx, perCheck)
	defer cancel()
	result := make(chan Finding, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				r.opts.Logger.Error("check: a bug", "check", c.ID, "err", p)
				result <- unknown("the check has a bug; the log has more")
			}
		}()
		result <- c.Run(ctx)
	}()
	select {
	case f := <-result:
		f.Saw = clip(f.Saw)
		return f
	case <-ctx.Done():
		return unknown("it took too long")
	}
}

func clip(s string) string {
	if len(s) > maxSaw {
		s = s[:maxSaw] + "…"
	}
	return s
}

// note remembers a finding.
func (r *Registry) note(ctx context.Context, id string, f Finding) (kept, error) {
	k, err := r.recall(ctx, id)
	if err != nil {
		return kept{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k = r.kept[id]
	now := r.opts.Now().UTC()
	before := k.State
	if before != f.State {
		k.Since = now
		k.History = append(slices.Clone(k.History), Point{now, f.State})
	}
	k.History = recent(k.History, now)
	k.Finding, k.CheckedAt = f, now
	if err := r.keep(ctx, id, k); err != nil {
		return kept{}, err
	}
	if before != f.State && before != "" && r.opts.Changed != nil {
		r.opts.Changed(id, before, f.State, now)
	}
	return k, nil
}

// keep writes what is known of a check; r.mu is held.
func (r *Registry) keep(ctx context.Context, id string, k kept) error {
	if r.opts.Store != nil {
		if err := r.opts.Store.PutState(ctx, rowName(id), k); err != nil {
			return err
		}
	}
	r.kept[id] = k
	return nil
}

// recent drops changes that are too old, but for the last one before: the
// state that the time begins with.
func recent(history []Point, now time.Time) []Point {
	begin := now.AddDate(0, 0, -historyDays)
	for len(history) > 1 && (history[1].At.Before(begin) || len(history) > maxHistory) {
		history = history[1:]
	}
	return history
}

// maxMute is how long a check can be muted.
const maxMute = 366 * 24 * time.Hour

// Mute keeps a check out of what there is to fix, until a time.
func (r *Registry) Mute(ctx context.Context, id string, until time.Time) (Result, error) {
	if now := r.opts.Now(); !until.After(now) || until.After(now.Add(maxMute)) {
		return Result{}, ErrMute
	}
	return r.setMute(ctx, id, until)
}

// Unmute ends Mute.
func (r *Registry) Unmute(ctx context.Context, id string) (Result, error) {
	return r.setMute(ctx, id, time.Time{})
}

func (r *Registry) setMute(ctx context.Context, id string, until time.Time) (Result, error) {
	all := r.opts.Checks()
	i := slices.IndexFunc(all, func(c Check) bool { return c.ID == id })
	if i < 0 {
		return Result{}, fmt.Errorf("%w: %q", ErrNoCheck, id)
	}
	if _, err := r.recall(ctx, id); err != nil {
		return Result{}, err
	}
	r.mu.Lock()
	k := r.kept[id]
	k.MutedUntil = until.UTC()
	err := r.keep(ctx, id, k)
	r.mu.Unlock()
	if err != nil {
		return Result{}, err
	}
	return r.describe(all[i], k), nil
}

// tick is how often Watch looks for checks that are due.
const tick = time.Minute

// Watch runs each check when it is due, until ctx is done.
func (r *Registry) Watch(ctx context.Context) error {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := r.runDue(ctx); err != nil && ctx.Err() == nil {
			r.opts.Logger.WarnContext(ctx, "checks", "err", err)
		}
	}
}

// runDue runs the checks whose time has come. One that could not tell is tried
// again sooner.
func (r *Registry) runDue(ctx context.Context) error {
	var due []string
	now := r.opts.Now()
	for _, c := range r.opts.Checks() {
		k, err := r.recall(ctx, c.ID)
		if err != nil {
			return err
		}
		every := c.Every
		if every == 0 {
			every = DefaultEvery
		}
		if k.State == Unknown {
			every /= 4
		}
		if since := now.Sub(k.CheckedAt); since >= every || since < 0 { // or the clock was set back
			due = append(due, c.ID)
		}
	}
	if len(due) == 0 {
		return nil
	}
	_, err := r.Run(ctx, due...)
	return err
}
