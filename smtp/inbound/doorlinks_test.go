package inbound_test

import (
	"slices"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/dnsbl"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// TestLinksInLists: domains of links are looked up as far as the setting
// allows, our own are not, and nobody asks where it is 0.
func TestLinksInLists(t *testing.T) {
	zones := dnstest.New(street + "bad.com.dbl.test. A 127.0.1.4\nours.org.dbl.test. A 127.0.1.2\n")
	lists := dnsbl.New(dnsbl.Options{Resolver: zones, Settings: func() dnsbl.Settings { return dnsbl.Settings{Domains: "dbl.test 127.0.1.2-99=4"} }})
	defer lists.Close()
	settings := inbound.DoorSettings{}
	door := inbound.NewDoor(inbound.DoorOptions{Hostname: "mx.example.org", Resolver: zones, Lists: lists,
		Settings: func() inbound.DoorSettings { return settings }, IsLocal: func(d mail.Domain) bool { return d == "ours.org" }})
	for _, tt := range []struct {
		name    string
		lookups int
		domains []mail.Domain
		want    []string
	}{
		{"off", 0, []mail.Domain{"bad.com"}, nil},
		{"listed host", 5, []mail.Domain{"good.com", "bad.com"}, []string{"The domain of a link, bad.com, is on the blocklist dbl.test."}},
		{"below a listed domain", 5, []mail.Domain{"www.bad.com"}, []string{"The domain of a link, bad.com, is on the blocklist dbl.test."}},
		{"ours", 5, []mail.Domain{"ours.org"}, nil},
		{"beyond the bound", 1, []mail.Domain{"good.com", "bad.com"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings.LinkLookups = tt.lookups
			var got []string
			for _, r := range door.Links(t.Context(), tt.domains) {
				if got = append(got, r.Text); r.Name != dnsbl.ReasonLink || r.Score != 4 {
					t.Errorf("reason = %+v", r)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
