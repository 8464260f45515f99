package junk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
)

// ErrNotTrained is returned for a class that a message cannot be learned as.
var ErrNotTrained = errors.New("junk: only Junk and Good can be trained")

// ofFiles marks what was learned from messages of files: emails of accounts
// have numbers without that bit.
const ofFiles = 1 << 63

// Train learns a message that is in no mailbox, such as one of a file, for an
// account. learned is false if the same was learned of it before.
func (c *Classifier) Train(_ context.Context, id mailbox.AccountID, raw []byte, class Class) (learned bool, err error) {
	if class != Junk && class != Good {
		return false, ErrNotTrained
	}
	ix, err := message.Parse(bytes.NewReader(raw))
	if err != nil {
		return false, fmt.Errorf("train: %w", err)
	}
	sum := sha256.Sum256(raw)
	s := study{email: mailbox.EmailID(binary.BigEndian.Uint64(sum[:]) | ofFiles), class: class, told: true}
	s.tokens, s.senders = c.read(raw[:min(ix.Root.BodyStart, message.MaxHeader)], nil, ix, bytes.NewReader(raw))
	c.study.Lock()
	defer c.study.Unlock()
	before, err := c.lesson(id, s.email)
	if err != nil || before.class == class {
		return false, err
	}
	return true, c.commit(id, []study{s}, 0)
}

// read takes a message apart as it was when it came. account is the header that
// delivery has put before it, if it was delivered here.
func (c *Classifier) read(header, account []byte, ix *message.Index, body io.ReaderAt) (tokens, senders []uint64) {
	delivered := false
	for range message.FieldValues(account, verdict.FieldName) {
		delivered = true
	}
	ours, came := ownFields(header, delivered)
	e := &Evidence{Header: came, Index: ix, Open: func(from, to int64) io.Reader { return io.NewSectionReader(body, from, to-from) }}
	e.Author = authorOf(ix)
	e.authentication(ours, c.opts.Hostname)
	e.transport(ours, account)
	l := readLetter(c.key, e, c.opts.Now())
	defer l.release()
	return l.tokens.tokens(), l.identities()
}

// ForgetAccount forgets what was learned from the mail of an account: its words,
// its senders, and what could be undone. What it gave to all stays, for that
// tells nothing of it. Mail is learned again when it is moved or marked.
func (c *Classifier) ForgetAccount(id mailbox.AccountID) error {
	c.study.Lock()
	defer c.study.Unlock()
	return c.forgetRows(id, bucketWords, bucketSenders, bucketLearned, bucketTotals)
}

// ForgetAll forgets everything that was learned, of all accounts.
func (c *Classifier) ForgetAll() error {
	c.study.Lock()
	defer c.study.Unlock()
	txid := 0
	err := c.db.Update(func(tx *bolt.Tx) error {
		txid = tx.ID()
		for _, name := range [][]byte{bucketWords, bucketSenders, bucketLearned, bucketTotals} {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget what was learned about junk: %w", err)
	}
	c.layers.dropAll(txid)
	return nil
}
