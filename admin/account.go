package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

// Accounts returns accounts by address.
func (a *Admin) Accounts(ctx context.Context, f AccountFilter) (Page[Account], error) {
	p, err := authorize(ctx, SeePeople)
	if err != nil {
		return Page[Account]{}, err
	}
	in, err := a.inDomain(p, f.Domain)
	if err != nil {
		return Page[Account]{}, err
	}
	match := func(acct *directory.Account) bool {
		return contains(f.Query, acct.Address.Display(), acct.Name) &&
			(f.State == "" || (f.State == "suspended") == acct.Suspended) && (f.Role == "" || f.Role == string(acct.Role))
	}
	if f.Query == "" && f.State == "" && f.Role == "" {
		match = nil
	}
	return paginate(a.opts.Directory.AccountRows(in), match, f.Paging, a.describeAccount)
}

// contains reports whether one of some texts has a part, in any case.
func contains(part string, texts ...string) bool {
	part = strings.ToLower(part)
	return part == "" || slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), part) })
}

// inDomain are the domains that a list is about: the one that was named, or
// those that a principal sees; nil is all.
func (a *Admin) inDomain(p Principal, domain string) ([]mail.Domain, error) {
	if domain == "" {
		return p.domains(), nil
	}
	d, err := a.findDomain(domain)
	if err != nil {
		return nil, err
	}
	if !p.sees(d.Name) {
		return nil, directory.NoDomain(d.Name)
	}
	return []mail.Domain{d.Name}, nil
}

// Account returns one account with what it uses.
func (a *Admin) Account(ctx context.Context, address string) (Account, error) {
	acct, err := a.findAccount(ctx, SeePeople, address)
	if err != nil {
		return Account{}, err
	}
	view := a.describeAccount(acct)
	view.Usage, err = a.usage(ctx, mailbox.AccountID(acct.ID))
	return view, err
}

// usage is what an account uses.
func (a *Admin) usage(ctx context.Context, id mailbox.AccountID) (*Usage, error) {
	use := &Usage{}
	err := a.opts.Mailboxes.Account(id).View(ctx, func(v *mailbox.View) error {
		u := v.Usage()
		use = &Usage{Bytes: u.Bytes, Messages: u.Messages}
		return nil
	})
	if errors.Is(err, mailbox.ErrNoAccount) {
		err = nil
	}
	return use, err
}

// authorizeAddress reads an address that names something, and makes sure that
// something may be done in its domain.
func (a *Admin) authorizeAddress(ctx context.Context, r Right, address string) (mail.Path, error) {
	p, err := authorize(ctx, r)
	if err != nil {
		return mail.Path{}, err
	}
	addr, err := mail.ParseAddress(address)
	if err != nil {
		return mail.Path{}, &directory.Problem{Kind: directory.ErrNotFound, Text: fmt.Sprintf("%q is not an address; write it as in ana@example.org", address)}
	}
	if !p.sees(addr.Domain) {
		return mail.Path{}, directory.NoAccount(addr)
	}
	return addr, nil
}

// findAccount returns an account of which something may be done.
func (a *Admin) findAccount(ctx context.Context, r Right, address string) (directory.Account, error) {
	p, err := a.authorizeAddress(ctx, r, address)
	if err != nil {
		return directory.Account{}, err
	}
	return a.opts.Directory.AccountByAddress(p)
}

// changeAccount returns an account that may be changed.
func (a *Admin) changeAccount(ctx context.Context, address string) (directory.Account, error) {
	acct, err := a.findAccount(ctx, ChangePeople, address)
	if err == nil && !PrincipalOf(ctx).mayChange(acct.Role) {
		return directory.Account{}, &directory.Problem{Kind: ErrForbidden, Text: "your role does not allow to change an account of the role " + string(acct.Role)}
	}
	return acct, err
}

// changeAccountSudo is changeAccount for what would let somebody at an
// operator's desk in as another.
func (a *Admin) changeAccountSudo(ctx context.Context, address string) (directory.Account, error) {
	acct, err := a.changeAccount(ctx, address)
	if err == nil {
		_, err = authorizeSudo(ctx, ChangePeople)
	}
	return acct, err
}

// authorizeRole makes sure that somebody may make an account of a role into
// one of another.
func authorizeRole(ctx context.Context, from, to Role) error {
	if from == to {
		return nil
	}
	p, err := authorizeSudo(ctx, ChangePeople)
	if err != nil {
		return err
	}
	high := func(r Role) bool { return r == directory.RoleAdmin || r == directory.RoleOwner }
	if high(from) || high(to) || p.Scopes != nil { // a narrow key must not make somebody who may do more
		_, err = authorizeSudo(ctx, GiveRoles)
		return err
	}
	if !p.allDomains() {
		return &directory.Problem{Kind: ErrForbidden, Text: "only owners and admins give roles"}
	}
	return nil
}

// AddAccount adds an account with its mailboxes. When those cannot be made
// there is no account either.
func (a *Admin) AddAccount(ctx context.Context, n NewAccount) (Account, error) {
	if _, err := authorize(ctx, ChangePeople); err != nil {
		return Account{}, err
	}
	new, err := a.newAccount(ctx, n)
	if err != nil {
		return Account{}, err
	}
	d := a.opts.Directory
	acct, err := d.AddAccount(ctx, Actor(ctx), new)
	if err != nil {
		return Account{}, At(n.blame(), err)
	}
	if err := a.createMailboxes(ctx, acct); err != nil {
		undo := d.RemoveAccount(context.WithoutCancel(ctx), Actor(ctx), acct.ID)
		return Account{}, errors.Join(fmt.Errorf("make the mailboxes of %s: %w", acct.Address, err), undo)
	}
	return a.describeAccount(acct), nil
}

// newAccount is n for the directory, if whoever asks may make it.
func (a *Admin) newAccount(ctx context.Context, n NewAccount) (directory.NewAccount, error) {
	p, err := parseAddress(n.Address)
	if err != nil {
		return directory.NewAccount{}, At("address", err)
	}
	if _, err := authorizeDomain(ctx, ChangePeople, p.Domain); err != nil {
		return directory.NewAccount{}, err
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
		return directory.NewAccount{}, At("role", err)
	}
	if err := authorizeRole(ctx, directory.RoleUser, new.Role); err != nil {
		return directory.NewAccount{}, err
	}
	if new.Domains, err = parseDomains(n.Domains); err != nil {
		return directory.NewAccount{}, At("domains", err)
	}
	return new, nil
}

// blame is the field that is wrong if the directory does not take an account:
// the rest was looked at before.
func (n *NewAccount) blame() string {
	switch {
	case n.Password != "":
		return "password"
	case n.Role != "":
		return "domains"
	}
	return "address"
}

func (a *Admin) createMailboxes(ctx context.Context, acct directory.Account) error {
	if acct.QuotaBytes == 0 && acct.QuotaMessages == 0 {
		return a.opts.Mailboxes.CreateAccount(ctx, mailbox.AccountID(acct.ID))
	}
	return a.setQuota(ctx, acct) // makes them, too
}

// completeMailboxes makes what is missing of the mailboxes and the quota of an
// account, as the directory has it now: somebody else may be changing or
// removing it, so it looks again until nothing is missing.
func (a *Admin) completeMailboxes(ctx context.Context, id uint32) error {
	for begun := false; ; begun = true {
		there, use, err := a.mailboxesHere(ctx, mailbox.AccountID(id))
		if err != nil {
			return err
		}
		acct, err := a.opts.Directory.Account(id) // after what is compared to it, which follows it
		switch {
		case err != nil && begun: // it was removed while they were made
			return a.opts.Mailboxes.DropAccount(ctx, mailbox.AccountID(id))
		case err != nil, there && use.LimitBytes == acct.QuotaBytes && use.LimitMessages == acct.QuotaMessages:
			return nil
		case there:
			err = a.setQuota(ctx, acct)
		default:
			err = a.createMailboxes(ctx, acct)
		}
		if err != nil {
			return err
		}
	}
}

// mailboxesHere reports whether an account has mailboxes, and what it may use.
func (a *Admin) mailboxesHere(ctx context.Context, id mailbox.AccountID) (there bool, use mailbox.Usage, err error) {
	err = a.opts.Mailboxes.Account(id).View(ctx, func(v *mailbox.View) error {
		use = v.Usage()
		_, err := v.Mailbox(mailbox.Inbox)
		if there = err == nil; errors.Is(err, mailbox.ErrNotFound) {
			return nil
		}
		return err
	})
	return there, use, err
}

func (a *Admin) setQuota(ctx context.Context, acct directory.Account) error {
	return a.opts.Mailboxes.Account(mailbox.AccountID(acct.ID)).SetQuota(ctx, acct.QuotaBytes, acct.QuotaMessages)
}

// SetAccount changes an account.
func (a *Admin) SetAccount(ctx context.Context, address string, ch AccountChange) (Account, error) {
	acct, err := a.changeAccount(ctx, address)
	if err != nil {
		return Account{}, err
	}
	change, err := ch.parse()
	if err != nil {
		return Account{}, err
	}
	if change.Role != nil {
		if err := authorizeRole(ctx, acct.Role, *change.Role); err != nil {
			return Account{}, err
		}
	}
	if change.Domains != nil {
		if err := authorizeRole(ctx, "", directory.RoleDomainAdmin); err != nil {
			return Account{}, err
		}
	}
	if change.Forward != nil {
		if _, err := authorizeSudo(ctx, ChangePeople); err != nil {
			return Account{}, err
		}
	}
	acct, err = a.opts.Directory.SetAccount(ctx, Actor(ctx), acct.ID, change)
	if err != nil {
		return Account{}, At(ch.blame(), err)
	}
	if ch.QuotaBytes != nil || ch.QuotaMessages != nil {
		if err := a.setQuota(ctx, acct); err != nil {
			return Account{}, fmt.Errorf("set quota of %s: %w; set it again", acct.Address, err)
		}
	}
	return a.describeAccount(acct), nil
}

// parse reads what somebody has typed.
func (ch *AccountChange) parse() (directory.AccountChange, error) {
	to := directory.AccountChange{Name: ch.Name, Suspended: ch.Suspended, QuotaBytes: ch.QuotaBytes, QuotaMessages: ch.QuotaMessages,
		KeepCopy: ch.KeepCopy, AppPasswordsOnly: ch.AppPasswordsOnly}
	if ch.Role != nil {
		role, err := directory.ParseRole(*ch.Role)
		if err != nil {
			return to, At("role", err)
		}
		to.Role = &role
	}
	if ch.Domains != nil {
		list, err := parseDomains(*ch.Domains)
		if err != nil {
			return to, At("domains", err)
		}
		to.Domains = &list
	}
	if ch.Forward != nil {
		list, err := parseAddresses(*ch.Forward)
		if err != nil {
			return to, At("forward", err)
		}
		to.Forward = &list
	}
	return to, nil
}

// blame is the field that is wrong if the directory does not take a change.
func (ch *AccountChange) blame() string {
	switch {
	case ch.Domains != nil, ch.Role != nil:
		return "domains"
	case ch.Forward != nil:
		return "forward"
	case ch.Name != nil:
		return "name"
	}
	return "quotaBytes"
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
	acct, err := a.changeAccountSudo(ctx, address)
	if err != nil {
		return err
	}
	return At("password", a.opts.Directory.SetPassword(ctx, Actor(ctx), acct.ID, password))
}

// RemoveAccount removes an account with all its mail. From the first moment on
// nobody can log in or send to it.
func (a *Admin) RemoveAccount(ctx context.Context, address string) error {
	acct, err := a.changeAccountSudo(ctx, address)
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

func (a *Admin) describeAccount(acct directory.Account) Account {
	view := Account{ID: acct.ID, Address: acct.Address.String(), Name: acct.Name, Suspended: acct.Suspended,
		QuotaBytes: acct.QuotaBytes, QuotaMessages: acct.QuotaMessages, Created: acct.Created, Aliases: pathTexts(a.opts.Directory.AliasesTo(acct.Address)),
		Role: string(acct.Role), Forward: pathTexts(acct.Forward), KeepCopy: acct.KeepCopy, AppPasswordsOnly: acct.AppPasswordsOnly}
	view.Domains = domainTexts(acct.Domains)
	return view
}
