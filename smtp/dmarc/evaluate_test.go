package dmarc

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
)

// ids reads "spf:domain", "dkim:domain"; a "?" at the end means that the check
// did not come to its end.
func ids(list string) (out []Identifier) {
	for s := range strings.FieldsSeq(list) {
		method, domain, _ := strings.Cut(s, ":")
		domain, pending := strings.CutSuffix(domain, "?")
		id := Identifier{Method: SPF, Domain: mail.Domain(domain), Pass: !pending, Pending: pending}
		if method == "dkim" {
			id.Method = DKIM
		}
		out = append(out, id)
	}
	return out
}

func TestEvaluate(t *testing.T) {
	banks := []string{"giant.bank.example p=reject", "bank.example p=quarantine;np=reject;psd=y"}
	for _, tt := range []struct {
		name    string
		records []string
		author  string
		ids     string
		result  string
		policy  Policy
		do      Policy
	}{
		{"identical, SPF", []string{"example.com p=reject"}, "example.com", "spf:example.com", "pass", Reject, None},
		{"identical, DKIM strict", []string{"example.com p=reject;adkim=s"}, "example.com", "dkim:example.com", "pass", Reject, None},
		{"child, relaxed", []string{"example.com p=reject"}, "example.com", "spf:child.example.com", "pass", Reject, None},
		{"parent, relaxed", []string{"example.com p=reject"}, "child.example.com", "dkim:example.com", "pass", Reject, None},
		{"sibling, relaxed", []string{"example.com p=reject"}, "news.example.com", "dkim:foo.example.com", "pass", Reject, None},
		{"child, SPF strict", []string{"example.com p=reject;aspf=s"}, "example.com", "spf:child.example.com", "fail", Reject, Reject},
		{"child, SPF strict but DKIM not", []string{"example.com p=reject;aspf=s"}, "example.com", "dkim:child.example.com", "pass", Reject, None},
		{"child, DKIM strict", []string{"example.com p=reject;adkim=s"}, "example.com", "dkim:child.example.com", "fail", Reject, Reject},
		{"stranger", []string{"example.com p=reject", "example.net p=none"}, "child.example.com", "spf:example.net dkim:example.org", "fail", Reject, Reject},
		{"stranger under the same suffix", []string{"example.com p=reject"}, "example.com", "dkim:evil.com", "fail", Reject, Reject},
		{"name that only ends alike", []string{"example.com p=reject"}, "example.com", "dkim:badexample.com", "fail", Reject, Reject},
		{"a part of the organization of its own", []string{"example.com p=reject", "dept.example.com p=none;psd=n"}, "example.com", "dkim:mail.dept.example.com", "fail", Reject, Reject},
		{"no identifiers", []string{"example.com p=quarantine"}, "example.com", "", "fail", Quarantine, Quarantine},
		{"p=none", []string{"example.com p=none"}, "example.com", "", "fail", None, None},
		{"no record", nil, "example.com", "spf:example.net", "none", "", None},
		{"record that asks for nothing", []string{"example.com p=block"}, "example.com", "", "none", "", None},
		{"test mode of reject", []string{"example.com p=reject;t=y"}, "example.com", "", "fail", Reject, Quarantine},
		{"test mode of quarantine", []string{"example.com p=quarantine;t=y"}, "example.com", "", "fail", Quarantine, None},
		{"pct is gone", []string{"example.com p=reject;pct=0"}, "example.com", "", "fail", Reject, Reject},
		{"subdomain, sp", []string{"example.com p=reject;sp=quarantine", "a.example.com A"}, "a.example.com", "", "fail", Quarantine, Quarantine},
		{"subdomain without sp", []string{"example.com p=reject", "a.example.com A"}, "a.example.com", "", "fail", Reject, Reject},
		{"subdomain that is not there, np", []string{"example.com p=none;sp=quarantine;np=reject"}, "a.example.com", "", "fail", Reject, Reject},
		{"subdomain that is there, np", []string{"example.com p=none;sp=quarantine;np=reject", "a.example.com A"}, "a.example.com", "", "fail", Quarantine, Quarantine},
		{"subdomain that has names below it is there", []string{"example.com p=none;np=reject", "x.a.example.com A"}, "a.example.com", "", "fail", None, None},
		{"subdomain that is not there, without np", []string{"example.com p=none;sp=quarantine"}, "a.example.com", "", "fail", Quarantine, Quarantine},
		{"np does not concern the domain itself", []string{"example.com p=none;np=reject"}, "example.com", "", "fail", None, None},
		{"sp at the author does not concern it", []string{"a.example.com p=none;sp=reject", "example.com p=reject"}, "a.example.com", "", "fail", None, None},
		{"bank by its host", banks, "giant.bank.example", "spf:mail.giant.bank.example dkim:mail.mega.bank.example", "pass", Reject, None},
		{"bank by another bank", banks, "giant.bank.example", "dkim:mail.mega.bank.example", "fail", Reject, Reject},
		{"bank by the suffix", banks, "giant.bank.example", "dkim:bank.example", "fail", Reject, Reject},
		{"bank that is not there", banks, "no.bank.example", "", "fail", Reject, Reject},
		{"bank that is there", append(banks, "mega.bank.example A"), "mega.bank.example", "", "fail", Quarantine, Quarantine},
		{"aligned check is open", []string{"example.com p=reject"}, "example.com", "spf:mail.example.com?", "temperror", "", None},
		{"identical check is open", []string{"example.com p=reject"}, "example.com", "dkim:example.com?", "temperror", "", None},
		{"open check of a stranger changes nothing", []string{"example.com p=reject"}, "example.com", "spf:evil.test? dkim:evil.com?", "fail", Reject, Reject},
		{"open check, but another passes", []string{"example.com p=reject"}, "example.com", "spf:mail.example.com? dkim:mail.example.com", "pass", Reject, None},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Evaluate(t.Context(), zone(t, tt.records...), mail.Domain(tt.author), ids(tt.ids))
			if r.Result != tt.result || r.Policy != tt.policy || r.Disposition != tt.do {
				t.Errorf("got %s p=%q do %s (%s); want %s p=%q do %s", r.Result, r.Policy, r.Disposition, r.Comment, tt.result, tt.policy, tt.do)
			}
			if r.Props[0] != (mail.AuthProp{Type: "header", Name: "from", Value: tt.author}) {
				t.Errorf("properties = %v", r.Props)
			}
			if shown := slices.Contains(r.Props, mail.AuthProp{Type: "policy", Name: "dmarc", Value: string(tt.do)}); shown != (tt.result == "fail") {
				t.Errorf("properties = %v", r.Props)
			}
		})
	}
}

func TestEvaluateWithDNSTrouble(t *testing.T) {
	for _, tt := range []struct{ name, broken, ids, want string }{
		{"record of the author", "_dmarc.a.example.com", "spf:a.example.com", "temperror"},
		{"record above, which policy it takes", "_dmarc.example.com", "spf:mail.example.com", "temperror"},
		{"walk from an identifier", "_dmarc.mail.example.com", "spf:mail.example.com", "temperror"},
		{"walk from one identifier, another passes", "_dmarc.mail.example.com", "spf:mail.example.com dkim:example.com", "pass"},
		{"walk from a stranger", "_dmarc.evil.com", "dkim:evil.com", "fail"},
		{"whether the author exists", "a.example.com", "", "temperror"},
		{"whether the author exists does not matter", "a.example.com", "dkim:example.com", "pass"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			z := zone(t, "example.com p=reject;np=none")
			z.SetFault(tt.broken, dnstest.ServFail)
			r := Evaluate(t.Context(), z, "a.example.com", ids(tt.ids))
			if r.Result != tt.want || (tt.want != "fail" && r.Disposition != None) || (r.Err != nil) != (tt.want == "temperror") {
				t.Errorf("got %s do %s (%v), want %s", r.Result, r.Disposition, r.Err, tt.want)
			}
		})
	}
}

func TestUsualMailCostsOneQuery(t *testing.T) {
	z := zone(t, "example.com p=reject")
	Evaluate(t.Context(), z, "example.com", ids("spf:example.com dkim:other.test"))
	if z.Lookups("_dmarc.com", "TXT")+z.Lookups("_dmarc.other.test", "TXT") != 0 || z.Lookups("_dmarc.example.com", "TXT") != 1 {
		t.Error("an identical domain needs no walk")
	}
}

func TestStrictest(t *testing.T) {
	r := func(result string, do Policy) Result {
		return Result{AuthResult: mail.AuthResult{Result: result}, Disposition: do}
	}
	for _, tt := range []struct {
		name string
		in   []Result
		want int
	}{
		{"one", []Result{r("pass", None)}, 0},
		{"failure beats pass", []Result{r("pass", None), r("fail", Quarantine)}, 1},
		{"reject beats quarantine", []Result{r("fail", Quarantine), r("fail", Reject), r("pass", None)}, 1},
		{"trouble beats p=none", []Result{r("fail", None), r("temperror", None)}, 1},
		{"quarantine beats trouble", []Result{r("temperror", None), r("fail", Quarantine)}, 1},
	} {
		if got := Strictest(tt.in); got.Result != tt.in[tt.want].Result || got.Disposition != tt.in[tt.want].Disposition {
			t.Errorf("%s: got %s do %s", tt.name, got.Result, got.Disposition)
		}
	}
}

func TestAuthorDomains(t *testing.T) {
	at := func(hosts ...string) (list []message.Address) {
		for _, h := range hosts {
			list = append(list, message.Address{Mailbox: "x", Host: h})
		}
		return list
	}
	for _, tt := range []struct {
		name     string
		in       []message.Address
		want     string
		complete bool
	}{
		{"one", at("Example.COM"), "example.com", true},
		{"same twice", at("example.com", "EXAMPLE.com"), "example.com", true},
		{"two", at("a.test", "b.test"), "a.test b.test", true},
		{"U-label", at("exämple.test"), "xn--exmple-cua.test", true},
		{"group", append([]message.Address{{Mailbox: "undisclosed"}}, message.Address{}), "", true},
		{"none", nil, "", true},
		{"not a domain", at("a b"), "", false},
		{"literal", at("[192.0.2.1]"), "", false},
		{"too many", at("a.test", "b.test", "c.test", "d.test", "e.test"), "a.test b.test c.test d.test", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			domains, complete := AuthorDomains(tt.in)
			var got []string
			for _, d := range domains {
				got = append(got, string(d))
			}
			if strings.Join(got, " ") != tt.want || complete != tt.complete {
				t.Errorf("got %v, %v; want %s, %v", got, complete, tt.want, tt.complete)
			}
		})
	}
}
