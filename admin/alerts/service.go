package alerts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail"
)

// Times of a Service.
const (
	tick       = time.Minute // between two looks
	recheck    = 30 * time.Minute
	sendFor    = 30 * time.Second
	giveUp     = day // what could not be told until then is not told
	retryFirst = time.Minute
	retryMost  = hour
	maxNotices = 60 // that wait to be told
	maxTold    = 20 // changes in one notice
	maxMute    = 366 * day
)

// Store remembers; *directory.Directory.
type Store interface {
	State(ctx context.Context, name string, v any) (found bool, err error)
	PutState(ctx context.Context, name string, v any) error
}

// Settings are what an operator has set.
type Settings struct {
	Limits
	Rules
	Private bool // web servers may be in private networks

	Daily     string // "off", "changes", "always"
	DailyHour int    // of the day, where this server is
}

// Values of Settings.Daily.
const (
	DailyOff     = "off"
	DailyChanges = "changes"
	DailyAlways  = "always"
)

// Options of a Service. Store, Settings and Observe are needed to run it.
type Options struct {
	Store    Store
	Settings func() Settings
	// Observe says what is known of the server now.
	Observe func(ctx context.Context) (Observations, error)
	// Recheck runs checks now, so that Observe knows better.
	Recheck func(ctx context.Context, ids []string) error
	// Mail sends a plain text to an address elsewhere, and returns the name of
	// the mail for [Service.Mailed]. An error says in words why it did not go out.
	Mail func(ctx context.Context, to mail.Path, subject, text string) (id string, err error)
	// Post sends a request; *push.Sender.
	Post func(ctx context.Context, r push.Request) (push.Answer, error)
	// IsLocal reports whether mail for a domain stays here.
	IsLocal func(mail.Domain) bool
	// Changed is told of what is told to people.
	Changed func(Change)

	Hostname string
	Version  string
	Web      string // address of our pages, "" if there are none
	Now      func() time.Time
	Zone     *time.Location // nil: that of this machine
	Logger   *slog.Logger
}

// Service has the alerts of a server. Its methods may be called concurrently.
type Service struct {
	opts Options
	kick chan struct{} // look now

	looking sync.Mutex // one look at a time

	mu       sync.Mutex
	loaded   bool
	alerts   book
	channels []Channel
	notices  []notice
	daily    dailyState
	written  []byte               // the alerts, as they were last put down
	mails    []sentMail           // whose fate is not known yet, the oldest first
	looked   map[string]time.Time // when checks were run again, by alert
}

// New makes a Service. It tells nothing by itself but in Run.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{opts: o, kick: make(chan struct{}, 1)}
}

// Look has the server looked at soon.
func (s *Service) Look() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Run looks and tells until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	defer wait.Wait()
	told := make(chan struct{}, 1)
	wait.Go(func() { s.deliver(ctx, told) })
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.kick:
		}
		if err := s.Evaluate(ctx); err != nil && ctx.Err() == nil {
			s.opts.Logger.WarnContext(ctx, "alerts", "err", err)
		}
		select {
		case told <- struct{}{}:
		default:
		}
	}
}

// Evaluate looks once, and puts down what is to be told.
func (s *Service) Evaluate(ctx context.Context) error {
	s.looking.Lock()
	defer s.looking.Unlock()
	now, set := s.opts.Now(), s.opts.Settings()
	if ids := s.due(ctx, now, set.Rules); len(ids) > 0 && s.opts.Recheck != nil {
		if err := s.opts.Recheck(ctx, ids); err != nil {
			return fmt.Errorf("look again: %w", err)
		}
		now = s.opts.Now()
	}
	o, err := s.opts.Observe(ctx)
	if err != nil {
		return fmt.Errorf("look: %w", err)
	}
	o.Now = now
	s.mu.Lock()
	changes, err := s.take(ctx, o, set)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	for _, c := range changes {
		s.opts.Logger.WarnContext(ctx, "alert", "event", c.Event, "alert", c.Alert.ID, "state", string(c.Worst))
		if s.opts.Changed != nil {
			s.opts.Changed(c)
		}
	}
	return nil
}

// take makes alerts of observations, and notices of what is to be told; s.mu
// is held.
func (s *Service) take(ctx context.Context, o Observations, set Settings) ([]Change, error) {
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	for _, c := range s.channels {
		o.channels = append(o.channels, channelState{c.ID, c.To, c.Health.Problem, c.Health.Failing})
	}
	changes := s.alerts.step(Judge(o, set.Limits), o.Now, set.Rules)
	notices := s.notices
	for _, c := range s.channels {
		if n, ok := noticeFor(&c, changes, o.Now); ok {
			notices = append(slices.Clone(notices), n)
		}
	}
	if daily, ok := s.dailyDue(o, set); ok {
		notices = append(slices.Clone(notices), s.dailyNotices(daily, o.Now)...)
		if err := s.putDaily(ctx, daily.next); err != nil {
			return nil, err
		}
	}
	// Written together with the alerts, or told twice rather than never.
	if len(notices) != len(s.notices) {
		if err := s.putNotices(ctx, notices); err != nil {
			return nil, err
		}
	}
	return changes, s.putAlerts(ctx)
}

// due are checks that are to be run again: those of alerts that have to be seen
// twice, and of such that may be over.
func (s *Service) due(ctx context.Context, now time.Time, r Rules) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.load(ctx) != nil {
		return nil
	}
	var ids []string
	for _, id := range s.alerts.ids() {
		a := s.alerts[id]
		switch {
		case a.Check == "":
		case a.Phase == Pending && now.Sub(a.Since) >= r.Confirm,
			a.Phase == Firing && now.Sub(s.lastLook(id)) >= recheck:
			ids = append(ids, a.Check)
			s.looked[id] = now
		}
	}
	return ids
}

// Alerts returns all alerts, what fires first.
func (s *Service) Alerts(ctx context.Context) ([]Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s.alerts.list(), nil
}

// Mute keeps an alert quiet until a time; the zero time ends that.
func (s *Service) Mute(ctx context.Context, id string, until time.Time) (Alert, error) {
	now := s.opts.Now()
	if !until.IsZero() && (!until.After(now) || until.After(now.Add(maxMute))) {
		return Alert{}, &Invalid{"until", "say until when: a time in the future, within a year"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return Alert{}, err
	}
	a := s.alerts[id]
	if a == nil {
		return Alert{}, ErrNoAlert
	}
	a.MutedUntil = nil
	if !until.IsZero() {
		until = until.UTC()
		a.MutedUntil = &until
	}
	return *a, s.putAlerts(ctx)
}

// notice is something that waits to be told on a channel.
type notice struct {
	ID       string
	Channel  string
	Changes  []Change
	More     int    // changes beyond those
	Subject  string // of the daily mail, which has no Changes
	Text     string
	Made     time.Time
	Attempts int
	Next     time.Time
}

// noticeFor is what a channel is told of changes.
func noticeFor(c *Channel, changes []Change, now time.Time) (notice, bool) {
	n := notice{Channel: c.ID, Made: now, Next: now}
	for _, ch := range changes {
		if ch.About != c.ID && severity(ch.Worst) >= severity(c.Least) {
			n.Changes = append(n.Changes, ch)
		}
	}
	n.More = max(len(n.Changes)-maxTold, 0)
	n.Changes = n.Changes[:len(n.Changes)-n.More]
	n.ID = fmt.Sprintf("alert-%s-%d", c.ID, now.UnixNano())
	return n, len(n.Changes) > 0
}

// deliver tells what waits until ctx is done.
func (s *Service) deliver(ctx context.Context, more <-chan struct{}) {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		s.deliverDue(ctx)
		select {
		case <-ctx.Done():
			return
		case <-more:
		case <-timer.C:
		}
	}
}

// deliverDue tells what is due, each channel in the order in which it came.
func (s *Service) deliverDue(ctx context.Context) {
	s.mu.Lock()
	var due []notice
	blocked := map[string]bool{}
	now := s.opts.Now()
	if s.load(ctx) == nil {
		for _, n := range s.notices {
			if !blocked[n.Channel] && (!n.Next.After(now) || n.Next.After(now.Add(retryMost))) {
				due = append(due, n)
			}
			blocked[n.Channel] = true // the next waits for this one
		}
	}
	s.mu.Unlock()
	var wait sync.WaitGroup
	for _, n := range due {
		wait.Go(func() { s.tell(ctx, n) })
	}
	wait.Wait()
	if len(due) > 0 && ctx.Err() == nil {
		s.deliverDue(ctx) // what waited for these
	}
}

// tell tells one notice, and writes down what came of it.
func (s *Service) tell(ctx context.Context, n notice) {
	s.mu.Lock()
	c, ok := s.channel(n.Channel)
	s.mu.Unlock()
	var err error
	if ok {
		m := s.messageOf(&n)
		err = s.send(ctx, &c, &m, s.opts.Now())
	}
	if ctx.Err() != nil {
		return // told at the next start
	}
	now := s.opts.Now()
	if err := errors.Join(s.settle(ctx, n, err, now), s.note(ctx, n.Channel, err, now)); err != nil {
		s.opts.Logger.WarnContext(ctx, "alerts: what was told could not be written down", "err", err)
	}
}

// settle drops a notice that was told, or has waited for too long, and puts
// off another.
func (s *Service) settle(ctx context.Context, n notice, problem error, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := slices.Clone(s.notices)
	i := slices.IndexFunc(next, func(have notice) bool { return have.ID == n.ID })
	switch {
	case i < 0:
		return nil
	case problem == nil, now.Sub(n.Made) >= giveUp:
		next = slices.Delete(next, i, i+1)
	default:
		next[i].Attempts++
		next[i].Next = now.Add(min(retryFirst<<min(n.Attempts, 10), retryMost))
	}
	return s.putNotices(ctx, next)
}

// summarize says in one sentence how the server is.
func summarize(list []checks.Result, firing int, now time.Time) string {
	text := checks.Summarize(list, now).Sentence
	switch {
	case firing == 1:
		text += "; 1 alert"
	case firing > 1:
		text += fmt.Sprintf("; %d alerts", firing)
	}
	return strings.TrimSuffix(text, ".") + "."
}
