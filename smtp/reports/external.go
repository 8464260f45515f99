package reports

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/smtp/dmarc"
)

// maxDestinations is how many addresses of one policy get a report.
const maxDestinations = 3

// errNotWanted means that somebody has not said that they want the reports of
// another domain.
var errNotWanted = errors.New("not wanted")

// addressOf reads a mailto URI of rua. Header fields in it do not count.
func addressOf(uri string) (mail.Path, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return mail.Path{}, err
	}
	text, err := url.PathUnescape(u.Opaque)
	if err != nil {
		return mail.Path{}, err
	}
	p, err := mail.ParseAddress(text)
	if err == nil && p.Domain.IsLiteral() {
		err = fmt.Errorf("%q has no domain name", text)
	}
	return p, err
}

// destination returns where a report about policy goes that is to go to p. An
// address in another organization counts only if that wants it, and may name
// another one there (RFC 9990 section 4). Of errors, errNotWanted is final.
func (b *Book) destination(ctx context.Context, policy mail.Domain, p mail.Path) (mail.Path, error) {
	if p.Domain == policy {
		return p, nil
	}
	org, err := dmarc.OrganizationalDomain(ctx, b.opts.Resolver, policy)
	if err != nil {
		return mail.Path{}, err
	}
	other, err := dmarc.OrganizationalDomain(ctx, b.opts.Resolver, p.Domain)
	if err != nil || org == other {
		return p, err
	}
	name := string(policy) + "._report._dmarc." + string(p.Domain)
	if len(name) > 253 {
		return mail.Path{}, fmt.Errorf("%w: %s is too long a name to ask for", errNotWanted, name)
	}
	texts, _, err := b.opts.Resolver.TXT(ctx, name)
	if isTrouble(err) {
		return mail.Path{}, err
	}
	for _, text := range texts {
		rec, err := dmarc.ParseRecord(strings.TrimSpace(text))
		if err != nil {
			continue
		}
		uris := mailtos(rec.AggregateURIs)
		if len(uris) == 0 {
			return p, nil
		}
		instead, err := addressOf(uris[0])
		if err != nil || instead.Domain != p.Domain {
			return mail.Path{}, fmt.Errorf("%w: %s leads to another host", errNotWanted, name)
		}
		return instead, nil
	}
	return mail.Path{}, fmt.Errorf("%w: %s does not say that it takes reports about %s (there is no record %s)", errNotWanted, p.Domain, policy, name)
}

// isTrouble reports whether an error of the DNS may pass.
func isTrouble(err error) bool { return err != nil && !errors.Is(err, dns.ErrNotFound) }
