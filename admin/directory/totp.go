package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// What authenticator apps agree on (RFC 6238 section 4, RFC 4226 section 5.3).
const (
	TOTPPeriod = 30 * time.Second
	TOTPDigits = 6

	totpSecret  = 20        // octets, as RFC 4226 section 4 recommends
	totpModulus = 1_000_000 // 10^TOTPDigits
	totpSkew    = 1         // steps a clock may be off (RFC 6238 section 5.2)
)

// totpRecord is a row of totp. The secret itself has to be kept: codes are
// made from it.
type totpRecord struct {
	Secret  []byte    `json:"secret"`
	Used    int64     `json:"used"` // the newest step whose code was used
	Created time.Time `json:"created"`
}

// NewTOTPSecret makes a secret for an authenticator app.
func (d *Directory) NewTOTPSecret() ([]byte, error) {
	secret := make([]byte, totpSecret)
	if _, err := io.ReadFull(d.opts.Random, secret); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	return secret, nil
}

// TOTPCode returns the code of a secret at a moment.
func TOTPCode(secret []byte, at time.Time) string { return hotp(secret, totpStep(at)) }

func totpStep(at time.Time) int64 { return at.Unix() / int64(TOTPPeriod/time.Second) }

// hotp is the code of a counter (RFC 4226 section 5.3).
func hotp(secret []byte, counter int64) string {
	m := hmac.New(sha1.New, secret)
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(counter)))
	sum := m.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", TOTPDigits, n%totpModulus)
}

// matchTOTP returns the step whose code was typed: the present one or one
// beside it, later than used. A used one that is still to come says that the
// clock was set back, and nothing else.
func matchTOTP(secret []byte, code string, now time.Time, used int64) (int64, bool) {
	code = strings.Join(strings.Fields(code[:min(len(code), maxCodeText)]), "")
	if used > totpStep(now)+totpSkew {
		used = 0
	}
	var found int64
	for step := totpStep(now) - totpSkew; step <= totpStep(now)+totpSkew; step++ {
		if subtle.ConstantTimeCompare([]byte(hotp(secret, step)), []byte(code)) == 1 && step > used {
			found = step
		}
	}
	return found, found != 0
}

// SetTOTP makes an account ask for codes of secret, if code is one of its
// codes now. It reports whether it is.
func (d *Directory) SetTOTP(ctx context.Context, actor string, account uint32, secret []byte, code string) (bool, error) {
	var ok bool
	err := d.write(ctx, actor, func(c *change) error {
		a := c.next.accounts[account]
		if a == nil {
			return notFound("there is no account number %d", account)
		}
		var step int64
		if step, ok = matchTOTP(secret, code, c.now, 0); !ok {
			return nil
		}
		r := &totpRecord{Secret: secret, Used: step, Created: c.now.UTC()}
		if err := c.put(bucketTOTP, accountKey(account), r); err != nil {
			return err
		}
		return c.audit("totp.set", text(a.Address), nil, nil)
	})
	return ok, err
}

// RemoveTOTP lets an account sign in without codes again; its recovery codes
// go with them.
func (d *Directory) RemoveTOTP(ctx context.Context, actor string, account uint32) error {
	return d.write(ctx, actor, func(c *change) error {
		a := c.next.accounts[account]
		if a == nil || c.tx.Bucket(bucketTOTP).Get(accountKey(account)) == nil {
			return notFound("this account does not ask for codes")
		}
		for _, b := range [][]byte{bucketTOTP, bucketRecovery} {
			if err := c.put(b, accountKey(account), nil); err != nil {
				return err
			}
		}
		return c.audit("totp.remove", text(a.Address), nil, nil)
	})
}

// UseTOTP reports whether a code is right now and was not used before.
func (d *Directory) UseTOTP(ctx context.Context, account uint32, code string, from netip.Addr) (bool, error) {
	return d.tryCode(fmt.Sprint(account), from, func() (ok bool, err error) {
		err = d.write(ctx, "", func(c *change) error {
			var r totpRecord
			row := c.tx.Bucket(bucketTOTP).Get(accountKey(account))
			if row == nil {
				return nil
			}
			if err := decode(row, &r); err != nil {
				return err
			}
			step, right := matchTOTP(r.Secret, code, c.now, r.Used)
			if !right {
				return nil
			}
			ok, r.Used = true, step
			return c.put(bucketTOTP, accountKey(account), &r)
		})
		return ok, err
	})
}

// Factors are the ways of an account to prove who it is beside its password.
type Factors struct {
	TOTP          bool
	Passkeys      int
	RecoveryCodes int // that are left
}

// Factors returns what an account has.
func (d *Directory) Factors(ctx context.Context, account uint32) (Factors, error) {
	var f Factors
	err := d.db.View(func(tx *bolt.Tx) error {
		f.TOTP = tx.Bucket(bucketTOTP).Get(accountKey(account)) != nil
		f.Passkeys = len(keysOf(tx.Bucket(bucketPasskeys), accountKey(account)))
		r, err := readRecovery(tx, account)
		f.RecoveryCodes = len(r.Hashes)
		return err
	})
	if err == nil {
		err = ctx.Err()
	}
	return f, err
}
