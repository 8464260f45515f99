package imapserver

import (
	"context"
	"errors"
	"strings"

	"github.com/mailstead/mailstead/imap/imapwire"
)

// idle answers IDLE (RFC 9051 section 6.3.13). One goroutine waits for the
// client's DONE, this one for changes; each change is told at once.
func (s *session) idle(ctx context.Context, args *imapwire.Decoder) error {
	if err := args.End(); err != nil {
		return err
	}
	changed, stop := s.account.Watch()
	defer stop()
	s.out.Raw("+ idling\r\n")
	// What happened before Watch began would not be signalled.
	if err := s.sync(ctx, true); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	type line struct {
		text string
		err  error
	}
	answer := make(chan line, 1)
	s.idling = true
	go func() { // ends with the line, or with the connection
		text, err := args.ReadLine()
		answer <- line{text, err}
	}()
	for {
		select {
		case l := <-answer:
			s.idling = false
			if l.err != nil {
				return l.err
			}
			if !strings.EqualFold(l.text, "DONE") {
				return bad("Expected DONE")
			}
			return s.ok("IDLE ended")
		case <-changed:
			if err := s.push(ctx); err != nil || s.state == loggedOut {
				s.conn.Close() // ends the read
				<-answer
				s.idling, s.state = false, loggedOut
				return errors.Join(errAnswered, err)
			}
		}
	}
}

// push tells the client of changes in the middle of IDLE.
func (s *session) push(ctx context.Context) error {
	if err := s.sync(ctx, true); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	s.broken = s.conn.Flush()
	return s.broken
}
