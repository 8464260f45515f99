package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
)

// maxLoginKey bounds what is remembered of a login that is no address.
const maxLoginKey = 128

// fakeIterations are those of real keys, so that made-up ones look alike.
const fakeIterations = 4096

// Authenticator checks the logins of one connection. service is the protocol,
// for the log.
func (d *Directory) Authenticator(remote netip.Addr, service string) sasl.Authenticator {
	return &authenticator{dir: d, remote: remote, net: sourceNet(remote), service: service}
}

type authenticator struct {
	dir     *Directory
	remote  netip.Addr
	net     netip.Prefix
	service string
}

// loginKey is the one form of a login that may be typed in several.
func loginKey(login string) string {
	if p, err := mail.ParseAddress(login); err == nil {
		return p.Key()
	}
	return strings.ToLower(login[:min(len(login), maxLoginKey)])
}

// find returns the account and credential for a login. Where there is none,
// the account is 0 and the credential one that no password fits.
func (a *authenticator) find(login string) (uint32, *credential) {
	s := a.dir.current.Load()
	if id := s.login(login); id != 0 && s.credentials[id] != nil {
		return id, s.credentials[id]
	}
	return 0, a.dir.hasher.dummy
}

// Password checks a password.
func (a *authenticator) Password(ctx context.Context, login, password string) (sasl.Identity, error) {
	from := source{a.net, loginKey(login)}
	id, cred := a.find(login)
	prepared, err := sasl.Prepare(password)
	if err != nil || prepared == "" || len(prepared) > maxPassword {
		return a.refuse(ctx, from, nil, "password cannot be one")
	}
	t := a.dir.hasher.tag(id, cred, prepared)
	if a.dir.throttle.repeated(from, t) {
		a.dir.opts.Logger.InfoContext(ctx, "login failed", "login", from.login, "remote", a.remote, "service", a.service, "reason", "the same wrong password again")
		return sasl.Identity{}, sasl.ErrFailed
	}
	if err := a.admit(ctx, from); err != nil {
		return sasl.Identity{}, err
	}
	ok, err := a.dir.hasher.verify(ctx, id, cred, t, prepared)
	if err != nil {
		return sasl.Identity{}, err
	}
	if !ok {
		return a.refuse(ctx, from, &t, a.reason(login))
	}
	a.dir.throttle.succeeded(from)
	return sasl.Identity{Login: login, Account: id}, nil
}

// reason is for the log alone.
func (a *authenticator) reason(login string) string {
	s := a.dir.current.Load()
	p, err := mail.ParseAddress(login)
	if err != nil {
		return "login is not an address"
	}
	switch id, targets := s.step(p); {
	case id != 0 && s.accounts[id].Suspended:
		return "account is suspended"
	case s.login(login) == 0 && (id != 0 || targets != nil):
		return "address is not a login"
	case s.login(login) == 0:
		return "unknown login"
	case s.credentials[s.login(login)] == nil:
		return "account has no password"
	}
	return "wrong password"
}

// admit refuses to look at an attempt while a penalty lasts.
func (a *authenticator) admit(ctx context.Context, from source) error {
	if a.dir.opts.NoThrottle {
		return nil
	}
	wait := a.dir.throttle.wait(from)
	if wait == 0 {
		return nil
	}
	a.dir.opts.Logger.InfoContext(ctx, "login put off", "login", from.login, "remote", a.remote, "service", a.service, "dur", wait)
	return putOff(wait)
}

// refuse counts and logs a failure.
func (a *authenticator) refuse(ctx context.Context, from source, password *tag, reason string) (sasl.Identity, error) {
	a.dir.throttle.failed(from, password)
	a.dir.opts.Logger.InfoContext(ctx, "login failed", "login", from.login, "remote", a.remote, "service", a.service, "reason", reason)
	return sasl.Identity{}, sasl.ErrFailed
}

// SCRAMKeys returns the keys of a login, or made-up ones that stay the same.
func (a *authenticator) SCRAMKeys(ctx context.Context, login string) (sasl.SCRAMKeys, error) {
	if err := a.admit(ctx, source{a.net, loginKey(login)}); err != nil {
		return sasl.SCRAMKeys{}, err
	}
	fake := a.dir.fakeKeys(loginKey(login))
	if _, cred := a.find(login); cred.scram != nil {
		return *cred.scram, nil
	}
	return fake, nil
}

// fakeKeys makes keys that no password fits.
func (d *Directory) fakeKeys(login string) sasl.SCRAMKeys {
	derive := func(what string) []byte {
		m := hmac.New(sha256.New, d.secret)
		m.Write([]byte(what + "\x00" + login))
		return m.Sum(nil)
	}
	return sasl.SCRAMKeys{Salt: derive("salt")[:hashSaltSize], Iterations: fakeIterations, StoredKey: derive("stored"), ServerKey: derive("server")}
}

// SCRAMDone counts how an exchange ended.
func (a *authenticator) SCRAMDone(ctx context.Context, login string, proof bool) (sasl.Identity, error) {
	from := source{a.net, loginKey(login)}
	id, cred := a.find(login)
	if !proof || id == 0 || cred.scram == nil {
		return a.refuse(ctx, from, nil, a.reason(login))
	}
	a.dir.throttle.succeeded(from)
	return sasl.Identity{Login: login, Account: id}, nil
}

// Token fails: there are no token issuers yet.
func (a *authenticator) Token(ctx context.Context, login, _ string) (sasl.Identity, error) {
	return a.refuse(ctx, source{a.net, loginKey(login)}, nil, "tokens are not supported")
}
