package directory

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How long a web session lasts.
const (
	SessionIdle = 12 * time.Hour // without a request
	SessionMost = 14 * day       // in all
	SudoFor     = 10 * time.Minute

	maxSessions = 50          // of an account; the one that was used longest ago goes
	seenEvery   = time.Minute // how exact LastSeen is
)

// ErrSignedOut means that a session does not exist, or no longer.
var ErrSignedOut = errors.New("directory: signed out")

func signedOut() error {
	return &Problem{ErrSignedOut, "you are signed out; sign in again"}
}

// SessionMethod says how somebody signed in.
type SessionMethod string

const (
	ByPassword         SessionMethod = "password"
	ByPasswordTOTP     SessionMethod = "password+totp"
	ByPasswordRecovery SessionMethod = "password+recovery"
	ByPasskey          SessionMethod = "passkey"
	ByPasskeyTOTP      SessionMethod = "passkey+totp"
	ByPasskeyRecovery  SessionMethod = "passkey+recovery"
	ByInvite           SessionMethod = "invite"
	ByReset            SessionMethod = "reset"
	ByResetTOTP        SessionMethod = "reset+totp"
	ByResetRecovery    SessionMethod = "reset+recovery"
	BySetup            SessionMethod = "setup"
)

// Session is a browser that is signed in.
type Session struct {
	ID        string // names the session; no secret
	Account   uint32
	Method    SessionMethod
	Created   time.Time
	LastSeen  time.Time // to the minute
	IP        netip.Addr
	UserAgent string
	// Sudo is until when the person counts as just re-authenticated.
	Sudo time.Time
}

// NewSession is what AddSession needs.
type NewSession struct {
	Account   uint32
	Method    SessionMethod
	IP        netip.Addr
	UserAgent string
}

// sessionRecord is a row of sessions. Its key is the account and the hash of
// the token.
type sessionRecord struct {
	Method    string    `json:"method"`
	Created   time.Time `json:"created"`
	LastSeen  time.Time `json:"last_seen"`
	IP        string    `json:"ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
	Sudo      time.Time `json:"sudo,omitzero"`
}

func sessionKey(account uint32, h tokenHash) []byte { return append(accountKey(account), h[:]...) }

// write runs fn in a transaction that leaves the snapshot as it is. Changes
// wait meanwhile, so that what fn sees of it stays true until its commit.
func (d *Directory) write(ctx context.Context, actor string, fn func(*change) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.within != nil {
		return d.within.part(actor, fn)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.db.Update(func(tx *bolt.Tx) error {
		return fn(&change{tx: tx, next: d.current.Load(), actor: actor, now: d.opts.Now()})
	})
}

// AddSession begins a session and returns the token that stands for it. The
// token is nowhere else: only its hash is kept.
func (d *Directory) AddSession(ctx context.Context, n NewSession) (string, Session, error) {
	token, hash, err := d.newToken(n.Account)
	if err != nil {
		return "", Session{}, err
	}
	s := Session{ID: hash.id(), Account: n.Account, Method: n.Method, IP: n.IP.Unmap(), UserAgent: cleanClient(n.UserAgent)}
	err = d.write(ctx, "", func(c *change) error {
		if !c.next.maySignIn(n.Account) {
			return signedOut()
		}
		s.Created, s.LastSeen, s.Sudo = c.now.UTC(), c.now.UTC(), c.now.UTC().Add(SudoFor)
		if err := c.makeRoomForSession(n.Account); err != nil {
			return err
		}
		return c.put(bucketSessions, sessionKey(n.Account, hash), s.record())
	})
	if err != nil {
		return "", Session{}, err
	}
	return token, s, nil
}

// maySignIn reports whether an account is there, and neither it nor its domain
// has been closed.
func (s *snapshot) maySignIn(account uint32) bool {
	a := s.accounts[account]
	if a == nil || a.Suspended {
		return false
	}
	dom := s.domains[a.Address.Domain]
	return dom != nil && !dom.Disabled
}

// UseSession returns the session that a token stands for, and notes that it
// was used from an address.
func (d *Directory) UseSession(ctx context.Context, token string, from netip.Addr) (Session, error) {
	account, hash, ok := parseToken(token)
	if !ok || !d.current.Load().maySignIn(account) {
		return Session{}, signedOut()
	}
	var s Session
	err := d.db.View(func(tx *bolt.Tx) (err error) {
		s, err = readSession(tx, sessionKey(account, hash), d.opts.Now())
		return err
	})
	if err != nil || d.opts.Now().Sub(s.LastSeen).Abs() < seenEvery {
		return s, err
	}
	seen, err := d.touchSession(ctx, sessionKey(account, hash), from)
	if err == nil || errors.Is(err, ErrSignedOut) || ctx.Err() != nil {
		return seen, err
	}
	// On a full disk the console is needed most.
	d.opts.Logger.ErrorContext(ctx, "cannot note that a session was used", "account", account, "err", err)
	return s, nil
}

func (d *Directory) touchSession(ctx context.Context, key []byte, from netip.Addr) (Session, error) {
	var s Session
	err := d.write(ctx, "", func(c *change) (err error) {
		if s, err = readSession(c.tx, key, c.now); err != nil {
			return err
		}
		s.LastSeen, s.IP = c.now.UTC(), from.Unmap()
		return c.put(bucketSessions, key, s.record())
	})
	return s, err
}

// SessionLives returns nil as long as a session goes on. It does not count as
// use.
func (d *Directory) SessionLives(ctx context.Context, account uint32, id string) error {
	if !d.current.Load().maySignIn(account) {
		return signedOut()
	}
	err := d.db.View(func(tx *bolt.Tx) error {
		key, err := findSession(tx, account, id)
		if err != nil {
			return err
		}
		_, err = readSession(tx, key, d.opts.Now())
		return errors.Join(err, ctx.Err())
	})
	if errors.Is(err, ErrNotFound) {
		return signedOut()
	}
	return err
}

// Sessions returns the sessions of an account, the one that was used last
// first.
func (d *Directory) Sessions(ctx context.Context, account uint32) ([]Session, error) {
	var list []Session
	err := d.db.View(func(tx *bolt.Tx) (err error) {
		list, err = sessionsOf(tx, account, d.opts.Now())
		return errors.Join(err, ctx.Err())
	})
	slices.SortFunc(list, func(a, b Session) int { return b.LastSeen.Compare(a.LastSeen) })
	return list, err
}

// EndSession ends a session of an account.
func (d *Directory) EndSession(ctx context.Context, account uint32, id string) error {
	return d.write(ctx, "", func(c *change) error {
		key, err := findSession(c.tx, account, id)
		if err != nil {
			return err
		}
		return c.put(bucketSessions, key, nil)
	})
}

// EndSessions ends all sessions of an account but the one named; "" is none.
func (d *Directory) EndSessions(ctx context.Context, account uint32, except string) error {
	return d.write(ctx, "", func(c *change) error { return c.endSessions(account, except) })
}

// Reauthenticated notes that the person of a session has just proved again who
// they are, and returns the session.
func (d *Directory) Reauthenticated(ctx context.Context, account uint32, id string) (Session, error) {
	var s Session
	err := d.write(ctx, "", func(c *change) error {
		key, err := findSession(c.tx, account, id)
		if err != nil {
			return err
		}
		if s, err = readSession(c.tx, key, c.now); err != nil {
			return err
		}
		s.Sudo = c.now.UTC().Add(SudoFor)
		return c.put(bucketSessions, key, s.record())
	})
	return s, err
}

// findSession returns the key of a session by its ID.
func findSession(tx *bolt.Tx, account uint32, id string) ([]byte, error) {
	prefix, err := hex.DecodeString(id)
	if err == nil && len(prefix) == publicID {
		want := append(accountKey(account), prefix...)
		if k, _ := tx.Bucket(bucketSessions).Cursor().Seek(want); bytes.HasPrefix(k, want) {
			return bytes.Clone(k), nil
		}
	}
	return nil, notFound("there is no such session; it may have ended")
}

// endSessions ends all sessions of an account but one.
func (c *change) endSessions(account uint32, except string) error {
	b := c.tx.Bucket(bucketSessions)
	for _, k := range keysOf(b, accountKey(account)) {
		if hex.EncodeToString(k[4:4+publicID]) == except {
			continue
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// makeRoomForSession removes sessions that are over, and those that were used
// longest ago when there are too many.
func (c *change) makeRoomForSession(account uint32) error {
	live, err := sessionsOf(c.tx, account, c.now)
	if err != nil {
		return err
	}
	slices.SortFunc(live, func(a, b Session) int { return b.LastSeen.Compare(a.LastSeen) })
	live = live[:min(len(live), maxSessions-1)]
	keep := map[string]bool{}
	for _, s := range live {
		keep[s.ID] = true
	}
	b := c.tx.Bucket(bucketSessions)
	for _, k := range keysOf(b, accountKey(account)) {
		if keep[hex.EncodeToString(k[4:4+publicID])] {
			continue
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// sessionsOf returns the sessions of an account that are not over.
func sessionsOf(tx *bolt.Tx, account uint32, now time.Time) ([]Session, error) {
	var list []Session
	for _, k := range keysOf(tx.Bucket(bucketSessions), accountKey(account)) {
		s, err := readSession(tx, k, now)
		if errors.Is(err, ErrSignedOut) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// readSession reads a row; a session that is over is ErrSignedOut.
func readSession(tx *bolt.Tx, key []byte, now time.Time) (Session, error) {
	row := tx.Bucket(bucketSessions).Get(key)
	if row == nil {
		return Session{}, signedOut()
	}
	var r sessionRecord
	if err := decode(row, &r); err != nil {
		return Session{}, err
	}
	// Also one of a far future ends, which was begun before the clock was set back.
	if now.Sub(r.LastSeen).Abs() >= SessionIdle || now.Sub(r.Created).Abs() >= SessionMost {
		return Session{}, signedOut()
	}
	account, hash := splitKey(key)
	s := Session{ID: hash.id(), Account: account, Method: SessionMethod(r.Method), Created: r.Created,
		LastSeen: r.LastSeen, UserAgent: r.UserAgent, Sudo: r.Sudo}
	s.IP, _ = netip.ParseAddr(r.IP) // the zero Addr where none was known
	return s, nil
}

func (s *Session) record() *sessionRecord {
	r := &sessionRecord{Method: string(s.Method), Created: s.Created, LastSeen: s.LastSeen, UserAgent: s.UserAgent, Sudo: s.Sudo}
	if s.IP.IsValid() {
		r.IP = s.IP.String()
	}
	return r
}

// followAccount ends what must not outlive a change of an account.
func (c *change) followAccount(before, after *Account) error {
	switch {
	case before == nil:
		return nil
	case after == nil:
		return c.forgetSignIn(before.ID)
	case after.Role != before.Role, after.Suspended && !before.Suspended:
		return errors.Join(c.endSessions(after.ID, ""), c.put(bucketLinks, accountKey(after.ID), nil))
	}
	return nil
}

// forgetSignIn removes all ways of an account to sign in on the web.
func (c *change) forgetSignIn(account uint32) error {
	for _, name := range [][]byte{bucketSessions, bucketLinks, bucketTOTP, bucketRecovery, bucketPasskeys} {
		b := c.tx.Bucket(name)
		for _, k := range keysOf(b, accountKey(account)) {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysOf returns the keys with a prefix, as copies: rows may be removed while
// one goes through them.
func keysOf(b *bolt.Bucket, prefix []byte) [][]byte {
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}
