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

	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/queue"
)

// newPush makes what sends requests to web servers of others.
func (n *node) newPush() *push.Sender {
	return push.New(push.Options{Resolver: n.cfg.Resolver, Dial: n.cfg.DialWeb, Agent: "Mailstead/" + version()})
}

// mailAlert sends a text to an address elsewhere: by the queue or, if the
// store takes nothing, at once. Nobody is told if it does not arrive but its
// channel.
func (n *node) mailAlert(ctx context.Context, to mail.Path, subject, text string) (string, error) {
	now := time.Now()
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
