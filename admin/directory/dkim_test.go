package directory

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

// signingKey is a key of a name; which algorithm it really is does not matter
// here.
func signingKey(t *testing.T, selector, algorithm string) DKIMKey {
	t.Helper()
	return DKIMKey{Selector: selector, Algorithm: algorithm, PKCS8: testKey(t)}
}

// TestKeyStates leads keys through their lives; the states are still there
// after the directory was closed and opened.
func TestKeyStates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "system.db")
	d, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := d.AddDomain(ctx, "test", NewDomain{Name: "example.org", Keys: []DKIMKey{signingKey(t, "one", "rsa"), signingKey(t, "two", "ed25519")}}); err != nil {
		t.Fatal(err)
	}
	type do func(ctx context.Context, actor string, domain mail.Domain, selector string) (Domain, error)
	add := func(ctx context.Context, actor string, domain mail.Domain, selector string) (Domain, error) {
		return d.AddKey(ctx, actor, domain, signingKey(t, selector, "rsa"))
	}
	for _, tt := range []struct {
		name     string
		do       do
		selector string
		err      error
		want     string
	}{
		{"a new key does not sign", add, "three", nil, "one:signing two:signing three:new"},
		{"its name is taken", add, "three", ErrExists, "one:signing two:signing three:new"},
		{"its name is taken in another case", add, "one", ErrExists, "one:signing two:signing three:new"},
		{"a name that cannot be", add, "Three.x", ErrInvalid, "one:signing two:signing three:new"},
		{"it takes the place of its kind", d.ActivateKey, "three", nil, "one:retired two:signing three:signing"},
		{"one that signs stays", d.RemoveKey, "three", ErrInUse, "one:retired two:signing three:signing"},
		{"back again", d.ActivateKey, "one", nil, "one:signing two:signing three:retired"},
		{"retired goes", d.RemoveKey, "three", nil, "one:signing two:signing"},
		{"it is gone", d.ActivateKey, "three", ErrNotFound, "one:signing two:signing"},
		{"one of two may stop", d.RetireKey, "one", nil, "one:retired two:signing"},
		{"the last may not", d.RetireKey, "two", ErrInUse, "one:retired two:signing"},
		{"none such", d.RetireKey, "nine", ErrNotFound, "one:retired two:signing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.do(ctx, "test", "example.org", tt.selector); !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if got := keyStates(t, d); got != tt.want {
				t.Errorf("keys are %s, want %s", got, tt.want)
			}
		})
	}
	if _, err := d.ActivateKey(ctx, "test", "other.org", "one"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another domain: %v", err)
	}
	entries, err := d.FindAudit(ctx, AuditFilter{Action: "dkim.set"})
	if err != nil || len(entries.Items) != 5 || strings.Contains(string(entries.Items[0].After), "pkcs8") || entries.Items[0].Undoable {
		t.Errorf("audit: %+v, %v", entries.Items, err)
	}
	d.Close()
	if d, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := keyStates(t, d); got != "one:retired two:signing" {
		t.Errorf("after a restart keys are %s", got)
	}
}

func keyStates(t *testing.T, d *Directory) string {
	t.Helper()
	dom, err := d.Domain("example.org")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, k := range dom.Keys {
		list = append(list, fmt.Sprintf("%s:%s", k.Selector, k.State))
	}
	return strings.Join(list, " ")
}

func TestKeysAreBounded(t *testing.T) {
	d, err := Open(filepath.Join(t.TempDir(), "system.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.AddDomain(t.Context(), "test", NewDomain{Name: "example.org"}); err != nil {
		t.Fatal(err)
	}
	for range maxKeys {
		dom, err := d.Domain("example.org")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.AddKey(t.Context(), "test", "example.org", signingKey(t, dom.FreeSelector("rsa202611"), "rsa")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.AddKey(t.Context(), "test", "example.org", signingKey(t, "more", "rsa")); !errors.Is(err, ErrInvalid) {
		t.Errorf("one more: %v", err)
	}
}
