package dmarc

import (
	"context"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// OrganizationalDomain finds the organizational domain of d by a walk up the
// DNS tree (RFC 9989 section 4.10.2). An error is DNS trouble.
func OrganizationalDomain(ctx context.Context, resolver dns.Resolver, d mail.Domain) (mail.Domain, error) {
	f := finder{ctx: ctx, resolver: resolver, asked: make(map[mail.Domain]*finding)}
	found, err := f.walk(d)
	if err != nil {
		return "", err
	}
	return organizational(d, found), nil
}
