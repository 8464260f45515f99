package directory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
)

// maxAppPasswords bounds those of one account.
const maxAppPasswords = 50

// AppPassword is a password that was made for one device or program. It logs
// in to mail, never to the account itself.
type AppPassword struct {
	ID        string
	Account   uint32
	Label     string
	Protocols []Protocol
	Expires   time.Time // zero: never
	Created   time.Time

	// The last use, as of about now; zero if there was none.
	LastUsed     time.Time
	LastIP       netip.Addr
	LastProtocol Protocol
}

// NewAppPassword is what AddAppPassword needs; only Label must be there.
type NewAppPassword struct {
	Label     string
	Protocols []Protocol // none: all of MailProtocols
	Expires   time.Time  // zero: never
}

// appPassword is an app password with what is kept of its secret.
type appPassword struct {
	AppPassword
	hash secretHash
	// scram are keys for the forms in which a program may send it: with the
	// hyphens, and without. SCRAM shows the server neither.
	scram []sasl.SCRAMKeys
}

// The secret of an app password: 80 bits, shown in groups.
const (
	appSecretSize    = 10 // octets
	appSecretLetters = 16
	appSecretGroup   = 4
	maxAppTyped      = 64 // octets of what somebody types
)

// formatAppSecret writes a secret as it is shown. The hyphens are for people;
// typed, they may be missing or be spaces.
func formatAppSecret(secret string) string {
	var groups []string
	for group := range slices.Chunk([]byte(secret), appSecretGroup) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-")
}

// parseAppSecret reads a secret as somebody typed it: spaces, hyphens and case
// do not matter, and digits that are not in the alphabet count as the letters
// they look like. It reports whether it can be one at all.
func parseAppSecret(typed string) (secret string, ok bool) {
	if len(typed) < appSecretLetters || len(typed) > maxAppTyped {
		return "", false
	}
	var b [appSecretLetters]byte
	n := 0
	for _, c := range typed {
		switch {
		case unicode.IsSpace(c), c == '-':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '0':
			c = 'o'
		case c == '1':
			c = 'l'
		case c == '8':
			c = 'b'
		}
		if n == len(b) || !strings.ContainsRune(letters, c) {
			return "", false
		}
		b[n] = byte(c)
		n++
	}
	return string(b[:]), n == len(b)
}

func (d *Directory) hashAppSecret(account uint32, secret string) secretHash {
	return d.hashSecret("app password", accountKey(d.current.Load().origin(account)), secret)
}

// origin is the number that the secrets of an account are bound to.
func (s *snapshot) origin(account uint32) uint32 {
	if a := s.accounts[account]; a != nil && a.Origin != 0 {
		return a.Origin
	}
	return account
}

// AddAppPassword makes an app password. The secret is returned once and cannot
// be found out again.
func (d *Directory) AddAppPassword(ctx context.Context, actor string, account uint32, n NewAppPassword) (_ AppPassword, secret string, err error) {
	label, err := checkLabel(n.Label)
	if err != nil {
		return AppPassword{}, "", err
	}
	protocols, err := parseProtocols(n.Protocols)
	if err != nil {
		return AppPassword{}, "", err
	}
	id, err := d.makeSecret(idSize)
	if err != nil {
		return AppPassword{}, "", err
	}
	if secret, err = d.makeSecret(appSecretSize); err != nil {
		return AppPassword{}, "", err
	}
	p := &appPassword{hash: d.hashAppSecret(account, secret)}
	if p.scram, err = d.appSCRAM(account, secret); err != nil {
		return AppPassword{}, "", err
	}
	p.AppPassword = AppPassword{ID: id, Account: account, Label: label, Protocols: protocols, Expires: n.Expires.UTC()}
	err = d.update(ctx, actor, func(c *change) error {
		a := c.next.accounts[account]
		switch {
		case a == nil:
			return notFound("there is no account number %d", account)
		case !p.Expires.IsZero() && !p.Expires.After(c.now):
			return invalid("the time at which an app password ends must be yet to come")
		case len(c.next.appPasswordsOf(account)) >= maxAppPasswords:
			return invalid("an account has at most %d app passwords; remove one that is not used any more", maxAppPasswords)
		}
		p.Created = c.now.UTC()
		c.next.appPasswords[p.hash] = p
		if err := c.put(bucketAppPasswords, []byte(id), p.record()); err != nil {
			return err
		}
		return c.audit("app-password.add", text(a.Address), nil, p.public())
	})
	if err != nil {
		return AppPassword{}, "", err
	}
	return p.AppPassword, formatAppSecret(secret), nil
}

// appSCRAM makes the SCRAM keys of a secret.
func (d *Directory) appSCRAM(account uint32, secret string) ([]sasl.SCRAMKeys, error) {
	a, err := d.Account(account)
	if err != nil {
		return nil, err
	}
	salt := d.scramSalt(d.current.Load(), a.Address)
	var list []sasl.SCRAMKeys
	for _, form := range []string{formatAppSecret(secret), secret} {
		keys, err := sasl.SCRAMKeysFor(form, salt)
		if err != nil {
			return nil, err
		}
		list = append(list, keys)
	}
	return list, nil
}

// appKeys are the keys of the app passwords of an account that go with those
// of its own password.
func (s *snapshot) appKeys(account uint32, own *sasl.SCRAMKeys) (keys []sasl.SCRAMKey) {
	for _, p := range s.apps[account] {
		for _, k := range p.scram {
			if k.Iterations == own.Iterations && bytes.Equal(k.Salt, own.Salt) {
				keys = append(keys, sasl.SCRAMKey{ID: p.ID, StoredKey: k.StoredKey, ServerKey: k.ServerKey})
			}
		}
	}
	return keys
}

// AppPasswords returns the app passwords of an account, the newest first.
func (d *Directory) AppPasswords(account uint32) []AppPassword {
	list := []AppPassword{}
	for _, p := range d.current.Load().appPasswordsOf(account) {
		list = append(list, d.withLastUse(p))
	}
	return list
}

// AppPassword returns one app password of an account.
func (d *Directory) AppPassword(account uint32, id string) (AppPassword, error) {
	p := d.current.Load().appPassword(account, id)
	if p == nil {
		return AppPassword{}, errNoAppPassword(id)
	}
	return d.withLastUse(p), nil
}

func errNoAppPassword(id string) error { return notFound("there is no app password %q", id) }

func (d *Directory) withLastUse(p *appPassword) AppPassword {
	view := p.AppPassword
	u := d.journal.lastUse(useOfApp(p.ID))
	view.LastUsed, view.LastIP, view.LastProtocol = u.Time, u.IP, u.Protocol
	return view
}

// RemoveAppPassword revokes an app password. Logins with it fail at once, and
// sessions that it began end.
func (d *Directory) RemoveAppPassword(ctx context.Context, actor string, account uint32, id string) error {
	return d.update(ctx, actor, func(c *change) error {
		p := c.next.appPassword(account, id)
		if p == nil {
			return errNoAppPassword(id)
		}
		if err := c.dropAppPassword(p); err != nil {
			return err
		}
		return c.audit("app-password.remove", text(c.next.accounts[account].Address), p.public(), nil)
	})
}

func (c *change) dropAppPassword(p *appPassword) error {
	delete(c.next.appPasswords, p.hash)
	if err := c.put(bucketAppPasswords, []byte(p.ID), nil); err != nil {
		return err
	}
	return c.put(bucketLastUse, []byte(useOfApp(p.ID)), nil)
}

// dropAppPasswords removes those of an account that goes.
func (c *change) dropAppPasswords(account uint32) error {
	for _, p := range c.next.appPasswordsOf(account) {
		if err := c.dropAppPassword(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshot) appPasswordsOf(account uint32) []*appPassword {
	var list []*appPassword
	for _, p := range s.appPasswords {
		if p.Account == account {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *appPassword) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func (s *snapshot) appPassword(account uint32, id string) *appPassword {
	for _, p := range s.appPasswords {
		if p.ID == id && p.Account == account {
			return p
		}
	}
	return nil
}

// appOnly reports whether mail programs need an app password for an account.
func (s *snapshot) appOnly(account uint32) bool {
	a := s.accounts[account]
	if a == nil {
		return false
	}
	dom := s.domains[a.Address.Domain]
	return a.AppPasswordsOnly || dom != nil && dom.AppPasswordsOnly
}

// check says why a password that is right is not good for a protocol. Whoever
// is told has the password.
func (p *AppPassword) check(protocol Protocol, now time.Time) *mail.Error {
	if !p.Expires.IsZero() && !now.Before(p.Expires) {
		return &mail.Error{Status: mail.StatusAuthFailed, Code: 535, Text: "this app password has expired; make a new one on the account page"}
	}
	if slices.Contains(p.Protocols, protocol) || protocol == ProtocolSieve && slices.Contains(p.Protocols, ProtocolIMAP) {
		return nil
	}
	return &mail.Error{Status: mail.StatusAuthFailed, Code: 535,
		Text: fmt.Sprintf("this app password is not for %s; make one that is on the account page", protocol.name())}
}

// errAppPasswordNeeded is for who knows the password of the account (RFC 4954
// section 6 has 534 for it).
var errAppPasswordNeeded = &mail.Error{Status: mail.Status{Class: 5, Subject: 7, Detail: 9}, Code: 534,
	Text: "this account takes app passwords only; make one on the account page and use it here in place of your password"}

// appPasswordRecord is a row of app_passwords.
type appPasswordRecord struct {
	ID        string     `json:"id"`
	Account   uint32     `json:"account"`
	Label     string     `json:"label"`
	Protocols []Protocol `json:"protocols"`
	Expires   time.Time  `json:"expires,omitzero"`
	Created   time.Time  `json:"created"`
	Hash      []byte     `json:"hash,omitempty"`

	SCRAM []scramRecord `json:"scram,omitempty"`
}

func (p *appPassword) record() *appPasswordRecord {
	r := p.public()
	r.Hash = p.hash[:]
	for _, k := range p.scram {
		r.SCRAM = append(r.SCRAM, recordSCRAM(k))
	}
	return r
}

// public is the record without what is kept of the secret, for the audit log.
func (p *appPassword) public() *appPasswordRecord {
	return &appPasswordRecord{ID: p.ID, Account: p.Account, Label: p.Label, Protocols: p.Protocols, Expires: p.Expires, Created: p.Created}
}

func (s *snapshot) readAppPassword(_, v []byte) error {
	var r appPasswordRecord
	if err := decode(v, &r); err != nil {
		return err
	}
	p := &appPassword{AppPassword: AppPassword{ID: r.ID, Account: r.Account, Label: r.Label, Protocols: r.Protocols, Expires: r.Expires, Created: r.Created}}
	if copy(p.hash[:], r.Hash) != len(p.hash) {
		return fmt.Errorf("hash has %d octets", len(r.Hash))
	}
	for _, k := range r.SCRAM {
		p.scram = append(p.scram, k.keys())
	}
	s.appPasswords[p.hash] = p
	return nil
}
