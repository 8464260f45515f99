package directory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// BroughtBack says what of an account came back, or would.
type BroughtBack struct {
	Account      Account  `json:"-"`
	Address      string   `json:"address"`
	Password     bool     `json:"password" doc:"One signs in with the password of then."`
	SecondFactor bool     `json:"secondFactor" doc:"The authenticator app of then is asked for its codes."`
	AppPasswords []string `json:"appPasswords" doc:"Their labels."`
	Passkeys     []string `json:"passkeys" doc:"Their labels."`
	Filters      int      `json:"filters" doc:"Senders that it allows or blocks."`
	JunkPolicy   bool     `json:"junkPolicy" doc:"It has its own thresholds for junk."`
	Aliases      []string `json:"aliases" doc:"Addresses that lead to it again."`
	Forward      []string `json:"forward" doc:"Where its mail goes on to again."`
	Left         []string `json:"left" doc:"What does not come back, and why: sentences."`
}

func (b *BroughtBack) leave(format string, args ...any) {
	b.Left = append(b.Left, fmt.Sprintf(format, args...))
}

// BringBack adds an account that was removed, as it was, with a number of its
// own: numbers are never used again. Its domain has to be there, and its address
// must be free.
//
// What lets somebody in comes back only if the audit log tells that it was good
// until the account was removed: what was revoked or changed since the copy was
// made stays away, and all of it when the log does not reach back to the copy.
// The account may do no more than it last could. Aliases come back whose
// addresses are free.
//
// In a rehearsal it returns what would come back, with [ErrRehearsed].
func (d *Directory) BringBack(ctx context.Context, actor string, old AccountCopy) (BroughtBack, error) {
	var res BroughtBack
	err := d.update(ctx, actor, func(c *change) error {
		res = BroughtBack{Account: old.Account, Address: text(old.Account.Address), AppPasswords: []string{}, Passkeys: []string{}, Aliases: []string{}, Forward: []string{}, Left: []string{}}
		since, err := c.since(&old, d.secret)
		if err != nil {
			return err
		}
		b := &bringing{c: c, old: &old, since: since, res: &res}
		return b.all()
	})
	return res, err
}

// bringing is an account that is being brought back.
type bringing struct {
	c     *change
	old   *AccountCopy
	since since
	res   *BroughtBack
}

func (b *bringing) all() error {
	a := &b.res.Account
	a.Origin = b.origin()
	b.since.limit(a)
	b.domains()
	b.forward()
	if err := b.c.next.checkNewAccount(a); err != nil {
		return err
	}
	if err := b.c.addAccount(a); err != nil {
		return err
	}
	for _, part := range []func() error{b.signIn, b.appPasswords, b.passkeys, b.rules, b.aliases} {
		if err := part(); err != nil {
			return err
		}
	}
	return b.c.audit(actionBringBack, text(a.Address), nil, b.res)
}

const actionBringBack = "account.bring-back"

// origin is the number that the account had first, by which its app passwords
// and passkeys know it; 0 if none of them can come back, or if the number is
// somebody else's: after a restore of everything the same one can be given again.
func (b *bringing) origin() uint32 {
	id := cmp.Or(b.old.Account.Origin, b.old.Account.ID)
	if !b.since.known {
		return 0
	}
	for _, a := range b.c.next.accounts {
		if a.ID == id || a.Origin == id {
			b.since.known, b.since.unknown = false, "its number is that of another account now"
			return 0
		}
	}
	return id
}

// domains leaves out those of a domain-admin that are gone.
func (b *bringing) domains() {
	a := &b.res.Account
	a.Domains = slices.DeleteFunc(slices.Clone(a.Domains), func(d mail.Domain) bool {
		_, err := b.c.next.domain(d)
		if err != nil {
			b.res.leave("the rights in %s: there is no such domain any more", d.Unicode())
		}
		return err != nil
	})
	if a.Role == RoleDomainAdmin && len(a.Domains) == 0 {
		a.Role = RoleUser
	}
}

// forward leaves out where mail did not go any more when the account was
// removed, and where it cannot go now.
func (b *bringing) forward() {
	a, last := &b.res.Account, b.since.forward
	was := a.Forward
	a.Forward = nil
	for _, to := range was {
		switch {
		case b.since.last != nil && !containsPath(last, to):
			b.res.leave("forwarding to %s: it was taken away after the backup", to.Display())
		case b.c.next.checkTarget(to) != nil || b.c.next.walkTo(a.Address).from(to):
			b.res.leave("forwarding to %s: there is no such address any more, or it leads back here", to.Display())
		default:
			a.Forward = append(a.Forward, to)
		}
	}
	b.res.Forward = append(b.res.Forward, texts(a.Forward)...)
	a.KeepCopy = a.KeepCopy || len(a.Forward) == 0
}

// signIn brings back the second factor and the password. Together they are no
// weaker than they were when the account was removed.
func (b *bringing) signIn() error {
	if err := b.secondFactor(); err != nil {
		return err
	}
	return b.password()
}

// secondFactor comes back also where the password does not: passkeys without a
// PIN of their own want its codes, too.
func (b *bringing) secondFactor() error {
	if b.old.totp == nil || !b.since.known || b.since.totp != "" { // it had none, or has none any more
		return nil
	}
	b.res.SecondFactor = true
	b.res.leave("recovery codes: nothing says which of them were used; new ones can be made")
	return b.c.put(bucketTOTP, accountKey(b.res.Account.ID), b.old.totp)
}

func (b *bringing) password() error {
	a, s := &b.res.Account, &b.since
	switch {
	case b.old.cred == nil:
		return nil
	case !s.known:
		b.res.leave("the password: %s", s.unknown)
		return nil
	case s.password:
		b.res.leave("the password: it was changed after the backup, and the older one may be known to others; set a new one")
		return nil
	case s.totp == "totp.set":
		b.res.leave("the password: the second factor was set up after the backup, and the password alone is weaker; set a new one")
		return nil
	}
	if err := b.c.storeCredential(a.ID, b.old.cred); err != nil {
		return err
	}
	b.res.Password = true
	return nil
}

func (b *bringing) appPasswords() error {
	for _, was := range b.old.apps {
		switch {
		case !b.since.known:
			b.res.leave("the app password %q: %s", was.Label, b.since.unknown)
			continue
		case b.since.revoked["app-password/"+was.ID]:
			b.res.leave("the app password %q: it was revoked after the backup", was.Label)
			continue
		case !was.Expires.IsZero() && !b.c.now.Before(was.Expires):
			b.res.leave("the app password %q: it has expired", was.Label)
			continue
		case b.c.next.appPasswords[was.hash] != nil:
			continue
		}
		p := *was
		p.Account = b.res.Account.ID
		b.c.next.appPasswords[p.hash] = &p
		if err := b.c.put(bucketAppPasswords, []byte(p.ID), p.record()); err != nil {
			return err
		}
		b.res.AppPasswords = append(b.res.AppPasswords, p.Label)
	}
	return nil
}

func (b *bringing) passkeys() error {
	for _, p := range b.old.passkeys {
		switch {
		case !b.since.known:
			b.res.leave("the passkey %q: %s", p.Label, b.since.unknown)
			continue
		case b.since.revoked["passkey/"+p.ID] || b.since.factors:
			b.res.leave("the passkey %q: it was removed after the backup", p.Label)
			continue
		case b.since.totp == "totp.set":
			b.res.leave("the passkey %q: the second factor was set up after the backup, and the passkey alone is weaker", p.Label)
			continue
		}
		p.Account = b.res.Account.ID
		if err := b.c.put(bucketPasskeys, passkeyKey(p.Account, p.CredentialID), p.record()); err != nil {
			return err
		}
		b.res.Passkeys = append(b.res.Passkeys, p.Label)
	}
	return nil
}

func (b *bringing) rules() error {
	for _, r := range b.old.rules {
		scope := r.scope
		if scope.Account != 0 {
			scope.Account = b.res.Account.ID
		}
		if b.c.next.rules[scope.key()] != nil {
			b.res.leave("the junk rules of the address: it has others now")
			continue
		}
		if err := b.c.putRules(scope, nil, &rules{scope: scope, entries: r.entries, policy: r.policy}); err != nil {
			return err
		}
		b.res.Filters += len(r.entries)
		b.res.JunkPolicy = b.res.JunkPolicy || r.policy != nil
	}
	return nil
}

// aliases brings back those whose addresses are free, with the targets that
// there still are. One that leads to others now stays as it is: perhaps nobody
// wants this account in the group any more.
func (b *bringing) aliases() error {
	for _, was := range b.old.aliases {
		if b.c.next.checkNewAddress(was.Address) != nil {
			b.leaveAlias(&was)
			continue
		}
		a := Alias{Address: was.Address, Created: b.c.now.UTC()}
		for _, t := range was.Targets {
			more := a
			if b.c.next.addTargets(&more, []mail.Path{t}) == nil {
				a = more
			}
		}
		if len(a.Targets) == 0 {
			continue // it led here by an alias that did not come back
		}
		if err := b.c.putAlias("alias.add", nil, &a); err != nil {
			return err
		}
		b.res.Aliases = append(b.res.Aliases, text(a.Address))
	}
	return nil
}

func (b *bringing) leaveAlias(was *Alias) {
	now := b.c.next.aliases[was.Address.Key()]
	switch {
	case now == nil:
		b.res.leave("the alias %s: there is an account of this address, or its domain is gone", was.Address.Display())
	case slices.ContainsFunc(was.Targets, func(t mail.Path) bool { return !containsPath(now.Targets, t) }):
		b.res.leave("the alias %s: it leads to %s now; `mailstead alias add %s ADDRESS` adds to it", was.Address.Display(), strings.Join(texts(now.Targets), ", "), was.Address.Display())
	}
}
