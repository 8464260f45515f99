package admin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail"
)

// How often the watch looks at the DNS of all domains. The jitter keeps
// servers that started together from asking together.
const (
	watchEvery  = time.Hour
	watchJitter = 10 * time.Minute
)

// plan is what the DNS of a domain should have.
func (a *Admin) plan(d directory.Domain) dnsadvice.Plan {
	p := dnsadvice.Plan{Domain: string(d.Name), Host: string(a.opts.Hostname), CA: a.opts.CA}
	if p.Host == "" {
		p.Host, p.HostGuessed = "mail."+string(d.Name), true
	}
	if a.opts.Addresses != nil {
		p.Addrs = a.opts.Addresses()
	}
	for _, k := range publicKeys(d) {
		p.Keys = append(p.Keys, dnsadvice.Key{Selector: k.Selector, Algorithm: k.Algorithm, Name: k.Name, Record: k.Record})
	}
	p.TLSA, p.OldTLSA = a.tlsa()
	p.DMARCReports, p.TLSReports = a.reportAddress(d, directory.DMARCReportsAddress), a.reportAddress(d, directory.TLSReportsAddress)
	if a.opts.Clients != nil {
		if name, text, err := a.opts.Clients.PACCRecord(d.Name); err == nil {
			p.PACC = &dnsadvice.Text{Name: name, Value: text}
		}
	}
	return p
}

// tlsa are the keys of this server for TLSA records, that of the certificate
// that is shown first, and the old ones whose records may go. They count only in
// a zone that is signed.
func (a *Admin) tlsa() (wanted, old []string) {
	if a.opts.Certificates == nil || !a.signed.Load() {
		return nil, nil
	}
	d, ok := a.opts.Certificates.TLSA()
	if !ok {
		return nil, nil
	}
	for _, digest := range []string{d.Shown, d.Current, d.Next} {
		if data := tlsaData(digest); !slices.Contains(wanted, data) {
			wanted = append(wanted, data)
		}
	}
	for _, digest := range d.Retired {
		if data := tlsaData(digest); !slices.Contains(wanted, data) {
			old = append(old, data)
		}
	}
	return wanted, old
}

// tlsaData is a TLSA record of a key, whatever certificate it is in (RFC 7672
// section 3.1).
func tlsaData(digest string) string { return "3 1 1 " + digest }

// reportAddress is where reports about a domain go: to the address that is for
// it, or to whoever has that. Domains that mean another one have its address.
func (a *Admin) reportAddress(d directory.Domain, s directory.TextSetting) string {
	local := a.opts.Directory.ReportsLocal(s)
	if local == "" {
		return ""
	}
	return mail.Path{Local: local, Domain: d.Name}.String()
}

// Zone returns what the DNS should have for a domain as lines of a zone file.
func (a *Admin) Zone(ctx context.Context, name string) (string, error) {
	r, err := a.DomainDNS(ctx, name)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, rec := range r.Records() {
		if rec.ZoneFile != "" && rec.Type != "PTR" {
			fmt.Fprintf(&b, "; %s\n%s\n", rec.Why, rec.ZoneFile)
		}
	}
	return b.String(), nil
}

// DomainDNS returns how the DNS of a domain stood when it was last looked at,
// or only what it should have.
func (a *Admin) DomainDNS(ctx context.Context, name string) (dnsadvice.Report, error) {
	d, err := a.authorizeName(ctx, SeeDomains, name)
	if err != nil {
		return dnsadvice.Report{}, err
	}
	return a.lastDNS(ctx, a.plan(d))
}

func (a *Admin) lastDNS(ctx context.Context, p dnsadvice.Plan) (dnsadvice.Report, error) {
	var m dnsadvice.Memory
	if _, err := a.opts.Directory.State(ctx, dnsState(p.Domain), &m); err != nil {
		return dnsadvice.Report{}, err
	}
	if r := m.Recall(); r != nil && samePlan(*r, p) {
		return *r, nil
	}
	return dnsadvice.Unchecked(p), nil
}

// samePlan reports whether a report is about what is wanted now: keys and
// addresses change.
func samePlan(r dnsadvice.Report, p dnsadvice.Plan) bool {
	have := map[string]bool{}
	for _, rec := range r.Records() {
		have[rec.ID+" "+rec.Name+" "+rec.Type] = true
	}
	want := p.Records("")
	for _, rec := range want {
		if !have[rec.ID+" "+rec.Name+" "+rec.Type] {
			return false
		}
	}
	return len(have) == len(want)
}

func dnsState(domain string) string { return "dns/" + domain }

// CheckDNS asks the authoritative servers what they have for a domain.
func (a *Admin) CheckDNS(ctx context.Context, name string) (dnsadvice.Report, error) {
	d, err := a.authorizeName(ctx, SeeDomains, name)
	if err != nil {
		return dnsadvice.Report{}, err
	}
	return a.checkDNS(ctx, d)
}

func (a *Admin) checkDNS(ctx context.Context, d directory.Domain) (dnsadvice.Report, error) {
	if a.opts.Authority == nil || a.opts.Resolver == nil {
		return dnsadvice.Report{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server asks the DNS; start it with `mailstead serve`"}
	}
	if a.opts.Hostname != "" {
		if _, authentic, err := a.opts.Resolver.A(ctx, string(a.opts.Hostname)); err == nil {
			a.signed.Store(authentic)
		}
	}
	c := dnsadvice.Checker{Authority: a.opts.Authority, Resolver: a.opts.Resolver, Now: a.opts.Now}
	r := c.Check(ctx, a.plan(d))
	if ctx.Err() != nil {
		return dnsadvice.Report{}, ctx.Err()
	}
	return r, a.remember(ctx, &r)
}

// remember keeps a report and what has changed since the one before.
func (a *Admin) remember(ctx context.Context, r *dnsadvice.Report) error {
	a.dnsMu.Lock()
	defer a.dnsMu.Unlock()
	var m dnsadvice.Memory
	if _, err := a.opts.Directory.State(ctx, dnsState(r.Domain), &m); err != nil {
		return err
	}
	m.Note(r)
	return a.opts.Directory.PutState(ctx, dnsState(r.Domain), m)
}

// WatchDNS looks at the DNS of all domains about once an hour until ctx is
// done, so that changes are seen that nobody here has made.
func (a *Admin) WatchDNS(ctx context.Context) error {
	if a.opts.Authority == nil {
		<-ctx.Done()
		return nil
	}
	timer := time.NewTimer(rand.N(watchJitter))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		a.checkAllDNS(ctx)
		timer.Reset(watchEvery - watchJitter/2 + rand.N(watchJitter))
	}
}

// checkAllDNS looks at one domain after the other, and forgets those that are
// gone.
func (a *Admin) checkAllDNS(ctx context.Context) {
	for _, d := range a.opts.Directory.Domains() {
		if ctx.Err() != nil {
			return
		}
		if _, err := a.checkDNS(ctx, d); err != nil && ctx.Err() == nil {
			a.opts.Logger.WarnContext(ctx, "look at the DNS of a domain", "domain", d.Name, "err", err)
		}
	}
}

// forgetDNS drops what was seen of a domain that is removed.
func (a *Admin) forgetDNS(ctx context.Context, d mail.Domain) error {
	return a.opts.Directory.PutState(ctx, dnsState(string(d)), nil)
}
