package inbound

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// hello looks at the name a client gives itself (RFC 5321 section 4.1.4). A
// server may not refuse a client for a name that does not fit its address, so
// that adds to the score; nobody else has our own name.
func (v *visit) hello(hello string) *Ruling {
	if v.exempt || slices.Contains(v.door.opts.Self(), v.addr) {
		return nil
	}
	d, err := mail.ParseDomain(hello)
	literal, isLiteral := d.Literal()
	switch {
	case err == nil && d == v.door.opts.Hostname, isLiteral && slices.Contains(v.door.opts.Self(), literal):
		return &Ruling{Rule: "helo.ours", Text: fmt.Sprintf("The client calls itself %s, which is this server.", hello),
			Refusal: &mail.Error{Status: mail.StatusPolicy, Code: 550, Text: fmt.Sprintf("you are not %s: that is this server's own name; say your own in EHLO", hello)}}
	case isLiteral && literal.Unmap() != v.addr:
		return helloRuling("helo.address", 1.5, "The client names an address in HELO that is not its own.")
	case isLiteral:
		return helloRuling("helo.literal", 0.5, "The client has no name, only an address.")
	case isAddress(hello):
		return helloRuling("helo.form", 1.5, "The client gives an address without brackets for its name.")
	case err != nil || !strings.Contains(string(d), "."):
		return helloRuling("helo.form", 1, "The name that the client gives in HELO is not a full host name.")
	case v.door.opts.IsLocal(d):
		return helloRuling("helo.domain", 2, fmt.Sprintf("The client calls itself %s, which is a domain of this server.", d))
	}
	return nil
}

func helloRuling(rule string, score float64, text string) *Ruling {
	return &Ruling{Rule: rule, Score: score, Text: text}
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// helloExists looks whether the name in HELO is one, while other checks run.
func (d *Door) helloExists(ctx context.Context, hello string) *Ruling {
	name, err := mail.ParseDomain(hello)
	if err != nil || name.IsLiteral() || !strings.Contains(string(name), ".") {
		return nil // hello has said so
	}
	if _, err := dns.IPv4(ctx, d.opts.Resolver, string(name)); errors.Is(err, dns.ErrNoSuchName) && d.soundDNS(ctx) {
		return helloRuling("helo.unknown", 0.8, fmt.Sprintf("The name %s that the client gives in HELO does not exist.", name))
	}
	return nil
}
