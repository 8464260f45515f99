package admin

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

// noCerts are the certificates of a server that runs.
type noCerts struct{}

func (noCerts) Status() []certs.Status { return nil }

func (noCerts) Renew(context.Context, certs.Renewal) (certs.Status, error) {
	return certs.Status{}, nil
}

func (noCerts) TLSA() (certs.Digests, bool) { return certs.Digests{}, false }

func TestBans(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{Certificates: noCerts{}})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	for i := range 10 {
		if _, err := login(a, "ana@example.org", fmt.Sprint("guess number ", i)); err == nil {
			t.Fatal("a guess was right")
		}
	}
	as := func(r Role, domains ...mail.Domain) context.Context {
		return WithPrincipal(t.Context(), Principal{Kind: KindUser, Address: "x@example.org", Role: r, Domains: domains})
	}
	for _, tt := range []struct {
		name string
		ctx  context.Context
		n    int
		see  error
		lift error // of a ban that is not there
	}{
		{"owner", ctx, 1, nil, directory.ErrNotFound},
		{"support", as(directory.RoleSupport), 1, nil, ErrForbidden},
		{"domain admin", as(directory.RoleDomainAdmin, "example.org"), 1, nil, ErrForbidden},
		{"domain admin of another", as(directory.RoleDomainAdmin, "other.org"), 0, nil, ErrForbidden},
		{"user", as(directory.RoleUser), 0, ErrForbidden, ErrForbidden},
		{"nobody", t.Context(), 0, ErrSignedOut, ErrSignedOut},
	} {
		page, err := a.Bans(tt.ctx)
		if len(page.Items) != tt.n || !errors.Is(err, tt.see) {
			t.Errorf("%s sees %+v, %v", tt.name, page.Items, err)
		}
		if err := a.LiftBan(tt.ctx, BanKey{Net: "198.51.100.7"}); !errors.Is(err, tt.lift) {
			t.Errorf("%s lifts: %v", tt.name, err)
		}
	}
	for _, bad := range []string{"", "x", "192.0.2.1/99", "192.0.2.1:25"} {
		var field *FieldError
		if err := a.LiftBan(ctx, BanKey{Net: bad}); !errors.Is(err, directory.ErrInvalid) || !errors.As(err, &field) || field.Field != "net" {
			t.Errorf("net %q: %v", bad, err)
		}
	}
	if err := a.LiftBan(ctx, BanKey{Net: " 192.0.2.1 ", Login: "ANA@example.org"}); err != nil {
		t.Error(err)
	}
	if page := must[Page[Ban]](t)(a.Bans(ctx)); len(page.Items) != 0 {
		t.Errorf("lifted, and there: %+v", page.Items)
	}
	if _, err := open(t, t.TempDir(), Options{}).Bans(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no server runs: %v", err)
	}
}
