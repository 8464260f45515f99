package admin

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// TestEventsAreForSome: each principal sees the events that are for its eyes.
func TestEventsAreForSome(t *testing.T) {
	owner := Principal{Kind: KindUser, Account: 1, Role: directory.RoleOwner}
	chief := Principal{Kind: KindUser, Account: 2, Role: directory.RoleDomainAdmin, Domains: []mail.Domain{"a.test"}}
	support := Principal{Kind: KindUser, Account: 3, Role: directory.RoleSupport}
	user := Principal{Kind: KindUser, Account: 4, Role: directory.RoleUser}
	for _, tt := range []struct {
		name  string
		event Event
		seen  []Principal
	}{
		{"trace of a.test", Event{Topic: TopicTraces, domains: []mail.Domain{"far.example", "a.test"}}, []Principal{owner, chief, support}},
		{"trace of b.test", Event{Topic: TopicTraces, domains: []mail.Domain{"b.test"}}, []Principal{owner, support}},
		{"size of the queue", Event{Topic: TopicQueue}, []Principal{owner, support}},
		{"check", Event{Topic: TopicChecks}, []Principal{owner, support}},
		{"job of the user", Event{Topic: TopicJobs, owner: user.owner()}, []Principal{owner, user}},
		{"job of nobody", Event{Topic: TopicJobs}, []Principal{owner}},
	} {
		for _, p := range []Principal{owner, chief, support, user} {
			s := Stream{who: p, topics: Topics()}
			want := slices.ContainsFunc(tt.seen, func(o Principal) bool { return o.Account == p.Account })
			if got := s.sees(&tt.event); got != want {
				t.Errorf("%s, %s: %v", tt.name, p.Role, got)
			}
		}
	}
}

func TestHub(t *testing.T) {
	h := newHub(time.Unix(1000, 0))
	_, _, start, _ := h.since(0)
	for range maxEvents + 10 {
		h.publish(Event{Topic: TopicQueue})
	}
	if list, missed, _, _ := h.since(start); !missed || len(list) > maxEvents {
		t.Errorf("from the beginning: %d events, missed %v", len(list), missed)
	}
	list, missed, last, more := h.since(start + maxEvents)
	if missed || len(list) != 10 || list[9].ID != last || last != start+maxEvents+10 {
		t.Errorf("the last: %d events, missed %v, last %d", len(list), missed, last)
	}
	select {
	case <-more:
		t.Error("there is more already")
	default:
	}
	h.publish(Event{})
	<-more
	if _, missed, _, _ := h.since(last + 50); !missed {
		t.Error("an ID that is yet to come is of another process")
	}
}

// TestRun: what happens to mail is told, and the queue once for a burst.
func TestRun(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	s, err := a.Events(ctx, []Topic{TopicTraces, TopicQueue}, 0)
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(run) }()
	log := a.opts.Traces.(*trace.Log)
	seen := map[string]bool{}
	for !seen["trace.changed"] || !seen["queue.changed"] {
		log.Append(trace.Summary{ID: trace.NewID(time.Now(), constant{}), Direction: "out"}, trace.Event{Kind: trace.Done, Text: "done"})
		list, _, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			seen[e.Name] = true
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{})
		mine := Principal{Kind: KindUser, Account: 4, Role: directory.RoleUser}
		ctx := WithPrincipal(t.Context(), mine)
		release := make(chan struct{})
		j, err := a.start(mine, "test", func(ctx context.Context, p *Progress) (any, error) {
			p.Set(1, 2)
			p.Log("half")
			select {
			case <-release:
				return 42, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		if err != nil || j.State != JobRunning {
			t.Fatalf("start: %+v, %v", j, err)
		}
		synctest.Wait()
		if j, err = a.Job(ctx, j.ID); err != nil || j.Progress != 1 || j.Total != 2 || len(j.Log) != 1 {
			t.Errorf("half way: %+v, %v", j, err)
		}
		other := WithPrincipal(t.Context(), Principal{Kind: KindUser, Account: 5, Role: directory.RoleUser})
		if _, err := a.Job(other, j.ID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("the job of another: %v", err)
		}
		close(release)
		a.jobs.group.Wait()
		if j, err = a.Job(ctx, j.ID); err != nil || j.State != JobDone || j.Result != 42 {
			t.Errorf("done: %+v, %v", j, err)
		}
		tidied := make(chan struct{})
		j, err = a.start(mine, "test", func(ctx context.Context, _ *Progress) (any, error) { <-ctx.Done(); <-tidied; return nil, ctx.Err() })
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.jobs.stop(Principal{Kind: KindUser, Account: 5, Role: directory.RoleUser}, j.ID, "mallory"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("the job of another is cancelled: %v", err)
		}
		if _, first, err := a.jobs.stop(mine, j.ID, "ana@example.org"); err != nil || !first {
			t.Errorf("cancel: %v, %v", first, err)
		}
		if v, first, err := a.jobs.stop(mine, j.ID, "bo@example.org"); err != nil || first || v.ID != j.ID || v.State != JobRunning {
			t.Errorf("cancelled by another as well: %+v, %v, %v", v, first, err)
		}
		close(tidied)
		a.jobs.group.Wait()
		if j, err = a.Job(ctx, j.ID); err != nil || j.State != JobCancelled || j.Log[0] != "cancelled by ana@example.org" {
			t.Errorf("cancelled: %+v, %v", j, err)
		}
		if _, _, err := a.jobs.stop(mine, j.ID, "ana@example.org"); !errors.Is(err, directory.ErrConflict) {
			t.Errorf("cancelled again: %v", err)
		}
		j, err = a.start(mine, "test", func(ctx context.Context, _ *Progress) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		if err != nil {
			t.Fatal(err)
		}
		a.stopJobs()
		a.jobs.group.Wait()
		if j, err = a.Job(ctx, j.ID); err != nil || j.State != JobFailed || j.Log[0] != context.Canceled.Error() {
			t.Errorf("stopped: %+v, %v", j, err)
		}
	})
}

// Jobs of a key are not those of another, nor of who has the data folder.
func TestJobsHaveOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{})
		people := map[string]Principal{
			"a key":              {Kind: KindKey, KeyID: "a", Role: directory.RoleSupport},
			"another key":        {Kind: KindKey, KeyID: "b", Role: directory.RoleSupport},
			"a person":           {Kind: KindUser, Account: 7, Role: directory.RoleUser},
			"the first run":      {Kind: KindSetup, Role: directory.RoleSupport},
			"a person elsewhere": {Kind: KindUser, Account: 8, Role: directory.RoleUser, SessionID: "x"},
		}
		for who, p := range people {
			j, err := a.start(p, "test", func(context.Context, *Progress) (any, error) { return nil, nil })
			if err != nil {
				t.Fatal(err)
			}
			a.jobs.group.Wait()
			for asks, other := range people {
				_, err := a.Job(WithPrincipal(t.Context(), other), j.ID)
				s := Stream{who: other, topics: Topics()}
				sees := s.sees(&Event{Topic: TopicJobs, owner: p.owner()})
				if (err == nil) != (who == asks) || sees != (who == asks) {
					t.Errorf("%s asks for the job of %s: %v, sees its events: %v", asks, who, err, sees)
				}
			}
		}
	})
}
