package imapserver

import (
	"context"

	"github.com/mailstead/mailstead/imap/imapwire"
)

// noop answers NOOP (RFC 9051 section 6.1.2) and CHECK: what happened
// meanwhile is told with every answer.
func (s *session) noop(_ context.Context, args *imapwire.Decoder) error {
	if err := args.End(); err != nil {
		return err
	}
	return s.ok("")
}

// logout answers LOGOUT (RFC 9051 section 6.1.3).
func (s *session) logout(_ context.Context, args *imapwire.Decoder) error {
	if err := args.End(); err != nil {
		return err
	}
	s.bye("", "Good-bye")
	return s.ok("")
}

// namespace answers NAMESPACE (RFC 9051 section 6.3.10): all mailboxes are
// the user's own.
func (s *session) namespace(_ context.Context, args *imapwire.Decoder) error {
	if err := args.End(); err != nil {
		return err
	}
	s.out.Raw("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")
	return s.ok("")
}
