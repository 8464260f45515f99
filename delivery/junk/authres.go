package junk

import (
	"net/netip"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// authentication fills in what our Authentication-Results said when a message
// came. header is what we have put before it: fields that strangers wrote in
// our name were taken out then.
func (e *Evidence) authentication(header []byte, us mail.Domain) {
	for value := range message.FieldValues(header, "Authentication-Results") {
		id, results, _ := strings.Cut(value, ";")
		if !strings.EqualFold(strings.TrimSpace(id), string(us)) {
			continue
		}
		for _, r := range splitResults(results) {
			e.result(r)
		}
		return
	}
}

// transport fills in what our Received and Delivered-To say of how a message
// came: the client's names and the recipient.
func (e *Evidence) transport(ours, account []byte) {
	for value := range message.FieldValues(ours, "Received") {
		hello, rest, _ := strings.Cut(strings.TrimPrefix(value, "from "), " (")
		e.Hello = hello
		if rest, _, _ = strings.Cut(rest, ")"); !strings.HasPrefix(rest, "[") {
			e.ClientName, _, _ = strings.Cut(rest, " ")
		}
		break
	}
	for value := range message.FieldValues(account, "Delivered-To") {
		if p, err := mail.ParseAddress(value); err == nil {
			e.Envelope.Recipients = []mail.Recipient{{Path: p}}
		}
		break
	}
}

// result takes one result: its method, and the properties after it.
func (e *Evidence) result(words []string) {
	if len(words) == 0 {
		return
	}
	method, result, _ := strings.Cut(words[0], "=")
	props := map[string]string{}
	for _, w := range words[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			props[k] = v
		}
	}
	switch method {
	case "iprev":
		e.Client, _ = netip.ParseAddr(props["policy.iprev"])
	case "spf":
		from, ok := props["smtp.mailfrom"]
		if !ok {
			return
		}
		e.SPF = result
		if i := strings.LastIndexByte(from, '@'); i >= 0 {
			from = from[i+1:]
		}
		e.Envelope.ReversePath.Domain, _ = mail.ParseDomain(from)
	case "dkim":
		if d, err := mail.ParseDomain(props["header.d"]); err == nil && result == "pass" {
			e.DKIM = append(e.DKIM, d)
		}
	case "dmarc": // of several authors, all have to pass
		if e.DMARC == "" || e.DMARC == "pass" {
			e.DMARC = result
		}
	}
}

// splitResults divides results at semicolons and each at white space, without
// comments and quotes (RFC 8601 section 2.2).
func splitResults(s string) [][]string {
	var all [][]string
	var words []string
	var word []byte
	depth, quoted := 0, false
	end := func() {
		if len(word) > 0 {
			words, word = append(words, string(word)), nil
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0) && i+1 < len(s):
			if i++; quoted {
				word = append(word, s[i])
			}
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
			word = append(word, c)
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == ';':
			end()
			all, words = append(all, words), nil
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			end()
		default:
			word = append(word, c)
		}
	}
	end()
	return append(all, words)
}
