package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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

// TestTogetherTooLong: others wait for it only so long. What comes after is
// refused, and all is taken back, also if nobody minds.
func TestTogetherTooLong(t *testing.T) {
	d := open(t)
	before := contents(t, d)
	d.opts.LongestTogether = time.Nanosecond
	for _, own := range []error{nil, errors.New("some were refused")} {
		err := d.Together(ctx, func(in *Directory) error {
			if _, err := in.AddDomain(ctx, actor, NewDomain{Name: "a.test"}); !errors.Is(err, ErrTooLong) {
				t.Errorf("a change that comes too late: %v", err)
			}
			return own
		})
		if !errors.Is(err, ErrTooLong) || !bytes.Equal(contents(t, d), before) {
			t.Errorf("it is %v", err)
		}
	}
}

// TestTogetherChain: at the end of a long chain of aliases a new one costs no more
// than at its begin. Would each walk along it, others waited for minutes.
func TestTogetherChain(t *testing.T) {
	d := open(t)
	d.mustDomain(t, NewDomain{Name: "a.test"})
	d.mustAccount(t, "ana@a.test")
	err := d.Together(ctx, func(in *Directory) error {
		to, n := path(t, "ana@a.test"), 0
		extend := func() {
			n++
			p := mail.Path{Local: fmt.Sprint("a", n), Domain: "a.test"}
			if _, err := in.AddAlias(ctx, actor, p, to); err != nil {
				t.Fatal(err)
			}
			to = p
		}
		for range 2000 {
			extend()
		}
		if made := testing.AllocsPerRun(10, extend); made > 500 { // a walk makes one for each alias
			t.Errorf("one more alias makes %v objects", made)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCircles: circles are found by what was there before, and within one change of
// many by what that has made.
func TestCircles(t *testing.T) {
	alias := func(from string, to ...string) func(*testing.T, *Directory) error {
		return func(t *testing.T, in *Directory) error {
			var targets []mail.Path
			for _, s := range to {
				targets = append(targets, path(t, s))
			}
			_, err := in.AddAlias(ctx, actor, path(t, from), targets...)
			return err
		}
	}
	catchAll := func(to string) func(*testing.T, *Directory) error {
		return func(t *testing.T, in *Directory) error {
			p := path(t, to)
			_, err := in.SetDomain(ctx, actor, "a.test", DomainChange{CatchAll: &p})
			return err
		}
	}
	separator := func(sep string) func(*testing.T, *Directory) error {
		return func(_ *testing.T, in *Directory) error {
			_, err := in.SetDomain(ctx, actor, "a.test", DomainChange{Separator: &sep})
			return err
		}
	}
	domain := func(n NewDomain) func(*testing.T, *Directory) error {
		return func(_ *testing.T, in *Directory) error {
			_, err := in.AddDomain(ctx, actor, n)
			return err
		}
	}
	postmaster := func(t *testing.T, in *Directory) error {
		_, err := in.SetSetting(ctx, actor, string(Postmaster), "post@a.test")
		return errors.Join(err, in.RemoveAlias(ctx, actor, path(t, "post@a.test")))
	}
	type steps = []func(*testing.T, *Directory) error
	for _, tt := range []struct {
		name          string
		before, begin steps
		last          func(*testing.T, *Directory) error
	}{
		{"subaddress of an alias to come", steps{catchAll("ana@a.test"), alias("b@a.test", "Ann+x+y@a.test")}, nil, alias("ann@a.test", "b@a.test")},
		{"subaddress of an alias to come, within", nil, steps{catchAll("ana@a.test"), alias("b@a.test", "Ann+x+y@a.test")}, alias("ann@a.test", "b@a.test")},
		{"of its own", nil, steps{catchAll("ana@a.test")}, alias("ann@a.test", "ann+x@a.test")},
		{"subaddress of an alias", nil, steps{alias("ann@a.test", "bo@a.test"), alias("b@a.test", "ann+x@a.test")}, alias("ann@a.test", "far@far.example", "b@a.test")},
		{"another separator", nil, steps{catchAll("ana@a.test"), alias("b@a.test", "ann-x@a.test"), separator("-")}, alias("ann@a.test", "b@a.test")},
		{"unknown", nil, steps{catchAll("ana@a.test"), alias("x@a.test", "far@far.example", "y@a.test")}, catchAll("x@a.test")},
		{"unknown, by another domain", nil, steps{catchAll("ana@a.test"), domain(NewDomain{Name: "b.test", AliasOf: "a.test"}), alias("x@a.test", "y@b.test")}, catchAll("x@a.test")},
		{"a domain to come", nil, steps{alias("x@a.test", "y@b.test")}, domain(NewDomain{Name: "b.test", CatchAll: path(t, "x@a.test")})},
		{"postmaster to come", steps{alias("post@a.test", "ana@a.test"), postmaster}, steps{alias("b@a.test", "abuse@a.test")}, alias("post@a.test", "b@a.test")},
		{"catch-all before", []func(*testing.T, *Directory) error{catchAll("ana@a.test"), alias("x@a.test", "y@a.test")}, nil, alias("y@a.test", "x@a.test")},
		{"catch-all", nil, []func(*testing.T, *Directory) error{catchAll("ana@a.test"), alias("x@a.test", "far@far.example", "y@a.test")}, alias("y@a.test", "far@far.example", "x@a.test")},
		{"target of a group", nil, []func(*testing.T, *Directory) error{alias("x@a.test", "ana@a.test"), alias("y@a.test", "x@a.test")}, alias("x@a.test", "bo@a.test", "y@a.test")},
		{"forwarding", nil, []func(*testing.T, *Directory) error{catchAll("bo@a.test"), func(t *testing.T, in *Directory) error {
			to := []mail.Path{path(t, "y@a.test")}
			ana, err := in.AccountByAddress(path(t, "ana@a.test"))
			if err == nil {
				_, err = in.SetAccount(ctx, actor, ana.ID, AccountChange{Forward: &to})
			}
			return err
		}}, alias("y@a.test", "ana@a.test")},
		{"alias of a domain", nil, []func(*testing.T, *Directory) error{func(_ *testing.T, in *Directory) error {
			_, err := in.AddDomain(ctx, actor, NewDomain{Name: "b.test", AliasOf: "a.test"})
			return err
		}}, alias("y@a.test", "y@b.test")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			end := func(in *Directory) error {
				for _, do := range tt.begin {
					if err := do(t, in); err != nil {
						return err
					}
				}
				if err := tt.last(t, in); err == nil || !strings.Contains(err.Error(), "in a circle") {
					t.Errorf("the circle is %v", err)
				}
				return nil
			}
			for _, run := range []func(d *Directory) error{end, func(d *Directory) error { return d.Together(ctx, end) }} {
				d := open(t)
				d.mustDomain(t, NewDomain{Name: "a.test"})
				d.mustAccount(t, "ana@a.test")
				d.mustAccount(t, "bo@a.test")
				for _, do := range tt.before {
					if err := do(t, d); err != nil {
						t.Fatal(err)
					}
				}
				if err := run(d); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestNoCircle: a walk that finds none leaves nothing behind, and what takes mail
// from a catch-all may be made.
func TestNoCircle(t *testing.T) {
	d := open(t)
	d.mustDomain(t, NewDomain{Name: "a.test"})
	d.mustAccount(t, "ana@a.test")
	all, nobody, other := path(t, "ana@a.test"), path(t, "nobody@a.test"), path(t, "b@a.test")
	change := func(in *Directory) error {
		if _, err := in.SetDomain(ctx, actor, "a.test", DomainChange{CatchAll: &all}); err != nil {
			return err
		}
		for _, a := range [][2]string{{"b@a.test", "ann+x@a.test"}, {"ann@a.test", "far@far.example"}} {
			if _, err := in.AddAlias(ctx, actor, path(t, a[0]), path(t, a[1])); err != nil {
				return err
			}
		}
		if _, err := in.AddAlias(ctx, actor, path(t, "ann@a.test"), path(t, "b@a.test")); err == nil {
			t.Error("a circle is taken")
		}
		if _, err := in.SetDomain(ctx, actor, "a.test", DomainChange{CatchAll: &nobody}); !errors.Is(err, ErrNotFound) {
			t.Errorf("a catch-all that only the one before takes: %v", err)
		}
		if _, err := in.AddDomain(ctx, actor, NewDomain{Name: "b.test", CatchAll: path(t, "x@b.test")}); !errors.Is(err, ErrNotFound) || in.IsLocal("b.test") {
			t.Errorf("a catch-all that takes itself: %v", err)
		}
		for address, want := range map[string]string{"ann+x@a.test": "far@far.example", "b@a.test": "ann+x@a.test", "zed@a.test": "ana@a.test"} {
			if _, to, err := in.Resolve(ctx, path(t, address)); err != nil || len(to) != 1 || to[0].String() != want {
				t.Errorf("%s leads to %v, %v", address, to, err)
			}
		}
		_, err := in.SetDomain(ctx, actor, "a.test", DomainChange{CatchAll: &other})
		return err
	}
	if err := d.Together(Rehearse(ctx, &Rehearsal{}), change); !errors.Is(err, ErrRehearsed) {
		t.Error(err)
	}
	if err := change(d); err != nil {
		t.Error(err)
	}
}

// TestCircleHindersNothingElse: a catch-all that leads nowhere since a removal is no
// reason to refuse another change of its domain.
func TestCircleHindersNothingElse(t *testing.T) {
	d := open(t)
	d.mustDomain(t, NewDomain{Name: "a.test"})
	id := d.mustAccount(t, "ana@a.test")
	all, yes := path(t, "ana+all@a.test"), true
	if _, err := d.SetDomain(ctx, actor, "a.test", DomainChange{CatchAll: &all}); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveAccount(ctx, actor, id); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetDomain(ctx, actor, "a.test", DomainChange{AppPasswordsOnly: &yes}); err != nil {
		t.Error(err)
	}
}

// TestMissing: what is missing of an address is what lets its mail arrive.
func TestMissing(t *testing.T) {
	d := open(t)
	d.mustDomain(t, NewDomain{Name: "a.test"})
	d.mustDomain(t, NewDomain{Name: "b.test", AliasOf: "a.test"})
	d.mustDomain(t, NewDomain{Name: "c.test", Separator: NoSeparator})
	ask := func(in *Directory, address string) string {
		var list []string
		for _, p := range in.Missing(path(t, address)) {
			list = append(list, p.Key())
		}
		return strings.Join(list, " ")
	}
	for address, want := range map[string]string{
		"x@far.example": "", "x@b.test": "", "x@c.test": "x@c.test @c.test", "x+y@c.test": "x+y@c.test @c.test",
		"X+y+z@a.test": "x+y+z@a.test x+y@a.test x@a.test @a.test", "+y@a.test": "+y@a.test @a.test", "abuse@a.test": "abuse@a.test @a.test",
	} {
		if got := ask(d, address); got != want {
			t.Errorf("%s misses %q, want %q", address, got, want)
		}
	}
	err := d.Together(ctx, func(in *Directory) error {
		id := in.mustAccount(t, "x@a.test")
		if got := ask(in, "X+y+z@a.test") + ask(in, "abuse@c.test"); got != "" {
			t.Errorf("with the account, %q is missing", got)
		}
		suspended := true
		if _, err := in.SetAccount(ctx, actor, id, AccountChange{Suspended: &suspended}); err != nil {
			return err
		}
		if got := ask(in, "abuse@c.test"); got == "" {
			t.Error("abuse goes to who is suspended")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestAliasTargets: only so many, and each once.
func TestAliasTargets(t *testing.T) {
	d := open(t)
	d.mustDomain(t, NewDomain{Name: "a.test"})
	var targets []mail.Path
	for i := range maxTargets {
		targets = append(targets, mail.Path{Local: fmt.Sprint("x", i), Domain: "far.example"})
	}
	a, err := d.AddAlias(ctx, actor, path(t, "all@a.test"), append(targets, targets...)...)
	if err != nil || len(a.Targets) != maxTargets {
		t.Errorf("%d targets, %v", len(a.Targets), err)
	}
	if _, err := d.AddAlias(ctx, actor, path(t, "all@a.test"), targets[3], path(t, "more@far.example")); !errors.Is(err, ErrInvalid) {
		t.Errorf("one more: %v", err)
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
