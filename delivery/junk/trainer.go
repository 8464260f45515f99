package junk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// Sizes of the steps of training.
const (
	stepChanges = 500 // rows of the feed in one snapshot, and those of one mod-sequence
	stepStudies = 32  // messages read before they are written down
)

// Touched notes that people have done something with the mail of an account. It
// returns at once; a nil Classifier has no interest.
func (c *Classifier) Touched(id mailbox.AccountID) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.touched[id] = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// saveTouched writes down the accounts that wait, for the next start. After a
// crash they are looked at when they are touched again.
func (c *Classifier) saveTouched() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.touched) == 0 {
		return nil
	}
	var v []byte
	for id := range c.touched {
		v = append(v, accountKey(id)...)
	}
	return c.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyTouched, v) })
}

// loadTouched takes what saveTouched has written.
func (c *Classifier) loadTouched() error {
	var v []byte
	err := c.db.View(func(tx *bolt.Tx) error {
		v = bytes.Clone(tx.Bucket(bucketMeta).Get(keyTouched))
		return nil
	})
	if err != nil || v == nil {
		return err
	}
	for ; len(v) >= 4; v = v[4:] {
		c.Touched(mailbox.AccountID(binary.BigEndian.Uint32(v)))
	}
	return c.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyTouched) })
}

// Run learns from accounts that were touched until ctx is done, and keeps the
// file from growing.
func (c *Classifier) Run(ctx context.Context) error {
	expire := time.NewTicker(expireEvery)
	defer expire.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-expire.C:
			c.logError("forget old words", c.expire())
			continue
		case <-c.wake:
		}
		select { // more will come: mail programs move in several steps
		case <-ctx.Done():
			return nil
		case <-time.After(c.opts.Delay):
		}
		for _, id := range c.takeTouched() {
			err := c.follow(ctx, id)
			if ctx.Err() != nil {
				c.Touched(id) // at the next start
				continue
			}
			c.logError(fmt.Sprintf("learn from account %d", id), err)
		}
		c.mu.Lock()
		c.working = false
		c.idle.Broadcast()
		c.mu.Unlock()
	}
}

func (c *Classifier) takeTouched() []mailbox.AccountID {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []mailbox.AccountID
	for id := range c.touched {
		ids = append(ids, id)
	}
	clear(c.touched)
	c.working = true
	return ids
}

func (c *Classifier) logError(what string, err error) {
	if err != nil {
		c.opts.Logger.Warn(what, "err", err)
	}
}

// follow reads the feed of an account from where it was left.
func (c *Classifier) follow(ctx context.Context, id mailbox.AccountID) error {
	if c.opts.Boxes == nil || !c.opts.Learn() {
		return nil
	}
	c.study.Lock()
	defer c.study.Unlock()
	for {
		more, err := c.step(ctx, id)
		if err != nil || !more {
			return err
		}
	}
}

// finding is an email whose class has changed.
type finding struct {
	email    mailbox.EmailID
	class    Class
	body     mailbox.BodyRef
	index    *message.Index
	envelope *message.Envelope // of what was sent
}

// step learns from the next rows of a feed.
func (c *Classifier) step(ctx context.Context, id mailbox.AccountID) (more bool, err error) {
	since, err := c.cursor(id)
	if err != nil {
		return false, err
	}
	var found []finding
	next := since
	err = c.opts.Boxes.Account(id).View(ctx, func(v *mailbox.View) error {
		if v.ModSeq() < since { // the account was made anew
			since = 0
		}
		found, next, more, err = c.changed(v, id, since)
		return err
	})
	if err != nil || next == since {
		return false, err
	}
	for len(found) > stepStudies {
		if err := c.learn(ctx, id, found[:stepStudies], 0); err != nil {
			return false, err
		}
		found = found[stepStudies:]
	}
	if len(found) == 0 && !more && next-since < stepChanges {
		return false, nil // reading these rows again costs less than a sync
	}
	return more, c.learn(ctx, id, found, next)
}

// cursor returns up to where the feed of an account was read.
func (c *Classifier) cursor(id mailbox.AccountID) (m mailbox.ModSeq, err error) {
	err = c.db.View(func(tx *bolt.Tx) error {
		if v := tx.Bucket(bucketCursor).Get(accountKey(id)); len(v) == 8 {
			m = mailbox.ModSeq(binary.BigEndian.Uint64(v))
		}
		return nil
	})
	return m, err
}

// changed returns the emails that became another class after since. It stops
// between two mod-sequences.
func (c *Classifier) changed(v *mailbox.View, id mailbox.AccountID, since mailbox.ModSeq) (found []finding, next mailbox.ModSeq, more bool, err error) {
	next = since
	seen := map[mailbox.EmailID]bool{}
	n := 0
	for ch, err := range v.Changes(0, since) {
		if err != nil {
			return nil, 0, false, err
		}
		if n++; n > stepChanges && ch.ModSeq != next {
			return found, next, true, nil
		}
		next = ch.ModSeq
		if ch.Kind != mailbox.Changed || seen[ch.Email] {
			continue // a message that is gone stays what it was
		}
		seen[ch.Email] = true
		f, ok, err := c.look(v, id, ch)
		if err != nil {
			return nil, 0, false, err
		}
		if ok {
			found = append(found, f)
		}
	}
	return found, next, false, nil
}

// look compares what an email is now with what was learned.
func (c *Classifier) look(v *mailbox.View, id mailbox.AccountID, ch mailbox.Change) (f finding, ok bool, err error) {
	m, err := v.Message(ch.Mailbox, ch.UID)
	if err != nil {
		return f, false, err
	}
	if f.body, err = m.Body(); err != nil {
		return f, false, err
	}
	s, err := readState(v, ch.Email, f.body.Header)
	if err != nil {
		return f, false, err
	}
	old, err := c.lesson(id, ch.Email)
	if err != nil {
		return f, false, err
	}
	f.email, f.class = ch.Email, s.class(old.class)
	if f.class == old.class || old.told && f.class == old.derived {
		return f, false, nil
	}
	switch f.class {
	case None:
	case Sent:
		f.envelope, err = m.Envelope()
	default:
		f.index, err = m.Index()
	}
	return f, err == nil, err
}

// lesson returns what was learned of an email.
func (c *Classifier) lesson(id mailbox.AccountID, email mailbox.EmailID) (n lesson, err error) {
	err = c.db.View(func(tx *bolt.Tx) error {
		n, _ = decodeLesson(tx.Bucket(bucketLearned).Get(rowKey(id, uint64(email))))
		return nil
	})
	return n, err
}

// learn reads messages and writes down what they say.
func (c *Classifier) learn(ctx context.Context, id mailbox.AccountID, found []finding, cursor mailbox.ModSeq) error {
	studies := make([]study, 0, len(found))
	for i := range found {
		f := &found[i]
		s := study{email: f.email, class: f.class, derived: f.class}
		switch {
		case f.envelope != nil:
			s.senders = contacts(c.key, f.envelope)
		case f.index != nil:
			var err error
			if s.tokens, s.senders, err = c.readStored(ctx, f.body, f.index); err != nil {
				return err
			}
		}
		studies = append(studies, s)
	}
	return c.commit(id, studies, cursor)
}

// readStored reads a message of a mailbox as it was read when it came.
func (c *Classifier) readStored(ctx context.Context, ref mailbox.BodyRef, ix *message.Index) (tokens, senders []uint64, err error) {
	body, err := c.opts.Boxes.OpenBody(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	header := make([]byte, min(ix.Root.BodyStart, message.MaxHeader))
	if _, err := io.ReadFull(io.NewSectionReader(body, 0, body.Size()), header); err != nil {
		return nil, nil, err
	}
	tokens, senders = c.read(header, ref.Header, ix, body)
	return tokens, senders, nil
}

// authorOf returns the first author with an address, as inbound does.
func authorOf(ix *message.Index) mail.Path {
	for _, a := range ix.Envelope.From {
		if d, err := mail.ParseDomain(a.Host); err == nil && a.Mailbox != "" {
			return mail.Path{Local: a.Mailbox, Domain: d}
		}
	}
	return mail.Path{}
}

// errNotLearned is returned for a class that cannot be told.
var errNotLearned = errors.New("junk: only Junk, Good and None can be told")

// Learn notes that an email is Junk or Good, as somebody has told by hand, or
// None: that nothing follows from where it is. It stays so until the message is
// moved or marked otherwise; call it after the message was moved to its place.
func (c *Classifier) Learn(ctx context.Context, id mailbox.AccountID, email mailbox.EmailID, class Class) error {
	if class != Junk && class != Good && class != None {
		return errNotLearned
	}
	return c.tell(ctx, id, email, class)
}

// Forget undoes what was learned of an email, as Learn does with None.
func (c *Classifier) Forget(ctx context.Context, id mailbox.AccountID, email mailbox.EmailID) error {
	return c.tell(ctx, id, email, None)
}

func (c *Classifier) tell(ctx context.Context, id mailbox.AccountID, email mailbox.EmailID, class Class) error {
	c.study.Lock()
	defer c.study.Unlock()
	s := study{email: email, class: class, told: true}
	var body mailbox.BodyRef
	var ix *message.Index
	err := c.opts.Boxes.Account(id).View(ctx, func(v *mailbox.View) error {
		places := v.Places(email)
		if len(places) == 0 {
			return mailbox.ErrNoMessage
		}
		m, err := v.Message(places[0].Mailbox, places[0].UID)
		if err != nil {
			return err
		}
		if body, err = m.Body(); err != nil {
			return err
		}
		if ix, err = m.Index(); err != nil {
			return err
		}
		now, err := readState(v, email, body.Header)
		s.derived = now.class(None)
		return err
	})
	if err == nil && class != None {
		s.tokens, s.senders, err = c.readStored(ctx, body, ix)
	}
	if err == nil {
		err = c.commit(id, []study{s}, 0)
	}
	if err != nil {
		return fmt.Errorf("learn email %d of account %d: %w", email, id, err)
	}
	return nil
}

// Flush returns when all accounts that were touched before have been learned
// from. Run has to be running.
func (c *Classifier) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.idle.Broadcast()
		c.mu.Unlock()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.touched) > 0 || c.working {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.idle.Wait()
	}
	return nil
}
