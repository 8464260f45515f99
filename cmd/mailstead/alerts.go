package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/admin/webhooks"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/queue"
)

// openWebhooks opens what web servers of others are to be told. It comes
// before the traces, which tell it of messages.
func (n *node) openWebhooks() (err error) {
	n.push = push.New(push.Options{Resolver: n.cfg.Resolver, Dial: n.cfg.DialWeb, Agent: "Mailstead/" + version()})
	n.webhooks, err = webhooks.Open(n.path("webhooks.db"), webhooks.Options{
		Store: n.directory, Post: n.push.Post, Private: func() bool { return n.directory.Bool(directory.PushPrivate) },
		Changed: func(string) { n.admin.LookForAlerts() }, Hostname: string(n.cfg.Hostname), Now: n.now, Logger: n.cfg.Log,
	})
	n.tell = &admin.Teller{Webhooks: n.webhooks, Directory: n.directory}
	return err
}

// accountChanged tells webhooks what was done to accounts.
func (n *node) accountChanged(e directory.AuditEntry) { n.tell.Account(e) }

// traceWritten tells webhooks what happened to a message, and alerts what
// became of theirs.
func (n *node) traceWritten(w trace.Written) {
	n.tell.Message(w)
	for _, said := range w.Said {
		switch said.Outcome {
		case "delivered":
			n.admin.AlertMailed(context.Background(), string(w.ID), "")
		case "bounced":
			n.admin.AlertMailed(context.Background(), string(w.ID), cmp.Or(said.Reason, "it was given up"))
		}
	}
}

// mailAlert sends a text to an address elsewhere: by the queue or, if the
// store takes nothing, at once. Nobody is told if it does not arrive but its
// channel.
func (n *node) mailAlert(ctx context.Context, to mail.Path, subject, text string) (string, error) {
	now := n.now()
	id := trace.NewID(now, rand.Reader)
	from := mail.Path{Local: "postmaster", Domain: cmp.Or(n.reportsFrom(), n.cfg.Hostname)}
	msg, err := n.signedText(from, to, subject, text, id, now)
	if err != nil {
		return "", err
	}
	n.traces.Append(trace.Summary{ID: id, Start: now, Last: now, Direction: "out", ReversePath: from, Recipients: []mail.Path{to}, Size: int64(len(msg)), Outcome: "accepted"},
		trace.Event{Time: now, Kind: trace.Report, Text: "an alert of this server"})
	env := mail.Envelope{ReversePath: from, Recipients: []mail.Recipient{{Path: to, Notify: mail.NotifyNever}}}
	err = n.queue.Enqueue(ctx, queue.ID(id), env, nil, bytes.NewReader(msg), int64(len(msg)))
	if err == nil || ctx.Err() != nil {
		return string(id), err
	}
	n.cfg.Log.Warn("an alert goes out beside the queue", "queue_id", id, "err", err)
	return "", n.mailNow(ctx, id, env, msg)
}

// mailNow hands a message to the server of its recipient, once.
func (n *node) mailNow(ctx context.Context, id trace.ID, env mail.Envelope, msg []byte) error {
	ix, err := message.Parse(bytes.NewReader(msg))
	if err != nil {
		return err
	}
	results := n.transport.Deliver(ctx, &queue.Delivery{ID: queue.ID(id), Domain: env.Recipients[0].Path.Domain, Envelope: env, Attempt: 1, Size: int64(len(msg)), Traits: ix.Traits,
		Open: func(context.Context) (store.Body, error) { return memoryBody{bytes.NewReader(msg)}, nil }})
	return results[0].Err
}

// memoryBody is a message that is not in the store.
type memoryBody struct{ *bytes.Reader }

func (memoryBody) Close() error { return nil }

// maxSubject bounds a subject, in octets: a line has no more than 998
// (RFC 5322 section 2.1.1), and people read the beginning.
const maxSubject = 200

// signedText makes a message of plain text, signed as what people send. It
// asks programs not to answer (RFC 3834 section 5).
func (n *node) signedText(from, to mail.Path, subject, text string, id trace.ID, now time.Time) ([]byte, error) {
	if len(subject) > maxSubject {
		subject = strings.ToValidUTF8(subject[:maxSubject], "") + "…"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
		from, to, mime.QEncoding.Encode("utf-8", subject), now.Format(time.RFC1123Z), id, n.cfg.Hostname)
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	signature, err := dkim.Sign(bytes.NewReader(b.Bytes()), n.dkimKeys(from.Domain))
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return append(signature, b.Bytes()...), nil
}
