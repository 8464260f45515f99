package dmarc

import (
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

// TestExamplesOfRFC9989 has the examples of the RFC, and what it says in its
// text about the tags, each as one message.
func TestExamplesOfRFC9989(t *testing.T) {
	const deep = "a.b.c.d.e.f.g.h.i.j.k.example.com"
	bank := []string{"bank.example p=reject;np=quarantine;sp=none;psd=y", "giant.bank.example p=quarantine"}
	for _, tt := range []struct {
		section string
		records []string
		author  string
		ids     string
		result  string
		org     string // if it had to be found
		policy  string // domain and policy
		asked   string // names below _dmarc that are looked up, each once
		left    string // and those that are not
	}{
		{"4.10.1, record of the author", []string{"a.mail.example.com p=none", "example.com p=reject"}, "a.mail.example.com", "",
			"fail", "", "a.mail.example.com none", "a.mail.example.com", "mail.example.com example.com com"},
		{"4.10.1, record of the organization", []string{"example.com p=reject"}, "a.mail.example.com", "",
			"fail", "example.com", "example.com reject", "a.mail.example.com mail.example.com example.com com", ""},
		{"4.10.1, record of the public suffix", []string{"com p=quarantine;psd=y"}, "a.mail.example.com", "",
			"fail", "example.com", "com quarantine", "a.mail.example.com mail.example.com example.com com", ""},
		{"4.10.1, no record", nil, "a.mail.example.com", "spf:a.mail.example.com", "none", "a.mail.example.com", "", "a.mail.example.com mail.example.com example.com com", ""},
		{"4.10.1, the suffix does not stand in for the organization", []string{"example.com p=none", "com p=reject;psd=y"}, "a.example.com", "",
			"fail", "example.com", "example.com none", "a.example.com example.com com", ""},
		{"4.10.1, wrong p and a report address", []string{"example.com p=x;rua=mailto:d@example.com"}, "example.com", "", "fail", "", "example.com none", "example.com", "com"},
		{"4.10.1, wrong sp and no report address", []string{"example.com p=reject;sp=x"}, "example.com", "", "none", "", "example.com none", "example.com", "com"},
		{"4.10.1, no p", []string{"example.com rua=mailto:d@example.com;sp=reject"}, "example.com", "", "fail", "", "example.com none", "example.com", "com"},
		{"4.10.2, identical domains", []string{"mail.example.com p=reject", "example.com p=none"}, "mail.example.com", "spf:mail.example.com dkim:mail.example.com",
			"pass", "", "mail.example.com reject", "mail.example.com", "example.com com"},
		{"4.10.2, strict alignment needs no walk", []string{"mail.example.com p=reject;aspf=s;adkim=s"}, "mail.example.com", "spf:example.com dkim:example.com",
			"fail", "", "mail.example.com reject", "mail.example.com", "example.com com"},
		{"4.10.2, fewest labels", []string{"mail.example.com p=none", "example.com p=reject"}, "a.mail.example.com", "dkim:b.example.com",
			"pass", "example.com", "example.com reject", "a.mail.example.com mail.example.com example.com com b.example.com", ""},
		{"4.10.2, psd=n", []string{"mail.example.com p=none;psd=n", "example.com p=reject"}, "a.mail.example.com", "dkim:example.com",
			"fail", "mail.example.com", "mail.example.com none", "a.mail.example.com mail.example.com", "example.com com"},
		{"4.10.2, psd=y above", []string{"com p=none;psd=y"}, "a.mail.example.com", "dkim:other.example.com",
			"pass", "example.com", "com none", "a.mail.example.com mail.example.com example.com com other.example.com", ""},
		{"5.1.8, a zone cut that nobody sees", []string{"example.com p=none", "b.c.d.e.f.g.example.com p=reject;psd=n"}, "mail.a.b.c.d.e.f.g.example.com", "",
			"fail", "example.com", "example.com none",
			"mail.a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com f.g.example.com g.example.com example.com com",
			"a.b.c.d.e.f.g.example.com b.c.d.e.f.g.example.com"},
		{"5.1.8, a record for the long name itself", []string{"example.com p=none", "mail.a.b.c.d.e.f.g.example.com p=reject"}, "mail.a.b.c.d.e.f.g.example.com", "",
			"fail", "", "mail.a.b.c.d.e.f.g.example.com reject", "mail.a.b.c.d.e.f.g.example.com", "example.com com"},
		{"11.8, the organization below another", []string{"mail.example.com p=none", "example.com p=reject"}, "evil.example.com", "dkim:mail.example.com",
			"pass", "example.com", "example.com reject", "evil.example.com example.com com mail.example.com", ""},
		{"11.8, psd=n against it", []string{"mail.example.com p=none;psd=n", "example.com p=reject"}, "evil.example.com", "dkim:mail.example.com",
			"fail", "example.com", "example.com reject", "evil.example.com example.com com mail.example.com", ""},
		{"11.8, a suffix without psd=y", []string{"com p=none"}, "victim.com", "dkim:evil.com", "pass", "com", "com none", "victim.com com evil.com", ""},
		{"11.8, psd=n against it, again", []string{"com p=none", "victim.com p=reject;psd=n"}, "victim.com", "dkim:evil.com", "fail", "victim.com", "victim.com reject", "victim.com", "com"},
		{"B.1.1 example 1", []string{"example.com p=reject;aspf=s"}, "example.com", "spf:example.com", "pass", "", "example.com reject", "example.com", "com"},
		{"B.1.1 example 2", []string{"example.com p=reject"}, "example.com", "spf:child.example.com", "pass", "example.com", "example.com reject", "example.com com child.example.com", ""},
		{"B.1.1 example 3", []string{"example.com p=reject"}, "child.example.com", "spf:example.net", "fail", "example.com", "example.com reject", "child.example.com example.com com", "example.net net"},
		{"B.1.2 example 1", []string{"example.com p=reject;adkim=s"}, "example.com", "dkim:example.com", "pass", "", "example.com reject", "example.com", "com"},
		{"B.1.2 example 2", []string{"example.com p=reject"}, "child.example.com", "dkim:example.com", "pass", "example.com", "example.com reject", "child.example.com example.com com", ""},
		{"B.1.2 example 3", []string{"example.com p=reject"}, "child.example.com", "dkim:example.net", "fail", "example.com", "example.com reject", "child.example.com example.com com", "example.net net"},
		{"B.4.1", []string{"example.com p=reject", "signing.example.com p=none"}, "example.com", "dkim:signing.example.com", "pass", "example.com", "example.com reject",
			"example.com com signing.example.com", ""},
		{"B.4.1, both pass", []string{"example.com p=reject", "signing.example.com p=none"}, "example.com", "spf:example.com dkim:signing.example.com", "pass", "", "example.com reject",
			"example.com", "com signing.example.com"},
		{"B.4.2, by SPF", []string{"example.com p=reject", "signing.example.com p=none"}, deep, "spf:example.com", "pass", "example.com", "example.com reject",
			deep + " g.h.i.j.k.example.com h.i.j.k.example.com i.j.k.example.com j.k.example.com k.example.com example.com com", "f.g.h.i.j.k.example.com signing.example.com"},
		{"B.4.2, by DKIM", []string{"example.com p=reject", "signing.example.com p=none"}, deep, "dkim:signing.example.com", "pass", "example.com", "example.com reject",
			deep + " example.com com signing.example.com", "f.g.h.i.j.k.example.com"},
		{"B.4.2, nothing passes", []string{"example.com p=reject", "signing.example.com p=none"}, deep, "", "fail", "example.com", "example.com reject", deep, ""},
		{"B.4.3, by SPF", bank, "giant.bank.example", "spf:mail.giant.bank.example", "pass", "giant.bank.example", "giant.bank.example quarantine",
			"giant.bank.example bank.example mail.giant.bank.example", "example"},
		{"B.4.3, by DKIM of another bank", bank, "giant.bank.example", "dkim:mail.mega.bank.example", "fail", "giant.bank.example", "giant.bank.example quarantine",
			"giant.bank.example bank.example", "example"},
		{"B.4.3, the other bank, which is not there", bank, "mail.mega.bank.example", "", "fail", "mega.bank.example", "bank.example quarantine", "mail.mega.bank.example mega.bank.example bank.example", "example"},
		{"B.4.3, the other bank, which is there", append(bank, "mail.mega.bank.example A"), "mail.mega.bank.example", "", "fail", "mega.bank.example", "bank.example none", "bank.example", "example"},
		{"B.4.3, the suffix itself", bank, "bank.example", "", "fail", "", "bank.example reject", "bank.example", "example"},
	} {
		t.Run(tt.section, func(t *testing.T) {
			z := zone(t, tt.records...)
			r := Evaluate(t.Context(), z, mail.Domain(tt.author), ids(tt.ids))
			policy := strings.TrimSpace(string(r.PolicyDomain) + " " + string(r.Policy))
			if r.Record.Inapplicable {
				policy = string(r.PolicyDomain) + " " + string(r.Record.Policy)
			}
			if r.Result != tt.result || string(r.OrgDomain) != tt.org || policy != tt.policy {
				t.Errorf("got %s, organizational domain %q, policy %q; want %s, %q, %q", r.Result, r.OrgDomain, policy, tt.result, tt.org, tt.policy)
			}
			for name := range strings.FieldsSeq(tt.asked) {
				if n := z.Lookups("_dmarc."+name, "TXT"); n != 1 {
					t.Errorf("%s was asked for %d times", name, n)
				}
			}
			for name := range strings.FieldsSeq(tt.left) {
				if n := z.Lookups("_dmarc."+name, "TXT"); n != 0 {
					t.Errorf("%s was asked for", name)
				}
			}
		})
	}
}
