package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// batch is how many messages one transaction finds; the header of each has at
// most mailbox.MaxHeader octets.
const batch = 100

// Bodies opens bodies; *mailbox.Boxes.
type Bodies interface {
	OpenBodyAhead(ctx context.Context, r mailbox.BodyRef, a *store.ReadAhead) (store.Body, error)
}

// Count returns how many messages All will yield if nothing changes.
func Count(ctx context.Context, acct *mailbox.Account) (n int64, err error) {
	err = acct.View(ctx, func(v *mailbox.View) error {
		n = 0
		all, err := v.Mailboxes()
		for _, box := range all {
			n += int64(box.Exists)
		}
		return err
	})
	return n, err
}

// All yields the messages of all mailboxes, one mailbox after the other and
// each by UID. A message that is in two mailboxes comes twice. What is
// expunged meanwhile may be missing.
func All(ctx context.Context, bodies Bodies, acct *mailbox.Account) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var boxes []mailbox.Mailbox
		err := acct.View(ctx, func(v *mailbox.View) (err error) {
			boxes, err = v.Mailboxes()
			return err
		})
		if err != nil {
			yield(Message{}, err)
			return
		}
		w := walk{ctx: ctx, bodies: bodies, acct: acct, yield: yield}
		defer w.ahead.Release()
		for _, box := range boxes {
			if !w.mailbox(box.ID) {
				return
			}
		}
	}
}

// walk is what All is at.
type walk struct {
	ctx    context.Context
	bodies Bodies
	acct   *mailbox.Account
	yield  func(Message, error) bool
	ahead  store.ReadAhead
}

// found is a message to open.
type found struct {
	uid      mailbox.UID
	date     time.Time
	flags    mailbox.Flags
	keywords []string
	body     mailbox.BodyRef
}

// mailbox yields the messages of a mailbox; none if it is gone.
func (w *walk) mailbox(id mailbox.ID) bool {
	for from := mailbox.UID(1); ; {
		list, err := w.find(id, from)
		if err != nil {
			return w.yield(Message{}, err)
		}
		for _, f := range list {
			if !w.open(f) {
				return false
			}
			from = f.uid + 1
		}
		if len(list) < batch || from == 0 {
			return true
		}
	}
}

// find returns the next messages from a UID on.
func (w *walk) find(id mailbox.ID, from mailbox.UID) (list []found, err error) {
	err = w.acct.View(w.ctx, func(v *mailbox.View) error {
		list = list[:0]
		for m, err := range v.Messages(id, nil, from) {
			if err != nil {
				return err
			}
			f := found{uid: m.UID, flags: m.Flags, keywords: v.KeywordNames(m.Keywords)}
			if f.date, err = m.InternalDate(); err != nil {
				return err
			}
			if f.body, err = m.Body(); err != nil {
				return err
			}
			if list = append(list, f); len(list) == batch {
				break
			}
		}
		return nil
	})
	return list, err
}

// open yields a message.
func (w *walk) open(f found) bool {
	body, err := w.bodies.OpenBodyAhead(w.ctx, f.body, &w.ahead)
	if errors.Is(err, store.ErrNoBody) {
		return true // expunged since it was found
	}
	if err != nil {
		return w.yield(Message{}, err)
	}
	defer body.Close()
	return w.yield(Message{UID: f.uid, Flags: f.flags, Keywords: f.keywords, ReversePath: returnPath(f.body.Header), InternalDate: f.date,
		Size: body.Size(), Body: io.NewSectionReader(body, 0, body.Size())}, nil)
}

// returnPath reads the reverse-path that delivery has put before a message
// (RFC 5321 section 4.4); null if it did not.
func returnPath(header []byte) mail.Path {
	line, _, _ := bytes.Cut(header, []byte("\r\n"))
	value, ok := bytes.CutPrefix(line, []byte("Return-Path: "))
	if !ok {
		return mail.Path{}
	}
	p, err := mail.ParsePath(string(value))
	if err != nil {
		return mail.Path{}
	}
	return p
}
