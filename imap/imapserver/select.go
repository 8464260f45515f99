package imapserver

import (
	"context"
	"strconv"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// selectBox answers SELECT (RFC 9051 section 6.3.2).
func (s *session) selectBox(ctx context.Context, args *imapwire.Decoder) error {
	return s.open(ctx, args, false)
}

// examineBox answers EXAMINE (RFC 9051 section 6.3.3).
func (s *session) examineBox(ctx context.Context, args *imapwire.Decoder) error {
	return s.open(ctx, args, true)
}

func (s *session) open(ctx context.Context, args *imapwire.Decoder, readOnly bool) error {
	name := args.SP().Mailbox(s.out.UTF8)
	condStore := false
	if args.TrySP() { // RFC 4466 section 2.1: parameters
		args.List(func() {
			if args.Name() != "CONDSTORE" {
				args.Fail("Unknown parameter")
			}
			condStore = true
		})
	}
	if err := args.End(); err != nil {
		return err
	}
	// Even one that fails ends the state selected.
	if s.state == selected {
		s.leave()
		s.untagged(string(imapext.CodeClosed), "Previous mailbox is closed")
	}
	s.condStore = s.condStore || condStore
	box, info, unseen, err := s.readBox(ctx, name, readOnly)
	if err != nil {
		return err
	}
	s.box, s.state = box, selected
	s.describe(&info, unseen)
	if readOnly {
		return s.okCode(string(imapext.CodeReadOnly), "Mailbox is open for reading")
	}
	return s.okCode(string(imapext.CodeReadWrite), "Mailbox is open")
}

// leave goes back to the state authenticated.
func (s *session) leave() { s.box, s.state = nil, authenticated }

// unseenWalk bounds the search for the first message without \Seen, which
// RFC 3501 section 6.3.1 lets a server leave out.
const unseenWalk = 20_000

// readBox opens a mailbox in one snapshot. unseen is the number of the first
// message without \Seen, if it was looked for and found.
func (s *session) readBox(ctx context.Context, name string, readOnly bool) (b *openBox, info mailbox.Mailbox, unseen uint32, err error) {
	err = s.account.View(ctx, func(v *mailbox.View) error {
		if info, err = v.MailboxByName(name); err != nil {
			return err
		}
		b = &openBox{
			id: info.ID, name: info.Name, validity: info.UIDValidity, readOnly: readOnly,
			gone: &mailbox.UIDSet{}, keywords: v.Keywords(),
		}
		b.follows(v.ModSeq())
		for _, u := range v.UIDs(info.ID, make([]mailbox.UID, 0, info.Exists)) {
			b.seqs.add(u)
		}
		b.told = b.seqs.len()
		if s.rev2 || info.Unseen == 0 {
			return nil
		}
		n := uint32(0)
		for m, err := range v.Messages(info.ID, nil, 1) {
			if n++; err != nil || n > unseenWalk {
				return err
			}
			if m.Flags&mailbox.Seen == 0 {
				unseen = n
				break
			}
		}
		return nil
	})
	return b, info, unseen, err
}

// describe writes what SELECT tells. Deviation: \Recent, which RFC 9051 has
// dropped, is never given to a message, so RECENT is 0 for IMAP4rev1 clients.
func (s *session) describe(info *mailbox.Mailbox, unseen uint32) {
	s.announceFlags()
	s.out.Raw("* ").Number(uint64(s.box.told)).Raw(" EXISTS\r\n")
	if !s.rev2 {
		s.out.Raw("* 0 RECENT\r\n")
	}
	if unseen > 0 {
		s.untagged(code(imapext.CodeUnseen, uint64(unseen)), "First unseen message")
	}
	s.untagged(code(imapext.CodeUIDValidity, uint64(info.UIDValidity)), "UIDs are valid")
	s.untagged(code(imapext.CodeUIDNext, uint64(info.UIDNext)), "Predicted next UID")
	s.untagged(code(imapext.CodeHighestModSeq, uint64(info.HighestModSeq)), "Highest mod-sequence")
	s.untagged(mailboxIDCode(info), "Identifier of this mailbox")
	if s.rev2 {
		s.writeList(&listEntry{box: *info, exists: true}, &listRequest{})
	}
}

// code returns a response code with a number.
func code[C ~string](name C, n uint64) string { return string(name) + " " + strconv.FormatUint(n, 10) }

// mailboxIDCode is the response code of RFC 8474 section 4.2.
func mailboxIDCode(m *mailbox.Mailbox) string {
	return string(imapext.CodeMailboxID) + " (" + m.ObjectID + ")"
}

// closeBox answers CLOSE (RFC 9051 section 6.4.1). After EXAMINE it removes
// nothing.
func (s *session) closeBox(ctx context.Context, args *imapwire.Decoder) error {
	if err := args.End(); err != nil {
		return err
	}
	box := s.box
	s.leave()
	if !box.readOnly {
		if _, err := s.account.Expunge(ctx, box.id, nil); err != nil {
			return err
		}
	}
	return s.ok("")
}

// unselect answers UNSELECT (RFC 9051 section 6.4.2).
func (s *session) unselect(_ context.Context, args *imapwire.Decoder) error {
	if err := args.End(); err != nil {
		return err
	}
	s.leave()
	return s.ok("")
}
