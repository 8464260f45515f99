package transfer

import (
	"context"
	"errors"

	"github.com/mailstead/mailstead/mailbox"
)

// Totals says about how much an account has; mail may come and go meanwhile.
type Totals struct {
	Messages int64
	Octets   int64 // of the messages, as they are stored
}

// Mailbox is a mailbox on its way out.
type Mailbox struct {
	Name        string // in UTF-8, with "/" between levels
	Subscribed  bool
	UIDValidity mailbox.UIDValidity
	UIDNext     mailbox.UID
}

// Writer takes all mail of an account. Begin comes first and End last; the
// messages that follow a Mailbox are its, by UID. After an error nothing more
// comes, and Close lets go of what is open.
type Writer interface {
	Begin(Totals) error
	Mailbox(Mailbox) error
	Message(context.Context, Message) error
	End() error
	Close() error
}

// Write gives all mail of an account to w, mailbox by mailbox, empty ones
// included, until the first error, that of ctx included. What is expunged
// meanwhile may be missing, and what comes meanwhile may be there.
func Write(ctx context.Context, bodies Bodies, acct *mailbox.Account, w Writer) error {
	var boxes []mailbox.Mailbox
	total := Totals{}
	err := acct.View(ctx, func(v *mailbox.View) (err error) {
		u := v.Usage()
		boxes, err = v.Mailboxes()
		total = Totals{Messages: u.Messages, Octets: u.Bytes}
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Begin(total); err != nil {
		return err
	}
	for _, b := range boxes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeMailbox(ctx, bodies, acct, &b, w); err != nil {
			return err
		}
	}
	return w.End()
}

func writeMailbox(ctx context.Context, bodies Bodies, acct *mailbox.Account, b *mailbox.Mailbox, w Writer) (err error) {
	m := Mailbox{Name: b.Name, Subscribed: b.Subscribed, UIDValidity: b.UIDValidity, UIDNext: b.UIDNext}
	if err := w.Mailbox(m); err != nil {
		return err
	}
	k := walk{ctx: ctx, bodies: bodies, acct: acct, yield: func(m Message, e error) bool {
		if e == nil {
			e = errors.Join(ctx.Err(), w.Message(ctx, m))
		}
		err = e
		return e == nil
	}}
	defer k.ahead.Release()
	k.mailbox(b.ID)
	return err
}
