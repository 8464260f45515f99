package checks

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/mailstead/mailstead/mail/dns"
)

// ptrCheck is about the reverse name of each address of a family: it has to be
// there, and to lead back.
func (s *Server) ptrCheck(family string, addrs []netip.Addr) Check {
	name := map[string]string{"v4": "IPv4", "v6": "IPv6"}[family]
	return Check{ID: "ptr." + family, Group: Names, Title: "Reverse name over " + name, Want: list(texts(addrs)) + " is called " + s.Hostname + ", and that leads back",
		Why: "Large providers refuse mail from addresses without a reverse name, or file it to Junk.", After: []string{idResolver},
		Run: func(ctx context.Context) Finding {
			worst := ok("")
			for _, a := range addrs {
				if f := s.reverse(ctx, a); worst.Saw == "" || f.State.severity() > worst.State.severity() {
					worst = f
				}
			}
			if worst.State == Fail && family == "v6" {
				worst.State = Warn // mail goes out over IPv4 as well
			}
			return worst
		}}
}

// reverse looks at one address.
func (s *Server) reverse(ctx context.Context, a netip.Addr) Finding {
	names, _, err := s.Resolver.PTR(ctx, a)
	switch {
	case errors.Is(err, dns.ErrNotFound):
		return Fail.because("%v has no reverse name", a).fix("%s", s.setPTR(a))
	case err != nil:
		return unknown("the reverse name of %v could not be looked up now", a)
	case !slices.Contains(names, s.Hostname):
		f := s.leadsBack(ctx, names[0], a)
		if f.State == OK { // somebody else's name, such as the provider's
			f = Warn.because("%v is called %s, not %s", a, names[0], s.Hostname)
		}
		return f.fix("%s", s.setPTR(a))
	}
	return s.leadsBack(ctx, s.Hostname, a)
}

// leadsBack reports whether a name has an address (forward-confirmed reverse
// DNS).
func (s *Server) leadsBack(ctx context.Context, name string, a netip.Addr) Finding {
	addrs, _, err := s.Resolver.A(ctx, name)
	switch {
	case err != nil && !errors.Is(err, dns.ErrNotFound):
		return unknown("%v is called %s, which could not be looked up now", a, name)
	case len(addrs) == 0 && name == s.Hostname: // the check of the host name says more
		return Warn.because("%v is called %s, which has no address yet", a, name).fix("Publish the A record of %s; the DNS page of the domain shows it.", name)
	case !slices.Contains(addrs, a):
		return Fail.because("%v is called %s, but that does not lead back to it", a, name).fix("%s", s.setPTR(a))
	}
	return ok("%v is called %s, and that leads back", a, name)
}

// setPTR says where a reverse name is set.
func (s *Server) setPTR(a netip.Addr) string {
	if p := s.provider(); p != nil {
		return "Set the reverse name of " + a.String() + " to " + s.Hostname + " at " + p.Name + ": " + p.PTR + "."
	}
	return "Set the reverse name (PTR) of " + a.String() + " to " + s.Hostname + " where you rent the server."
}
