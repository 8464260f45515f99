package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/durable"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Parts are an open data folder that nobody else works with.
type Parts struct {
	Directory *directory.Directory
	Boxes     *mailbox.Boxes
	Queue     *queue.Queue
	Open      func(ctx context.Context, r store.Ref) (store.Body, error)
}

// Mark says how far the accounts have come.
func (p Parts) Mark(ctx context.Context) (Marks, error) {
	m := Marks{Emails: map[uint32]uint64{}}
	for _, a := range p.Directory.Accounts() {
		err := p.Boxes.Account(mailbox.AccountID(a.ID)).View(ctx, func(v *mailbox.View) error {
			m.Emails[a.ID] = uint64(v.NextEmail())
			return nil
		})
		if err != nil {
			return Marks{}, err
		}
	}
	return m, nil
}

// Leave writes to a folder what came in since the marks were made, and what
// waits in the queue.
func (p Parts) Leave(ctx context.Context, m Marks, dir string) error {
	mails, err := newLeftWriter(dir, leftMails)
	if err != nil {
		return err
	}
	boxes, err := newLeftWriter(dir, leftBoxes)
	if err != nil {
		return errors.Join(err, mails.close())
	}
	for _, a := range p.Directory.Accounts() {
		if err := p.leaveAccount(ctx, a, mailbox.EmailID(max(m.Emails[a.ID], 1)), dir, mails, boxes); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", a.Address, err), mails.close(), boxes.close())
		}
	}
	if err := errors.Join(mails.close(), boxes.close(), p.leaveQueue(ctx, dir)); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, leftDone), []byte("all of it\n"), 0o600)
}

func (p Parts) leaveAccount(ctx context.Context, a directory.Account, since mailbox.EmailID, dir string, mails, boxes *leftWriter) error {
	type one struct {
		left leftMail
		body mailbox.BodyRef
	}
	var all []one
	err := p.Boxes.Account(mailbox.AccountID(a.ID)).View(ctx, func(v *mailbox.View) error {
		all = nil
		list, err := v.Mailboxes()
		if err != nil {
			return err
		}
		for _, b := range list {
			if err := boxes.enc.Encode(leftBox{a.ID, uint32(b.ID), uint32(b.UIDNext), uint64(b.HighestModSeq)}); err != nil {
				return err
			}
			for msg, err := range v.Messages(b.ID, nil, 1) {
				if err != nil {
					return err
				}
				if msg.Email < since {
					continue
				}
				body, err := msg.Body()
				if err != nil {
					return err
				}
				received, err := msg.InternalDate()
				if err != nil {
					return err
				}
				all = append(all, one{leftMail{Account: a.ID, Address: a.Address.String(), Mailbox: b.Name, Flags: flagNames(msg.Flags), Keywords: v.KeywordNames(msg.Keywords),
					Received: received, File: fmt.Sprintf("mail-%d-%d-%d", a.ID, b.ID, msg.UID)}, body})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range all {
		body, err := p.Boxes.OpenBody(ctx, m.body)
		if err != nil {
			return err
		}
		err = errors.Join(writeMessage(dir, m.left.File, io.NewSectionReader(body, 0, body.Size())), body.Close(), mails.enc.Encode(m.left))
		if err != nil {
			return err
		}
	}
	return nil
}

func (p Parts) leaveQueue(ctx context.Context, dir string) error {
	w, err := newLeftWriter(dir, leftQueue)
	if err != nil {
		return err
	}
	n := 0
	err = p.Queue.Export(ctx, func(x queue.Export) error {
		n++
		item := leftItem{ID: string(x.ID), Owed: x.Owed, Entry: x.Entry, File: fmt.Sprintf("queue-%d", n), Recipients: []string{}}
		for _, r := range x.Recipients {
			item.Recipients = append(item.Recipients, r.Key())
		}
		body, err := p.Open(ctx, x.Body)
		if err != nil {
			return err
		}
		return errors.Join(writeMessage(dir, item.File, io.NewSectionReader(body, 0, body.Size())), body.Close(), w.enc.Encode(item))
	})
	return errors.Join(err, w.close())
}

// TakeBack takes in what another program has left.
func (p Parts) TakeBack(ctx context.Context, dir string) (*Carried, error) {
	if !leftWhole(dir) {
		return nil, fmt.Errorf("what is in %s is not whole", dir)
	}
	c := &Carried{}
	if err := p.renewSeen(ctx, dir); err != nil {
		return nil, err
	}
	before := taken(dir)
	err := eachLeft(dir, leftMails, func(n int, m leftMail) error {
		if n >= before {
			if err := p.takeMail(ctx, dir, m, c); err != nil {
				return fmt.Errorf("%s for %s: %w", m.File, m.Address, err)
			}
			if err := setTaken(dir, n+1); err != nil {
				return err
			}
		}
		c.Messages++
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.Messages -= c.Unclaimed
	return c, p.takeQueue(ctx, dir, c)
}

// renewSeen gives those mailboxes new UIDs of which clients have seen more than
// there is now.
func (p Parts) renewSeen(ctx context.Context, dir string) error {
	return eachLeft(dir, leftBoxes, func(_ int, b leftBox) error {
		acct, seen := p.Boxes.Account(mailbox.AccountID(b.Account)), false
		if _, err := p.Directory.Account(b.Account); errors.Is(err, directory.ErrNotFound) {
			return nil
		}
		err := acct.View(ctx, func(v *mailbox.View) error {
			have, err := v.Mailbox(mailbox.ID(b.Mailbox))
			seen = err == nil && (uint32(have.UIDNext) < b.UIDNext || uint64(have.HighestModSeq) < b.ModSeq)
			return nil
		})
		if err != nil || !seen {
			return err
		}
		return acct.RenewUIDs(ctx, mailbox.ID(b.Mailbox))
	})
}

// takeMail files one message where it was.
func (p Parts) takeMail(ctx context.Context, dir string, m leftMail, c *Carried) error {
	path, err := mail.ParseAddress(m.Address)
	if err != nil {
		return err
	}
	a, err := p.Directory.AccountByAddress(path)
	if errors.Is(err, directory.ErrNotFound) {
		c.Unclaimed++
		c.Notes = append(c.Notes, fmt.Sprintf("%s: there is no account %s; the message is in %s", m.File, m.Address, filepath.Join(dir, m.File)))
		return nil
	}
	if err != nil {
		return err
	}
	f, size, err := openLeft(dir, m.File)
	if err != nil {
		return err
	}
	defer f.Close()
	ix, err := message.Parse(io.NewSectionReader(f, 0, size))
	if err != nil {
		return err
	}
	acct := p.Boxes.Account(mailbox.AccountID(a.ID))
	box, err := findBox(ctx, acct, m.Mailbox)
	if err != nil {
		return err
	}
	msg := &mailbox.NewMessage{Body: io.NewSectionReader(f, 0, size), Size: size, Index: ix, InternalDate: m.Received, Flags: flagsOf(m.Flags), Keywords: m.Keywords}
	_, err = acct.Append(ctx, box, msg)
	if errors.Is(err, mailbox.ErrOverQuota) { // it was accepted once: it is not lost for that
		err = p.Boxes.Deliver(ctx, &mailbox.NewMessage{Body: io.NewSectionReader(f, 0, size), Size: size, Index: ix, InternalDate: m.Received}, []mailbox.Target{{Account: mailbox.AccountID(a.ID), Mailbox: box, Flags: msg.Flags}})
	}
	return err
}

// findBox returns a mailbox by its name, made if it is not there.
func findBox(ctx context.Context, acct *mailbox.Account, name string) (id mailbox.ID, err error) {
	err = acct.View(ctx, func(v *mailbox.View) error {
		b, err := v.MailboxByName(name)
		id = b.ID
		return err
	})
	if errors.Is(err, mailbox.ErrNotFound) {
		b, err := acct.CreateMailbox(ctx, name, mailbox.NoRole)
		return b.ID, err
	}
	return id, err
}

// takeQueue strikes out the recipients that have their mail, and queues what
// came since.
func (p Parts) takeQueue(ctx context.Context, dir string, c *Carried) error {
	have := map[queue.ID]bool{}
	err := p.Queue.Export(ctx, func(x queue.Export) error {
		have[x.ID] = true
		return nil
	})
	if err != nil {
		return err
	}
	left := map[queue.ID]leftItem{}
	err = eachLeft(dir, leftQueue, func(_ int, item leftItem) error {
		id := queue.ID(item.ID)
		left[id] = leftItem{Recipients: item.Recipients, Owed: item.Owed}
		if have[id] || len(item.Recipients) == 0 {
			return nil
		}
		f, size, err := openLeft(dir, item.File)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := p.Queue.Import(ctx, item.Entry, f, size); err != nil {
			return err
		}
		c.Queued++
		return nil
	})
	if err != nil {
		return err
	}
	for id := range have {
		if err := p.strike(ctx, id, left[id], c); err != nil {
			return err
		}
	}
	return nil
}

// strike takes recipients out of a message that the other program is done with.
// Where it still owed a report, the attempt is made again, and then the report.
func (p Parts) strike(ctx context.Context, id queue.ID, left leftItem, c *Carried) error {
	if left.Owed {
		return nil
	}
	waits := map[string]bool{}
	for _, key := range left.Recipients {
		waits[key] = true
	}
	n, err := p.Queue.Keep(ctx, id, waits)
	c.Struck += n
	return err
}

// TakeLog files what the log of a newer program had, once the store has applied
// it: what was half way in an Append of several messages goes to INBOX, and
// every mailbox gets new UIDs.
func (p Parts) TakeLog(ctx context.Context) (*Carried, error) {
	c := &Carried{}
	for _, a := range p.Directory.Accounts() {
		acct := p.Boxes.Account(mailbox.AccountID(a.ID))
		n, err := acct.PlaceStaged(ctx)
		if err != nil {
			return nil, err
		}
		c.Messages += n
		var boxes []mailbox.Mailbox
		if err := acct.View(ctx, func(v *mailbox.View) (err error) { boxes, err = v.Mailboxes(); return err }); err != nil {
			return nil, err
		}
		for _, b := range boxes {
			if err := acct.RenewUIDs(ctx, b.ID); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// systemFlags are the flags of mailbox by their names in IMAP.
var systemFlags = []struct {
	flag mailbox.Flags
	name string
}{{mailbox.Seen, `\Seen`}, {mailbox.Answered, `\Answered`}, {mailbox.Flagged, `\Flagged`}, {mailbox.Deleted, `\Deleted`}, {mailbox.Draft, `\Draft`}}

func flagNames(f mailbox.Flags) []string {
	names := []string{}
	for _, s := range systemFlags {
		if f&s.flag != 0 {
			names = append(names, s.name)
		}
	}
	return names
}

func flagsOf(names []string) (f mailbox.Flags) {
	for _, s := range systemFlags {
		for _, n := range names {
			if n == s.name {
				f |= s.flag
			}
		}
	}
	return f
}
