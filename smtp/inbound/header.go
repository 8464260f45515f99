package inbound

import (
	"cmp"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/verdict"
)

// withoutForgeries returns the header without what only we may write:
// Authentication-Results in our name (RFC 8601 section 5), Return-Path, which
// final delivery writes (RFC 5321 section 4.4), and our verdict.
func withoutForgeries(header []byte, us mail.Domain) []byte {
	return message.RemoveFieldsFunc(header, func(f message.Field) bool {
		switch {
		case strings.EqualFold(f.Name, "Return-Path"), strings.EqualFold(f.Name, verdict.FieldName):
			return true
		case strings.EqualFold(f.Name, "Authentication-Results"):
			return isOurs(mail.AuthservID(f.Value()), us)
		}
		return false
	})
}

// isOurs reports whether somebody could take an authserv-id for ours: also with
// a final dot, as U-labels, or with something behind that is no part of a name.
// So does a field without an authserv-id.
func isOurs(id string, us mail.Domain) bool {
	if end := strings.IndexFunc(id, func(c rune) bool { return c < '0' && c != '-' && c != '.' || '9' < c && c < 'A' }); end >= 0 {
		id = id[:end]
	}
	id = strings.Trim(id, ".")
	d, err := mail.ParseDomain(id)
	return id == "" || strings.EqualFold(id, string(us)) || err == nil && d == us
}

// traceHeader makes the fields that are put before the message, the newest
// first: Authentication-Results, Received-SPF and what else checks have to
// say, Received.
func (s *Service) traceHeader(m *Mail, now time.Time) []byte {
	b := make([]byte, 0, usualTrace)
	b = append(b, m.ResultsField(s.opts.Hostname)...)
	for i := range m.Findings {
		b = append(b, m.Findings[i].Header...)
	}
	return append(b, s.received(m, m.ClientName(), now)...)
}

// ResultsField makes the Authentication-Results of what was found so far, in
// the name of authserv-id us.
func (m *Mail) ResultsField(us mail.Domain) []byte {
	results := mail.AuthResults{ServID: us, Results: make([]mail.AuthResult, 0, 8)}
	for i := range m.Findings {
		results.Results = append(results.Results, m.Findings[i].Results...)
	}
	return []byte("Authentication-Results: " + results.String() + "\r\n")
}

// ClientName is the name of the client that was confirmed both ways, or "".
func (m *Mail) ClientName() (name string) {
	for i := range m.Findings {
		name = cmp.Or(m.Findings[i].ClientName, name)
	}
	return name
}

// usualTrace is how long our fields are for most messages.
const usualTrace = 2 << 10

// received makes the trace field of RFC 5321 section 4.4. A recipient is
// named only if there is no other: they need not know of each other (section
// 7.2).
func (s *Service) received(m *Mail, name string, now time.Time) string {
	literal := addressLiteral(m)
	hello := literal
	if d, err := mail.ParseDomain(m.Client.Hello); err == nil {
		hello = string(d)
	}
	if name != "" {
		name += " "
	}
	recipient, cipher := "", ""
	if len(m.Envelope.Recipients) == 1 {
		recipient = "\r\n\tfor " + m.Envelope.Recipients[0].Path.Wire()
	}
	if m.Client.Cipher != "" {
		cipher = "\r\n\ttls " + m.Client.Cipher // RFC 8314 section 4.3
	}
	return "Received: from " + hello + " (" + name + literal + ")\r\n\tby " + string(s.opts.Hostname) + " with " + m.Client.Protocol +
		" id " + string(m.ID) + recipient + cipher + ";\r\n\t" + now.Format(time.RFC1123Z) + "\r\n"
}

func addressLiteral(m *Mail) string {
	addr := m.Client.Addr.Unmap().WithZone("")
	if addr.Is4() {
		return "[" + addr.String() + "]"
	}
	return "[IPv6:" + addr.String() + "]"
}
