package directory

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bounds of passkeys.
const (
	maxPasskeys     = 20   // of an account
	maxCredentialID = 1023 // octets (Web Authentication Level 3 section 4, Credential ID)

	handleMAC = 16 // octets of a user handle that only this directory can make
)

// ErrSignCount means that the counter of a passkey has gone back: perhaps
// there is a copy of it.
var ErrSignCount = errors.New("directory: passkey counter went back")

// Passkey is a public key credential of an account (Web Authentication Level 3
// section 4, Credential Record).
type Passkey struct {
	ID      string // names the passkey; no secret
	Account uint32
	Label   string

	CredentialID   []byte
	PublicKey      []byte // COSE_Key
	RPID           string // the host name it is for
	SignCount      uint32
	BackupEligible bool // may be copied to other devices
	BackupState    bool // has been
	Transports     []string
	AAGUID         []byte // model of the authenticator

	Created, LastUsed time.Time
}

// passkeyRecord is a row of passkeys. Its key is the account and the hash of
// the credential ID.
type passkeyRecord struct {
	Label          string    `json:"label"`
	CredentialID   []byte    `json:"credential_id"`
	PublicKey      []byte    `json:"public_key"`
	RPID           string    `json:"rp_id"`
	SignCount      uint32    `json:"sign_count"`
	BackupEligible bool      `json:"backup_eligible,omitempty"`
	BackupState    bool      `json:"backup_state,omitempty"`
	Transports     []string  `json:"transports,omitempty"`
	AAGUID         []byte    `json:"aaguid,omitempty"`
	Created        time.Time `json:"created"`
	LastUsed       time.Time `json:"last_used,omitzero"`
}

// UserHandle returns what names an account on authenticators: it tells nothing
// about the person, and another directory gives it another name (Web
// Authentication Level 3 section 14.6.1).
func (d *Directory) UserHandle(account uint32) []byte {
	return d.handle(d.current.Load().origin(account))
}

func (d *Directory) handle(origin uint32) []byte {
	return append(accountKey(origin), d.derive("user handle", accountKey(origin))[:handleMAC]...)
}

// AccountByHandle returns the account of a user handle.
func (d *Directory) AccountByHandle(handle []byte) (Account, error) {
	if len(handle) != 4+handleMAC {
		return Account{}, notFound("no account has this user handle")
	}
	origin := binary.BigEndian.Uint32(handle)
	if !hmac.Equal(handle, d.handle(origin)) {
		return Account{}, notFound("no account has this user handle")
	}
	for _, a := range d.current.Load().accounts {
		if a.Origin == origin && origin != 0 {
			return *a, nil
		}
	}
	return d.Account(origin)
}

// MadeUpCredential returns 64 octets for the credential ID of a login that has
// none. They stay the same, so nobody can find out who has passkeys.
func (d *Directory) MadeUpCredential(login string) []byte {
	key := []byte(loginKey(login))
	return append(d.derive("credential", key), d.derive("rest of credential", key)...)
}

func (d *Directory) derive(what string, of []byte) []byte {
	m := hmac.New(sha256.New, d.secret)
	m.Write([]byte("passkey " + what + "\x00"))
	m.Write(of)
	return m.Sum(nil)
}

// LoginAccount returns the account that a login is for; it need not have a
// password.
func (d *Directory) LoginAccount(login string) (Account, bool) {
	s := d.current.Load()
	a := s.accounts[s.login(login)]
	if a == nil {
		return Account{}, false
	}
	return *a, true
}

func passkeyKey(account uint32, credential []byte) []byte {
	return sessionKey(account, sha256.Sum256(credential))
}

// AddPasskey adds a passkey; ID, Created and LastUsed are set.
func (d *Directory) AddPasskey(ctx context.Context, actor string, p Passkey) (Passkey, error) {
	if len(p.CredentialID) == 0 || len(p.CredentialID) > maxCredentialID || len(p.PublicKey) == 0 {
		return Passkey{}, invalid("this passkey cannot be used: its ID or its key is missing or too long")
	}
	label, err := checkLabel(cmp.Or(strings.TrimSpace(p.Label), "Passkey"))
	if err != nil {
		return Passkey{}, err
	}
	key := passkeyKey(p.Account, p.CredentialID)
	p.ID, p.Label = hex.EncodeToString(key[4:4+publicID]), label
	err = d.write(ctx, actor, func(c *change) error {
		a, b := c.next.accounts[p.Account], c.tx.Bucket(bucketPasskeys)
		switch {
		case a == nil:
			return notFound("there is no account number %d", p.Account)
		case b.Get(key) != nil:
			return exists("this passkey is here already")
		case len(keysOf(b, accountKey(p.Account))) >= maxPasskeys:
			return invalid("an account can have at most %d passkeys; remove one first", maxPasskeys)
		}
		p.Created, p.LastUsed = c.now.UTC(), time.Time{}
		if err := c.put(bucketPasskeys, key, p.record()); err != nil {
			return err
		}
		return c.audit("passkey.add", text(a.Address), nil, p.public())
	})
	if err != nil {
		return Passkey{}, err
	}
	return p, nil
}

// Passkeys returns the passkeys of an account.
func (d *Directory) Passkeys(ctx context.Context, account uint32) ([]Passkey, error) {
	var list []Passkey
	err := d.db.View(func(tx *bolt.Tx) error {
		for _, k := range keysOf(tx.Bucket(bucketPasskeys), accountKey(account)) {
			p, err := readPasskey(tx, k)
			if err != nil {
				return err
			}
			list = append(list, p)
		}
		return ctx.Err()
	})
	return list, err
}

// UsePasskey notes that a passkey has signed with a counter. A counter that
// does not grow is ErrSignCount, unless the passkey has none.
func (d *Directory) UsePasskey(ctx context.Context, account uint32, id string, count uint32, backedUp bool) error {
	return d.changePasskey(ctx, "", account, id, func(_ *change, p *Passkey) error {
		if (count != 0 || p.SignCount != 0) && count <= p.SignCount {
			return &Problem{ErrSignCount, "this passkey has counted back, so there may be a copy of it; remove it and make a new one"}
		}
		p.SignCount, p.BackupState, p.LastUsed = count, backedUp, d.opts.Now().UTC()
		return nil
	})
}

// RenamePasskey gives a passkey another label.
func (d *Directory) RenamePasskey(ctx context.Context, actor string, account uint32, id, label string) (Passkey, error) {
	label, err := checkLabel(label)
	if err != nil {
		return Passkey{}, err
	}
	var after Passkey
	err = d.changePasskey(ctx, actor, account, id, func(c *change, p *Passkey) error {
		before := p.public()
		p.Label = label
		after = *p
		return c.audit("passkey.set", c.addressOf(account), before, p.public())
	})
	return after, err
}

// RemovePasskey removes a passkey.
func (d *Directory) RemovePasskey(ctx context.Context, actor string, account uint32, id string) error {
	return d.write(ctx, actor, func(c *change) error {
		key, p, err := findPasskey(c.tx, account, id)
		if err != nil {
			return err
		}
		if err := c.put(bucketPasskeys, key, nil); err != nil {
			return err
		}
		return c.audit("passkey.remove", c.addressOf(account), p.public(), nil)
	})
}

func (d *Directory) changePasskey(ctx context.Context, actor string, account uint32, id string, fn func(*change, *Passkey) error) error {
	return d.write(ctx, actor, func(c *change) error {
		key, p, err := findPasskey(c.tx, account, id)
		if err != nil {
			return err
		}
		if err := fn(c, &p); err != nil {
			return err
		}
		return c.put(bucketPasskeys, key, p.record())
	})
}

func (c *change) addressOf(account uint32) string {
	if a := c.next.accounts[account]; a != nil {
		return text(a.Address)
	}
	return ""
}

func findPasskey(tx *bolt.Tx, account uint32, id string) ([]byte, Passkey, error) {
	for _, k := range keysOf(tx.Bucket(bucketPasskeys), accountKey(account)) {
		if hex.EncodeToString(k[4:4+publicID]) == id {
			p, err := readPasskey(tx, k)
			return k, p, err
		}
	}
	return nil, Passkey{}, notFound("there is no such passkey; it may have been removed")
}

func readPasskey(tx *bolt.Tx, key []byte) (Passkey, error) {
	var r passkeyRecord
	if err := decode(tx.Bucket(bucketPasskeys).Get(key), &r); err != nil {
		return Passkey{}, err
	}
	account, hash := splitKey(key)
	return Passkey{ID: hash.id(), Account: account, Label: r.Label, CredentialID: r.CredentialID, PublicKey: r.PublicKey,
		RPID: r.RPID, SignCount: r.SignCount, BackupEligible: r.BackupEligible, BackupState: r.BackupState,
		Transports: r.Transports, AAGUID: r.AAGUID, Created: r.Created, LastUsed: r.LastUsed}, nil
}

func (p *Passkey) record() *passkeyRecord {
	return &passkeyRecord{Label: p.Label, CredentialID: p.CredentialID, PublicKey: p.PublicKey, RPID: p.RPID,
		SignCount: p.SignCount, BackupEligible: p.BackupEligible, BackupState: p.BackupState,
		Transports: p.Transports, AAGUID: p.AAGUID, Created: p.Created, LastUsed: p.LastUsed}
}

// public is what the audit log shows of a passkey.
func (p *Passkey) public() map[string]string {
	return map[string]string{"id": p.ID, "label": p.Label}
}
