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
	opened, err := s.readBox(ctx, name, readOnly)
	if err != nil {
		return err
	}
	s.box, s.state = opened.box, selected
	s.describe(opened)
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

// opened is what SELECT tells of a mailbox.
type opened struct {
	box    *openBox
	info   mailbox.Mailbox
	unseen uint32     // number of the first message without \Seen, if it was looked for and found
	entry  *listEntry // for IMAP4rev2
}

// readBox opens a mailbox in one snapshot.
func (s *session) readBox(ctx context.Context, name string, readOnly bool) (*opened, error) {
	o := &opened{}
	err := s.account.View(ctx, func(v *mailbox.View) (err error) {
		if o.info, err = v.MailboxByName(name); err != nil {
			return err
		}
		b := &openBox{
			id: o.info.ID, name: o.info.Name, validity: o.info.UIDValidity, readOnly: readOnly,
			gone: &mailbox.UIDSet{}, keywords: v.Keywords(),
		}
		b.follows(v.ModSeq())
		o.box = b
		for _, u := range v.UIDs(b.id, make([]mailbox.UID, 0, o.info.Exists)) {
			b.seqs.add(u)
		}
		b.told = b.seqs.len()
		if s.rev2 {
			o.entry, err = entryOf(v, name)
			return err
		}
		o.unseen, err = firstUnseen(v, &o.info)
		return err
	})
	return o, err
}

// firstUnseen returns the number of the first message without \Seen, or 0.
func firstUnseen(v *mailbox.View, info *mailbox.Mailbox) (uint32, error) {
	if info.Unseen == 0 {
		return 0, nil
	}
	n := uint32(0)
	for m, err := range v.Messages(info.ID, nil, 1) {
		if n++; err != nil || n > unseenWalk {
			return 0, err
		}
		if m.Flags&mailbox.Seen == 0 {
			return n, nil
		}
	}
	return 0, nil
}

// describe writes what SELECT tells. Deviation: \Recent, which RFC 9051 has
// dropped, is never given to a message, so RECENT is 0 for IMAP4rev1 clients.
func (s *session) describe(o *opened) {
	info := &o.info
	s.announceFlags()
	s.out.Raw("* ").Number(uint64(s.box.told)).Raw(" EXISTS\r\n")
	if !s.rev2 {
		s.out.Raw("* 0 RECENT\r\n")
	}
	if o.unseen > 0 {
		s.untagged(code(imapext.CodeUnseen, uint64(o.unseen)), "First unseen message")
	}
	s.untagged(code(imapext.CodeUIDValidity, uint64(info.UIDValidity)), "UIDs are valid")
	s.untagged(code(imapext.CodeUIDNext, uint64(info.UIDNext)), "Predicted next UID")
	s.untagged(code(imapext.CodeHighestModSeq, uint64(info.HighestModSeq)), "Highest mod-sequence")
	s.untagged(mailboxIDCode(info), "Identifier of this mailbox")
	if o.entry != nil {
		s.writeList(o.entry, &listRequest{})
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
