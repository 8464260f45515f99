package inbound

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// withoutForgeries returns the header without what only we may write:
// Authentication-Results in our name (RFC 8601 section 5), Return-Path, which
// final delivery writes (RFC 5321 section 4.4), and our verdict.
func withoutForgeries(header []byte, us mail.Domain) []byte {
	return message.RemoveFieldsFunc(header, func(f message.Field) bool {
		switch {
		case strings.EqualFold(f.Name, "Return-Path"), strings.EqualFold(f.Name, verdictField):
			return true
		case strings.EqualFold(f.Name, "Authentication-Results"):
			return isOurs(authservID(f.Value()), us)
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

// authservID returns the name at the beginning of an Authentication-Results
// field, without comments and quotes; "" if there is none.
func authservID(value string) string {
	var id []byte
	depth, quoted := 0, false
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && (quoted || depth > 0) && i+1 < len(value):
			if i++; depth == 0 {
				id = append(id, value[i])
			}
		case quoted && c != '"':
			id = append(id, c)
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && depth == 0 && len(id) > 0:
			return string(id)
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == ';':
			return string(id)
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if len(id) > 0 {
				return string(id)
			}
		default:
			id = append(id, c)
		}
	}
	return string(id)
}

// traceHeader makes the fields that are put before the message, the newest
// first: Authentication-Results, Received-SPF and what else checks have to
// say, Received.
func (s *Service) traceHeader(m *Mail, now time.Time) []byte {
	var b bytes.Buffer
	b.Write(m.ResultsField(s.opts.Hostname))
	for _, f := range m.Findings {
		b.Write(f.Header)
	}
	b.WriteString(s.received(m, m.ClientName(), now))
	return b.Bytes()
}

// ResultsField makes the Authentication-Results of what was found so far, in
// the name of authserv-id us.
func (m *Mail) ResultsField(us mail.Domain) []byte {
	results := mail.AuthResults{ServID: us}
	for _, f := range m.Findings {
		results.Results = append(results.Results, f.Results...)
	}
	return fmt.Appendf(nil, "Authentication-Results: %s\r\n", results)
}

// ClientName is the name of the client that was confirmed both ways, or "".
func (m *Mail) ClientName() (name string) {
	for _, f := range m.Findings {
		name = cmp.Or(f.ClientName, name)
	}
	return name
}

// received makes the trace field of RFC 5321 section 4.4. A recipient is
// named only if there is no other: they need not know of each other (section
// 7.2).
func (s *Service) received(m *Mail, name string, now time.Time) string {
	var b strings.Builder
	literal := addressLiteral(m)
	hello := literal
	if d, err := mail.ParseDomain(m.Client.Hello); err == nil {
		hello = string(d)
	}
	if name != "" {
		name += " "
	}
	fmt.Fprintf(&b, "Received: from %s (%s%s)\r\n\tby %s with %s id %s", hello, name, literal, s.opts.Hostname, m.Client.Protocol, m.ID)
	if len(m.Envelope.Recipients) == 1 {
		fmt.Fprintf(&b, "\r\n\tfor %s", m.Envelope.Recipients[0].Path.Wire())
	}
	if m.Client.Cipher != "" {
		fmt.Fprintf(&b, "\r\n\ttls %s", m.Client.Cipher) // RFC 8314 section 4.3
	}
	fmt.Fprintf(&b, ";\r\n\t%s\r\n", now.Format(time.RFC1123Z))
	return b.String()
}

func addressLiteral(m *Mail) string {
	addr := m.Client.Addr.Unmap().WithZone("")
	if addr.Is4() {
		return "[" + addr.String() + "]"
	}
	return "[IPv6:" + addr.String() + "]"
}
