package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/mailbox"
)

// Selection says which messages of an account are meant; empty fields do not
// narrow it.
type Selection struct {
	Mailbox   string    `json:"mailbox,omitempty" maxLength:"1000" doc:"Absent: all."`
	UIDs      []uint32  `json:"uids,omitempty" maxItems:"1000" doc:"Of the mailbox."`
	MessageID string    `json:"messageId,omitempty" maxLength:"1000"`
	Subject   string    `json:"subject,omitempty" maxLength:"1000" doc:"A part of it, in any case."`
	Since     time.Time `json:"since,omitzero" doc:"Received then or later."`
	Before    time.Time `json:"before,omitzero" doc:"Received before."`
}

// Message is a message in a backup.
type Message struct {
	Mailbox   string    `json:"mailbox"`
	UID       uint32    `json:"uid"`
	MessageID string    `json:"messageId,omitempty"`
	From      string    `json:"from,omitempty"`
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

// Messages returns messages of an account in a backup, from a UID on, the
// oldest first, at most limit.
func (s *Service) Messages(ctx context.Context, id, address string, sel Selection, from uint32, limit int) (list []Message, err error) {
	err = s.withView(ctx, id, address, func(v *view) error {
		list = []Message{}
		all, err := v.find(ctx, sel, from, limit)
		for _, f := range all {
			list = append(list, f.Message)
		}
		return err
	})
	return list, err
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

// find returns the messages that are meant of all mailboxes that are.
func (v *view) find(ctx context.Context, sel Selection, from uint32, limit int) ([]found, error) {
	boxes, err := v.boxesOf(ctx, sel.Mailbox)
	if err != nil {
		return nil, err
	}
	var all []found
	for i := range boxes {
		list, err := v.findIn(ctx, &boxes[i], sel, from, limit-len(all))
		if err != nil {
			return nil, err
		}
		if all = append(all, list...); len(all) >= limit {
			break
		}
	}
	return all, nil
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
			if len(sel.UIDs) > 0 && !slices.Contains(sel.UIDs, uint32(m.UID)) {
				continue
			}
			f, err := describe(mv, box, m)
			if err != nil {
				return err
			}
			if sel.fits(&f.Message) {
				list = append(list, f)
			}
		}
		return nil
	})
	return list, err
}

// fits reports whether a message is meant; UIDs were looked at.
func (s *Selection) fits(m *Message) bool {
	bare := func(id string) string { return strings.Trim(strings.TrimSpace(id), "<>") }
	return (s.MessageID == "" || bare(s.MessageID) == bare(m.MessageID)) &&
		(s.Subject == "" || strings.Contains(strings.ToLower(m.Subject), strings.ToLower(s.Subject))) &&
		(s.Since.IsZero() || !m.Received.Before(s.Since)) && (s.Before.IsZero() || m.Received.Before(s.Before))
}

func describe(mv *mailbox.View, box *mailbox.Mailbox, m *mailbox.Message) (f found, err error) {
	f.Mailbox, f.UID, f.flags, f.keywords = box.Name, uint32(m.UID), m.Flags, mv.KeywordNames(m.Keywords)
	f.Flags = append(flagNames(m.Flags), f.keywords...)
	if f.Received, err = m.InternalDate(); err != nil {
		return f, err
	}
	if f.Size, err = m.Size(); err != nil {
		return f, err
	}
	if f.body, err = m.Body(); err != nil {
		return f, err
	}
	env, err := m.Envelope()
	if err != nil {
		return f, err
	}
	f.MessageID, f.Subject = env.MessageID, env.Subject
	if len(env.From) > 0 {
		f.From = env.From[0].Mailbox + "@" + env.From[0].Host
	}
	return f, nil
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
