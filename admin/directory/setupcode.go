package directory

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How long first-run set-up can be entered, and may take.
const (
	SetupCodeFor    = time.Hour
	HandOverFor     = 2 * time.Minute // of a code that a browser takes along to another address
	SetupSessionFor = 24 * time.Hour
)

// ErrSetupCode means that a setup code is wrong, used or too old.
var ErrSetupCode = errors.New("directory: setup code not valid")

var keySetup = []byte("setup")

// setupRecord is the row "setup" of meta: the code that lets a browser in, or
// the browser that is in.
type setupRecord struct {
	Code           []byte    `json:"code,omitempty"` // hash; none once it was redeemed
	CodeExpires    time.Time `json:"code_expires,omitzero"`
	Session        []byte    `json:"session,omitempty"` // hash
	SessionExpires time.Time `json:"session_expires,omitzero"`
}

// NewSetupCode makes a code that lets one browser into the first-run wizard
// for a time, as K7P4-9QXD-22MB. The code before it is dead from then on; a browser that
// is in already stays until the new code is redeemed.
func (d *Directory) NewSetupCode(ctx context.Context, actor string, life time.Duration) (string, time.Time, error) {
	code, err := d.newCode()
	if err != nil {
		return "", time.Time{}, err
	}
	var expires time.Time
	err = d.write(ctx, actor, func(c *change) error {
		r, err := readSetup(c.tx)
		if err != nil {
			return err
		}
		h := d.hashCode("setup code", 0, code)
		expires = c.now.UTC().Add(life)
		r.Code, r.CodeExpires = h[:], expires
		if err := c.put(bucketMeta, keySetup, &r); err != nil {
			return err
		}
		return c.audit("setup.code", "", nil, nil)
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return code, expires, nil
}

// RedeemSetupCode uses a setup code up and returns the token of the setup
// session that begins.
func (d *Directory) RedeemSetupCode(ctx context.Context, code string, from netip.Addr) (string, time.Time, error) {
	token, hash, err := d.newToken(0)
	if err != nil {
		return "", time.Time{}, err
	}
	want := d.hashCode("setup code", 0, code)
	var expires time.Time
	ok, err := d.tryCode("setup", from, func() (ok bool, err error) {
		err = d.write(ctx, "setup", func(c *change) error {
			r, err := readSetup(c.tx)
			if err != nil || !bytes.Equal(r.Code, want[:]) || !c.now.Before(r.CodeExpires) {
				return err
			}
			ok, expires = true, c.now.UTC().Add(SetupSessionFor)
			if err := c.put(bucketMeta, keySetup, &setupRecord{Session: hash[:], SessionExpires: expires}); err != nil {
				return err
			}
			return c.audit("setup.redeem", "", nil, nil)
		})
		return ok, err
	})
	if err != nil {
		return "", time.Time{}, err
	}
	if !ok {
		return "", time.Time{}, &Problem{ErrSetupCode, "this setup code is wrong, was used before, or has expired; run `mailstead setup` on the server for a new one"}
	}
	return token, expires, nil
}

// SetupSession reports until when the setup session of a token lasts.
func (d *Directory) SetupSession(ctx context.Context, token string) (time.Time, error) {
	var expires time.Time
	err := d.db.View(func(tx *bolt.Tx) (err error) {
		expires, err = checkSetupSession(tx, token, d.opts.Now())
		return errors.Join(err, ctx.Err())
	})
	return expires, err
}

// InSetup reports whether a browser is in the first run, or has a code that
// lets it in.
func (d *Directory) InSetup() bool {
	var r setupRecord
	err := d.db.View(func(tx *bolt.Tx) (err error) {
		r, err = readSetup(tx)
		return err
	})
	now := d.opts.Now()
	return err == nil && (len(r.Code) > 0 && now.Before(r.CodeExpires) || len(r.Session) > 0 && now.Before(r.SessionExpires))
}

func checkSetupSession(tx *bolt.Tx, token string, now time.Time) (time.Time, error) {
	r, err := readSetup(tx)
	if err != nil {
		return time.Time{}, err
	}
	account, hash, ok := parseToken(token)
	if !ok || account != 0 || !bytes.Equal(r.Session, hash[:]) || !now.Before(r.SessionExpires) {
		return time.Time{}, &Problem{ErrSignedOut, "this set-up is over; run `mailstead setup` on the server for a new link"}
	}
	return r.SessionExpires, nil
}

// EndSetup ends the setup session of a token, and with it any setup code.
func (d *Directory) EndSetup(ctx context.Context, actor, token string) error {
	return d.write(ctx, actor, func(c *change) error {
		if _, err := checkSetupSession(c.tx, token, c.now); err != nil {
			return err
		}
		if err := c.put(bucketMeta, keySetup, nil); err != nil {
			return err
		}
		return c.audit("setup.end", "", nil, nil)
	})
}

func readSetup(tx *bolt.Tx) (setupRecord, error) {
	var r setupRecord
	row := tx.Bucket(bucketMeta).Get(keySetup)
	if row == nil {
		return r, nil
	}
	return r, decode(row, &r)
}
