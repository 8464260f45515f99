package smtpclient

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp"
)

// Refusals of our own, before anything is said to the server.
var (
	statusNeedsUTF8 = mail.Status{Class: 5, Subject: 6, Detail: 7}  // RFC 6531 section 3.5
	statusNeedsTLS  = mail.Status{Class: 5, Subject: 7, Detail: 30} // RFC 8689 section 4.2.1
	statusConvert   = mail.Status{Class: 5, Subject: 6, Detail: 3}  // conversion required but not supported
)

// check says whether the server can take m at all.
func (c *Client) check(m *Message) *mail.Error {
	env := &m.Envelope
	if env.RequireTLS && !c.CanRequireTLS() && !env.ReversePath.IsNull() {
		return mail.Errorf(statusNeedsTLS, "the sender requires TLS all the way, and the next server does not promise it")
	}
	if m.needsUTF8() && !c.offers("SMTPUTF8") {
		return mail.Errorf(statusNeedsUTF8, "the message has addresses or a header in UTF-8, which the server does not support")
	}
	if m.binary() && !(c.offers("BINARYMIME") && c.offers("CHUNKING") && m.Size >= 0) {
		return mail.Errorf(statusConvert, "the message is binary, which the server does not support")
	}
	if limit, err := strconv.ParseInt(c.ext["SIZE"], 10, 64); err == nil && limit > 0 && m.Size > limit {
		return mail.Errorf(mail.StatusTooLarge, "the message has %d octets, the server takes %d", m.Size, limit)
	}
	return nil
}

// CanRequireTLS reports whether REQUIRETLS may be said. A bounce goes on
// without (RFC 8689 section 5).
func (c *Client) CanRequireTLS() bool { return c.offers("REQUIRETLS") && c.Verified() }

func (c *Client) offers(keyword string) bool {
	_, ok := c.ext[keyword]
	return ok
}

// needsUTF8 reports whether the whole message can only go under SMTPUTF8. Raw
// octets above 127 in the header of a message that was not sent under it are
// not UTF-8 by promise; it goes on as it came.
func (m *Message) needsUTF8() bool {
	return m.Envelope.ReversePath.NeedsUTF8() || m.Envelope.UTF8 && m.Traits&message.HasUTF8Header != 0
}

// binary reports whether only BINARYMIME carries the message unharmed. Many
// that are declared so have lines like any other.
func (m *Message) binary() bool {
	const lineless = message.HasNUL | message.HasBareCR | message.HasBareLF | message.HasLongLine
	return m.Envelope.Body == mail.BodyBinaryMIME && m.Traits&lineless != 0
}

// mailCommand is MAIL with all parameters that the server understands.
//
// Deviation: RFC 6152 section 3 wants 8-bit messages converted or returned
// when the server lacks 8BITMIME. They are sent as they are, without BODY:
// conversion breaks signatures, and servers that are not 8-bit clean are gone.
func (c *Client) mailCommand(m *Message, utf8 bool) string {
	env := &m.Envelope
	var b strings.Builder
	b.WriteString("MAIL FROM:" + env.ReversePath.Wire())
	if c.offers("SIZE") && m.Size >= 0 {
		fmt.Fprintf(&b, " SIZE=%d", m.Size)
	}
	switch {
	case m.binary():
		b.WriteString(" BODY=BINARYMIME")
	case c.offers("8BITMIME") && m.Traits&(message.Has8Bit|message.HasUTF8Header) != 0:
		b.WriteString(" BODY=8BITMIME")
	}
	if utf8 {
		b.WriteString(" SMTPUTF8")
	}
	if env.RequireTLS && c.CanRequireTLS() {
		b.WriteString(" REQUIRETLS")
	}
	if c.offers("DSN") {
		switch env.Ret {
		case mail.RetFull:
			b.WriteString(" RET=FULL")
		case mail.RetHeaders:
			b.WriteString(" RET=HDRS")
		}
		if env.EnvID != "" {
			b.WriteString(" ENVID=" + smtp.EncodeXText(env.EnvID))
		}
	}
	return b.String()
}

// rcptCommand is RCPT with the DSN parameters of RFC 3461 section 4.
func (c *Client) rcptCommand(r mail.Recipient) string {
	s := "RCPT TO:" + r.Path.Wire()
	if !c.offers("DSN") {
		return s
	}
	if r.Notify != 0 {
		s += " NOTIFY=" + notify(r.Notify)
	}
	if kind, address, ok := strings.Cut(r.ORcpt, ";"); ok {
		if strings.EqualFold(kind, "utf-8") {
			s += " ORCPT=" + kind + ";" + utf8xtext(address)
		} else {
			s += " ORCPT=" + kind + ";" + smtp.EncodeXText(address)
		}
	}
	return s
}

func notify(n mail.Notify) string {
	if n&mail.NotifyNever != 0 {
		return "NEVER"
	}
	var words []string
	for _, w := range []struct {
		bit  mail.Notify
		word string
	}{{mail.NotifySuccess, "SUCCESS"}, {mail.NotifyFailure, "FAILURE"}, {mail.NotifyDelay, "DELAY"}} {
		if n&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

// utf8xtext encodes an address as utf-8-addr-xtext (RFC 6533 section 3), which
// is ASCII and so may be sent with and without SMTPUTF8.
func utf8xtext(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c < '!' || c > '~' || c == '+' || c == '=' || c == '\\' {
			fmt.Fprintf(&b, `\x{%02X}`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}
