package spf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"blitiri.com.ar/go/spf"

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
	Mechanism       string      // the mechanism that matched, "default" if none did; empty if none was evaluated

	client Client
}

// Pass reports whether the client may use Domain.
func (r Result) Pass() bool { return r.Result == string(spf.Pass) }

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
	r := Result{Identity: identity, client: c}
	r.Method = "spf"
	r.Props = []mail.AuthProp{r.property()}
	if sender.Domain.IsLiteral() || !strings.Contains(string(sender.Domain), ".") {
		r.Result = string(spf.None) // RFC 7208 section 4.3
		r.Comment = "no domain name to check"
		return r
	}
	r.Domain = sender.Domain
	result, err := spf.CheckHostWithSender(net.IP(c.Addr.Unmap().AsSlice()), c.Hello, senderText(sender),
		spf.WithContext(ctx), spf.WithResolver(adapter{resolver}))
	if ctx.Err() != nil && result != spf.Pass {
		result = spf.TempError // whatever came of lookups that were cut off
	}
	r.Result = string(result)
	switch result {
	case spf.None, spf.TempError, spf.PermError:
	default:
		r.Mechanism = mechanism(err, c.Addr)
	}
	r.Comment = r.explain(err)
	return r
}

func (r Result) property() mail.AuthProp {
	if r.Identity == Helo {
		return mail.AuthProp{Type: "smtp", Name: "helo", Value: r.client.Hello}
	}
	return mail.AuthProp{Type: "smtp", Name: "mailfrom", Value: r.client.ReversePath.String()}
}

// senderText writes the <sender> of RFC 7208 section 4.1. The library takes
// what follows the first "@" for the domain, so a quoted local-part with an
// "@" must not reach it; it counts only for macros.
func senderText(p mail.Path) string {
	if strings.Contains(p.Local, "@") {
		p.Local = "postmaster"
	}
	return p.Local + "@" + string(p.Domain)
}

// mechanism names what decided.
func mechanism(err error, client netip.Addr) string {
	switch {
	case errors.Is(err, spf.ErrMatchedAll):
		return "all"
	case errors.Is(err, spf.ErrMatchedA):
		return "a"
	case errors.Is(err, spf.ErrMatchedIP) && client.Unmap().Is4():
		return "ip4"
	case errors.Is(err, spf.ErrMatchedIP):
		return "ip6"
	case errors.Is(err, spf.ErrMatchedMX):
		return "mx"
	case errors.Is(err, spf.ErrMatchedPTR):
		return "ptr"
	case errors.Is(err, spf.ErrMatchedExists):
		return "exists"
	}
	return "default"
}

// explain says in one line how the result came about.
func (r Result) explain(err error) string {
	ip := r.client.Addr.Unmap().String()
	switch spf.Result(r.Result) {
	case spf.Pass:
		return "domain of " + r.who() + " permits " + ip
	case spf.Fail:
		return "domain of " + r.who() + " does not permit " + ip
	case spf.SoftFail:
		return "domain of transitioning " + r.who() + " does not permit " + ip
	case spf.Neutral:
		return ip + " is neither permitted nor denied by domain of " + r.who()
	case spf.None:
		return "domain of " + r.who() + " says nothing about permitted hosts"
	case spf.TempError:
		return "temporary DNS trouble while checking " + r.who()
	}
	return "record of " + r.who() + " is not valid: " + err.Error()
}

func (r Result) who() string {
	if r.Identity == Helo {
		return string(r.Domain)
	}
	return r.client.ReversePath.String()
}
