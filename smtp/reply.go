package smtp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Reply is an SMTP reply (RFC 5321 section 4.2) with its enhanced status code
// (RFC 2034). Lines of Text are joined by "\n".
type Reply struct {
	Code   int
	Status mail.Status // zero: none is written (220, 250 to EHLO, 334, 354)
	Text   string
}

// maxReplyText bounds one line of a reply (RFC 5321 section 4.5.3.1.5: 512
// octets with code and line end).
const maxReplyText = 480

// String returns the reply as it goes over the wire, with CRLF.
func (r Reply) String() string { return string(r.Append(nil)) }

// Append appends the reply as it goes over the wire.
func (r Reply) Append(b []byte) []byte {
	lines := strings.Split(r.Text, "\n")
	for i, line := range lines {
		sep := byte('-')
		if i == len(lines)-1 {
			sep = ' '
		}
		b = append(fmt.Appendf(b, "%d", r.Code), sep)
		if r.Status != (mail.Status{}) {
			b = append(append(b, r.Status.String()...), ' ')
		}
		b = append(append(b, cleanLine(line)...), "\r\n"...)
	}
	return b
}

// cleanLine keeps control characters and octets beyond ASCII out of replies.
func cleanLine(s string) string {
	if len(s) > maxReplyText {
		s = s[:maxReplyText]
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
}

// codes are the replies that RFC 5321 and its extensions give for a status,
// where 450 and 550 of its class is not the one.
var codes = map[mail.Status]int{
	{Class: 4, Subject: 2, Detail: 2}:  452,
	{Class: 4, Subject: 3, Detail: 0}:  451,
	{Class: 4, Subject: 3, Detail: 1}:  452,
	{Class: 4, Subject: 3, Detail: 2}:  421,
	{Class: 4, Subject: 4, Detail: 2}:  421,
	{Class: 4, Subject: 5, Detail: 3}:  452,
	{Class: 4, Subject: 7, Detail: 0}:  454,
	{Class: 4, Subject: 7, Detail: 1}:  451,
	{Class: 5, Subject: 1, Detail: 3}:  553,
	{Class: 5, Subject: 2, Detail: 2}:  552,
	{Class: 5, Subject: 3, Detail: 4}:  552,
	{Class: 5, Subject: 4, Detail: 6}:  554,
	{Class: 5, Subject: 5, Detail: 1}:  503,
	{Class: 5, Subject: 5, Detail: 2}:  500,
	{Class: 5, Subject: 5, Detail: 4}:  501,
	{Class: 5, Subject: 6, Detail: 0}:  554,
	{Class: 5, Subject: 6, Detail: 7}:  553,
	{Class: 5, Subject: 7, Detail: 0}:  530,
	{Class: 5, Subject: 7, Detail: 8}:  535,
	{Class: 5, Subject: 7, Detail: 10}: 523,
}

// CodeFor returns the reply code that goes with a status.
func CodeFor(s mail.Status) int {
	if c, ok := codes[s]; ok {
		return c
	}
	switch s.Class {
	case 2:
		return 250
	case 5:
		return 550
	}
	return 451
}

// ReplyFor turns an error into the reply for the peer. What nobody classified
// is "451 4.3.0" with a text that tells nothing.
func ReplyFor(err error) Reply {
	var e *mail.Error
	if !errors.As(err, &e) {
		return Reply{451, mail.StatusUnclassified, "something went wrong here, try again later"}
	}
	r := Reply{e.Code, e.Status, e.Text}
	if r.Code == 0 {
		r.Code = CodeFor(e.Status)
	}
	if r.Text == "" {
		r.Text = "no"
	}
	return r
}
