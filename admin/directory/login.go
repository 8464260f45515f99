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

// Authenticator checks the logins of one connection. service is "imap",
// "pop3", "submission" or "managesieve", where app passwords are taken and each
// login goes into the history; or "web", where only the password of an account
// is good, and nothing is recorded: a second step may follow, and whoever asks
// for it calls RecordLogin.
func (d *Directory) Authenticator(remote netip.Addr, service string) sasl.Authenticator {
	return &authenticator{dir: d, remote: remote, net: sourceNet(remote), protocol: protocolOf(service)}
}

type authenticator struct {
	dir      *Directory
	remote   netip.Addr
	net      netip.Prefix
	protocol Protocol
	client   string   // what it calls itself
	who      *watcher // logged in; nil: nobody yet
	entry    *attempt // of the last login in the history
}

// Describe tells what the client calls itself, before or after the login.
func (a *authenticator) Describe(client string) {
	if client = cleanClient(client); client == a.client {
		return
	}
	a.client = client
	if a.who != nil && a.entry != nil {
		a.dir.journal.describe(a.entry, client)
	}
}

// OnRevoke has f called when the login is no longer good.
func (a *authenticator) OnRevoke(f func()) (stop func() bool) {
	if a.who == nil {
		return func() bool { return true }
	}
	stop = a.dir.watchers.watch(a.who, f)
	a.dir.watchers.check(a.dir.current.Load()) // it may have ended meanwhile
	return stop
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

// Password checks a password: an app password first, which takes no time.
func (a *authenticator) Password(ctx context.Context, login, password string) (sasl.Identity, error) {
	from := source{a.net, loginKey(login)}
	if p := a.appPassword(login, password); p != nil {
		return a.useAppPassword(ctx, from, login, p)
	}
	id, cred := a.find(login)
	prepared, err := sasl.Prepare(password)
	if err != nil || prepared == "" || len(prepared) > maxPassword {
		return a.refuse(ctx, from, nil, "password cannot be one")
	}
	t := a.dir.hasher.tag(id, cred, prepared)
	if a.dir.throttle.repeated(from, t) {
		a.failed(ctx, from, "the same wrong password again")
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
	return a.accept(ctx, from, login, id, cred)
}

// accept ends a login with the right password of an account.
func (a *authenticator) accept(ctx context.Context, from source, login string, id uint32, cred *credential) (sasl.Identity, error) {
	if a.protocol.forMail() && a.dir.current.Load().appOnly(id) {
		a.failed(ctx, from, "the password of the account; it takes app passwords only")
		return sasl.Identity{}, errAppPasswordNeeded
	}
	a.dir.throttle.succeeded(from)
	a.who = &watcher{account: id, cred: cred}
	a.entry = a.record(from, LoginEntry{OK: true})
	return sasl.Identity{Login: login, Account: id}, nil
}

// appPassword returns the app password that somebody has typed, nil if it is
// none of the login's.
func (a *authenticator) appPassword(login, typed string) *appPassword {
	if !a.protocol.forMail() {
		return nil
	}
	secret, ok := parseAppSecret(typed)
	if !ok {
		return nil
	}
	s := a.dir.current.Load()
	id := s.login(login)
	if id == 0 {
		return nil
	}
	return s.appPasswords[a.dir.hashAppSecret(id, secret)]
}

// useAppPassword ends a login with an app password. Penalties do not hold it
// up: nobody comes here by guessing.
func (a *authenticator) useAppPassword(ctx context.Context, from source, login string, p *appPassword) (sasl.Identity, error) {
	now := a.dir.opts.Now()
	if err := p.check(a.protocol, now); err != nil {
		a.failedWith(ctx, from, p, err.Text)
		return sasl.Identity{}, err
	}
	a.dir.throttle.succeeded(from)
	a.who = &watcher{account: p.Account, app: p}
	a.entry = a.record(from, LoginEntry{OK: true, AppPassword: p.ID, Label: p.Label})
	a.dir.journal.used(useOfApp(p.ID), use{Time: now.UTC(), IP: a.remote.Unmap(), Protocol: a.protocol})
	return sasl.Identity{Login: login, Account: p.Account, AppPassword: p.ID}, nil
}

// record puts a login into the history; nil on the web.
func (a *authenticator) record(from source, e LoginEntry) *attempt {
	if a.protocol == ProtocolWeb {
		return nil
	}
	e.Login, e.Protocol, e.IP, e.Client = from.login, a.protocol, a.remote, a.client
	if a.who != nil {
		e.Account = a.who.account
	}
	return a.dir.recordLogin(e)
}

// failed logs and records a failure.
func (a *authenticator) failed(ctx context.Context, from source, reason string) {
	a.failedWith(ctx, from, &appPassword{}, reason)
}

func (a *authenticator) failedWith(ctx context.Context, from source, p *appPassword, reason string) {
	a.dir.opts.Logger.InfoContext(ctx, "login failed", "login", from.login, "remote", a.remote, "service", a.protocol, "reason", reason)
	a.record(from, LoginEntry{AppPassword: p.ID, Label: p.Label, Reason: reason})
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
	a.dir.opts.Logger.InfoContext(ctx, "login put off", "login", from.login, "remote", a.remote, "service", a.protocol, "dur", wait)
	a.record(from, LoginEntry{Reason: "too many failed logins before; not looked at"})
	return putOff(wait)
}

// refuse counts and logs a failure.
func (a *authenticator) refuse(ctx context.Context, from source, password *tag, reason string) (sasl.Identity, error) {
	a.dir.throttle.failed(from, password)
	a.failed(ctx, from, reason)
	return sasl.Identity{}, sasl.ErrFailed
}

// SCRAMKeys returns the keys of a login, or made-up ones that stay the same.
func (a *authenticator) SCRAMKeys(ctx context.Context, login string) (sasl.SCRAMKeys, error) {
	if err := a.admit(ctx, source{a.net, loginKey(login)}); err != nil {
		return sasl.SCRAMKeys{}, err
	}
	s := a.dir.current.Load()
	keys := a.dir.fakeKeys(loginKey(login))
	id := s.login(login)
	if id == 0 {
		return keys, nil
	}
	keys.Salt = a.dir.scramSalt(s, s.accounts[id].Address)
	if cred := s.credentials[id]; cred != nil && cred.scram != nil {
		keys = *cred.scram
	}
	if a.protocol.forMail() {
		keys.More = s.appKeys(id, &keys)
	}
	return keys, nil
}

// scramSalt is the salt of all passwords of an account: the client is told one
// before it is known which of them it has.
func (d *Directory) scramSalt(s *snapshot, p mail.Path) []byte {
	if cred := s.credentials[s.byAddress[p.Key()]]; cred != nil && cred.scram != nil {
		return cred.scram.Salt
	}
	return d.fakeKeys(p.Key()).Salt
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
func (a *authenticator) SCRAMDone(ctx context.Context, login string, proved *sasl.SCRAMKey) (sasl.Identity, error) {
	from := source{a.net, loginKey(login)}
	s := a.dir.current.Load()
	id := s.login(login)
	switch {
	case proved == nil || id == 0:
	case proved.ID != "":
		if p := s.appPassword(id, proved.ID); p != nil {
			return a.useAppPassword(ctx, from, login, p)
		}
	default:
		if cred := s.credentials[id]; cred != nil && cred.scram != nil {
			return a.accept(ctx, from, login, id, cred)
		}
	}
	return a.refuse(ctx, from, nil, a.reason(login))
}

// Token fails: there are no token issuers yet.
func (a *authenticator) Token(ctx context.Context, login, _ string) (sasl.Identity, error) {
	return a.refuse(ctx, source{a.net, loginKey(login)}, nil, "tokens are not supported")
}
