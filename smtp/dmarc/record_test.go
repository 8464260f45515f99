package dmarc

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseRecord(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Record
		err      error
	}{
		{"usual", "v=DMARC1; p=reject; rua=mailto:d@example.test", Record{Policy: Reject, AggregateURIs: []string{"mailto:d@example.test"}}, nil},
		{"all tags", "v=DMARC1;p=quarantine;sp=none;np=reject;adkim=s;aspf=s;t=y;psd=n;fo=1:d;rua=mailto:a@x.test,https://x.test/r;ruf=mailto:b@x.test",
			Record{Policy: Quarantine, Subdomains: None, NonExistent: Reject, StrictDKIM: true, StrictSPF: true, Testing: true, PSD: PSDNo,
				FailureOptions: "1:d", AggregateURIs: []string{"mailto:a@x.test", "https://x.test/r"}, FailureURIs: []string{"mailto:b@x.test"}}, nil},
		{"white space", " v = DMARC1 ;\tp = reject ; ", Record{Policy: Reject}, nil},
		{"case of names and values", "V=DMARC1; P=Reject; ADKIM=S; PSD=Y; T=Y", Record{Policy: Reject, StrictDKIM: true, PSD: PSDYes, Testing: true}, nil},
		{"p need not be second", "v=DMARC1; rua=mailto:d@x.test; p=reject", Record{Policy: Reject, AggregateURIs: []string{"mailto:d@x.test"}}, nil},
		{"tags of RFC 7489", "v=DMARC1; p=reject; pct=0; rf=nonsense; ri=x", Record{Policy: Reject}, nil},
		{"junk between", "v=DMARC1; p=reject;; =; nonsense; x=y", Record{Policy: Reject}, nil},
		{"first of two counts", "v=DMARC1; p=none; p=reject", Record{Policy: None}, nil},
		{"wrong values are defaults", "v=DMARC1; p=reject; adkim=x; aspf=; psd=q; t=maybe", Record{Policy: Reject}, nil},
		{"size limit is dropped", "v=DMARC1; p=none; rua=mailto:d@x.test!10m", Record{Policy: None, AggregateURIs: []string{"mailto:d@x.test"}}, nil},
		{"no p, but a report wanted", "v=DMARC1; sp=reject; rua=mailto:d@x.test", Record{Policy: None, AggregateURIs: []string{"mailto:d@x.test"}}, nil},
		{"no p", "v=DMARC1", Record{Policy: None, Inapplicable: true}, nil},
		{"wrong p, but a report wanted", "v=DMARC1; p=block; np=reject; rua=mailto:d@x.test", Record{Policy: None, AggregateURIs: []string{"mailto:d@x.test"}}, nil},
		{"wrong sp", "v=DMARC1; p=reject; sp=block", Record{Policy: None, Inapplicable: true}, nil},
		{"wrong np, report address is none", "v=DMARC1; p=reject; np=block; rua=nobody", Record{Policy: None, Inapplicable: true}, nil},
		{"version last", "p=reject; v=DMARC1", Record{}, ErrNotARecord},
		{"other version", "v=DMARC2; p=reject", Record{}, ErrNotARecord},
		{"version in lower case", "v=dmarc1; p=reject", Record{}, ErrNotARecord},
		{"longer version", "v=DMARC1 p=reject", Record{}, ErrNotARecord},
		{"something else", "v=spf1 -all", Record{}, ErrNotARecord},
		{"nothing", "", Record{}, ErrNotARecord},
		{"beyond the bound", "v=DMARC1; p=reject; x=" + strings.Repeat("y", maxRecord), Record{}, ErrNotARecord},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil && tt.want.PSD == "" {
				tt.want.PSD = PSDUnknown
			}
			got, err := ParseRecord(tt.in)
			if !errors.Is(err, tt.err) || !equal(got, tt.want) {
				t.Errorf("ParseRecord(%q) =\n%+v, %v; want\n%+v, %v", tt.in, got, err, tt.want, tt.err)
			}
		})
	}
}

func equal(a, b Record) bool {
	same := slices.Equal(a.AggregateURIs, b.AggregateURIs) && slices.Equal(a.FailureURIs, b.FailureURIs)
	return same && a.Policy == b.Policy && a.Subdomains == b.Subdomains && a.NonExistent == b.NonExistent &&
		a.StrictDKIM == b.StrictDKIM && a.StrictSPF == b.StrictSPF && a.PSD == b.PSD && a.Testing == b.Testing &&
		a.FailureOptions == b.FailureOptions && a.Inapplicable == b.Inapplicable
}

// FuzzParseRecord: whatever the text, the policies are policies, and a record
// without a usable one asks for nothing.
func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{
		"v=DMARC1; p=reject; sp=none; np=quarantine; rua=mailto:d@example.test!10m,https://x.test/; psd=y; t=y; fo=1:d:s",
		"v=DMARC1", "v=DMARC1;;;=;p", "V = DMARC1 ; p=block", "v=spf1 -all",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRecord(s)
		if err != nil {
			return
		}
		for _, p := range []Policy{r.Policy, r.policyFor(true, true), r.policyFor(true, false), r.policyFor(false, true)} {
			if p != None && p != Quarantine && p != Reject {
				t.Errorf("policy %q in %q", p, s)
			}
		}
		if r.Inapplicable && (r.Policy != None || len(r.AggregateURIs) > 0) {
			t.Errorf("%q is inapplicable, but asks for something: %+v", s, r)
		}
		if len(r.AggregateURIs) > maxURIs || len(r.FailureURIs) > maxURIs {
			t.Errorf("%d and %d URIs", len(r.AggregateURIs), len(r.FailureURIs))
		}
	})
}
