package directory

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

func TestParseRole(t *testing.T) {
	for in, want := range map[string]Role{"": RoleUser, " Owner": RoleOwner, "domain-admin": RoleDomainAdmin, "root": "", "domain admin": ""} {
		got, err := ParseRole(in)
		if got != want || (want == "") != errors.Is(err, ErrInvalid) {
			t.Errorf("ParseRole(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// setRole gives a role, with domains for a domain admin.
func setRole(t *testing.T, d *Directory, id uint32, r Role, domains ...mail.Domain) error {
	t.Helper()
	_, err := d.SetAccount(t.Context(), actor, id, AccountChange{Role: &r, Domains: &domains})
	return err
}

func TestRoles(t *testing.T) {
	d := town(t)
	for _, tt := range []struct {
		role    Role
		domains []mail.Domain
		err     error
	}{
		{RoleSupport, nil, nil},
		{RoleAdmin, nil, nil},
		{RoleDomainAdmin, []mail.Domain{"example.org", "dash.org"}, nil},
		{RoleDomainAdmin, nil, ErrInvalid},
		{RoleDomainAdmin, []mail.Domain{"example.org", "example.org"}, ErrInvalid},
		{RoleDomainAdmin, []mail.Domain{"elsewhere.example"}, ErrNotFound},
		{RoleSupport, []mail.Domain{"example.org"}, ErrInvalid},
		{"root", nil, ErrInvalid},
		{"", nil, ErrInvalid},
	} {
		if err := setRole(t, d, 1, tt.role, tt.domains...); !errors.Is(err, tt.err) {
			t.Errorf("%s of %v: %v, want %v", tt.role, tt.domains, err, tt.err)
		}
	}
	domains := []mail.Domain{"none.org"}
	a, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Domains: &domains})
	if err != nil || a.Role != RoleDomainAdmin || !slices.Equal(a.Domains, domains) {
		t.Errorf("other domains: %+v, %v", a, err)
	}
	if _, err := d.RemoveDomain(t.Context(), actor, "none.org", true); err != nil {
		t.Fatal(err)
	}
	if a, _ := d.Account(1); a.Role != RoleUser || len(a.Domains) != 0 {
		t.Errorf("without its domain: %+v", a)
	}
	made, err := d.AddAccount(t.Context(), actor, NewAccount{Address: path(t, "hal@example.org"), Role: RoleDomainAdmin, Domains: []mail.Domain{"dash.org"}})
	if err != nil || made.Role != RoleDomainAdmin {
		t.Errorf("made: %+v, %v", made, err)
	}
	user := RoleUser
	if made, err = d.SetAccount(t.Context(), actor, made.ID, AccountChange{Role: &user}); err != nil || made.Domains != nil {
		t.Errorf("demoted: %+v, %v", made, err)
	}
}

func TestLastOwner(t *testing.T) {
	d := town(t)
	yes, no := true, false
	user, owner := RoleUser, RoleOwner
	set := func(id uint32, ch AccountChange) func() error {
		return func() error { _, err := d.SetAccount(t.Context(), actor, id, ch); return err }
	}
	disable := func(name mail.Domain) func() error {
		return func() error {
			_, err := d.SetDomain(t.Context(), actor, name, DomainChange{Disabled: &yes})
			return err
		}
	}
	for _, tt := range []struct {
		name string
		do   func() error
		err  error
	}{
		{"nobody is owner: all is allowed", set(1, AccountChange{Suspended: &yes}), nil},
		{"resume", set(1, AccountChange{Suspended: &no}), nil},
		{"first owner", set(1, AccountChange{Role: &owner}), nil},
		{"demote", set(1, AccountChange{Role: &user}), ErrInUse},
		{"suspend", set(1, AccountChange{Suspended: &yes}), ErrInUse},
		{"remove", func() error { return d.RemoveAccount(t.Context(), actor, 1) }, ErrInUse},
		{"remove the domain", func() error { _, err := d.RemoveDomain(t.Context(), actor, "example.org", true); return err }, ErrInUse},
		{"disable the domain", disable("example.org"), ErrInUse},
		{"a suspended owner does not count", set(5, AccountChange{Role: &owner}), nil},
		{"so the first still stays", set(1, AccountChange{Role: &user}), ErrInUse},
		{"second owner", set(3, AccountChange{Role: &owner}), nil},
		{"now the first may go", set(1, AccountChange{Role: &user}), nil},
		{"and the second may not", disable("dash.org"), ErrInUse},
	} {
		before := fmt.Sprint(d.Accounts(), d.Domains())
		err := tt.do()
		if !errors.Is(err, tt.err) {
			t.Fatalf("%s: %v, want %v", tt.name, err, tt.err)
		}
		if err != nil && fmt.Sprint(d.Accounts(), d.Domains()) != before {
			t.Errorf("%s: was refused and done", tt.name)
		}
	}
}

func TestForward(t *testing.T) {
	d := town(t)
	paths := func(list ...string) *[]mail.Path {
		to := []mail.Path{}
		for _, s := range list {
			to = append(to, path(t, s))
		}
		return &to
	}
	yes, no := true, false
	many := []string{}
	for i := range maxForward + 1 {
		many = append(many, fmt.Sprintf("p%d@elsewhere.example", i))
	}
	for _, tt := range []struct {
		name string
		to   *[]mail.Path
		keep *bool
		err  error
		want string // what ana@example.org means
	}{
		{"elsewhere", paths("ana@elsewhere.example"), nil, nil, "[ana@elsewhere.example]"},
		{"with a copy", nil, &yes, nil, "1 [ana@elsewhere.example]"},
		{"here", paths("bo@example.org", "x@elsewhere.example"), nil, nil, "1 [bo@example.org x@elsewhere.example]"},
		{"to itself", paths("ana@example.org"), nil, ErrInvalid, "1 [bo@example.org x@elsewhere.example]"},
		{"to itself by a subaddress", paths("ana+x@example.org"), nil, ErrInvalid, ""},
		{"to itself by an alias", paths("deep@example.org"), nil, ErrInvalid, ""},
		{"to itself by a group", paths("staff@example.org"), nil, ErrInvalid, ""},
		{"to itself by an alias domain", paths("ana@example.net"), nil, ErrInvalid, ""},
		{"nobody there", paths("nobody@example.org"), nil, ErrNotFound, ""},
		{"twice", paths("x@elsewhere.example", "x@elsewhere.example"), nil, ErrInvalid, ""},
		{"too many", paths(many...), nil, ErrInvalid, ""},
		{"as many as there may be", paths(many[1:]...), &no, nil, fmt.Sprint(*paths(many[1:]...))},
		{"no more", paths(), nil, nil, "1"},
		{"to bo", paths("bo@example.org"), nil, nil, "[bo@example.org]"},
	} {
		_, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Forward: tt.to, KeepCopy: tt.keep})
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
		if got := outcome(d, path(t, "ana@example.org")); tt.want != "" && got != tt.want {
			t.Errorf("%s: leads to %s, want %s", tt.name, got, tt.want)
		}
	}
	if _, err := d.SetAccount(t.Context(), actor, 2, AccountChange{Forward: paths("ana@example.org")}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a circle of two: %v", err)
	}
	if _, err := d.AddAlias(t.Context(), actor, path(t, "new@example.org"), path(t, "ana@example.org")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetAccount(t.Context(), actor, 2, AccountChange{Forward: paths("new@example.org")}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a circle through an alias: %v", err)
	}
	if !d.MaySend(1, path(t, "ana@example.org")) || d.MaySend(2, path(t, "ana@example.org")) {
		t.Error("forwarding changed in whose name somebody may send")
	}
	if got := try(d, home, "ana@example.org", "correct horse"); got != "1" {
		t.Errorf("who forwards logs in: %s", got)
	}
	if err := d.RemoveAccount(t.Context(), actor, 2); err != nil {
		t.Fatal(err)
	}
	if got := outcome(d, path(t, "ana@example.org")); got != "1" {
		t.Errorf("when the target is gone: %s", got)
	}
}
