package dmarc

import (
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

func TestTargets(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
	}{
		{"one label", "test", "test"},
		{"four labels", "a.mail.example.com", "a.mail.example.com mail.example.com example.com com"},
		{"eight labels", "1.2.3.4.5.6.example.com",
			"1.2.3.4.5.6.example.com 2.3.4.5.6.example.com 3.4.5.6.example.com 4.5.6.example.com 5.6.example.com 6.example.com example.com com"},
		{"RFC 9989 section 4.10", "a.b.c.d.e.f.g.h.i.j.mail.example.com",
			"a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com mail.example.com example.com com"},
		{"RFC 9989 section 5.1.8", "mail.a.b.c.d.e.f.g.example.com",
			"mail.a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com f.g.example.com g.example.com example.com com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range targets(mail.Domain(tt.in)) {
				got = append(got, string(d))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got  %v\nwant %s", got, tt.want)
			}
		})
	}
}

func TestOrganizationalDomain(t *testing.T) {
	for _, tt := range []struct {
		name, domain string
		records      []string // domain, tags
		org, policy  string
	}{
		// RFC 9989 section 4.10.2
		{"fewest labels", "a.mail.example.com", []string{"mail.example.com p=none", "example.com p=reject"}, "example.com", "example.com"},
		{"psd=n", "a.mail.example.com", []string{"mail.example.com p=none;psd=n", "example.com p=reject"}, "mail.example.com", "mail.example.com"},
		{"public suffix", "a.mail.example.com", []string{"com p=reject;psd=y"}, "example.com", "com"},
		{"one label below", "mail.example.com", []string{"mail.example.com p=none", "example.com p=reject;psd=y"}, "mail.example.com", "mail.example.com"},
		{"own psd=y does not count", "example.com", []string{"example.com p=none;psd=y"}, "example.com", "example.com"},
		{"nothing", "a.mail.example.com", nil, "a.mail.example.com", ""},
		{"own record wins over the organization's", "a.example.com", []string{"a.example.com p=none", "example.com p=reject"}, "example.com", "a.example.com"},
		{"several records are none", "a.example.com", []string{"a.example.com p=none", "a.example.com p=reject", "example.com p=reject"}, "example.com", "example.com"},
		{"between author and organization nothing counts", "a.b.example.com", []string{"b.example.com p=none", "example.com p=reject"}, "example.com", "example.com"},
		// RFC 9989 appendix B.4.2
		{"deep", "a.b.c.d.e.f.g.h.i.j.k.example.com", []string{"example.com p=reject"}, "example.com", "example.com"},
		{"too deep to be seen", "mail.a.b.c.d.e.f.g.example.com", []string{"b.c.d.e.f.g.example.com p=none;psd=n", "example.com p=reject"}, "example.com", "example.com"},
		// RFC 9989 appendix B.4.3
		{"public suffix with a bank", "giant.bank.example", []string{"giant.bank.example p=reject", "bank.example p=none;psd=y"}, "giant.bank.example", "giant.bank.example"},
		{"its host", "mail.giant.bank.example", []string{"giant.bank.example p=reject", "bank.example p=none;psd=y"}, "giant.bank.example", "giant.bank.example"},
		{"another bank", "mail.mega.bank.example", []string{"giant.bank.example p=reject", "bank.example p=none;psd=y"}, "mega.bank.example", "bank.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := finder{ctx: t.Context(), resolver: zone(t, tt.records...), asked: make(map[mail.Domain]*finding)}
			d := mail.Domain(tt.domain)
			found, err := f.walk(d)
			if err != nil {
				t.Fatal(err)
			}
			org := organizational(d, found)
			policy := ""
			if f := applicable(d, org, found); f != nil {
				policy = string(f.domain)
			}
			if string(org) != tt.org || policy != tt.policy {
				t.Errorf("organizational domain %s, policy at %q; want %s, %q", org, policy, tt.org, tt.policy)
			}
			if len(f.asked) > maxQueries {
				t.Errorf("%d queries", len(f.asked))
			}
		})
	}
}

func TestPublicSuffixEndsTheWalk(t *testing.T) {
	z := zone(t, "bank.example p=none;psd=y")
	f := finder{ctx: t.Context(), resolver: z, asked: make(map[mail.Domain]*finding)}
	if _, err := f.walk("mail.giant.bank.example"); err != nil {
		t.Fatal(err)
	}
	if z.Lookups("_dmarc.bank.example", "TXT") != 1 || z.Lookups("_dmarc.example", "TXT") != 0 {
		t.Error("the walk went on beyond psd=y, or did not reach it")
	}
}

// zone publishes records, each as "domain tags"; "domain A" makes a name
// exist.
func zone(t testing.TB, records ...string) *dnstest.Zones {
	t.Helper()
	z := dnstest.New("")
	for _, r := range records {
		domain, tags, _ := strings.Cut(r, " ")
		line := `_dmarc.` + domain + `. TXT "v=DMARC1;` + tags + `"`
		if tags == "A" {
			line = domain + ". A 192.0.2.1"
		}
		if err := z.Add(line); err != nil {
			t.Fatal(err)
		}
	}
	return z
}
