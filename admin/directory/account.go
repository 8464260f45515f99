package directory

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailstead/mailstead/mail"
)

// maxName bounds the name of a person, in octets.
const maxName = 200

// Account is the owner of mailboxes.
type Account struct {
	ID uint32 // more than 0; never used again
	// Origin is the number that it had first, of an account that was brought
	// back, and 0 of others. Its app passwords and passkeys are bound to it.
	Origin    uint32
	Address   mail.Path
	Name      string
	Suspended bool // takes no mail and cannot log in; its mail is kept
	// Quota; 0 is none.
	QuotaBytes, QuotaMessages int64
	Created                   time.Time

	Role    Role
	Domains []mail.Domain // that a RoleDomainAdmin administers
	// Forward is where its mail goes on to; with KeepCopy it is filed here, too.
	Forward  []mail.Path
	KeepCopy bool
	// AppPasswordsOnly refuses the password of the account to mail programs.
	AppPasswordsOnly bool
}

// NewAccount is what AddAccount needs; only Address must be there. Without a
// password nobody can log in yet.
type NewAccount struct {
	Address                   mail.Path
	Name                      string
	Password                  string
	QuotaBytes, QuotaMessages int64
	Role                      Role // RoleUser if ""
	Domains                   []mail.Domain
}

// AccountChange says what SetAccount changes: what is not nil.
type AccountChange struct {
	Name                      *string
	Suspended                 *bool
	QuotaBytes, QuotaMessages *int64
	// Role without Domains takes away those that there are, unless the account
	// is and stays a domain admin.
	Role             *Role
	Domains          *[]mail.Domain
	Forward          *[]mail.Path // empty: no more
	KeepCopy         *bool
	AppPasswordsOnly *bool
}

// Account returns an account by number.
func (d *Directory) Account(id uint32) (Account, error) {
	if a := d.current.Load().accounts[id]; a != nil {
		return *a, nil
	}
	return Account{}, notFound("there is no account number %d", id)
}

// AccountByAddress returns the account whose primary address this is.
func (d *Directory) AccountByAddress(p mail.Path) (Account, error) {
	return d.current.Load().account(p)
}

func (s *snapshot) account(p mail.Path) (Account, error) {
	if a := s.accounts[s.byAddress[p.Key()]]; a != nil {
		return *a, nil
	}
	if a := s.aliases[p.Key()]; a != nil {
		return Account{}, notFound("%s is an alias, not an account; it leads to %s", p.Display(), strings.Join(texts(a.Targets), ", "))
	}
	return Account{}, NoAccount(p)
}

// NoAccount says that there is no account of an address.
func NoAccount(p mail.Path) error {
	return notFound("there is no account %s; `mailstead account list` shows all", p.Display())
}

// Accounts returns all accounts by address.
func (d *Directory) Accounts() []Account {
	return d.current.Load().sorted.accounts.all()
}

// byDomain sorts accounts by domain and then by local-part.
func byDomain(a *Account) string { return addressOrder(a.Address) }

func addressOrder(p mail.Path) string { return string(p.Domain) + "\x00" + strings.ToLower(p.Local) }

func (s *snapshot) accountsOf(name mail.Domain) []Account {
	found := map[uint32]*Account{}
	for id, a := range s.accounts {
		if a.Address.Domain == name {
			found[id] = a
		}
	}
	return sorted(found, byDomain)
}

// AddAccount adds an account.
func (d *Directory) AddAccount(ctx context.Context, actor string, n NewAccount) (Account, error) {
	var cred *credential
	if n.Password != "" {
		var err error
		if cred, err = d.newCredential(ctx, n.Address, n.Password); err != nil {
			return Account{}, err
		}
	}
	a := n.account()
	err := d.update(ctx, actor, func(c *change) error {
		if err := c.next.checkNewAccount(a); err != nil {
			return err
		}
		if err := c.addAccount(a); err != nil || cred == nil {
			return err
		}
		return c.putCredential(a, cred)
	})
	if err != nil {
		return Account{}, err
	}
	return *a, nil
}

// AddAccounts adds accounts without passwords in one change, whose cost is that
// of one. It returns for each what AddAccount would have: those that cannot be
// are left out. When err is not nil none was added, or it is [ErrRehearsed].
func (d *Directory) AddAccounts(ctx context.Context, actor string, list []NewAccount) (made []Account, refused []error, err error) {
	made, refused = make([]Account, len(list)), make([]error, len(list))
	err = d.update(ctx, actor, func(c *change) error {
		for i := range list {
			a := list[i].account()
			if refused[i] = c.next.checkNewAccount(a); refused[i] != nil {
				continue
			}
			if err := c.addAccount(a); err != nil {
				return err
			}
			made[i] = *a
		}
		return nil
	})
	return made, refused, err
}

func (n *NewAccount) account() *Account {
	return &Account{Address: n.Address, Name: n.Name, QuotaBytes: n.QuotaBytes, QuotaMessages: n.QuotaMessages,
		Role: cmp.Or(n.Role, RoleUser), Domains: slices.Clone(n.Domains)}
}

func (s *snapshot) checkNewAccount(a *Account) error {
	if err := s.checkNewAddress(a.Address); err != nil {
		return err
	}
	return s.checkAccount(a)
}

// addAccount gives an account its number and keeps it.
func (c *change) addAccount(a *Account) error {
	seq, err := c.tx.Bucket(bucketAccounts).NextSequence()
	if err != nil {
		return err
	}
	if seq > math.MaxUint32 {
		return invalid("all account numbers are used up")
	}
	a.ID, a.Created = uint32(seq), c.now.UTC()
	return c.putAccount("account.add", nil, a)
}

// SetAccount changes an account.
func (d *Directory) SetAccount(ctx context.Context, actor string, id uint32, ch AccountChange) (Account, error) {
	var a Account
	err := d.update(ctx, actor, func(c *change) error {
		old := c.next.accounts[id]
		if old == nil {
			return notFound("there is no account number %d", id)
		}
		a = *old
		ch.apply(&a)
		if err := c.next.checkAccount(&a); err != nil {
			return err
		}
		return c.putAccount("account.set", old, &a)
	})
	return a, err
}

func (ch *AccountChange) apply(a *Account) {
	if ch.Name != nil {
		a.Name = *ch.Name
	}
	if ch.Suspended != nil {
		a.Suspended = *ch.Suspended
	}
	if ch.QuotaBytes != nil {
		a.QuotaBytes = *ch.QuotaBytes
	}
	if ch.QuotaMessages != nil {
		a.QuotaMessages = *ch.QuotaMessages
	}
	if ch.Role != nil {
		a.Role = *ch.Role
		if a.Role != RoleDomainAdmin {
			a.Domains = nil
		}
	}
	if ch.Domains != nil {
		a.Domains = slices.Clone(*ch.Domains)
	}
	if ch.Forward != nil {
		a.Forward = slices.Clone(*ch.Forward)
	}
	if ch.KeepCopy != nil {
		a.KeepCopy = *ch.KeepCopy
	}
	if ch.AppPasswordsOnly != nil {
		a.AppPasswordsOnly = *ch.AppPasswordsOnly
	}
}

// RemoveAccount removes an account from the directory, from all aliases that
// lead to it, and as catch-all. Its mailboxes are not touched.
func (d *Directory) RemoveAccount(ctx context.Context, actor string, id uint32) error {
	return d.update(ctx, actor, func(c *change) error {
		a := c.next.accounts[id]
		if a == nil {
			return notFound("there is no account number %d", id)
		}
		return c.dropAccount(a)
	})
}

// dropAccount removes an account and what leads to it.
func (c *change) dropAccount(a *Account) error {
	key := a.Address.Key()
	if err := c.put(bucketCredentials, accountKey(a.ID), nil); err != nil {
		return err
	}
	delete(c.next.credentials, a.ID)
	if err := c.dropAppPasswords(a.ID); err != nil {
		return err
	}
	if err := c.forgetRules(func(s RuleScope) bool { return s.Account == a.ID || s.Address.Key() == key }); err != nil {
		return err
	}
	if err := c.putAccount("account.remove", a, nil); err != nil {
		return err
	}
	return c.forgetTargets(func(p mail.Path) bool { return p.Key() == key })
}

// putAccount replaces before by after; nil is none.
func (c *change) putAccount(action string, before, after *Account) error {
	var old, new *accountRecord
	var row any
	a := after
	if before != nil {
		a, old = before, before.record()
		delete(c.next.accounts, before.ID)
		delete(c.next.byAddress, before.Address.Key())
		c.next.touched.accounts[byDomain(before)] = nil
	}
	if after != nil {
		new = after.record()
		row = new
		kept := *after
		c.next.accounts[after.ID] = &kept
		c.next.byAddress[after.Address.Key()] = after.ID
		c.next.led.add(after.Forward...)
		c.next.touched.accounts[byDomain(after)] = &kept
	}
	if before == nil || after == nil || before.Suspended != after.Suspended {
		c.next.first = nil
	}
	if err := c.put(bucketAccounts, accountKey(a.ID), row); err != nil {
		return err
	}
	if err := c.followAccount(before, after); err != nil {
		return err
	}
	return c.audit(action, text(a.Address), old, new)
}

// checkAccount makes sure that a can be an account.
func (s *snapshot) checkAccount(a *Account) error {
	if err := a.check(); err != nil {
		return err
	}
	if err := s.checkRole(a); err != nil {
		return err
	}
	return s.checkForward(a)
}

func (a *Account) check() error {
	if a.QuotaBytes < 0 || a.QuotaMessages < 0 {
		return invalid("a quota cannot be negative; 0 means no limit")
	}
	if len(a.Name) > maxName || !utf8.ValidString(a.Name) || strings.ContainsFunc(a.Name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return invalid("a name is one line of at most %d octets", maxName)
	}
	return nil
}

// checkNewAddress makes sure that p can become an account or alias.
func (s *snapshot) checkNewAddress(p mail.Path) error {
	if p.Domain == "" {
		return invalid("%q is not a whole address; write it as in ana@example.org", p.Local)
	}
	if _, err := s.domain(p.Domain); err != nil {
		return err
	}
	if _, err := mail.ParseAddress(p.String()); err != nil {
		return invalid("%s cannot be an address: %v", p.Display(), err)
	}
	if s.byAddress[p.Key()] != 0 {
		return exists("there is an account %s already", p.Display())
	}
	if s.aliases[p.Key()] != nil {
		return exists("%s is an alias already; `mailstead alias remove %s` makes room", p.Display(), p.Display())
	}
	return nil
}
