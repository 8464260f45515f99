package alerts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail"
)

// world is a server whose state a test sets, and what it has told.
type world struct {
	t     *testing.T
	store *directory.Directory

	mu       sync.Mutex
	set      Settings
	seen     Observations
	checked  []string // run again
	trouble  error    // of all channels
	mails    []string // "to: subject\n\ntext"
	requests []push.Request
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := directory.Open(filepath.Join(t.TempDir(), "system.db"), directory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return &world{t: t, store: dir, set: Settings{Limits: limits, Rules: Rules{Confirm: 2 * time.Minute, Clear: 5 * time.Minute, Remind: day}, Daily: DailyChanges, DailyHour: 7}}
}

// service makes one on what the world remembers, as after a restart.
func (w *world) service() *Service {
	return New(Options{
		Store: w.store, Hostname: "mail.a.test", Version: "1.0", Web: "https://mail.a.test", Zone: time.UTC,
		Settings: func() Settings { w.mu.Lock(); defer w.mu.Unlock(); return w.set },
		Observe:  func(context.Context) (Observations, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.seen, nil },
		Recheck: func(_ context.Context, ids []string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.checked = append(w.checked, ids...)
			return nil
		},
		Mail: func(_ context.Context, to mail.Path, subject, text string) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.trouble == nil {
				w.mails = append(w.mails, fmt.Sprintf("%s: %s\n\n%s", to, subject, text))
			}
			return fmt.Sprint("mail ", len(w.mails)), w.trouble
		},
		Post: func(_ context.Context, r push.Request) (push.Answer, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.trouble == nil {
				w.requests = append(w.requests, r)
			}
			return push.Answer{}, w.trouble
		},
		IsLocal: func(d mail.Domain) bool { return d == "a.test" },
	})
}

func (w *world) see(list ...checks.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Checks = list
}

// subjects are those of all mails so far.
func (w *world) subjects() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []string{}
	for _, m := range w.mails {
		_, subject, _ := strings.Cut(strings.SplitN(m, "\n", 2)[0], "] ")
		list = append(list, subject)
	}
	return list
}

func (w *world) add(s *Service, c Channel) Channel {
	w.t.Helper()
	if c.Least == "" {
		c.Least = checks.Warn
	}
	c, err := s.AddChannel(context.Background(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// run lets a service work for a while.
func (w *world) run(s *Service, d time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { s.Run(ctx) })
	time.Sleep(d)
	synctest.Wait()
	cancel()
	done.Wait()
}

func TestAlertsAreToldOnceAndResolved(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := w.service()
		w.add(s, Channel{Kind: KindMail, To: "ana@elsewhere.test"})
		hook := w.add(s, Channel{Kind: KindWebhook, To: "https://elsewhere.test/hook"})
		w.add(s, Channel{Kind: KindNtfy, To: "https://ntfy.test/topic", Token: "tk_1", Least: checks.Fail})
		w.see(check("clock", checks.Host, checks.Warn), check("ptr.v4", checks.Names, checks.Fail))
		w.run(s, 90*time.Second)
		if got := w.subjects(); !slices.Equal(got, []string{"CLOCK: saw clock"}) {
			t.Fatalf("after 90 s: %q", got)
		}
		w.run(s, 5*time.Minute)
		if got := w.subjects(); !slices.Equal(got, []string{"CLOCK: saw clock", "PTR.V4: saw ptr.v4"}) || !slices.Contains(w.checked, "ptr.v4") {
			t.Fatalf("seen twice: %q, run again: %q", got, w.checked)
		}
		// A restart tells nothing again.
		s = w.service()
		w.run(s, time.Hour)
		if got := w.subjects(); len(got) != 2 {
			t.Fatalf("after a restart: %q", got)
		}
		w.see(check("clock", checks.Host, checks.OK), check("ptr.v4", checks.Names, checks.Unknown))
		w.run(s, 10*time.Minute)
		if got := w.subjects(); !slices.Equal(got[2:], []string{"Resolved: CLOCK"}) {
			t.Fatalf("one is right again: %q", got)
		}
		text := w.mails[1]
		for _, want := range []string{"ana@elsewhere.test: [mail.a.test] PTR.V4", "What is wrong: saw ptr.v4.", "How to fix it: fix", "How we know: A check has looked", "https://mail.a.test/admin/system/alerts", "mailstead alert mute check.ptr.v4"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
		w.requestsAreRight(hook)
	})
}

// requestsAreRight looks at what webhook and ntfy have got.
func (w *world) requestsAreRight(hook Channel) {
	w.t.Helper()
	var events []string
	for _, r := range w.requests {
		if r.URL == "https://ntfy.test/" {
			var v struct {
				Topic, Title, Message, Click string
				Priority                     int
				Tags                         []string
			}
			if err := json.Unmarshal(r.Body, &v); err != nil || v.Topic != "topic" || v.Priority != 5 || v.Title != "mail.a.test: PTR.V4: saw ptr.v4" ||
				v.Click != "https://mail.a.test/admin/system/alerts" || !slices.Equal(v.Tags, []string{"rotating_light"}) || r.Header["Authorization"] != "Bearer tk_1" {
				w.t.Errorf("ntfy got %s, %v", r.Body, err)
			}
			events = append(events, "ntfy")
			continue
		}
		var v struct {
			Type string
			Data struct {
				Server string
				Alerts []Change
			}
		}
		if err := json.Unmarshal(r.Body, &v); err != nil || v.Data.Server != "mail.a.test" || len(v.Data.Alerts) != 1 {
			w.t.Errorf("webhook got %s, %v", r.Body, err)
			continue
		}
		events = append(events, v.Type+" "+v.Data.Alerts[0].Alert.ID)
		if !hook.Secret.Verify(r.Header[push.HeaderID], r.Header[push.HeaderTimestamp], r.Header[push.HeaderSignature], r.Body, v.Data.Alerts[0].Alert.Told) {
			w.t.Errorf("the signature of %s is not good", r.Body)
		}
	}
	slices.Sort(events)
	if want := []string{"alert.fired check.clock", "alert.fired check.ptr.v4", "alert.resolved check.clock", "ntfy"}; !slices.Equal(events, want) {
		w.t.Errorf("requests %q, want %q", events, want)
	}
}

func TestTroubleOfAChannel(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := w.service()
		c := w.add(s, Channel{Kind: KindMail, To: "ana@elsewhere.test"})
		w.trouble = errors.New("the disk is full")
		w.see(check("clock", checks.Host, checks.Warn))
		w.run(s, 3*time.Hour)
		list, err := s.Channels(t.Context())
		if err != nil || list[0].Health.Problem != "the disk is full" || list[0].Health.Failing.IsZero() {
			t.Fatalf("channels %+v, %v", list, err)
		}
		alerts, err := s.Alerts(t.Context())
		if err != nil || !slices.ContainsFunc(alerts, func(a Alert) bool { return a.ID == "channel."+c.ID && a.Phase == Firing }) {
			t.Fatalf("alerts %+v, %v", alerts, err)
		}
		w.mu.Lock()
		w.trouble = nil
		w.mu.Unlock()
		s = w.service()
		w.run(s, 2*time.Hour)
		// What waited is told, and nothing of the channel itself.
		if got := w.subjects(); !slices.Equal(got, []string{"CLOCK: saw clock"}) {
			t.Errorf("told %q", got)
		}
		if list, err = s.Channels(t.Context()); err != nil || list[0].Health.Problem != "" || list[0].Health.LastOK.IsZero() {
			t.Errorf("channels %+v, %v", list, err)
		}
		// What nobody could be told within a day is dropped.
		w.trouble = errors.New("no")
		w.see()
		w.run(s, 26*time.Hour)
		w.trouble = nil
		w.run(s, 2*time.Hour)
		if got := w.subjects(); len(got) != 1 {
			t.Errorf("told after a day: %q", got)
		}
	})
}

func TestDaily(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) { // begins at midnight
		s := w.service()
		w.add(s, Channel{Kind: KindMail, To: "ana@elsewhere.test", Least: checks.Fail, Daily: true})
		w.see(check("clock", checks.Host, checks.OK), check("dns.b.test", checks.Names, checks.OK))
		w.run(s, 20*time.Hour)
		if got := w.subjects(); len(got) != 0 {
			t.Fatalf("on the first day: %q", got)
		}
		w.see(check("clock", checks.Host, checks.Warn), check("dns.b.test", checks.Names, checks.Unknown), check("new", checks.Host, checks.OK))
		w.run(s, 24*time.Hour)
		if got := w.subjects(); !slices.Equal(got, []string{"3 changes since yesterday"}) {
			t.Fatalf("on the second day: %q", got)
		}
		for _, want := range []string{"- CLOCK: ok (saw clock)\n+ CLOCK: warn (saw clock)\n+ NEW: ok (saw new)\n", "Working, 1 thing to fix; 1 alert."} {
			if !strings.Contains(w.mails[0], want) {
				t.Errorf("%q is not in\n%s", want, w.mails[0])
			}
		}
		w.run(s, 24*time.Hour)
		if got := w.subjects(); len(got) != 1 {
			t.Fatalf("nothing has changed: %q", got)
		}
		w.set.Daily = DailyAlways
		w.run(s, 24*time.Hour)
		if got := w.subjects(); !slices.Equal(got[1:], []string{"Nothing has changed"}) {
			t.Fatalf("wanted each day: %q", got)
		}
		w.set.Daily = DailyOff
		w.see()
		w.run(s, 48*time.Hour)
		if got := w.subjects(); len(got) != 2 {
			t.Errorf("switched off: %q", got)
		}
	})
}

func TestChannels(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	for _, tt := range []struct {
		c     Channel
		field string
	}{
		{Channel{Kind: KindMail, To: "ana"}, "to"}, {Channel{Kind: KindMail, To: "ana@a.test"}, "to"}, {Channel{Kind: KindWebhook, To: "elsewhere.test"}, "to"},
		{Channel{Kind: KindNtfy, To: "https://ntfy.test/"}, "to"}, {Channel{Kind: KindNtfy, To: "https://ntfy.test/a/b"}, "to"}, {Channel{Kind: "pager", To: "x"}, "kind"},
		{Channel{Kind: KindNtfy, To: "https://ntfy.test/a", Token: "a b"}, "token"}, {Channel{Kind: KindMail, To: "ana@b.test", Least: "much"}, "least"},
	} {
		if tt.c.Least == "" {
			tt.c.Least = checks.Warn
		}
		var bad *Invalid
		if _, err := s.AddChannel(t.Context(), tt.c); !errors.As(err, &bad) || bad.Field != tt.field || !errors.Is(err, ErrInvalid) {
			t.Errorf("AddChannel(%+v): %v", tt.c, err)
		}
	}
	c := w.add(s, Channel{Kind: KindMail, To: "ana@b.test", Token: "no", Daily: true})
	if c.ID == "" || c.Secret != "" || c.Token != "" || !c.Daily {
		t.Errorf("made %+v", c)
	}
	if _, err := s.AddChannel(t.Context(), Channel{Kind: KindMail, To: "ana@b.test", Least: checks.Fail}); !errors.Is(err, ErrInvalid) {
		t.Errorf("the same again: %v", err)
	}
	if problem, err := s.Test(t.Context(), c.ID); problem != "" || err != nil || !slices.Equal(w.subjects(), []string{"Test of alerts"}) {
		t.Errorf("test: %q, %v, %q", problem, err, w.subjects())
	}
	w.trouble = errors.New("nobody there")
	if problem, err := s.Test(t.Context(), c.ID); problem != "nobody there" || err != nil {
		t.Errorf("test: %q, %v", problem, err)
	}
	if c, err := s.SetChannel(t.Context(), c.ID, func(c *Channel) { c.Least = checks.Fail }); err != nil || c.Least != checks.Fail || c.Health.Problem != "nobody there" {
		t.Errorf("changed %+v, %v", c, err)
	}
	w.trouble = nil
	if problem, err := s.Test(t.Context(), c.ID); problem != "" || err != nil {
		t.Errorf("test: %q, %v", problem, err)
	}
	s.Mailed(t.Context(), "mail 99", "not ours")
	s.Mailed(t.Context(), "mail 2", "550 no such user")
	if list, err := s.Channels(t.Context()); err != nil || list[0].Health.Problem != "the mail was refused: 550 no such user" {
		t.Errorf("a mail that came back: %+v, %v", list, err)
	}
	for _, err := range []error{
		second(s.Test(t.Context(), "x")), second(s.SetChannel(t.Context(), "x", func(*Channel) {})), second(s.RemoveChannel(t.Context(), "x")),
	} {
		if !errors.Is(err, ErrNoChannel) {
			t.Errorf("no channel: %v", err)
		}
	}
	if _, err := s.RemoveChannel(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := w.service().Channels(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("left: %+v, %v", list, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestMute(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := w.service()
		w.add(s, Channel{Kind: KindMail, To: "ana@elsewhere.test"})
		w.see(check("clock", checks.Host, checks.Warn))
		w.run(s, 90*time.Second)
		if _, err := s.Mute(t.Context(), "check.clock", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		w.see(check("clock", checks.Host, checks.Fail))
		s = w.service() // it is remembered
		w.run(s, 30*time.Minute)
		if got := w.subjects(); len(got) != 1 {
			t.Fatalf("told while it is muted: %q", got)
		}
		if a, err := s.Mute(t.Context(), "check.clock", time.Time{}); err != nil || a.MutedUntil != nil {
			t.Fatalf("unmuted: %+v, %v", a, err)
		}
		w.run(s, 2*time.Minute)
		if got := w.subjects(); len(got) != 2 {
			t.Errorf("told after it: %q", got)
		}
		if _, err := s.Mute(t.Context(), "x", time.Now().Add(time.Hour)); !errors.Is(err, ErrNoAlert) {
			t.Errorf("no alert: %v", err)
		}
		for _, until := range []time.Time{time.Now(), time.Now().AddDate(2, 0, 0)} {
			if _, err := s.Mute(t.Context(), "check.clock", until); !errors.Is(err, ErrInvalid) {
				t.Errorf("until %v: %v", until, err)
			}
		}
	})
}

// TestMuchWaits keeps what waits within a row of the store.
func TestMuchWaits(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	for i := range 10 {
		w.add(s, Channel{Kind: KindMail, To: fmt.Sprintf("ana%d@elsewhere.test", i)})
	}
	for round := range 8 {
		var list []checks.Result
		for i := range 60 {
			r := check(fmt.Sprintf("dns.%d-%d.test", round, i), checks.Host, checks.Fail)
			r.Saw, r.Fix = strings.Repeat("é", 500), strings.Repeat("x", 500)
			list = append(list, r)
		}
		w.see(list...)
		if err := s.Evaluate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again := w.service()
	if list, err := again.Alerts(t.Context()); err != nil || len(list) == 0 {
		t.Errorf("%d alerts, %v", len(list), err)
	}
	if n := len(again.notices); n == 0 || n > maxNotices {
		t.Errorf("%d notices wait", n)
	}
}
