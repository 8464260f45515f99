package directory

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// recoveryCodes is how many recovery codes are made at a time.
const recoveryCodes = 10

// recoveryRecord is a row of recovery: hashes of the codes that are not used.
type recoveryRecord struct {
	Hashes  [][]byte  `json:"hashes"`
	Created time.Time `json:"created"`
}

// NewRecoveryCodes makes codes, each of which can once take the place of a
// TOTP code. Those made before are dead from then on.
func (d *Directory) NewRecoveryCodes(ctx context.Context, actor string, account uint32) ([]string, error) {
	codes := make([]string, recoveryCodes)
	r := &recoveryRecord{Created: d.opts.Now().UTC()}
	for i := range codes {
		var err error
		if codes[i], err = d.newCode(); err != nil {
			return nil, err
		}
		h := d.hashCode("recovery code", account, codes[i])
		r.Hashes = append(r.Hashes, h[:])
	}
	err := d.write(ctx, actor, func(c *change) error {
		a := c.next.accounts[account]
		if a == nil {
			return notFound("there is no account number %d", account)
		}
		if c.tx.Bucket(bucketTOTP).Get(accountKey(account)) == nil {
			return invalid("recovery codes take the place of codes from an app; set up the app first")
		}
		if err := c.put(bucketRecovery, accountKey(account), r); err != nil {
			return err
		}
		return c.audit("recovery-codes.set", text(a.Address), nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// UseRecoveryCode reports whether a recovery code is right, and uses it up.
func (d *Directory) UseRecoveryCode(ctx context.Context, account uint32, code string, from netip.Addr) (bool, error) {
	want := d.hashCode("recovery code", account, code)
	return d.tryCode(fmt.Sprint(account), from, func() (ok bool, err error) {
		err = d.write(ctx, "", func(c *change) error {
			r, err := readRecovery(c.tx, account)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(r.Hashes, func(h []byte) bool { return bytes.Equal(h, want[:]) })
			if i < 0 {
				return nil
			}
			ok, r.Hashes = true, slices.Delete(r.Hashes, i, i+1)
			return c.put(bucketRecovery, accountKey(account), &r)
		})
		return ok, err
	})
}

func readRecovery(tx *bolt.Tx, account uint32) (recoveryRecord, error) {
	var r recoveryRecord
	row := tx.Bucket(bucketRecovery).Get(accountKey(account))
	if row == nil {
		return r, nil
	}
	return r, decode(row, &r)
}

// RemoveFactors takes TOTP, recovery codes and passkeys from an account whose
// owner has lost them, and ends its sessions.
func (d *Directory) RemoveFactors(ctx context.Context, actor string, account uint32) error {
	return d.write(ctx, actor, func(c *change) error {
		a := c.next.accounts[account]
		if a == nil {
			return notFound("there is no account number %d", account)
		}
		if err := c.forgetSignIn(account); err != nil {
			return err
		}
		return c.audit("factors.remove", text(a.Address), nil, nil)
	})
}
