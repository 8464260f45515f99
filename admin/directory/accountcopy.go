package directory

import (
	"bytes"
	"context"
	"slices"

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
