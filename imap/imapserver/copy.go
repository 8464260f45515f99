package imapserver

import (
	"context"
	"errors"
	"fmt"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// copyMessages answers COPY and UID COPY (RFC 9051 section 6.4.7).
func (s *session) copyMessages(ctx context.Context, args *imapwire.Decoder) error {
	res, err := s.transfer(ctx, args, (*mailbox.Account).Copy)
	if err != nil {
		return err
	}
	if c := copyUID(res); c != "" {
		return s.okCode(c, "Messages are copied")
	}
	return s.ok("")
}

// move answers MOVE and UID MOVE (RFC 9051 section 6.4.8). COPYUID comes
// before the EXPUNGE responses, which the change feed gives.
func (s *session) move(ctx context.Context, args *imapwire.Decoder) error {
	res, err := s.transfer(ctx, args, (*mailbox.Account).Move)
	if err != nil {
		return err
	}
	if c := copyUID(res); c != "" {
		s.untagged(c, "Messages are moved")
	}
	return s.ok("")
}

type transferFunc func(a *mailbox.Account, ctx context.Context, from mailbox.ID, set *mailbox.UIDSet, to mailbox.ID) (mailbox.CopyResult, error)

func (s *session) transfer(ctx context.Context, args *imapwire.Decoder, do transferFunc) (mailbox.CopyResult, error) {
	args.SP()
	set, err := s.set(args)
	if err != nil {
		return mailbox.CopyResult{}, err
	}
	name := args.SP().Mailbox(s.out.UTF8)
	if err := args.End(); err != nil {
		return mailbox.CopyResult{}, err
	}
	moving := s.cmd.name == "MOVE" || s.cmd.name == "UID MOVE"
	if moving && s.box.readOnly {
		return mailbox.CopyResult{}, errReadOnly
	}
	to, err := s.appendTarget(ctx, name)
	if err != nil {
		return mailbox.CopyResult{}, err
	}
	if set.Empty() {
		return mailbox.CopyResult{}, nil
	}
	res, err := do(s.account, ctx, s.box.id, set, to)
	switch {
	case errors.Is(err, mailbox.ErrNotFound):
		return res, errTryCreate
	case err != nil:
		return res, err
	case len(res.Source) == 0 && !s.cmd.byUID:
		return res, no(imapext.CodeExpungeIssued, "These messages were expunged meanwhile")
	}
	return res, nil
}

// copyUID returns the response code, or "" if nothing was copied: COPYUID
// cannot say that (RFC 4315 section 3).
func copyUID(res mailbox.CopyResult) string {
	if len(res.Source) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %d %s %s", imapext.CodeCopyUID, res.UIDValidity, uidText(mailbox.NewUIDSet(res.Source...)), uidText(mailbox.NewUIDSet(res.Dest...)))
}
