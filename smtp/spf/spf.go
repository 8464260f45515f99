package spf

import (
	"cmp"
	"context"
	"net/netip"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// Identity is what was checked (RFC 7208 section 2.2).
type Identity string

const (
	MailFrom Identity = "mailfrom"
	Helo     Identity = "helo"
)

// Client is the SMTP client and what it said.
type Client struct {
	Addr        netip.Addr
	Hello       string // argument of HELO or EHLO
	ReversePath mail.Path
}

// Result is the outcome for one identity.
type Result struct {
	mail.AuthResult             // Method "spf"
	Identity        Identity    // the one asked for, but Helo for the null reverse-path
	Domain          mail.Domain // the domain checked, empty if there was none to check
	Mechanism       string      // the mechanism that matched, with what it names; "default" if none did; empty if none was evaluated

	client Client
}

// Pass reports whether the client may use Domain.
func (r Result) Pass() bool { return r.Result == pass }

// CheckMailFrom checks the reverse-path. For the null reverse-path it checks
// the HELO name instead, as "postmaster" of which it counts (RFC 7208 section
// 2.4).
func CheckMailFrom(ctx context.Context, resolver dns.Resolver, c Client) Result {
	if c.ReversePath.IsNull() {
		return CheckHelo(ctx, resolver, c)
	}
	return check(ctx, resolver, c, MailFrom, c.ReversePath)
}

// CheckHelo checks the name that the client introduced itself with (RFC 7208
// section 2.3).
func CheckHelo(ctx context.Context, resolver dns.Resolver, c Client) Result {
	d, err := mail.ParseDomain(c.Hello)
	if err != nil {
		d = ""
	}
	return check(ctx, resolver, c, Helo, mail.Path{Local: "postmaster", Domain: d})
}

func check(ctx context.Context, resolver dns.Resolver, c Client, identity Identity, sender mail.Path) Result {
	c.Addr = c.Addr.Unmap().WithZone("")
	r := Result{Identity: identity, client: c}
	r.Method = "spf"
	r.Props = []mail.AuthProp{r.property()}
	if sender.Domain.IsLiteral() || !strings.Contains(string(sender.Domain), ".") {
		r.Result = none // RFC 7208 section 4.3
		r.Comment = "no domain name to check"
		return r
	}
	r.Domain = sender.Domain
	e := evaluation{ctx: ctx, resolver: resolver, addr: c.Addr, local: sender.Local, sender: string(sender.Domain), hello: c.Hello}
	out := e.check(string(sender.Domain))
	if ctx.Err() != nil && out.result != pass {
		out = outcome{result: temperror} // whatever came of lookups that were cut off
	}
	r.Result = out.result
	switch out.result {
	case none, temperror, permerror:
	case neutral:
		r.Mechanism = cmp.Or(out.term, "default")
	default:
		r.Mechanism = out.term
	}
	r.Comment = r.explain(out)
	return r
}

func (r Result) property() mail.AuthProp {
	if r.Identity == Helo {
		return mail.AuthProp{Type: "smtp", Name: "helo", Value: r.client.Hello}
	}
	return mail.AuthProp{Type: "smtp", Name: "mailfrom", Value: r.client.ReversePath.String()}
}

// explain says in one line how the result came about.
func (r Result) explain(out outcome) string {
	addr := r.client.Addr.String()
	by := ""
	if out.inner != "" {
		by = " by " + out.inner
		if out.domain != string(r.Domain) {
			by += " of " + out.domain
		}
	}
	switch r.Result {
	case pass:
		return "domain of " + r.who() + " permits " + addr + by
	case fail:
		return "domain of " + r.who() + " does not permit " + addr + by
	case softfail:
		return "domain of transitioning " + r.who() + " does not permit " + addr + by
	case neutral:
		return addr + " is neither permitted nor denied by domain of " + r.who()
	case none:
		return "domain of " + r.who() + " says nothing about permitted hosts"
	case temperror:
		return "temporary DNS trouble while checking " + r.who()
	}
	return r.who() + ": " + out.err.Error()
}

func (r Result) who() string {
	if r.Identity == Helo {
		return string(r.Domain)
	}
	return r.client.ReversePath.String()
}
