package directory

import (
	"testing"

	"github.com/mailstead/mailstead/mail"
)

func TestReportAddress(t *testing.T) {
	d := open(t)
	d.mustDomain(t, NewDomain{Name: "example.org"})
	d.mustDomain(t, NewDomain{Name: "alias.example", AliasOf: "example.org"})
	d.mustDomain(t, NewDomain{Name: "own.example"})
	d.mustDomain(t, NewDomain{Name: "asleep.example"})
	off := true
	if _, err := d.SetDomain(ctx, actor, "asleep.example", DomainChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	d.mustAccount(t, "dmarc-reports@own.example")
	d.mustAccount(t, "ana@example.org")
	d.mustAlias(t, "tls-reports@own.example", "ana@example.org")
	for address, want := range map[string]bool{
		"dmarc-reports@example.org": true, "DMARC-Reports@example.org": true, "tls-reports@example.org": true, "ana@example.org": false, "dmarc-reports+x@example.org": false,
		"dmarc-reports@own.example": false, "tls-reports@own.example": false, "dmarc-reports@asleep.example": false, "dmarc-reports@elsewhere.example": false,
		"dmarc-reports@alias.example": false, // it leads to example.org
	} {
		if got := d.ReportAddress(path(t, address)); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
	if _, err := d.SetSetting(ctx, actor, string(DMARCReportsAddress), "rua"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetSetting(ctx, actor, string(TLSReportsAddress), "off"); err != nil {
		t.Fatal(err)
	}
	for local, want := range map[string]bool{"rua": true, "dmarc-reports": false, "tls-reports": false, "off": false} {
		if got := d.ReportAddress(mail.Path{Local: local, Domain: "example.org"}); got != want {
			t.Errorf("%s: %v, want %v", local, got, want)
		}
	}
	for _, wrong := range []string{"a b", "a@b", "a@b.example", `"a b"`} {
		if _, err := d.SetSetting(ctx, actor, string(DMARCReportsAddress), wrong); err == nil {
			t.Errorf("%q was taken as a local part", wrong)
		}
	}
}
