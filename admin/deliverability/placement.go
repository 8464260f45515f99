package deliverability

import (
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/admin/explain"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Placement is where somebody has found a message of ours; "" if nobody has
// looked.
type Placement string

const (
	Inbox Placement = "inbox"
	Junk  Placement = "junk"
)

// Placed counts where somebody has found a message that the host mx took, in
// place of what they said before of the same message.
func (b *Book) Placed(mx string, p, before Placement) {
	today := b.opts.Now().UTC().Truncate(day)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty[today] = true
	c := b.counts(today, operatorOf(mx))
	for _, count := range []struct {
		is Placement
		n  *int
	}{{Inbox, &c.Inbox}, {Junk, &c.Junk}} {
		if p == count.is {
			*count.n++
		}
		if before == count.is {
			*count.n = max(0, *count.n-1)
		}
	}
}

// placement is what people have said, in the row of that name.
func (b *Book) placement() Finding {
	var all Counts
	var parts []string
	for _, h := range b.Providers() {
		if n := h.Inbox + h.Junk; n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d of %d", h.Name, h.Inbox, n))
			all.Inbox, all.Junk = all.Inbox+h.Inbox, all.Junk+h.Junk
		}
	}
	n := all.Inbox + all.Junk
	if n == 0 {
		return Finding{State: Unknown, Text: "Nobody has said yet where mail of this server arrives."}
	}
	f := Finding{State: OK, Text: fmt.Sprintf("%d of %d messages arrived in the inbox, as people have said.", all.Inbox, n), Evidence: strings.Join(parts, ", ")}
	if all.Junk == 0 {
		return f
	}
	f.Fix = "Where it was junk: mark it as not junk there, answer it, and send little at first. A new server has no name yet; that passes in some weeks."
	f.State = Warn
	if all.Junk > all.Inbox {
		f.State = Fail
	}
	return f
}

// operatorOf is who runs an MX host: a provider that is known, or the end of
// the host's name.
func operatorOf(mx string) explain.Provider {
	if p := explain.ProviderOf("", mx); p != explain.Others {
		return p
	}
	name := queue.Organisation(mx)
	return explain.Provider{ID: "mx:" + name, Name: name}
}
