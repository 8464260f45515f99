package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
)

func TestAPIKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		k, text, err := d.AddAPIKey(t.Context(), "owner", NewAPIKey{Label: "Monitor", Role: RoleSupport, Scopes: []string{"metrics", "traces:read"},
			CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.77/24"), netip.MustParsePrefix("::ffff:203.0.113.0/120")}, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(text, "mailstead_"+k.ID+"_") || len(text) < len("mailstead_")+8+1+32 || k.Creator != "owner" || fmt.Sprint(k.CIDRs) != "[192.0.2.0/24 203.0.113.0/24]" {
			t.Errorf("made %+v, %q", k, text)
		}
		_, other, err := d.AddAPIKey(t.Context(), "owner", NewAPIKey{Label: "Other", Role: RoleDomainAdmin, Domains: []mail.Domain{"dash.org"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, key, from string
			ok              bool
		}{
			{"good", text, "192.0.2.1", true},
			{"with a line end", text + "\n", "192.0.2.1", true},
			{"mapped address", text, "::ffff:192.0.2.1", true},
			{"second net", text, "203.0.113.9", true},
			{"from elsewhere", text, "198.51.100.1", false},
			{"from nowhere", text, "", false},
			{"wrong secret", text[:len(text)-1] + "!", "192.0.2.1", false},
			{"secret of another key", "mailstead_" + k.ID + other[strings.LastIndexByte(other, '_'):], "192.0.2.1", false},
			{"no secret", "mailstead_" + k.ID + "_", "192.0.2.1", false},
			{"unknown", "mailstead_aaaaaaaa_" + strings.Repeat("a", 32), "192.0.2.1", false},
			{"empty", "", "192.0.2.1", false},
			{"another prefix", strings.Replace(text, "mailstead", "Mailstead", 1), "192.0.2.1", false},
			{"from everywhere", other, "198.51.100.1", true},
		} {
			var ip netip.Addr
			if tt.from != "" {
				ip = netip.MustParseAddr(tt.from)
			}
			got, err := d.VerifyAPIKey(tt.key, ip)
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrKey) {
				t.Errorf("%s: %v", tt.name, err)
			}
			if tt.ok && (got.LastIP != ip.Unmap() || !got.LastUsed.Equal(time.Now())) {
				t.Errorf("%s: %+v", tt.name, got)
			}
		}
		if got := history(t, d, LoginFilter{Query: "monitor"}); len(got) != 3 || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, text[20:]) }) {
			t.Errorf("history: %q", got)
		}
		before := fmt.Sprint(d.APIKeys())
		file := d.db.Path()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = openAt(t, file)
		if after := fmt.Sprint(d.APIKeys()); after != before {
			t.Errorf("reopened: %s, before %s", after, before)
		}
		time.Sleep(time.Hour)
		if _, err := d.VerifyAPIKey(text, home); !errors.Is(err, ErrKey) {
			t.Errorf("expired: %v", err)
		}
		if err := d.RemoveAPIKey(t.Context(), actor, k.ID); err != nil {
			t.Fatal(err)
		}
		if err := d.RemoveAPIKey(t.Context(), actor, k.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("removed again: %v", err)
		}
		if _, err := d.APIKey(k.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("removed: %v", err)
		}
		e := must[[]AuditEntry](t)(d.Audit(t.Context(), 3))
		if e[0].Action != "api-key.remove" || e[0].Object != k.ID+" Monitor" || e[1].Action != "api-key.add" || strings.Contains(string(e[1].After), "hash") {
			t.Errorf("audit %+v", e)
		}
	})
}

func TestBadAPIKeys(t *testing.T) {
	d := town(t)
	for _, n := range []NewAPIKey{
		{Role: RoleAdmin},
		{Label: "x"},
		{Label: "x", Role: RoleUser},
		{Label: "x", Role: "root"},
		{Label: "x", Role: RoleDomainAdmin},
		{Label: "x", Role: RoleAdmin, Domains: []mail.Domain{"dash.org"}},
		{Label: "x", Role: RoleAdmin, Expires: time.Unix(1, 0)},
		{Label: "x", Role: RoleAdmin, Scopes: []string{"A B"}},
		{Label: "x", Role: RoleAdmin, Scopes: make([]string, maxKeyScopes+1)},
		{Label: "x", Role: RoleAdmin, CIDRs: make([]netip.Prefix, 1)},
		{Label: "x", Role: RoleAdmin, CIDRs: make([]netip.Prefix, maxKeyCIDRs+1)},
	} {
		if _, _, err := d.AddAPIKey(t.Context(), actor, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	if n := len(d.APIKeys()); n != 0 {
		t.Errorf("%d keys", n)
	}
}

func FuzzParseAPIKey(f *testing.F) {
	for _, s := range []string{"", "mailstead_", "mailstead__", "mailstead_abc_def", " mailstead_abc_def_ghi\n", "mailstead_" + strings.Repeat("a", 200) + "_b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		id, secret, ok := parseAPIKey(typed)
		if ok && (id == "" || secret == "" || strings.Contains(id, "_") || apiKeyPrefix+id+"_"+secret != strings.TrimSpace(typed)) {
			t.Fatalf("%q is read as %q and %q", typed, id, secret)
		}
	})
}
