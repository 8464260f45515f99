package smtpclient

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Bounds of a reply. RFC 5321 section 4.5.3.1.5 allows lines of 512 octets;
// real servers send longer ones with links to their policies.
const (
	maxReplyLine  = 4096 // octets of a line, also the size of the read buffer
	maxReplyLines = 128  // the longest EHLO replies have some thirty
	maxReplyText  = 1000 // octets of Reply texts that are handed on
)

// errReply is returned for octets that are no SMTP reply.
var errReply = errors.New("smtpclient: not an SMTP reply")

// reply is what a server said to one command.
type reply struct {
	code   int
	status mail.Status // enhanced status code; zero if there is none
	lines  []string    // texts without codes; no control characters
}

// readReply reads one reply of any number of lines (RFC 5321 section 4.2.1).
func readReply(r *bufio.Reader) (reply, error) {
	var p reply
	for range maxReplyLines {
		line, err := readLine(r)
		if err != nil {
			return reply{}, err
		}
		code, more, text, err := splitLine(line)
		if err != nil {
			return reply{}, err
		}
		if p.code != 0 && p.code != code {
			return reply{}, fmt.Errorf("%w: lines with %d and %d", errReply, p.code, code)
		}
		p.code = code
		p.add(text)
		if !more {
			return p, nil
		}
	}
	return reply{}, fmt.Errorf("%w: more than %d lines", errReply, maxReplyLines)
}

// readLine reads a line without its end. A bare LF ends a line too: it cannot
// be mistaken for anything else here.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("%w: line longer than %d octets", errReply, maxReplyLine)
	case err == io.EOF && len(line) > 0:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// splitLine takes a reply line apart: "250-text", "250 text" or "250".
func splitLine(line string) (code int, more bool, text string, err error) {
	if len(line) < 3 {
		return 0, false, "", fmt.Errorf("%w: %q", errReply, line)
	}
	for i := range 3 {
		if line[i] < '0' || line[i] > '9' {
			return 0, false, "", fmt.Errorf("%w: %.40q", errReply, line)
		}
		code = code*10 + int(line[i]-'0')
	}
	if code < 200 || code > 599 {
		return 0, false, "", fmt.Errorf("%w: code %d", errReply, code)
	}
	if len(line) == 3 {
		return code, false, "", nil
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, "", fmt.Errorf("%w: %.40q", errReply, line)
	}
	return code, line[3] == '-', line[4:], nil
}

// add takes the text of one more line. An enhanced status code may stand on
// each of them (RFC 2034 section 4); it counts if it agrees with the code.
func (p *reply) add(text string) {
	text = clean(text)
	first, rest, _ := strings.Cut(text, " ")
	if s, err := mail.ParseStatus(first); err == nil && int(s.Class) == p.code/100 {
		p.status, text = s, rest
	}
	p.lines = append(p.lines, text)
}

// clean keeps the texts of strangers from doing harm in logs and reports.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "?")
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, s))
}

// text is what the server said in words, in one line.
func (p reply) text() string {
	s := strings.Join(p.lines, " ")
	if len(s) > maxReplyText {
		s = strings.ToValidUTF8(s[:maxReplyText], "")
	}
	return s
}

// String returns the reply in one line: "550 5.1.1 no such user".
func (p reply) String() string {
	s := fmt.Sprintf("%d ", p.code)
	if p.status != (mail.Status{}) {
		s += p.status.String() + " "
	}
	return strings.TrimSpace(s + p.text())
}

func (p reply) positive() bool { return p.code/100 == 2 }

// err turns a reply that was not hoped for into an error. Anything but 4yz
// and 5yz is not a verdict, so it is tried again.
func (p reply) err() *mail.Error {
	e := &mail.Error{Status: p.status, Code: p.code, Text: asciiText(p.text())}
	switch {
	case p.code < 400:
		e.Status = mail.Status{Class: 4, Subject: 5}
		e.Code, e.Text = 0, "unexpected reply "+asciiText(p.String())
	case e.Status == (mail.Status{}):
		e.Status = mail.Status{Class: uint8(p.code / 100)}
	}
	return e
}

func asciiText(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 0x80 {
			return '?'
		}
		return c
	}, s)
}
