package trace

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestNetsOfIPv6: a site, a customer's net and a link are found, other sizes are
// not, and IPv4 beside them is left out.
func TestNetsOfIPv6(t *testing.T) {
	l, err := Open(filepath.Join(t.TempDir(), "trace.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	now := time.Now()
	for i, ip := range []string{"2001:db8:1:100::5", "2001:db8:1:1ff::6", "2001:db8:1:200::7", "2001:db8:2::8", "192.0.2.1"} {
		l.Append(Summary{ID: ID(after(now.Add(time.Duration(i) * time.Second))), Start: now, RemoteIP: ip})
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]string{
		"2001:db8:1::/48":      {"2001:db8:1:100::5", "2001:db8:1:1ff::6", "2001:db8:1:200::7"},
		"2001:db8:1:155::/56":  {"2001:db8:1:100::5", "2001:db8:1:1ff::6"},
		"2001:db8:1:1ff::/64":  {"2001:db8:1:1ff::6"},
		"2001:db8:1:100::5":    {"2001:db8:1:100::5"},
		"2001:db8:1:100::/65":  nil,
		"2001:db8::/32":        nil,
		"::ffff:192.0.2.0/120": nil,
		"192.0.2.0/24":         {"192.0.2.1"},
	} {
		for name, q := range map[string]Query{"text": {Text: text}, "ip": {IP: text}} {
			found, err := l.Find(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range found {
				got = append(got, s.RemoteIP)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: %v, want %v", name, text, got, want)
			}
		}
	}
}
