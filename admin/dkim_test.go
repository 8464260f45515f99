package admin

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// TestDKIMRotation makes a key, which signs only when the DNS has it.
func TestDKIMRotation(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	z := dnstest.New(emptyZone)
	a := open(t, t.TempDir(), dnsOptions(z))
	first := must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"})).Keys[0]
	if first.State != "signing" || first.Algorithm != "rsa" {
		t.Errorf("the first key = %+v", first)
	}
	k := must[DKIMKey](t)(a.AddDKIMKey(ctx, "example.org", NewDKIMKey{Algorithm: "rsa"}))
	if k.State != "new" || k.Selector == first.Selector || !strings.HasPrefix(k.Selector, first.Selector) || k.Record == first.Record {
		t.Errorf("the new key = %+v", k)
	}
	if _, err := a.ActivateDKIMKey(ctx, "example.org", k.Selector, false); !errors.Is(err, directory.ErrConflict) || !strings.Contains(err.Error(), k.Selector) {
		t.Errorf("activated before it is published: %v", err)
	}
	if err := z.Add(must[string](t)(a.Zone(ctx, "example.org"))); err != nil {
		t.Fatal(err)
	}
	if got := must[DKIMKey](t)(a.ActivateDKIMKey(ctx, "example.org", k.Selector, false)); got.State != "signing" {
		t.Errorf("activated: %+v", got)
	}
	states := map[string]string{}
	for _, k := range must[Page[DKIMKey]](t)(a.DKIMKeys(ctx, "example.org")).Items {
		states[k.Selector] = k.State
	}
	if states[first.Selector] != "retired" || states[k.Selector] != "signing" || len(states) != 3 {
		t.Errorf("states = %v", states)
	}
	if err := a.RemoveDKIMKey(ctx, "example.org", first.Selector); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"algorithm": errOf(a.AddDKIMKey(ctx, "example.org", NewDKIMKey{Algorithm: "dsa"})),
		"selector":  errOf(a.AddDKIMKey(ctx, "example.org", NewDKIMKey{Algorithm: "rsa", Selector: "Not A Label"})),
	} {
		var at *FieldError
		if !errors.As(err, &at) || at.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }
