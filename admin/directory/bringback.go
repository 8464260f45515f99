package directory

import "context"

// AccountCopy is an account as it was, with its password: as it stands in the
// directory that a backup was restored to. App passwords, passkeys and the
// second factor are not part of it.
type AccountCopy struct {
	Account Account
	cred    *credential // nil: it had no password
}

// HasPassword reports whether one can log in as before.
func (c *AccountCopy) HasPassword() bool { return c.cred != nil }

// CopyAccount returns what BringBack needs of an account.
func (d *Directory) CopyAccount(id uint32) (AccountCopy, error) {
	a, err := d.Account(id)
	if err != nil {
		return AccountCopy{}, err
	}
	return AccountCopy{a, d.current.Load().credentials[id]}, nil
}

// BringBack adds an account that was removed, as it was, with a number of its
// own: numbers are never used again. Its domain has to be there, and its address
// must be free.
func (d *Directory) BringBack(ctx context.Context, actor string, old AccountCopy) (Account, error) {
	a := old.Account
	err := d.update(ctx, actor, func(c *change) error {
		a = old.Account
		if err := c.next.checkNewAccount(&a); err != nil {
			return err
		}
		if err := c.addAccount(&a); err != nil || old.cred == nil {
			return err
		}
		return c.putCredential(&a, old.cred)
	})
	if err != nil {
		return Account{}, err
	}
	return a, nil
}
