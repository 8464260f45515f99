package queue

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

// ID names a queued message; it is the trace.ID it got on the way in.
type ID = trace.ID

// Transport tries to hand a message to the next hop of some recipients, once.
// It returns one Result for each of d.Envelope.Recipients, in order. The
// dialogue of the attempt is that of the first result that has one.
type Transport interface {
	Deliver(ctx context.Context, d *Delivery) []Result
}

// Delivery is one attempt. All recipients have the same domain.
type Delivery struct {
	ID       ID
	Domain   mail.Domain
	Envelope mail.Envelope
	Attempt  int // 1 for the first
	Size     int64
	Traits   message.Traits
	// Relay takes the message in place of the MX hosts of Domain, host:port;
	// empty: as the transport sees fit.
	Relay string
	Open  func(ctx context.Context) (store.Body, error)
	// Settle makes the queue's share of the Accept by which mailboxes of ours
	// get the message, for all recipients of this delivery at once: they have
	// it and the queue knows it in the same moment, so that no crash makes a
	// double. onward has the recipients elsewhere to whom an alias sends it on.
	// It is for [Local] alone.
	Settle func(onward mail.Envelope) (store.Recipient, error)
}

// Result is what became of one recipient. Err nil means that the next hop has
// taken responsibility; otherwise mail.StatusOf(Err) says whether to retry.
type Result struct {
	Err        error
	RemoteName string // MX host
	RemoteAddr string
	Reply      string // the remote's last reply, "250 2.0.0 ok"; empty if there was none
	TLS        string // "TLS1.3 X25519 … verified/unverified", empty without TLS
	RelaysDSN  bool   // the next hop understands DSN, so it reports success itself
	Dur        time.Duration
	Dialogue   []trace.Event
}
