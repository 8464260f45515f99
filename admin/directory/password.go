package directory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/turns"
)

// Bounds of passwords and of checking them.
const (
	maxPassword = 1000 // octets; what SASL PLAIN can carry

	// verifiedFor is how long a password that was right is not hashed again.
	// Mail programs log in every minute.
	verifiedFor = 10 * time.Minute
	// maxHashWaiting bounds the logins that wait for a turn at hashing.
	maxHashWaiting = 200

	hashSaltSize = 16
	hashSize     = 32
)

// Cost is what one argon2id computation takes (RFC 9106).
type Cost struct {
	MemoryKiB uint32 // 19 MiB if 0
	Time      uint32 // passes; 2 if 0
}

func (c Cost) withDefaults() Cost {
	if c.MemoryKiB == 0 {
		c.MemoryKiB = 19 << 10
	}
	if c.Time == 0 {
		c.Time = 2
	}
	return c
}

// errBusy means that too many logins wait to be checked.
var errBusy = &mail.Error{Status: mail.Status{Class: 4, Subject: 7}, Code: 454, Text: "too many people log in at this moment, try again in a minute"}

// credential is what is known of a password.
type credential struct {
	cost    Cost
	salt    []byte
	hash    []byte
	scram   *sasl.SCRAMKeys // nil if none were made
	changed time.Time
}

// String keeps hashes out of logs.
func (c *credential) String() string { return "[redacted]" }

// SetPassword sets the password of an account. Logins with the old one fail at
// once, and web sessions end.
func (d *Directory) SetPassword(ctx context.Context, actor string, id uint32, password string) error {
	return d.ChangePassword(ctx, actor, id, password, "")
}

// ChangePassword is SetPassword, but the session named by keep goes on.
func (d *Directory) ChangePassword(ctx context.Context, actor string, id uint32, password, keep string) error {
	a, err := d.Account(id)
	if err != nil {
		return err
	}
	cred, err := d.newCredential(ctx, a.Address, password)
	if err != nil {
		return err
	}
	return d.update(ctx, actor, func(c *change) error {
		a := c.next.accounts[id]
		if a == nil {
			return notFound("there is no account number %d", id)
		}
		return c.replaceCredential(a, cred, keep)
	})
}

// PasswordChanged says when the password of an account was set; the zero Time
// if it has none.
func (d *Directory) PasswordChanged(account uint32) time.Time {
	if c := d.current.Load().credentials[account]; c != nil {
		return c.changed
	}
	return time.Time{}
}

// newCredential checks a password against the rules and hashes it.
func (d *Directory) newCredential(ctx context.Context, p mail.Path, password string) (*credential, error) {
	prepared, err := sasl.Prepare(password)
	if err != nil {
		return nil, invalid("%v; leave out control characters and mixed writing directions", err)
	}
	least := int(d.Int(PasswordMinLength))
	switch {
	case utf8.RuneCountInString(prepared) < least:
		return nil, invalid("the password is too short; use at least %d characters", least)
	case len(prepared) > maxPassword:
		return nil, invalid("the password is too long; use at most %d octets", maxPassword)
	case strings.EqualFold(prepared, p.String()), strings.EqualFold(prepared, p.Local), strings.EqualFold(prepared, string(p.Domain)):
		return nil, invalid("the address itself is no password; it is the first guess of everybody")
	}
	c := &credential{cost: d.hasher.cost, salt: make([]byte, hashSaltSize), changed: d.opts.Now().UTC()}
	if _, err := io.ReadFull(d.opts.Random, c.salt); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	keys, err := sasl.SCRAMKeysFor(password, d.scramSalt(d.current.Load(), p))
	if err != nil {
		return nil, invalid("%v", err)
	}
	c.scram = &keys
	c.hash, err = d.hasher.compute(ctx, c, prepared)
	return c, err
}

// putCredential gives an account its new password.
func (c *change) putCredential(a *Account, cred *credential) error {
	if err := c.storeCredential(a.ID, cred); err != nil {
		return err
	}
	return c.audit("account.password", text(a.Address), nil, nil)
}

func (c *change) storeCredential(account uint32, cred *credential) error {
	c.next.credentials[account] = cred
	return c.put(bucketCredentials, accountKey(account), cred.record())
}

// record writes the hash in PHC form, as other programs do.
func (c *credential) record() *credentialRecord {
	b64 := base64.RawStdEncoding.EncodeToString
	r := &credentialRecord{Changed: c.changed,
		Password: fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, c.cost.MemoryKiB, c.cost.Time, b64(c.salt), b64(c.hash))}
	if c.scram != nil {
		s := recordSCRAM(*c.scram)
		r.SCRAM = &s
	}
	return r
}

var errHashForm = errors.New("password hash is not argon2id in PHC form")

func (r *credentialRecord) credential() (*credential, error) {
	part := strings.Split(r.Password, "$")
	if len(part) != 6 || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, errHashForm
	}
	c := &credential{changed: r.Changed}
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=1", &c.cost.MemoryKiB, &c.cost.Time); err != nil {
		return nil, errHashForm
	}
	var err1, err2 error
	c.salt, err1 = base64.RawStdEncoding.DecodeString(part[4])
	c.hash, err2 = base64.RawStdEncoding.DecodeString(part[5])
	if err1 != nil || err2 != nil || len(c.hash) < 16 || c.cost.Time == 0 || c.cost.MemoryKiB > 1<<20 {
		return nil, errHashForm
	}
	if r.SCRAM != nil {
		k := r.SCRAM.keys()
		c.scram = &k
	}
	return c, nil
}

// hasher computes argon2id a few at a time, since each takes memory, and
// remembers for a while what was right.
type hasher struct {
	cost  Cost
	now   func() time.Time
	key   []byte        // of the tags; for this process only
	turns *turns.Turns  // one for each computation at a time
	queue chan struct{} // one slot for each that waits or computes
	dummy *credential   // compared with for unknown logins

	computed atomic.Int64 // how often a hash was really made

	mu       sync.Mutex
	verified map[uint32]verified
}

// verified says which password of an account was right.
type verified struct {
	tag   tag
	until time.Time
}

// tag stands for a password in memory.
type tag [sha256.Size]byte

func newHasher(opts Options) (*hasher, error) {
	most := max(1, runtime.GOMAXPROCS(0))
	h := &hasher{cost: opts.Cost.withDefaults(), now: opts.Now, key: make([]byte, 32), verified: map[uint32]verified{},
		turns: turns.New(most), queue: make(chan struct{}, most+maxHashWaiting)}
	h.dummy = &credential{cost: h.cost, salt: make([]byte, hashSaltSize), hash: make([]byte, hashSize)}
	if _, err := io.ReadFull(opts.Random, h.key); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	return h, nil
}

// PasswordMemory is what checking one password takes, in octets.
func (d *Directory) PasswordMemory() int64 { return int64(d.hasher.cost.MemoryKiB) << 10 }

// LimitPasswordChecks says how many passwords are checked at a time, at least
// one. It begins with one for each processor.
func (d *Directory) LimitPasswordChecks(n int) { d.hasher.turns.Limit(max(1, n)) }

// PasswordChecks is how many are being checked.
func (d *Directory) PasswordChecks() int { return d.hasher.turns.Taken() }

// compute hashes a prepared password as c says.
func (h *hasher) compute(ctx context.Context, c *credential, prepared string) ([]byte, error) {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return nil, errBusy
	}
	if err := h.turns.Take(ctx); err != nil {
		return nil, err
	}
	defer h.turns.Give()
	h.computed.Add(1)
	return argon2.IDKey([]byte(prepared), c.salt, c.cost.Time, c.cost.MemoryKiB, 1, hashSize), nil
}

// tag makes a password's tag. It depends on what it is compared with, so that
// nothing remembered survives a change of the password.
func (h *hasher) tag(account uint32, c *credential, prepared string) tag {
	m := hmac.New(sha256.New, h.key)
	m.Write(accountKey(account))
	m.Write(c.salt)
	m.Write(c.hash)
	m.Write([]byte(prepared))
	return tag(m.Sum(nil))
}

// verify reports whether a prepared password is right. It takes as long for
// accounts without a password.
func (h *hasher) verify(ctx context.Context, account uint32, c *credential, t tag, prepared string) (bool, error) {
	if h.remembers(account, t) {
		return true, nil
	}
	hash, err := h.compute(ctx, c, prepared)
	if err != nil {
		return false, err
	}
	if subtle.ConstantTimeCompare(hash, c.hash) != 1 || c == h.dummy {
		return false, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.verified[account] = verified{tag: t, until: h.now().Add(verifiedFor)}
	return true, nil
}

func (h *hasher) remembers(account uint32, t tag) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.verified[account]
	return ok && h.now().Before(v.until) && hmac.Equal(v.tag[:], t[:])
}

// GeneratePassword makes a password that can be read aloud and typed:
// four groups of syllables, 66 bits.
func GeneratePassword() string {
	const consonants, vowels = "bdfghjklmnprstvz", "aeiou"
	var groups [4]string
	for i := range groups {
		for j := range 5 {
			letters := consonants
			if j%2 == 1 {
				letters = vowels
			}
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
			if err != nil {
				panic("directory: no random numbers: " + err.Error()) // crypto/rand never fails
			}
			groups[i] += letters[n.Int64() : n.Int64()+1]
		}
	}
	return strings.Join(groups[:], "-")
}

// HasPassword reports whether an account has a password to log in with.
func (d *Directory) HasPassword(account uint32) bool {
	return d.current.Load().credentials[account] != nil
}
