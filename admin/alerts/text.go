package alerts

import (
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/admin/checks"
)

// message is what a channel tells.
type message struct {
	key      string // the same when it is sent again
	event    string // "alert.fired", "alert.resolved", "alert.test"
	subject  string
	text     string
	changes  []Change
	priority int      // of ntfy: 1 to 5
	tags     []string // of ntfy: names of pictures
}

// console is where alerts are seen; "" if there are no pages.
func (s *Service) console() string {
	if s.opts.Web == "" {
		return ""
	}
	return s.opts.Web + "/admin/system/alerts"
}

// footer says where a mail comes from.
func (s *Service) footer() string {
	text := "\n-- \nThe mail server " + s.opts.Hostname + " has written this by itself.\n"
	if to := s.console(); to != "" {
		text += "Alerts, and whom they go to: " + to + "\n"
	}
	return text
}

// messageOf writes a notice.
func (s *Service) messageOf(n *notice) message {
	if len(n.Changes) == 0 {
		return message{key: n.ID, event: "alert.daily", subject: n.Subject, text: n.Text, priority: 2}
	}
	m := message{key: n.ID, event: "alert.resolved", changes: n.Changes, priority: 2, tags: []string{"white_check_mark"}}
	first := n.Changes[0]
	for _, c := range n.Changes {
		if c.Event == ResolvedNow {
			continue
		}
		if m.event == "alert.resolved" {
			first = c
		}
		m.event = "alert.fired"
		if c.Alert.State == checks.Fail {
			m.priority, m.tags = 5, []string{"rotating_light"}
		} else if m.priority < 4 {
			m.priority, m.tags = 4, []string{"warning"}
		}
	}
	m.subject = headline(&first)
	if more := len(n.Changes) + n.More - 1; more > 0 {
		m.subject += fmt.Sprintf(" (and %d more)", more)
	}
	var b strings.Builder
	for i := range n.Changes {
		if i > 0 {
			b.WriteString("\n")
		}
		s.describe(&b, &n.Changes[i])
	}
	if n.More > 0 {
		fmt.Fprintf(&b, "\nAnd %d more, which the console has.\n", n.More)
	}
	m.text = b.String()
	return m
}

// headline is a change in one line.
func headline(c *Change) string {
	switch c.Event {
	case ResolvedNow:
		return "Resolved: " + c.Alert.Title
	case Still:
		return "Still: " + c.Alert.Title + ": " + c.Alert.Saw
	}
	return c.Alert.Title + ": " + c.Alert.Saw
}

// describe writes a change with all that people need.
func (s *Service) describe(b *strings.Builder, c *Change) {
	a := &c.Alert
	if c.Event == ResolvedNow {
		fmt.Fprintf(b, "%s is right again.\n", a.Title)
		fmt.Fprintf(b, "It was wrong from %s to %s: %s\n", clock(a.Since), clock(a.Resolved), sentence(a.Saw))
		return
	}
	word := map[checks.State]string{checks.Fail: "FAILS", checks.Warn: "WARNING"}[a.State]
	if c.Event == Worse {
		word += ", worse than before"
	}
	fmt.Fprintf(b, "%s: %s\n\n", a.Title, word)
	fmt.Fprintf(b, "What is wrong: %s\nSince: %s\n", sentence(a.Saw), clock(a.Since))
	if a.Fix != "" {
		fmt.Fprintf(b, "How to fix it: %s\n", a.Fix)
	}
	switch {
	case strings.HasPrefix(a.FixLink, "/") && s.opts.Web != "":
		fmt.Fprintf(b, "Where: %s\n", s.opts.Web+a.FixLink)
	case strings.HasPrefix(a.FixLink, "https://"):
		fmt.Fprintf(b, "Where: %s\n", a.FixLink)
	}
	fmt.Fprintf(b, "How we know: %s\n", a.How)
	fmt.Fprintf(b, "Quiet for a while: mailstead alert mute %s 7d\n", a.ID)
}

// sentence ends a text with a full stop.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}
