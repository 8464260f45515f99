package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

// Accounts returns the accounts of a domain; "" is all.
func (a *Admin) Accounts(_ context.Context, domain string) ([]Account, error) {
	in, err := a.filter(domain)
	if err != nil {
		return nil, err
	}
	aliases := a.aliasesByTarget()
	list := []Account{}
	for _, acct := range a.opts.Directory.Accounts() {
		if in(acct.Address) {
			list = append(list, describeAccount(acct, aliases))
		}
	}
	return list, nil
}

// filter returns what tells addresses of a domain from others.
func (a *Admin) filter(domain string) (func(mail.Path) bool, error) {
	if domain == "" {
		return func(mail.Path) bool { return true }, nil
	}
	d, err := a.findDomain(domain)
	if err != nil {
		return nil, err
	}
	return func(p mail.Path) bool { return p.Domain == d.Name }, nil
}

// Account returns one account with what it uses.
func (a *Admin) Account(ctx context.Context, address string) (Account, error) {
	acct, err := a.findAccount(address)
	if err != nil {
		return Account{}, err
	}
	view := describeAccount(acct, a.aliasesByTarget())
	err = a.opts.Mailboxes.Account(mailbox.AccountID(acct.ID)).View(ctx, func(v *mailbox.View) error {
		u := v.Usage()
		view.Usage = &Usage{Bytes: u.Bytes, Messages: u.Messages}
		return nil
	})
	if errors.Is(err, mailbox.ErrNoAccount) {
		view.Usage, err = &Usage{}, nil
	}
	return view, err
}

func (a *Admin) findAccount(address string) (directory.Account, error) {
	p, err := parseAddress(address)
	if err != nil {
		return directory.Account{}, err
	}
	return a.opts.Directory.AccountByAddress(p)
}

// AddAccount adds an account with its mailboxes. When those cannot be made
// there is no account either.
func (a *Admin) AddAccount(ctx context.Context, n NewAccount) (Account, error) {
	p, err := parseAddress(n.Address)
	if err != nil {
		return Account{}, err
	}
	d := a.opts.Directory
	new := directory.NewAccount{Address: p, Name: n.Name, Password: n.Password,
		QuotaBytes: d.Int(directory.AccountQuota), QuotaMessages: d.Int(directory.AccountQuotaMessages)}
	if n.QuotaBytes != nil {
		new.QuotaBytes = *n.QuotaBytes
	}
	if n.QuotaMessages != nil {
		new.QuotaMessages = *n.QuotaMessages
	}
	if new.Role, err = directory.ParseRole(n.Role); err != nil {
		return Account{}, err
	}
	if new.Domains, err = parseDomains(n.Domains); err != nil {
		return Account{}, err
	}
	acct, err := d.AddAccount(ctx, Actor(ctx), new)
	if err != nil {
		return Account{}, err
	}
	if err := a.createMailboxes(ctx, acct); err != nil {
		undo := d.RemoveAccount(context.WithoutCancel(ctx), Actor(ctx), acct.ID)
		return Account{}, errors.Join(fmt.Errorf("make the mailboxes of %s: %w", p, err), undo)
	}
	return describeAccount(acct, nil), nil
}

func (a *Admin) createMailboxes(ctx context.Context, acct directory.Account) error {
	if err := a.opts.Mailboxes.CreateAccount(ctx, mailbox.AccountID(acct.ID)); err != nil {
		return err
	}
	if acct.QuotaBytes == 0 && acct.QuotaMessages == 0 {
		return nil
	}
	return a.setQuota(ctx, acct)
}

func (a *Admin) setQuota(ctx context.Context, acct directory.Account) error {
	return a.opts.Mailboxes.Account(mailbox.AccountID(acct.ID)).SetQuota(ctx, acct.QuotaBytes, acct.QuotaMessages)
}

// SetAccount changes an account.
func (a *Admin) SetAccount(ctx context.Context, address string, ch AccountChange) (Account, error) {
	acct, err := a.findAccount(address)
	if err != nil {
		return Account{}, err
	}
	change, err := ch.parse()
	if err != nil {
		return Account{}, err
	}
	acct, err = a.opts.Directory.SetAccount(ctx, Actor(ctx), acct.ID, change)
	if err != nil {
		return Account{}, err
	}
	if ch.QuotaBytes != nil || ch.QuotaMessages != nil {
		if err := a.setQuota(ctx, acct); err != nil {
			return Account{}, fmt.Errorf("set quota of %s: %w; set it again", acct.Address, err)
		}
	}
	return describeAccount(acct, a.aliasesByTarget()), nil
}

// parse reads what somebody has typed.
func (ch *AccountChange) parse() (directory.AccountChange, error) {
	to := directory.AccountChange{Name: ch.Name, Suspended: ch.Suspended, QuotaBytes: ch.QuotaBytes, QuotaMessages: ch.QuotaMessages,
		KeepCopy: ch.KeepCopy, AppPasswordsOnly: ch.AppPasswordsOnly}
	if ch.Role != nil {
		role, err := directory.ParseRole(*ch.Role)
		if err != nil {
			return to, err
		}
		to.Role = &role
	}
	if ch.Domains != nil {
		list, err := parseDomains(*ch.Domains)
		if err != nil {
			return to, err
		}
		to.Domains = &list
	}
	if ch.Forward != nil {
		list, err := parseAddresses(*ch.Forward)
		if err != nil {
			return to, err
		}
		to.Forward = &list
	}
	return to, nil
}

func parseDomains(list []string) ([]mail.Domain, error) {
	var domains []mail.Domain
	for _, s := range list {
		d, err := parseDomain(s)
		if err != nil {
			return nil, err
		}
		domains = append(domains, d)
	}
	return domains, nil
}

// SetPassword sets the password of an account.
func (a *Admin) SetPassword(ctx context.Context, address, password string) error {
	acct, err := a.findAccount(address)
	if err != nil {
		return err
	}
	return a.opts.Directory.SetPassword(ctx, Actor(ctx), acct.ID, password)
}

// RemoveAccount removes an account with all its mail. From the first moment on
// nobody can log in or send to it.
func (a *Admin) RemoveAccount(ctx context.Context, address string) error {
	acct, err := a.findAccount(address)
	if err != nil {
		return err
	}
	if err := a.opts.Directory.RemoveAccount(ctx, Actor(ctx), acct.ID); err != nil {
		return err
	}
	if err := a.opts.Mailboxes.DropAccount(ctx, mailbox.AccountID(acct.ID)); err != nil {
		return fmt.Errorf("the account is removed, but not its mail: %w", err)
	}
	return nil
}

// aliasesByTarget returns aliases by the key of what they lead to.
func (a *Admin) aliasesByTarget() map[string][]string {
	by := map[string][]string{}
	for _, al := range a.opts.Directory.Aliases() {
		for _, t := range al.Targets {
			by[t.Key()] = append(by[t.Key()], al.Address.String())
		}
	}
	return by
}

func describeAccount(acct directory.Account, aliases map[string][]string) Account {
	view := Account{ID: acct.ID, Address: acct.Address.String(), Name: acct.Name, Suspended: acct.Suspended,
		QuotaBytes: acct.QuotaBytes, QuotaMessages: acct.QuotaMessages, Created: acct.Created, Aliases: slices.Clone(aliases[acct.Address.Key()]),
		Role: string(acct.Role), Forward: pathTexts(acct.Forward), KeepCopy: acct.KeepCopy, AppPasswordsOnly: acct.AppPasswordsOnly}
	for _, d := range acct.Domains {
		view.Domains = append(view.Domains, string(d))
	}
	return view
}

// Aliases returns the aliases of a domain; "" is all.
func (a *Admin) Aliases(_ context.Context, domain string) ([]Alias, error) {
	in, err := a.filter(domain)
	if err != nil {
		return nil, err
	}
	list := []Alias{}
	for _, al := range a.opts.Directory.Aliases() {
		if in(al.Address) {
			list = append(list, describeAlias(al))
		}
	}
	return list, nil
}

// AddAlias makes an alias, or adds targets to one.
func (a *Admin) AddAlias(ctx context.Context, address string, targets []string) (Alias, error) {
	p, err := parseAddress(address)
	if err != nil {
		return Alias{}, err
	}
	to, err := parseAddresses(targets)
	if err != nil {
		return Alias{}, err
	}
	al, err := a.opts.Directory.AddAlias(ctx, Actor(ctx), p, to...)
	if err != nil {
		return Alias{}, err
	}
	return describeAlias(al), nil
}

// RemoveAlias takes targets out of an alias; none named: the whole alias.
func (a *Admin) RemoveAlias(ctx context.Context, address string, targets []string) error {
	p, err := parseAddress(address)
	if err != nil {
		return err
	}
	to, err := parseAddresses(targets)
	if err != nil {
		return err
	}
	return a.opts.Directory.RemoveAlias(ctx, Actor(ctx), p, to...)
}

func describeAlias(al directory.Alias) Alias {
	return Alias{Address: al.Address.String(), Targets: pathTexts(al.Targets), Created: al.Created}
}

func pathTexts(paths []mail.Path) []string {
	list := make([]string, len(paths))
	for i, p := range paths {
		list[i] = p.String()
	}
	return list
}
