package directory

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/verdict"
)

// contents are all octets of the file.
func contents(t *testing.T, d *Directory) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := d.Backup(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fill makes a domain, an account and an alias, each of which needs the one
// before, and something that is refused.
func fill(t *testing.T, in *Directory) (id uint32) {
	t.Helper()
	in.mustDomain(t, NewDomain{Name: "a.test"})
	id = in.mustAccount(t, "ana@a.test")
	if _, err := in.AddAlias(ctx, actor, path(t, "info@a.test"), path(t, "ana@a.test")); err != nil {
		t.Error(err)
	}
	if _, err := in.AddAlias(ctx, actor, path(t, "x@a.test"), path(t, "nobody@a.test")); !errors.Is(err, ErrNotFound) {
		t.Errorf("an alias to nobody: %v", err)
	}
	if _, _, err := in.AddLinks(ctx, actor, []uint32{id}, Invite); err != nil {
		t.Error(err)
	}
	if err := in.PutState(ctx, "test", 1); err != nil {
		t.Error(err)
	}
	if got, err := in.AccountByAddress(path(t, "ana@a.test")); err != nil || got.ID != id {
		t.Errorf("what was made is not there: %+v, %v", got, err)
	}
	return id
}

func TestTogether(t *testing.T) {
	d := open(t)
	before := contents(t, d)
	failed := errors.New("failed")
	var r Rehearsal
	interrupted, stop := context.WithCancel(ctx)
	defer stop()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		then error
		want error
	}{{"fails", ctx, failed, failed}, {"interrupted", interrupted, nil, context.Canceled}, {"rehearsal", Rehearse(ctx, &r), nil, ErrRehearsed}} {
		err := d.Together(tt.ctx, func(in *Directory) error {
			fill(t, in)
			if tt.ctx == interrupted {
				stop()
			}
			return tt.then
		})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if domains, accounts := d.Counts(); domains+accounts != 0 || !bytes.Equal(contents(t, d), before) {
			t.Errorf("%s: something has changed", tt.name)
		}
	}
	if len(r.Entries) != 5 {
		t.Errorf("the rehearsal has %+v", r.Entries)
	}

	var id uint32
	if err := d.Together(ctx, func(in *Directory) error { id = fill(t, in); return nil }); err != nil {
		t.Fatal(err)
	}
	if account, targets, err := d.Resolve(ctx, path(t, "info@a.test")); err != nil || account != 0 || len(targets) != 1 {
		t.Errorf("the alias leads to %v, %v, %v", account, targets, err)
	}
	if a, err := d.Account(id); err != nil || d.AccountRows([]mail.Domain{"a.test"}).Len() != 1 || len(d.AliasesTo(a.Address)) != 1 {
		t.Errorf("lists do not have %+v, %v", a, err)
	}
	if list, err := d.Audit(ctx, 0); err != nil || len(list) != 5 {
		t.Errorf("audit: %+v, %v", list, err)
	}
}

// TestTogetherIsWhole: a change that fails after it has written something takes
// all with it, also if nobody minds.
func TestTogetherIsWhole(t *testing.T) {
	d := open(t)
	before := contents(t, d)
	err := d.Together(ctx, func(in *Directory) error {
		in.mustDomain(t, NewDomain{Name: "a.test"})
		if _, err := in.ImportSettings(ctx, actor, []byte("postmaster = 'nobody@a.test'\nmessage.max-size = '1MiB'\n")); !errors.Is(err, ErrNotFound) {
			t.Errorf("postmaster is nobody: %v", err)
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "half done") || !bytes.Equal(contents(t, d), before) {
		t.Errorf("it is %v", err)
	}
}

func TestAddListEntries(t *testing.T) {
	d := open(t)
	want := []verdict.Entry{{Verb: verdict.Block, Subject: "Spam.example"}, {Verb: verdict.Allow, Subject: "@spam.example"}, {Verb: "maybe", Subject: "b.example"}, {Verb: verdict.Allow, Subject: "no subject"}, {Verb: verdict.Allow, Subject: "a@far.example"}}
	kept, refused, err := d.AddListEntries(ctx, actor, RuleScope{}, want)
	if err != nil || refused[0] != nil || !errors.Is(refused[1], ErrExists) || kept[1].Verb != verdict.Block || !errors.Is(refused[2], ErrInvalid) || !errors.Is(refused[3], ErrInvalid) || refused[4] != nil {
		t.Errorf("%+v, %v, %v", kept, refused, err)
	}
	if list := d.ListEntries(RuleScope{}); len(list) != 2 || list[0].Subject != "@spam.example" || list[1].Subject != "a@far.example" {
		t.Errorf("the list is %+v", list)
	}
	if _, refused, err := d.AddListEntries(ctx, actor, RuleScope{}, want); err != nil || !errors.Is(refused[0], ErrExists) {
		t.Errorf("the same again: %v, %v", refused, err)
	}
	if list, err := d.Audit(ctx, 0); err != nil || len(list) != 1 {
		t.Errorf("the same again is a change: %+v, %v", list, err)
	}
	if _, _, err := d.AddListEntries(ctx, actor, RuleScope{Domain: "b.test"}, want); !errors.Is(err, ErrNotFound) {
		t.Errorf("a domain that is not here: %v", err)
	}
}
