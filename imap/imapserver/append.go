package imapserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/emersion/go-imap/v2"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of one APPEND with several messages (RFC 3502).
const (
	maxAppend      = 1000
	maxAppendTotal = 4        // times the limit of one message
	maxAppendIndex = 16 << 20 // of memory for what is known of the messages
)

// appendMessages answers APPEND (RFC 9051 section 6.3.12) with MULTIAPPEND
// (RFC 3502), literal8 (RFC 3516) and UTF8 (RFC 6855 section 4).
//
// A message is refused before the client of a synchronising literal sends it.
// One that comes unasked for is passed over by the decoder.
func (s *session) appendMessages(ctx context.Context, args *imapwire.Decoder) error {
	name := args.SP().Mailbox(s.out.UTF8)
	if err := args.Err(); err != nil {
		return err
	}
	box, err := s.appendTarget(ctx, name)
	if err != nil {
		return err
	}
	a := &appendRun{s: s, ctx: ctx, spool: s.srv.Intake.NewSpool()}
	defer a.spool.Close()
	for ok := true; ok; ok = !args.AtEnd() {
		if err := a.read(args); err != nil {
			return err
		}
	}
	if err := args.End(); err != nil {
		return err
	}
	if err := a.index(); err != nil {
		return err
	}
	res, err := s.account.Append(ctx, box, a.msgs...)
	if errors.Is(err, mailbox.ErrNotFound) {
		return errTryCreate
	}
	if err != nil {
		return err
	}
	uids := mailbox.NewUIDSet(res.UIDs...)
	return s.okCode(fmt.Sprintf("%s %d %s", imapext.CodeAppendUID, res.UIDValidity, uidText(uids)), "Message is stored")
}

var errTryCreate = no(imap.ResponseCodeTryCreate, "No such mailbox")

// appendTarget finds the mailbox before anything is taken. It waits for mail
// that comes in only if there is no such mailbox yet.
func (s *session) appendTarget(ctx context.Context, name string) (mailbox.ID, error) {
	var id mailbox.ID
	find := func(v *mailbox.View) error {
		box, err := v.MailboxByName(name)
		id = box.ID
		return err
	}
	err := s.account.Peek(ctx, find)
	if errors.Is(err, mailbox.ErrNotFound) {
		err = s.account.View(ctx, find)
	}
	if errors.Is(err, mailbox.ErrNotFound) {
		return 0, errTryCreate
	}
	return id, err
}

// appendRun collects the messages of one APPEND.
type appendRun struct {
	s    *session
	ctx  context.Context
	msgs []*mailbox.NewMessage
	// spool has all of them, one after the other: what is in memory is bounded
	// for the whole command.
	spool *message.Spool
}

// read reads one message with its flags and date.
func (a *appendRun) read(args *imapwire.Decoder) error {
	m := &mailbox.NewMessage{}
	args.SP()
	if args.Peek() == '(' {
		var flags []imap.Flag
		args.List(func() { flags = append(flags, args.Flag()) })
		args.SP()
		if err := args.Err(); err != nil {
			return err
		}
		var err error
		if m.Flags, m.Keywords, err = splitFlags(flags); err != nil {
			return err
		}
	}
	if args.Peek() == '"' {
		m.InternalDate = args.DateTime()
		args.SP()
	}
	utf8 := a.beginUTF8(args)
	if err := a.take(args, m); err != nil {
		return err
	}
	if utf8 {
		args.Expect(')')
	}
	a.msgs = append(a.msgs, m)
	return args.Err()
}

// beginUTF8 takes "UTF8 (" before the literal: the message may have UTF-8 in
// its header, which we take from everybody.
func (a *appendRun) beginUTF8(args *imapwire.Decoder) bool {
	if _, ok := args.PeekLiteral(); ok || args.AtEnd() {
		return false
	}
	if args.Name() != "UTF8" {
		args.Fail("Expected a message literal")
	}
	args.SP().Expect('(')
	return true
}

// take reads the literal into the spool.
func (a *appendRun) take(args *imapwire.Decoder, m *mailbox.NewMessage) error {
	l, ok := args.PeekLiteral()
	if !ok {
		args.Fail("Expected a message literal")
		return args.Err()
	}
	limit := a.s.appendLimit
	switch {
	case l.Size > limit:
		return no(imap.ResponseCodeTooBig, "A message can have up to "+strconv.FormatInt(limit, 10)+" octets")
	case a.spool.Size()+l.Size > maxAppendTotal*limit, len(a.msgs) == maxAppend:
		return errTooMuch
	case l.Size == 0:
		return no("", "Message is empty") // RFC 3502 section 3: so a client cancels
	}
	start := a.spool.Size()
	if err := a.s.srv.Boxes.CheckQuota(a.ctx, a.s.account.ID(), start+l.Size); err != nil {
		return err
	}
	if err := a.s.srv.Disk.Fits(disk.Mail, start+l.Size); err != nil {
		return err
	}
	err := a.spool.Fill(args.Literal(), io.Discard)
	if err := args.Err(); err != nil {
		return err // cut off, or what follows the literal is wrong
	}
	if err != nil {
		return fmt.Errorf("spool message: %w", err)
	}
	n := a.spool.Size() - start
	m.Body, m.Size = io.NewSectionReader(a.spool, start, n), n
	return nil
}

var errTooMuch = no(imap.ResponseCodeTooBig, "Too much for one command")

// index indexes all messages, once the client has sent the last: a small one
// can have so many parts that it takes megabytes, which must not wait for what
// a client does not send.
func (a *appendRun) index() error {
	start, cost := int64(0), int64(0)
	for _, m := range a.msgs {
		indexer := message.NewIndexer()
		if err := a.spool.Show(indexer, start, start+m.Size); err != nil {
			return fmt.Errorf("spool message: %w", err)
		}
		start += m.Size
		m.Index = indexer.Close()
		if cost += indexer.Cost(); cost > maxAppendIndex {
			return errTooMuch
		}
	}
	return nil
}
