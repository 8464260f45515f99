package imapserver

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// status writes a status response (RFC 9051 section 7.1).
func (s *session) status(tag, kind, code, text string) {
	s.out.Raw(tag).SP().Raw(kind).SP()
	if code != "" {
		s.out.Raw("[").Raw(code).Raw("] ")
	}
	s.out.Line(text)
}

// untagged writes "* OK [code] text".
func (s *session) untagged(code, text string) { s.status("*", "OK", code, text) }

// ok ends a command well.
func (s *session) ok(text string) error {
	s.reply = reply{text: text}
	return nil
}

// okCode ends a command well, with a response code.
func (s *session) okCode(code, text string) error {
	s.reply = reply{code: code, text: text}
	return nil
}

// no is the error of a command that is refused with NO. text is for people.
func no(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// bad is the error of a command that makes no sense.
func bad(text string) error { return &imapwire.SyntaxError{Text: text} }

// errAnswered means that the handler has written the tagged response itself.
var errAnswered = errors.New("imapserver: answered")

var errReadOnly = no(imap.ResponseCodeNoPerm, "Mailbox was opened with EXAMINE")

// answer tells what happened meanwhile and ends the command: the one place
// that writes tagged responses.
func (s *session) answer(ctx context.Context, err error) {
	if errors.Is(err, errAnswered) {
		return
	}
	tag := s.cmd.tag
	if tag == "" {
		tag = "*"
	}
	if s.state == selected {
		if sync := s.sync(ctx, s.cmd.expunge); sync != nil && err == nil {
			err = sync
		}
	}
	if err == nil {
		text := s.reply.text
		if text == "" {
			text = s.cmd.name + " done"
		}
		s.status(tag, "OK", s.reply.code, text)
		return
	}
	e := s.failure(err)
	if e.Type == imap.StatusResponseTypeBad {
		s.bad++
	}
	s.status(tag, string(e.Type), string(e.Code), e.Text)
}

// capitalised begins a text as our others do.
func capitalised(s string) string {
	if s == "" {
		return "Login is not possible now"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// failure turns an error into what the client is told. Errors that have no
// meaning for it are logged here and nowhere else.
func (s *session) failure(err error) *imap.Error {
	var told *imap.Error
	var syntax *imapwire.SyntaxError
	var named *mail.Error // of a login: its text is for the person
	no := func(code imap.ResponseCode, text string) *imap.Error {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
	}
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &syntax) && syntax.TooBig:
		return &imap.Error{Type: imap.StatusResponseTypeBad, Code: imap.ResponseCodeTooBig, Text: syntax.Text}
	case errors.As(err, &syntax):
		return &imap.Error{Type: imap.StatusResponseTypeBad, Text: syntax.Text}
	case errors.Is(err, imapwire.ErrName), errors.Is(err, mailbox.ErrName):
		return no(imap.ResponseCodeCannot, "Mailbox name is not allowed")
	case errors.Is(err, mailbox.ErrNotFound):
		return no(imap.ResponseCodeNonExistent, "No such mailbox")
	case errors.Is(err, mailbox.ErrExists):
		return no(imap.ResponseCodeAlreadyExists, "Mailbox exists already")
	case errors.Is(err, mailbox.ErrHasChildren):
		return no(imap.ResponseCodeHasChildren, "Mailbox has others below it")
	case errors.Is(err, mailbox.ErrOverQuota):
		return no(imap.ResponseCodeOverQuota, "Quota is used up")
	case errors.Is(err, mailbox.ErrTooManyKeywords):
		return no(imap.ResponseCodeLimit, "Too many different keywords")
	case errors.Is(err, mailbox.ErrTooManyBoxes):
		return no(imap.ResponseCodeLimit, "Too many mailboxes")
	case errors.Is(err, sasl.ErrFailed):
		return no(imap.ResponseCodeAuthenticationFailed, "Login or password is wrong")
	case errors.As(err, &named) && s.account == nil && named.Status.Temporary():
		return no(imapext.CodeUnavailable, capitalised(named.Text))
	case errors.As(err, &named) && s.account == nil:
		return no(imap.ResponseCodeAlert, capitalised(named.Text))
	case errors.Is(err, store.ErrNoBody):
		return no(imapext.CodeExpungeIssued, "Some of these messages were expunged meanwhile")
	case errors.Is(err, store.ErrFull):
		s.log.Warn("command failed", "command", s.cmd.name, "err", err) // what stopped has said so
		return no(imapext.CodeUnavailable, "Server has no room for more mail")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return no(imapext.CodeUnavailable, "Server is shutting down")
	}
	s.log.Error("command failed", "command", s.cmd.name, "err", err)
	return no(imapext.CodeUnavailable, "Internal error; try again later")
}
