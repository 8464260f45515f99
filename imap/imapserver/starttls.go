package imapserver

import (
	"context"

	"github.com/mailstead/mailstead/imap/imapwire"
)

// startTLS answers STARTTLS (RFC 9051 section 6.2.1).
func (s *session) startTLS(ctx context.Context, args *imapwire.Decoder) error {
	if err := args.End(); err != nil {
		return err
	}
	switch {
	case s.conn.TLS() != nil:
		return bad("TLS is on already")
	case s.srv.TLS == nil:
		return bad("TLS is not available")
	}
	s.status(s.cmd.tag, "OK", "", "Begin TLS negotiation now")
	if err := s.out.Flush(); err != nil {
		return err
	}
	// What came ahead in plain text may be injected.
	args.Discard()
	if err := s.conn.StartTLS(ctx, s.srv.TLS); err != nil {
		s.log.Info("TLS handshake", "err", err)
		s.state = loggedOut
	}
	s.log = s.srv.Logger.With("remote", s.conn.Remote().Addr().String(), "tls", true)
	return errAnswered
}
