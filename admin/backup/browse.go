package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// Selection says which messages of an account are meant; empty fields do not
// narrow it.
type Selection struct {
	Mailbox   string    `json:"mailbox,omitempty" maxLength:"1000" doc:"Absent: all."`
	UIDs      []uint32  `json:"uids,omitempty" maxItems:"1000" doc:"Of the mailbox."`
	MessageID string    `json:"messageId,omitempty" maxLength:"1000"`
	Subject   string    `json:"subject,omitempty" maxLength:"1000" doc:"A part of it, in any case."`
	Text      string    `json:"text,omitempty" maxLength:"1000" doc:"A part of the subject, or of the author's name or address, in any case."`
	Since     time.Time `json:"since,omitzero" doc:"Received then or later."`
	Before    time.Time `json:"before,omitzero" doc:"Received before."`
}

// Message is a message in a backup.
type Message struct {
	Mailbox   string    `json:"mailbox"`
	UID       uint32    `json:"uid"`
	MessageID string    `json:"messageId,omitempty"`
	From      string    `json:"from,omitempty" doc:"Address of the author."`
	Name      string    `json:"name,omitempty" doc:"Name of the author."`
	Subject   string    `json:"subject,omitempty"`
	Received  time.Time `json:"received"`
	Size      int64     `json:"size"`
	Flags     []string  `json:"flags"`
}

// found is a message that is meant.
type found struct {
	Message
	flags    mailbox.Flags
	keywords []string
	body     mailbox.BodyRef
}

// Latest is the ID of the last backup.
func (s *Service) Latest(ctx context.Context) (id string, err error) {
	err = s.with(ctx, nil, false, func(r *repository, _ target.Target) error {
		ids, err := r.backupIDs(ctx)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return &failure{ErrNoBackup, "there is no backup yet; `mailstead backup run` makes one"}
		}
		id = ids[len(ids)-1]
		return nil
	})
	return id, err
}

// Accounts returns the accounts of a backup, with their mailboxes.
func (s *Service) Accounts(ctx context.Context, id string) (list []AccountSurvey, err error) {
	err = s.with(ctx, nil, false, func(r *repository, _ target.Target) error {
		m, err := r.manifest(ctx, id)
		if err != nil {
			return err
		}
		list = m.Survey.Accounts
		return nil
	})
	for i := range list {
		list[i].Samples = nil
	}
	slices.SortFunc(list, func(a, b AccountSurvey) int { return strings.Compare(a.Address, b.Address) })
	return list, err
}

// Place is where a page of messages begins: behind this one. The zero Place is
// the beginning.
type Place struct{ Mailbox, UID uint32 }

// browseMost bounds the messages that are looked at for one page. A search that
// fits few of a large mailbox takes several pages, of which some may be empty.
const browseMost = 20_000

// Browse returns messages of an account in a backup behind a place: mailbox by
// mailbox, the newest first, at most limit. next is where the page after it
// begins; nil: there is none. While mail is brought back it is ErrLocked.
func (s *Service) Browse(ctx context.Context, id, address string, sel Selection, after Place, limit int) (list []Message, next *Place, err error) {
	if s.viewing.restoring.Load() {
		return nil, nil, &failure{ErrLocked, "mail is being brought back from a backup at this moment; look again when that is done"}
	}
	err = s.withView(ctx, id, address, func(v *view) error {
		b := &browsing{v: v, sel: sel, limit: limit, left: browseMost, list: []Message{}}
		next, err = b.from(ctx, after)
		list = b.list
		return err
	})
	return list, next, err
}

// browsing is a page at work.
type browsing struct {
	v     *view
	sel   Selection
	limit int
	left  int // messages that may be looked at
	list  []Message
}

func (b *browsing) from(ctx context.Context, after Place) (*Place, error) {
	boxes, err := b.v.boxesOf(ctx, b.sel.Mailbox)
	if err != nil {
		return nil, err
	}
	if after.Mailbox != 0 {
		at := slices.IndexFunc(boxes, func(m mailbox.Mailbox) bool { return uint32(m.ID) == after.Mailbox })
		if at < 0 {
			return nil, &failure{ErrNotInBackup, "the page begins in a mailbox that is not one of these"}
		}
		boxes = boxes[at:]
	}
	for i := range boxes {
		next, err := b.mailbox(ctx, &boxes[i], after.UID)
		if next != nil || err != nil {
			return next, err
		}
		after.UID = 0
	}
	return nil, nil
}

// mailbox looks at the messages of one mailbox below a UID; 0: all. It returns
// where it stopped, nil at the end.
func (b *browsing) mailbox(ctx context.Context, box *mailbox.Mailbox, below uint32) (next *Place, err error) {
	had, left := len(b.list), b.left
	err = b.v.mail().View(ctx, func(mv *mailbox.View) error {
		b.list, b.left, next = b.list[:had], left, nil
		for m, err := range mv.MessagesBack(box.ID, mailbox.UID(below)) {
			if err != nil {
				return err
			}
			if len(b.list) == b.limit || b.left == 0 {
				next = &Place{uint32(box.ID), below}
				return ctx.Err()
			}
			b.left--
			below = uint32(m.UID)
			f, ok, err := b.sel.find(mv, box, m)
			if err != nil {
				return err
			}
			if ok {
				b.list = append(b.list, f.Message)
			}
		}
		return nil
	})
	return next, err
}

// boxesOf returns the mailboxes that are meant.
func (v *view) boxesOf(ctx context.Context, name string) (list []mailbox.Mailbox, err error) {
	err = v.mail().View(ctx, func(mv *mailbox.View) error {
		if name == "" {
			list, err = mv.Mailboxes()
			return err
		}
		box, err := mv.MailboxByName(name)
		if errors.Is(err, mailbox.ErrNotFound) {
			return &failure{ErrNotInBackup, fmt.Sprintf("%s has no mailbox %s in the backup", v.account.Address, name)}
		}
		list = []mailbox.Mailbox{box}
		return err
	})
	return list, err
}

// findIn returns the messages that are meant of one mailbox, at most limit.
func (v *view) findIn(ctx context.Context, box *mailbox.Mailbox, sel Selection, from uint32, limit int) (list []found, err error) {
	err = v.mail().View(ctx, func(mv *mailbox.View) error {
		list = nil
		for m, err := range mv.Messages(box.ID, nil, mailbox.UID(from)) {
			if err != nil {
				return err
			}
			if len(list) >= limit {
				break
			}
			f, ok, err := sel.find(mv, box, m)
			if err != nil {
				return err
			}
			if ok {
				list = append(list, f)
			}
		}
		return nil
	})
	return list, err
}

// find describes a message if it is meant. What is cheap to know is looked at
// first: most messages of a large mailbox are not meant.
func (s *Selection) find(mv *mailbox.View, box *mailbox.Mailbox, m *mailbox.Message) (f found, ok bool, err error) {
	if len(s.UIDs) > 0 && !slices.Contains(s.UIDs, uint32(m.UID)) {
		return f, false, nil
	}
	if f.Received, err = m.InternalDate(); err != nil {
		return f, false, err
	}
	if !s.Since.IsZero() && f.Received.Before(s.Since) || !s.Before.IsZero() && !f.Received.Before(s.Before) {
		return f, false, nil
	}
	env, err := m.Envelope()
	if err != nil {
		return f, false, err
	}
	f.MessageID, f.Subject = env.MessageID, message.DecodeHeaderText(env.Subject)
	if len(env.From) > 0 {
		f.From, f.Name = env.From[0].Mailbox+"@"+env.From[0].Host, message.DecodeHeaderText(env.From[0].Name)
	}
	if !s.fits(&f.Message) {
		return f, false, nil
	}
	return f, true, f.describe(mv, box, m)
}

// fits reports whether the envelope of a message is meant.
func (s *Selection) fits(m *Message) bool {
	bare := func(id string) string { return strings.Trim(strings.TrimSpace(id), "<>") }
	return (s.MessageID == "" || bare(s.MessageID) == bare(m.MessageID)) && has(m.Subject, s.Subject) &&
		(has(m.Subject, s.Text) || has(m.From, s.Text) || has(m.Name, s.Text))
}

// has reports whether a part is in text, in any case.
func has(text, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// describe fills in what a message has beside date and envelope.
func (f *found) describe(mv *mailbox.View, box *mailbox.Mailbox, m *mailbox.Message) (err error) {
	f.Mailbox, f.UID, f.flags, f.keywords = box.Name, uint32(m.UID), m.Flags, mv.KeywordNames(m.Keywords)
	f.Flags = append(flagNames(m.Flags), f.keywords...)
	if f.Size, err = m.Size(); err != nil {
		return err
	}
	f.body, err = m.Body()
	return err
}

// flagNames are the system flags as IMAP writes them.
func flagNames(flags mailbox.Flags) []string {
	list := []string{}
	for _, f := range []struct {
		flag mailbox.Flags
		name string
	}{{mailbox.Seen, `\Seen`}, {mailbox.Answered, `\Answered`}, {mailbox.Flagged, `\Flagged`}, {mailbox.Deleted, `\Deleted`}, {mailbox.Draft, `\Draft`}} {
		if flags&f.flag != 0 {
			list = append(list, f.name)
		}
	}
	return list
}
