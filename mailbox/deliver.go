package mailbox

import (
	"context"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
)

// MaxHeader bounds Target.Header.
const MaxHeader = 4 << 10

// Deliver puts a message on stable storage for all targets and all of also, in
// one step: all or none. An account that occurs twice gets it once, by its
// first target. m.Flags and m.Keywords are not looked at. Quota was checked
// before, by CheckQuota; here it is only counted.
func (b *Boxes) Deliver(ctx context.Context, m *NewMessage, to []Target, also ...store.Recipient) error {
	received := b.received(m)
	meta, err := EncodeMeta(m.Index, received)
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	msg := &store.Message{Meta: meta, Body: m.Body, Size: m.Size, Owed: m.Owed}
	seen := make(map[AccountID]bool, len(to))
	for _, t := range to {
		if t.Account == store.Queue || len(t.Header) > MaxHeader {
			return fmt.Errorf("deliver: target account %d with a header of %d octets", t.Account, len(t.Header))
		}
		if seen[t.Account] {
			continue
		}
		seen[t.Account] = true
		x := extra{role: t.Role, internal: received, keywords: t.Keywords, header: t.Header}
		msg.To = append(msg.To, store.Recipient{Owner: t.Account, Mailbox: uint32(t.Mailbox), Flags: uint32(t.Flags), Extra: x.encode()})
	}
	msg.To = append(msg.To, also...)
	if _, err := b.eng.Accept(ctx, msg); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	for id := range seen {
		b.spend(id, m.Size, 1)
	}
	return nil
}

func (b *Boxes) received(m *NewMessage) time.Time {
	if m.InternalDate.IsZero() {
		return b.opts.Now()
	}
	return m.InternalDate
}
