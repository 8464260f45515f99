package imapserver

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// statusItems is what STATUS is asked for.
type statusItems struct {
	imap.StatusOptions
	mailboxID bool // RFC 8474 section 4.3
}

func parseStatusItems(args *imapwire.Decoder) statusItems {
	var items statusItems
	args.List(func() {
		switch args.Name() {
		case "MESSAGES":
			items.NumMessages = true
		case "RECENT":
			items.NumRecent = true
		case "UIDNEXT":
			items.UIDNext = true
		case "UIDVALIDITY":
			items.UIDValidity = true
		case "UNSEEN":
			items.NumUnseen = true
		case "DELETED":
			items.NumDeleted = true
		case "DELETED-STORAGE":
			items.DeletedStorage = true
		case "SIZE":
			items.Size = true
		case "HIGHESTMODSEQ":
			items.HighestModSeq = true
		case "APPENDLIMIT":
			items.AppendLimit = true
		case "MAILBOXID":
			items.mailboxID = true
		default:
			args.Fail("Unknown status item")
		}
	})
	return items
}

// statusOf answers STATUS (RFC 9051 section 6.3.11).
func (s *session) statusOf(ctx context.Context, args *imapwire.Decoder) error {
	name := args.SP().Mailbox(s.out.UTF8)
	args.SP()
	items := parseStatusItems(args)
	if err := args.End(); err != nil {
		return err
	}
	if items.HighestModSeq {
		s.condStore = true // RFC 7162 section 3.1
	}
	err := s.account.View(ctx, func(v *mailbox.View) error {
		box, err := v.MailboxByName(name)
		if err != nil {
			return err
		}
		return s.writeStatus(v, &box, items)
	})
	if err != nil {
		return err
	}
	return s.ok("")
}

// writeStatus writes one STATUS response (RFC 9051 section 7.3.4).
func (s *session) writeStatus(v *mailbox.View, box *mailbox.Mailbox, items statusItems) error {
	deleted, err := deletedSize(v, box, items.DeletedStorage)
	if err != nil {
		return err
	}
	s.out.Raw("* STATUS ").Mailbox(box.Name).Raw(" (")
	sep := ""
	number := func(wanted bool, name string, n uint64) {
		if wanted {
			s.out.Raw(sep).Raw(name).SP().Number(n)
			sep = " "
		}
	}
	number(items.NumMessages, "MESSAGES", uint64(box.Exists))
	number(items.NumRecent, "RECENT", 0)
	number(items.UIDNext, "UIDNEXT", uint64(box.UIDNext))
	number(items.UIDValidity, "UIDVALIDITY", uint64(box.UIDValidity))
	number(items.NumUnseen, "UNSEEN", uint64(box.Unseen))
	number(items.NumDeleted, "DELETED", uint64(box.Deleted))
	number(items.DeletedStorage, "DELETED-STORAGE", uint64(deleted))
	number(items.Size, "SIZE", uint64(box.Size))
	number(items.HighestModSeq, "HIGHESTMODSEQ", uint64(box.HighestModSeq))
	number(items.AppendLimit, "APPENDLIMIT", uint64(s.appendLimit))
	if items.mailboxID {
		s.out.Raw(sep).Raw("MAILBOXID (").Raw(box.ObjectID).Raw(")")
	}
	s.out.Raw(")\r\n")
	return nil
}

// deletedSize sums up the messages with \Deleted (RFC 9208 section 4.1.4).
func deletedSize(v *mailbox.View, box *mailbox.Mailbox, wanted bool) (int64, error) {
	sum := int64(0)
	if !wanted || box.Deleted == 0 {
		return 0, nil
	}
	for m, err := range v.Messages(box.ID, nil, 1) {
		if err != nil {
			return 0, err
		}
		if m.Flags&mailbox.Deleted == 0 {
			continue
		}
		n, err := m.Size()
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
