package dnstest

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	mdns "github.com/mailstead/mailstead/mail/dns"
)

func TestWildcardsAndEmptyNames(t *testing.T) {
	z := New(`
*.wild.test.     A 192.0.2.1
known.wild.test. TXT "has no address"
a.b.wild.test.   A 192.0.2.2
`)
	for _, tt := range []struct {
		name, ask string
		want      string
		err       error
	}{
		{"one label", "x.wild.test", "192.0.2.1", nil},
		{"several labels", "x.y.wild.test", "192.0.2.1", nil},
		{"a name of its own", "known.wild.test", "", mdns.ErrNotFound},
		{"below a name of its own", "x.known.wild.test", "", mdns.ErrNoSuchName},
		{"empty name between", "b.wild.test", "", mdns.ErrNotFound},
		{"the parent", "wild.test", "", mdns.ErrNotFound},
		{"elsewhere", "wild.example", "", mdns.ErrNoSuchName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addrs, _, err := z.A(t.Context(), tt.ask)
			if !errors.Is(err, tt.err) {
				t.Fatalf("err = %v, want %v", err, tt.err)
			}
			if tt.err == mdns.ErrNotFound && errors.Is(err, mdns.ErrNoSuchName) {
				t.Error("the name exists")
			}
			if tt.want != "" && (len(addrs) != 1 || addrs[0] != netip.MustParseAddr(tt.want)) {
				t.Errorf("A = %v, want %s", addrs, tt.want)
			}
		})
	}
}

func TestAuthenticBySpecificZone(t *testing.T) {
	z := New(`
a.signed.test.          TXT "x"
a.unsigned.signed.test. TXT "x"
`)
	z.SetAuthentic("signed.test", true)
	z.SetAuthentic("unsigned.signed.test", false)
	for name, want := range map[string]bool{"a.signed.test": true, "a.unsigned.signed.test": false, "absent.signed.test": true, "other.test": false} {
		if _, authentic, _ := z.TXT(t.Context(), name); authentic != want {
			t.Errorf("%s: authentic = %v, want %v", name, authentic, want)
		}
	}
}

func TestZonesChange(t *testing.T) {
	z := New(`a.test. TXT "x"`)
	if err := z.Add("b.test. TXT x\nb.test. NONSENSE y"); err == nil {
		t.Error("nonsense was added")
	}
	if _, _, err := z.TXT(t.Context(), "b.test"); !errors.Is(err, mdns.ErrNotFound) {
		t.Errorf("a part of a bad text was added: %v", err)
	}
	z.Remove("A.test")
	if _, _, err := z.TXT(t.Context(), "a.test"); !errors.Is(err, mdns.ErrNotFound) {
		t.Errorf("removed record: %v", err)
	}
	if n := z.Lookups("a.test", "TXT"); n != 1 {
		t.Errorf("Lookups = %d, want 1", n)
	}
}

func TestFaultsOfOneType(t *testing.T) {
	z := New(`a.test. TXT "x"`)
	z.SetFault("a.test TXT", ServFail)
	if _, _, err := z.TXT(t.Context(), "a.test"); !errors.Is(err, mdns.ErrTemporary) {
		t.Errorf("err = %v, want ErrTemporary", err)
	}
	if _, _, err := z.MX(t.Context(), "a.test"); !errors.Is(err, mdns.ErrNotFound) {
		t.Errorf("another type: %v, want ErrNotFound", err)
	}
	z.SetFault("a.test", Timeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := z.MX(ctx, "a.test"); !errors.Is(err, mdns.ErrTemporary) || !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want ErrTemporary by context.Canceled", err)
	}
}
