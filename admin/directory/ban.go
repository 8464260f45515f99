package directory

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"
)

// Ban is a source of failed logins whose attempts are not looked at now.
type Ban struct {
	Net      netip.Prefix // an IPv4 address, or an IPv6 /64
	Login    string       // "": all logins from there that have not succeeded before
	Until    time.Time
	Failures int
	Last     time.Time // failure
}

// Bans returns what is held back now, what lasts longest first.
func (d *Directory) Bans() []Ban {
	if d.opts.NoThrottle {
		return []Ban{}
	}
	return d.throttle.bans()
}

// LiftBan lets attempts be looked at again: those of a login from a net, or
// with no login all from that net. What failed is forgotten.
func (d *Directory) LiftBan(ctx context.Context, actor string, net netip.Prefix, login string) error {
	if login != "" {
		login = loginKey(login)
	}
	net = netip.PrefixFrom(net.Addr().Unmap(), unmappedBits(net))
	from := net.String()
	if login != "" {
		from += " " + login
	}
	if !d.throttle.lift(source{net, login}) {
		return notFound("nothing is held back from %s now; `mailstead ban list` shows what is", from)
	}
	return d.Record(ctx, actor, "ban.lift", from, nil)
}

// bans lists the sources with a penalty.
func (t *throttle) bans() []Ban {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []Ban{}
	now := t.now()
	t.each(func(s source, a *attempts) {
		if a.until.After(now) {
			list = append(list, Ban{Net: s.net, Login: s.login, Until: a.until.UTC(), Failures: a.failures, Last: a.last.UTC()})
		}
	})
	slices.SortFunc(list, func(a, b Ban) int {
		return cmp.Or(b.Until.Compare(a.Until), a.Net.Addr().Compare(b.Net.Addr()), cmp.Compare(a.Login, b.Login))
	})
	return list
}

// lift forgives a source, and those of a whole net where it names no login. It
// reports whether there was a penalty.
func (t *throttle) lift(what source) (found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.each(func(s source, a *attempts) {
		if s.net != what.net || what.login != "" && s.login != what.login || !a.until.After(now) {
			return
		}
		a.failures, a.until = 0, time.Time{}
		found = true
	})
	return found
}

// each calls f for the record of each source; t.mu is held.
func (t *throttle) each(f func(source, *attempts)) {
	for s, a := range t.young {
		f(s, a)
	}
	for s, a := range t.old {
		if t.young[s] == nil {
			f(s, a)
		}
	}
}
