package directory

import (
	"errors"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// noReports as a local part means that there is no address for reports.
const noReports = "off"

// checkLocalPart accepts what can stand before the @ in every domain.
func checkLocalPart(s string) error {
	if p, err := mail.ParseAddress(s + "@example.org"); err != nil || p.Local != s || strings.ContainsAny(s, " \"\t") {
		return errors.New("it is the part of an address before the @, as in dmarc-reports")
	}
	return nil
}

// ReportAddress reports whether an address is one that takes the reports of
// others: it is in a domain of ours that takes mail, and nobody has it.
func (d *Directory) ReportAddress(p mail.Path) bool {
	s := d.current.Load()
	dom := s.domains[p.Domain]
	if dom == nil || dom.Disabled || dom.AliasOf != "" || !s.isReportLocal(p.Local) {
		return false
	}
	account, targets := s.exact(p)
	return account == 0 && targets == nil
}

func (s *snapshot) isReportLocal(local string) bool {
	for _, name := range []TextSetting{DMARCReportsAddress, TLSReportsAddress} {
		if set, ok := s.values[string(name)].(string); ok && set != noReports && strings.EqualFold(local, set) {
			return true
		}
	}
	return false
}

// ReportsLocal returns the local part of an address for reports, "" if there
// are none. s is DMARCReportsAddress or TLSReportsAddress.
func (d *Directory) ReportsLocal(s TextSetting) string {
	if local := d.Text(s); local != noReports {
		return local
	}
	return ""
}
