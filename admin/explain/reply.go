package explain

import (
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// maxReply bounds what is looked at of a reply.
const maxReply = 2_000

// Reply is an SMTP reply taken apart.
type Reply struct {
	Code   int         // 0: the text is not a reply, but words of ours
	Status mail.Status // zero if it has none
	Text   string
}

// ParseReply reads "550 5.1.1 no such user", also with a dash after the code
// or in the status code, as some write "421-4.7.0".
func ParseReply(s string) Reply {
	s = strings.TrimSpace(s[:min(len(s), maxReply)])
	if len(s) < 3 || len(s) > 3 && s[3] != ' ' && s[3] != '-' {
		return Reply{Text: s}
	}
	code, err := strconv.Atoi(s[:3])
	if err != nil || code < 200 || code > 599 {
		return Reply{Text: s}
	}
	r := Reply{Code: code, Text: strings.TrimLeft(s[3:], " -")}
	first, rest, _ := strings.Cut(r.Text, " ")
	if st, err := mail.ParseStatus(first); err == nil {
		r.Status, r.Text = st, strings.TrimSpace(rest)
	}
	return r
}

// String is the reply on one line.
func (r Reply) String() string {
	var parts []string
	if r.Code != 0 {
		parts = append(parts, strconv.Itoa(r.Code))
	}
	if r.Status != (mail.Status{}) {
		parts = append(parts, r.Status.String())
	}
	return strings.Join(append(parts, r.Text), " ")
}

// class is the first digit of the code, or else of the status; 0 if there is
// neither.
func (r Reply) class() int {
	if r.Code != 0 {
		return r.Code / 100
	}
	return int(r.Status.Class)
}
