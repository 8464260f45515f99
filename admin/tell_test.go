package admin

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/signin"
	"github.com/mailstead/mailstead/admin/webhooks"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// tellWorld has two domains, an admin of one, and webhooks.
type tellWorld struct {
	admin *Admin
	hooks *webhooks.Book
	*Teller
}

func newTellWorld(t *testing.T) *tellWorld {
	t.Helper()
	a, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	ctx := AsOwner(t.Context(), "test")
	for _, name := range []string{"a.test", "b.test"} {
		if _, err := a.AddDomain(ctx, NewDomain{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []NewAccount{{Address: "owner@a.test", Role: "owner"}, {Address: "chief@a.test", Role: "domain-admin", Domains: []string{"a.test"}}} {
		if _, err := a.AddAccount(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	return &tellWorld{a, a.opts.Webhooks, &Teller{Webhooks: a.opts.Webhooks, Directory: a.opts.Directory}}
}

// told returns what a webhook is to be told: event and recipients.
func (w *tellWorld) told(t *testing.T, id string) []string {
	t.Helper()
	p, err := w.hooks.Deliveries(t.Context(), id, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, d := range slices.Backward(p.Items) {
		list = append(list, d.Type+" "+string(d.Body))
	}
	return list
}

func path(s string) mail.Path {
	p, err := mail.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return p
}

func TestTellSaysWhatOneMaySee(t *testing.T) {
	w := newTellWorld(t)
	add := func(h webhooks.Hook) string {
		t.Helper()
		h.URL, h.Events = "https://elsewhere.test/", webhooks.Events()
		h, err := w.hooks.Add(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		return h.ID
	}
	all := add(webhooks.Hook{Wide: true, Creator: "owner@a.test"})
	chief := add(webhooks.Hook{Domains: []mail.Domain{"a.test"}, Creator: "chief@a.test"})
	greedy := add(webhooks.Hook{Domains: []mail.Domain{"b.test"}, Creator: "chief@a.test"}) // not theirs
	now := time.Now()
	in := trace.Summary{ID: "0123456789abcdef", Direction: "in", ReversePath: path("eve@far.test"), Recipients: []mail.Path{path("chief@a.test"), path("bob@b.test")}, Size: 9}
	said := in
	said.Outcome, said.Status, said.Last = "accepted", "2.0.0", now
	w.Message(trace.Written{Summary: in, Said: []trace.Summary{said}, Events: [][]trace.Event{{
		{Time: now, Kind: trace.Filed, Fields: map[string]string{"rcpt_to": "chief@a.test", "mailbox": "INBOX"}},
		{Time: now, Kind: trace.Filed, Fields: map[string]string{"rcpt_to": "bob@b.test", "mailbox": "INBOX"}},
		{Time: now, Kind: trace.Check, Fields: map[string]string{"check": "spf"}},
		{Time: now, Kind: trace.Queued, Text: "on hold"},
	}}})
	out := trace.Summary{ID: "0123456789abcdeg", Direction: "out", ReversePath: path("chief@a.test"), Recipients: []mail.Path{path("x@far.test")}}
	w.Message(trace.Written{Summary: out, Said: []trace.Summary{{ID: out.ID, Outcome: "deferred"}}, Events: [][]trace.Event{{
		{Time: now, Kind: trace.Queued, Fields: map[string]string{"recipients": "1"}},
		{Time: now, Kind: trace.Attempt, Fields: map[string]string{"rcpt_to": "x@far.test", "result": "deferred", "attempt": "2", "next": "2026-11-28T12:00:00Z", "reply": "451 later"}},
		{Time: now, Kind: trace.Attempt, Fields: map[string]string{"rcpt_to": "x@far.test", "result": "cancelled"}},
	}}})
	w.Account(directory.AuditEntry{Action: "account.add", Object: "new@b.test", Actor: "owner@a.test", Time: now})
	w.Account(directory.AuditEntry{Action: "setting.set", Object: "queue.expire", Time: now})
	w.check(CheckChange{ID: "dns.a.test", At: now})
	w.check(CheckChange{ID: "disk", At: now})
	kinds := func(id string) string {
		var list []string
		for _, s := range w.told(t, id) {
			kind, _, _ := strings.Cut(s, " ")
			list = append(list, kind)
		}
		return strings.Join(list, " ")
	}
	if got, want := kinds(all), "message.received message.filed message.filed message.queued message.deferred account.added check.changed check.changed"; got != want {
		t.Errorf("all: %q, want %q", got, want)
	}
	if got, want := kinds(chief), "message.received message.filed message.queued message.deferred check.changed"; got != want {
		t.Errorf("of a.test: %q, want %q", got, want)
	}
	for _, s := range w.told(t, chief) {
		if strings.Contains(s, "b.test") {
			t.Errorf("an admin of a.test is told of b.test: %s", s)
		}
	}
	if got := kinds(greedy); got != "" {
		t.Errorf("of a domain that is not theirs: %q", got)
	}
	// With their role ends what their webhooks are told.
	user := "user"
	if _, err := w.admin.SetAccount(AsOwner(context.Background(), "test"), "chief@a.test", AccountChange{Role: &user}); err != nil {
		t.Fatal(err)
	}
	before := len(w.told(t, chief))
	w.check(CheckChange{ID: "dns.a.test", At: now})
	if got := w.told(t, chief); len(got) != before {
		t.Errorf("after the role has ended: %q", got[before:])
	}
	var none *Teller
	none.Message(trace.Written{})
	none.Account(directory.AuditEntry{})
	none.check(CheckChange{})
}

// TestTellOfNoChange: a link to set a password changes no account, whoever makes
// it, nor does who takes its mail out; the password does.
func TestTellOfNoChange(t *testing.T) {
	w := newTellWorld(t)
	d, err := directory.Open(filepath.Join(t.TempDir(), "system.db"), directory.Options{Changed: w.Account})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	h, err := w.hooks.Add(t.Context(), webhooks.Hook{URL: "https://elsewhere.test/", Events: webhooks.Events(), Wide: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, a := AsOwner(t.Context(), "tester"), w.admin
	a.opts.Directory, a.opts.SignIn = d, signin.New(signin.Options{Directory: d})
	must[PeopleResult](t)(a.ImportPeople(ctx, PeopleList{Text: "ana@a.test\n", Domains: true, Invite: true}))
	must[InviteLink](t)(a.Invite(ctx, "ana@a.test"))
	must[BulkResult](t)(a.AddAccounts(ctx, "bo@a.test", true))
	if err := a.SetPassword(ctx, "ana@a.test", "correct horse"); err != nil {
		t.Fatal(err)
	}
	must[InviteLink](t)(a.Invite(ctx, "ana@a.test"))
	must[*MailExport](t)(a.OpenMailExport(ctx, "ana@a.test"))
	var got []string
	for _, s := range w.told(t, h.ID) {
		kind, body, _ := strings.Cut(s, " ")
		_, action, _ := strings.Cut(body, `"action":"`)
		action, _, _ = strings.Cut(action, `"`)
		got = append(got, kind+" "+action)
	}
	if want := "account.added account.add, account.added account.add, account.changed account.password"; strings.Join(got, ", ") != want {
		t.Errorf("told of %q, want %q", got, want)
	}
}
