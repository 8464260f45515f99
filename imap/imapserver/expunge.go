package imapserver

import (
	"context"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// expunge answers EXPUNGE and UID EXPUNGE (RFC 9051 sections 6.4.3 and 6.4.9).
// The EXPUNGE responses come from the change feed, like all others.
func (s *session) expunge(ctx context.Context, args *imapwire.Decoder) error {
	var set *mailbox.UIDSet // nil: all
	if s.cmd.byUID {
		args.SP()
		var err error
		if set, err = s.set(args); err != nil {
			return err
		}
	}
	if err := args.End(); err != nil {
		return err
	}
	if s.box.readOnly {
		return errReadOnly
	}
	res, err := s.account.Expunge(ctx, s.box.id, set)
	if err != nil {
		return err
	}
	if !s.condStore || res.UIDs.Empty() {
		return s.ok("")
	}
	return s.okCode(code(imapext.CodeHighestModSeq, uint64(res.ModSeq)), "") // RFC 7162 section 3.2.7
}

// set takes the set of messages a command is about, by UID or by number.
func (s *session) set(args *imapwire.Decoder) (*mailbox.UIDSet, error) {
	take := args.SeqSet
	if s.cmd.byUID {
		take = args.UIDSet
	}
	set := take()
	if err := args.Err(); err != nil {
		return nil, err
	}
	return s.box.seqs.resolve(set, s.box.saved)
}
