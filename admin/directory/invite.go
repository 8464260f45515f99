package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How long a link can be used.
const (
	InviteFor = 7 * day
	ResetFor  = 24 * time.Hour
)

// Purpose says what a link is for.
type Purpose string

const (
	Invite Purpose = "invite" // to set the first password
	Reset  Purpose = "reset"  // to set another password
)

// ErrLink means that a link cannot be used, or no longer.
var ErrLink = errors.New("directory: link not valid")

func badLink() error {
	return &Problem{ErrLink, "this link has been used, has expired, or was replaced by a newer one; ask for a new one"}
}

// Link is what a link leads to.
type Link struct {
	Account Account
	Purpose Purpose
	Expires time.Time
}

// linkRecord is a row of links, one for an account at most: a newer link takes
// the place of the older.
type linkRecord struct {
	Hash    []byte    `json:"hash"`
	Purpose string    `json:"purpose"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// AddLink makes a link by which the password of an account can be set once,
// and returns its token. Older links of the account are dead from then on.
func (d *Directory) AddLink(ctx context.Context, actor string, account uint32, purpose Purpose) (string, Link, error) {
	tokens, links, err := d.AddLinks(ctx, actor, []uint32{account}, purpose)
	if err != nil {
		return "", Link{}, err
	}
	return tokens[0], links[0], nil
}

// AddLinks is AddLink for many accounts in one change: all get one, or none.
func (d *Directory) AddLinks(ctx context.Context, actor string, accounts []uint32, purpose Purpose) ([]string, []Link, error) {
	life, ok := map[Purpose]time.Duration{Invite: InviteFor, Reset: ResetFor}[purpose]
	if !ok {
		return nil, nil, fmt.Errorf("directory: %q is no purpose of a link", purpose)
	}
	tokens, links := make([]string, len(accounts)), make([]Link, len(accounts))
	err := d.write(ctx, actor, func(c *change) error {
		for i, id := range accounts {
			token, hash, err := d.newToken(id)
			if err != nil {
				return err
			}
			if links[i], err = c.addLink(id, hash, purpose, life); err != nil {
				return err
			}
			tokens[i] = token
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return tokens, links, nil
}

// addLink keeps the hash of a link's token.
func (c *change) addLink(account uint32, hash tokenHash, purpose Purpose, life time.Duration) (Link, error) {
	a := c.next.accounts[account]
	if a == nil {
		return Link{}, notFound("there is no account number %d", account)
	}
	if a.Suspended {
		return Link{}, invalid("%s is suspended; resume it first", a.Address.Display())
	}
	l := Link{Purpose: purpose, Account: *a, Expires: c.now.UTC().Add(life)}
	r := &linkRecord{Hash: hash[:], Purpose: string(purpose), Created: c.now.UTC(), Expires: l.Expires}
	if err := c.put(bucketLinks, accountKey(account), r); err != nil {
		return Link{}, err
	}
	return l, c.audit("account."+string(purpose), text(a.Address), nil, map[string]time.Time{"expires": l.Expires})
}

// Link says what a token leads to.
func (d *Directory) Link(ctx context.Context, token string) (Link, error) {
	var l Link
	err := d.db.View(func(tx *bolt.Tx) (err error) {
		l, err = readLink(tx, d.current.Load(), token, d.opts.Now())
		return errors.Join(err, ctx.Err())
	})
	return l, err
}

// UseLink sets the password of the account that a token leads to, ends all its
// sessions, and the link.
func (d *Directory) UseLink(ctx context.Context, token, password string) (Link, error) {
	l, err := d.Link(ctx, token)
	if err != nil {
		return Link{}, err // before a password is hashed for nothing
	}
	cred, err := d.newCredential(ctx, l.Account.Address, password)
	if err != nil {
		return Link{}, err
	}
	err = d.update(ctx, text(l.Account.Address), func(c *change) error {
		if l, err = readLink(c.tx, c.next, token, c.now); err != nil {
			return err
		}
		return c.replaceCredential(&l.Account, cred, "")
	})
	return l, err
}

func readLink(tx *bolt.Tx, s *snapshot, token string, now time.Time) (Link, error) {
	account, hash, ok := parseToken(token)
	if !ok || !s.maySignIn(account) {
		return Link{}, badLink()
	}
	row := tx.Bucket(bucketLinks).Get(accountKey(account))
	if row == nil {
		return Link{}, badLink()
	}
	var r linkRecord
	if err := decode(row, &r); err != nil {
		return Link{}, err
	}
	if !bytes.Equal(r.Hash, hash[:]) || !now.Before(r.Expires) {
		return Link{}, badLink()
	}
	return Link{Account: *s.accounts[account], Purpose: Purpose(r.Purpose), Expires: r.Expires}, nil
}

// replaceCredential gives an account another password. Sessions that began
// with the old one end, except the one named, and so does a link to set it.
func (c *change) replaceCredential(a *Account, cred *credential, except string) error {
	return errors.Join(c.putCredential(a, cred), c.endSessions(a.ID, except), c.put(bucketLinks, accountKey(a.ID), nil))
}
