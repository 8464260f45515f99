package imapserver

import (
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/message"
)

// writeEnvelope writes ENVELOPE (RFC 9051 section 7.5.2), its strings as they
// stand in the header.
func writeEnvelope(e *imapwire.Encoder, env *message.Envelope) {
	e.Raw("(").NString(env.Date, env.HasDate)
	e.SP().NString(env.Subject, env.HasSubject)
	for _, list := range [...][]message.Address{env.From, env.Sender, env.ReplyTo, env.To, env.Cc, env.Bcc} {
		e.SP()
		writeAddresses(e, list)
	}
	e.SP().NString(env.InReplyTo, env.HasInReplyTo)
	e.SP().NString(env.MessageID, env.HasMessageID)
	e.Raw(")")
}

// writeAddresses writes an address list; an empty one is NIL. A group begins
// with an address that has no host, and ends with an empty one.
func writeAddresses(e *imapwire.Encoder, list []message.Address) {
	if len(list) == 0 {
		e.Raw("NIL")
		return
	}
	e.Raw("(")
	for _, a := range list {
		e.Raw("(").NString(a.Name, a.Name != "")
		e.Raw(" NIL ").NString(a.Mailbox, !a.IsGroupEnd())
		e.SP().NString(a.Host, a.Host != "")
		e.Raw(")")
	}
	e.Raw(")")
}
