package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp/queue"
)

// localDelivery lets the queue hand reports for our own users to the MDA.
type localDelivery struct{ node *node }

func (l *localDelivery) IsLocal(d mail.Domain) bool { return l.node.directory.IsLocal(d) }

// Deliver is queue.Transport for one of our domains.
func (l *localDelivery) Deliver(ctx context.Context, d *queue.Delivery) []queue.Result {
	start := l.node.now()
	err := l.deliver(ctx, d)
	results := make([]queue.Result, len(d.Envelope.Recipients))
	for i := range results {
		results[i] = queue.Result{Err: err, RemoteName: string(l.node.cfg.Hostname), Dur: l.node.now().Sub(start)}
	}
	return results
}

func (l *localDelivery) deliver(ctx context.Context, d *queue.Delivery) error {
	for _, r := range d.Envelope.Recipients {
		if err := l.node.mda.CheckRecipient(ctx, r.Path, d.Size); err != nil {
			return err
		}
	}
	body, err := d.Open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	ix, err := message.Parse(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return err
	}
	return l.node.mda.Deliver(ctx, delivery.Mail{
		ID: d.ID, Envelope: d.Envelope, Index: ix, Body: io.NewSectionReader(body, 0, body.Size()), Size: body.Size(), Received: l.node.now(),
		Settle: d.Settle,
	})
}

// tlsListener is for port 443: it answers TLS-ALPN-01 challenges beside HTTP.
func tlsListener(l net.Listener, m *liveCerts) net.Listener {
	return tls.NewListener(l, m.WebConfig("h2", "http/1.1", certs.ALPN))
}
