package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/verdict"
)

func allow(subject string) verdict.Entry { return verdict.Entry{Verb: verdict.Allow, Subject: subject} }
func block(subject string) verdict.Entry { return verdict.Entry{Verb: verdict.Block, Subject: subject} }

func TestListsOfAllScopes(t *testing.T) {
	d := town(t)
	ana := path(t, "ana@example.org")
	here, own := RuleScope{Domain: "example.org"}, RuleScope{Account: 1}
	for _, e := range []struct {
		s RuleScope
		e verdict.Entry
	}{
		{RuleScope{}, allow("192.0.2.7/24")}, {RuleScope{}, block("Spam.Example")}, {here, block("@domain.example")}, {own, allow("Bo@Own.Example")}, {own, block(".own.example")},
	} {
		must[verdict.Entry](t)(d.PutListEntry(ctx, actor, e.s, e.e))
	}
	from := func(s string) *verdict.Sender {
		return &verdict.Sender{Client: netip.MustParseAddr("198.51.100.1"), Authors: []verdict.Party{{Address: path(t, s), Proven: true}}}
	}
	for _, tt := range []struct {
		account uint32
		from    string
		want    string
	}{
		{1, "x@spam.example", "block @spam.example server"},
		{1, "x@domain.example", "block @domain.example domain"},
		{1, "bo@own.example", "allow bo@own.example account"},
		{1, "x@a.own.example", "block .own.example account"},
		{2, "bo@own.example", "  server"},
	} {
		r := d.Rules(tt.account, ana)
		m := r.Lists.Match(from(tt.from))
		if got := fmt.Sprintf("%s %s %s", m.Verb, m.Subject, m.Scope); got != tt.want {
			t.Errorf("account %d, mail of %s: %q, want %q", tt.account, tt.from, got, tt.want)
		}
	}
	if !d.AllowsClient(netip.MustParseAddr("192.0.2.200")) || d.AllowsClient(netip.MustParseAddr("192.0.3.1")) {
		t.Error("the allowed network is another")
	}
	if got := d.ListEntries(RuleScope{}); len(got) != 2 || got[0].Subject != "192.0.2.0/24" || got[1].Subject != "@spam.example" || got[0].Created.IsZero() {
		t.Errorf("list of the server: %+v", got)
	}
	since := d.ListEntries(RuleScope{})[1].Created
	again := must[verdict.Entry](t)(d.PutListEntry(ctx, actor, RuleScope{}, verdict.Entry{Verb: verdict.Allow, Subject: "spam.example", Note: "no"}))
	if got := d.ListEntries(RuleScope{}); len(got) != 2 || got[1] != again || again.Created != since {
		t.Errorf("after a change of mind: %+v", got)
	}
	if err := d.RemoveListEntry(ctx, actor, RuleScope{}, "SPAM.example"); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		d.RemoveListEntry(ctx, actor, RuleScope{}, "spam.example"),
		errOf(d.PutListEntry(ctx, actor, RuleScope{Domain: "nowhere.example"}, allow("a.example"))),
		errOf(d.PutListEntry(ctx, actor, RuleScope{Account: 999}, allow("a.example"))),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%v, want not found", err)
		}
	}
	for _, e := range []verdict.Entry{allow(""), allow("0.0.0.0/0"), allow("a b"), {Verb: "maybe", Subject: "a.example"}} {
		if _, err := d.PutListEntry(ctx, actor, RuleScope{}, e); !errors.Is(err, ErrInvalid) {
			t.Errorf("entry %+v: %v", e, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestClosestPolicyHolds(t *testing.T) {
	d := town(t)
	ana, tagged := path(t, "ana@example.org"), path(t, "ana+shop@example.org")
	want := func(what string, by mail.Path, junk float64) {
		t.Helper()
		if got := d.Rules(1, by).Policy; got.Junk != junk {
			t.Errorf("%s: junk at %g, want %g", what, got.Junk, junk)
		}
	}
	set := func(s RuleScope, junk float64) {
		t.Helper()
		if err := d.SetJunkPolicy(ctx, actor, s, &verdict.Policy{Mode: verdict.File, Junk: junk}); err != nil {
			t.Fatal(err)
		}
	}
	want("nothing set", ana, verdict.Default().Junk)
	set(RuleScope{}, 6)
	want("server", ana, 6)
	set(RuleScope{Domain: "example.org"}, 7)
	want("domain", ana, 7)
	set(RuleScope{Account: 1}, 8)
	want("account", ana, 8)
	set(RuleScope{Address: tagged}, 9)
	want("address", tagged, 9)
	want("another address", ana, 8)
	if own, holds := d.JunkPolicy(RuleScope{Account: 2}); own != nil || holds.Junk != 7 {
		t.Errorf("account 2 has %v, and %v holds", own, holds)
	}
	if own, holds := d.JunkPolicy(RuleScope{Address: tagged}); own == nil || holds.Junk != 9 {
		t.Errorf("the address has %v, and %v holds", own, holds)
	}
	if err := d.SetJunkPolicy(ctx, actor, RuleScope{Account: 1}, nil); err != nil {
		t.Fatal(err)
	}
	want("account no longer", ana, 7)
	if err := d.SetJunkPolicy(ctx, actor, RuleScope{}, &verdict.Policy{Mode: "x"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a policy that is none: %v", err)
	}
}

// What was set can be undone, is there after a restart, and goes with its
// account or domain.
func TestRulesLiveAndDie(t *testing.T) {
	d := town(t)
	own := RuleScope{Account: 1}
	must[verdict.Entry](t)(d.PutListEntry(ctx, actor, own, allow("a.example")))
	first := newest(t, d)
	must[verdict.Entry](t)(d.PutListEntry(ctx, actor, own, allow("b.example")))
	if _, err := d.Undo(ctx, actor, first, false); !errors.Is(err, ErrConflict) {
		t.Errorf("a list that has changed since: %v", err)
	}
	must[Undone](t)(d.Undo(ctx, actor, newest(t, d), false))
	if got := d.ListEntries(own); len(got) != 1 || got[0].Subject != "@a.example" {
		t.Errorf("after undo: %+v", got)
	}
	must[Undone](t)(d.Undo(ctx, actor, first, false))
	if got := d.ListEntries(own); len(got) != 0 {
		t.Errorf("after both: %+v", got)
	}
	must[verdict.Entry](t)(d.PutListEntry(ctx, actor, own, allow("a.example")))
	must[verdict.Entry](t)(d.PutListEntry(ctx, actor, RuleScope{Domain: "none.org"}, allow("a.example")))
	if err := d.RemoveAccount(ctx, actor, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := d.RemoveDomain(ctx, actor, "none.org", true); err != nil {
		t.Fatal(err)
	}
	if n := len(d.current.Load().rules); n != 0 {
		t.Errorf("%d rules of nobody", n)
	}
}
