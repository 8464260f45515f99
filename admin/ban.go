package admin

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

// Ban is a source of failed logins whose attempts are not looked at now.
type Ban struct {
	Net      string    `json:"net" doc:"An IPv4 address as a /32, or an IPv6 /64."`
	Login    string    `json:"login,omitempty" doc:"Absent: all logins from there that have not succeeded before."`
	Until    time.Time `json:"until"`
	Failures int       `json:"failures"`
	Last     time.Time `json:"last" doc:"The last failure."`
}

// BanKey says which ban is meant.
type BanKey struct {
	Net   string `json:"net" doc:"A net as in the list, or an address."`
	Login string `json:"login,omitempty" doc:"Absent: everything from that net."`
}

// errNoBans is for a server that does not run.
func (a *Admin) errNoBans() error {
	if a.opts.Certificates != nil {
		return nil
	}
	return &directory.Problem{Kind: ErrUnavailable, Text: "only a running server holds logins back; it forgets them when it stops"}
}

// Bans returns what is held back now, what lasts longest first.
func (a *Admin) Bans(ctx context.Context) (Page[Ban], error) {
	p, err := authorize(ctx, SeeSignIns)
	if err != nil {
		return Page[Ban]{}, err
	}
	if err := a.errNoBans(); err != nil {
		return Page[Ban]{}, err
	}
	list := []Ban{}
	for _, b := range a.opts.Directory.Bans() {
		if p.allDomains() || b.Login != "" && p.sees(loginDomain(b.Login)) {
			list = append(list, Ban{Net: b.Net.String(), Login: b.Login, Until: b.Until, Failures: b.Failures, Last: b.Last})
		}
	}
	return whole(list), nil
}

// loginDomain is the domain of a login, "" if it has none.
func loginDomain(login string) mail.Domain {
	p, err := mail.ParseAddress(login)
	if err != nil {
		return ""
	}
	return p.Domain
}

// LiftBan lets attempts from a source be looked at again.
func (a *Admin) LiftBan(ctx context.Context, key BanKey) error {
	if _, err := authorize(ctx, LiftBans); err != nil {
		return err
	}
	if err := a.errNoBans(); err != nil {
		return err
	}
	net, err := parseNet(key.Net)
	if err != nil {
		return At("net", err)
	}
	return a.opts.Directory.LiftBan(ctx, Actor(ctx), net, key.Login)
}

// parseNet reads a net, or an address of one.
func parseNet(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if addr, err := netip.ParseAddr(s); err == nil {
		return directory.SourceNet(addr), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, invalid("%q is not an address or net; write it as in 192.0.2.1 or 2001:db8:1:2::/64", s)
	}
	return p, nil
}
