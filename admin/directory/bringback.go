package directory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

// AccountCopy is an account as it was, with all that was removed with it: as it
// stands in the directory that a backup was restored to. Recovery codes are not
// part of it, because nothing says which of them were used since.
type AccountCopy struct {
	Account Account

	cred     *credential // nil: it had no password
	totp     *totpRecord // nil: it had no second factor
	apps     []*appPassword
	passkeys []Passkey
	rules    []*rules // of the account, and the policy of its address
	aliases  []Alias  // that lead to it, in the order in which they can be added

	secret []byte // of the directory
	mark   auditMark
}

// auditMark is how far the audit log was when a copy was made.
type auditMark struct {
	seq uint64
	row []byte // the last entry; nil: there was none
}

// CopyAccount returns what BringBack needs of an account.
func (d *Directory) CopyAccount(ctx context.Context, id uint32) (AccountCopy, error) {
	a, err := d.Account(id)
	if err != nil {
		return AccountCopy{}, err
	}
	s := d.current.Load()
	c := AccountCopy{Account: a, cred: s.credentials[id], apps: s.appPasswordsOf(id), secret: d.secret, aliases: s.aliasesTo(a.Address)}
	for _, scope := range []RuleScope{{Account: id}, {Address: a.Address}} {
		if r := s.rules[scope.key()]; r != nil {
			c.rules = append(c.rules, r)
		}
	}
	if c.passkeys, err = d.Passkeys(ctx, id); err != nil {
		return AccountCopy{}, err
	}
	return c, d.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketAudit)
		c.mark = auditMark{b.Sequence(), bytes.Clone(b.Get(auditKey(b.Sequence())))}
		row := tx.Bucket(bucketTOTP).Get(accountKey(id))
		if row == nil {
			return nil
		}
		c.totp = &totpRecord{}
		return decode(row, c.totp)
	})
}

// aliasesTo returns the aliases that lead to an address, also by other aliases.
func (s *snapshot) aliasesTo(p mail.Path) (list []Alias) {
	keys, all := map[string]bool{p.Key(): true}, sorted(s.aliases, aliasOrder)
	for range maxAliasDepth {
		for _, a := range all {
			if !keys[a.Address.Key()] && slices.ContainsFunc(a.Targets, func(t mail.Path) bool { return keys[t.Key()] }) {
				keys[a.Address.Key()] = true
				list = append(list, a)
			}
		}
	}
	return list
}

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
		case b.c.next.checkTarget(to) != nil || b.c.next.leadsTo(to, a.Address.Key(), map[string]bool{}):
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

// since is what the audit log tells of an account from the moment of a copy on.
type since struct {
	known    bool   // it tells all
	unknown  string // why not
	password bool   // was changed
	totp     string // the last action on the second factor; "": none
	factors  bool   // all passkeys were taken away at once
	revoked  map[string]bool
	last     *accountRecord // as it was removed
	forward  []mail.Path    // of last
}

// since reads the audit log. An address that was given to somebody else
// meanwhile makes it err on the safe side.
func (c *change) since(old *AccountCopy, secret []byte) (since, error) {
	s := since{known: true, revoked: map[string]bool{}}
	b := c.tx.Bucket(bucketAudit)
	switch {
	case !bytes.Equal(secret, old.secret):
		s.known, s.unknown = false, "the backup is not of this server"
	case old.mark.seq > b.Sequence() || !sameEntry(b.Get(auditKey(old.mark.seq)), old.mark.row):
		s.known, s.unknown = false, "the audit log does not tell what was revoked after the backup"
	}
	address := text(old.Account.Address)
	cur := b.Cursor()
	for k, v := cur.Seek(auditKey(old.mark.seq + 1)); k != nil; k, v = cur.Next() {
		var e AuditEntry
		if err := decode(v, &e); err != nil {
			return s, err
		}
		if e.Object == address {
			s.add(&e, old.Account.ID)
		}
	}
	return s, nil
}

// sameEntry reports whether two rows of the audit log are one entry; that it
// was undone may have been noted in one of them.
func sameEntry(a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	var x, y AuditEntry
	return decode(a, &x) == nil && decode(b, &y) == nil && x.Time.Equal(y.Time) && x.Actor == y.Actor && x.Action == y.Action && x.Object == y.Object
}

func (s *since) add(e *AuditEntry, id uint32) {
	kind, _, _ := strings.Cut(e.Action, ".")
	switch e.Action {
	case "account.password":
		s.password = true
	case "totp.set", "totp.remove":
		s.totp = e.Action
	case "factors.remove":
		s.totp, s.factors = e.Action, true
	case "app-password.remove", "passkey.remove":
		var gone struct{ ID string }
		if json.Unmarshal(e.Before, &gone) == nil {
			s.revoked[kind+"/"+gone.ID] = true
		}
	case "account.remove":
		var r accountRecord
		if json.Unmarshal(e.Before, &r) == nil && (r.ID == id || r.Origin == id) {
			s.last = &r
		}
	}
}

// limit takes from an account what it last was not allowed any more.
func (s *since) limit(a *Account) {
	if s.last == nil {
		return
	}
	last, err := s.last.account()
	if err != nil {
		return
	}
	s.forward = last.Forward
	a.Suspended = a.Suspended || last.Suspended
	a.AppPasswordsOnly = a.AppPasswordsOnly || last.AppPasswordsOnly
	if roles := Roles(); slices.Index(roles, last.Role) < slices.Index(roles, a.Role) {
		a.Role, a.Domains = last.Role, last.Domains
	}
	a.Domains = slices.DeleteFunc(slices.Clone(a.Domains), func(d mail.Domain) bool { return !slices.Contains(last.Domains, d) })
	if a.Role == RoleDomainAdmin && len(a.Domains) == 0 {
		a.Role = RoleUser
	}
}
