package admin

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// nobody stands in a trace for a recipient whom its reader need not know of
// (RFC 5321 section 7.2).
const nobody = "another recipient"

// part is what of a trace somebody may see.
type part struct {
	sees   func(mail.Path) bool
	hidden []string // addresses of recipients to leave out, in lower case
	seen   int      // how many recipients are left
}

// partOf returns what of a message a principal sees. Somebody of some domains
// sees all that people of these domains have sent, and of other mail what
// concerns recipients there. What came from outside says whatever it likes of
// its sender, so that it does not count as theirs.
func (p Principal) partOf(s *trace.Summary, events []trace.Event) part {
	if p.allDomains() || s.Direction != "in" && p.sees(s.ReversePath.Domain) {
		return part{sees: func(mail.Path) bool { return true }}
	}
	onward := onwardOf(events, p.sees)
	return newPart(s, func(to mail.Path) bool { return p.sees(to.Domain) || onward[to.Key()] })
}

// onwardOf returns where mail for recipients of some domains is forwarded to:
// what becomes of it there concerns them.
func onwardOf(events []trace.Event, sees func(mail.Domain) bool) map[string]bool {
	onward := map[string]bool{}
	for _, e := range events {
		if e.Kind != trace.Route {
			continue
		}
		rcpt, err := mail.ParseAddress(e.Fields["rcpt_to"])
		if to, toErr := mail.ParseAddress(e.Fields["to"]); err == nil && toErr == nil && sees(rcpt.Domain) {
			onward[to.Key()] = true
		}
	}
	return onward
}

func newPart(s *trace.Summary, sees func(mail.Path) bool) part {
	p := part{sees: sees}
	for _, to := range s.Recipients {
		if !sees(to) {
			p.hidden = append(p.hidden, strings.ToLower(to.String()))
		} else {
			p.seen++
		}
	}
	slices.SortFunc(p.hidden, func(a, b string) int { return len(b) - len(a) }) // one can be the end of another
	return p
}

// summary leaves recipients out of a copy of s.
func (p part) summary(s trace.Summary) trace.Summary {
	s.Recipients = slices.DeleteFunc(slices.Clone(s.Recipients), func(to mail.Path) bool { return !p.sees(to) })
	s.Reason = p.text(s.Reason)
	return s
}

// trace leaves out what concerns others alone; where they are only mentioned,
// they lose their name.
func (p part) trace(t trace.Trace) trace.Trace {
	t.Summary = p.summary(t.Summary)
	var kept []trace.Event
	skipping := false // the dialogue is about a recipient that is left out
	for _, e := range t.Events {
		if e.Kind != trace.Dialogue || !strings.HasPrefix(e.Text, "S: ") {
			skipping = !p.keeps(&e)
		}
		if skipping {
			continue
		}
		e.Text = p.count(p.text(e.Text))
		e.Fields = maps.Clone(e.Fields)
		for name, v := range e.Fields {
			e.Fields[name] = p.count(p.text(v))
		}
		kept = append(kept, e)
	}
	t.Events = kept
	return t
}

// keeps reports whether an event is about somebody who is seen, or about
// nobody in particular.
func (p part) keeps(e *trace.Event) bool {
	if to := e.Fields["rcpt_to"]; to != "" {
		path, err := mail.ParseAddress(to)
		return err == nil && p.sees(path) || err != nil && p.text(to) == to
	}
	if e.Kind != trace.Dialogue {
		return true
	}
	said := strings.ToUpper(e.Text)
	if !strings.Contains(said, "RCPT TO:") {
		return true
	}
	_, arg, ok := strings.Cut(e.Text[strings.Index(said, "RCPT TO:"):], "<")
	arg, _, closed := strings.Cut(arg, ">")
	path, err := mail.ParseAddress(arg)
	if !ok || !closed || err != nil {
		return p.text(e.Text) == e.Text
	}
	return p.sees(path)
}

// recipients is how an event says how many there are; see trace.Recipients.
var recipients = regexp.MustCompile(`\b[0-9]+ recipients?\b`)

// count has a text speak of no more recipients than are seen.
func (p part) count(s string) string {
	if len(p.hidden) == 0 || !strings.Contains(s, " recipient") {
		return s
	}
	return recipients.ReplaceAllStringFunc(s, func(said string) string {
		n, _, _ := strings.Cut(said, " ")
		all, err := strconv.Atoi(n)
		if err != nil {
			return trace.Recipients(p.seen)
		}
		return trace.Recipients(min(all, p.seen))
	})
}

// text takes the addresses of those who are left out from a text.
func (p part) text(s string) string {
	if len(p.hidden) == 0 || !strings.Contains(s, "@") {
		return s
	}
	lower := strings.ToLower(s)
	if len(lower) != len(s) {
		lower = s
	}
	for _, address := range p.hidden {
		for i := strings.Index(lower, address); i >= 0; i = strings.Index(lower, address) {
			s = s[:i] + nobody + s[i+len(address):]
			lower = lower[:i] + nobody + lower[i+len(address):]
		}
	}
	return s
}
