package queue

import (
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// maxCause is enough of a reply to tell causes apart.
const maxCause = 120

// causeOf says why a recipient waits, in the same words for all that wait for
// the same reason: "outlook.com: 451 4.7.650 the mail server # has been …".
func causeOf(d mail.Domain, r *recipient) string {
	if r.status == (mail.Status{}) {
		return NotTried
	}
	where := string(d)
	if r.mx != "" {
		where = Organisation(r.mx)
	}
	said := r.reply
	if !strings.Contains(said, r.status.String()) {
		said = r.status.String() + " " + said
	}
	return where + ": " + steady(said)
}

// Organisation is the end of a host name that the hosts of one provider have
// in common, as a rule.
func Organisation(host string) string {
	labels := strings.Split(strings.ToLower(host), ".")
	if n := len(labels); n > 2 {
		n -= 2
		if len(labels[n]) <= 3 && len(labels[n+1]) == 2 { // co.uk and its like
			n = max(n-1, 0)
		}
		labels = labels[n:]
	}
	return strings.Join(labels, ".")
}

// steady keeps the codes at the start of a reply and the words behind them.
// What has digits, or looks like an address or identifier, varies.
func steady(reply string) string {
	var b strings.Builder
	for i, w := range strings.Fields(reply) {
		if i >= 2 || !isCode(w) {
			w = steadyWord(w)
		}
		if b.Len()+len(w) > maxCause {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	return b.String()
}

// isCode reports whether w is a reply code or an enhanced status code.
func isCode(w string) bool {
	return strings.Trim(w, "0123456789.") == ""
}

func steadyWord(w string) string {
	switch {
	case strings.Contains(w, "://"):
		return "URL"
	case strings.ContainsAny(w, "0123456789@"):
		return "#"
	case len(w) > 30: // no word
		return "#"
	}
	return strings.ToLower(w)
}
