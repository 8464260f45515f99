package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/deliverability"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/setup"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/queue"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// newWizard makes the first-run wizard of a node.
func (n *node) newWizard() *setup.Wizard {
	o := setup.Options{Admin: n.admin, Directory: n.directory, Hostname: n.cfg.Hostname, Send: n.sendFirst, Placed: n.placed, TestRelay: n.testRelay, Now: n.now, Logger: n.cfg.Log,
		Mode: string(n.cfg.Certs.Mode), Terms: certs.Terms, Choose: n.cfg.Choose, Reconfigure: n.reconfigure,
		Changed: func(s setup.Step) {
			n.admin.Publish(admin.TopicSetup, "setup.changed", map[string]setup.Step{"step": s})
		}}
	if cas := n.cfg.Certs.ACME.CAs; len(cas) > 0 && cas[0] != certs.LetsEncrypt && cas[0] != certs.Staging {
		o.Terms = cas[0]
	}
	if port := n.cfg.Clients.HTTPS; port != 0 {
		o.Home = origin(string(n.cfg.Hostname), port)
	}
	if n.cfg.Authority != nil {
		o.Checker = &dnsadvice.Checker{Authority: n.cfg.Authority, Resolver: n.cfg.Resolver}
	}
	return setup.New(o)
}

// sendFirst hands the first message of a server to its queue, signed as what
// people send.
func (n *node) sendFirst(ctx context.Context, from, to mail.Path) (string, error) {
	now := n.now()
	id := trace.NewID(now, rand.Reader)
	text := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: First mail from %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n\r\nThis is the first message that the mail server %[3]s has sent.\r\n"+
		"If it is in the Junk folder, mark it as not junk, and answer it: that helps its name.\r\n",
		from, to, n.cfg.Hostname, now.Format(time.RFC1123Z), id, n.cfg.Hostname)
	msg := []byte(text)
	if keys := n.dkimKeys(from.Domain); len(keys) > 0 {
		signature, err := dkim.Sign(strings.NewReader(text), keys)
		if err != nil {
			return "", fmt.Errorf("sign the first message: %w", err)
		}
		msg = append(signature, msg...)
	}
	n.traces.Append(trace.Summary{ID: id, Start: now, Last: now, Direction: "out", ReversePath: from, Recipients: []mail.Path{to}, Size: int64(len(msg)), Outcome: "accepted"},
		trace.Event{Time: now, Kind: trace.Queued, Text: "written by the first-run wizard"})
	env := mail.Envelope{ReversePath: from, Recipients: []mail.Recipient{{Path: to}}}
	return string(id), n.queue.Enqueue(ctx, queue.ID(id), env, nil, bytes.NewReader(msg), int64(len(msg)))
}

// placed counts where the message of a trace was found, for the provider that
// took it.
func (n *node) placed(ctx context.Context, id, placement, before string) error {
	t, err := n.traces.Show(ctx, trace.ID(id))
	if err != nil && !errors.Is(err, trace.ErrNotFound) {
		return err
	}
	for _, e := range slices.Backward(t.Events) {
		if mx := e.Fields["mx"]; mx != "" {
			n.arrivals.Placed(mx, deliverability.Placement(placement), deliverability.Placement(before))
			return nil
		}
	}
	return &directory.Problem{Kind: directory.ErrInvalid, Text: "no other server has taken the message yet"}
}

// relayTimeout bounds the trial of a relay.
const relayTimeout = 30 * time.Second

// testRelay logs in at a relay, and sends nothing.
func (n *node) testRelay(ctx context.Context, r setup.Relay) error {
	ctx, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return fmt.Errorf("%q is not a server with its port; write it as in smtp.example.com:587", r.Host)
	}
	addrs, _, err := n.cfg.Resolver.A(ctx, host)
	if err != nil {
		return fmt.Errorf("%s has no address in the DNS", host)
	}
	conn, err := n.cfg.Dial(ctx, "tcp", net.JoinHostPort(addrs[len(addrs)-1].String(), port))
	if err != nil {
		return errors.New("no connection")
	}
	security := smtpclient.TLSOptions{Config: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}, Required: r.TLS != "opportunistic"}
	o := smtpclient.Options{Hostname: n.cfg.Hostname}
	if r.TLS == "implicit" {
		o.TLS = &security
	}
	c, err := smtpclient.New(ctx, conn, o)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, offered := c.Extension("STARTTLS"); r.TLS != "implicit" && (offered || security.Required) {
		if err := c.StartTLS(ctx, security); err != nil {
			return err
		}
	}
	if r.Login != "" {
		if err := c.Auth(ctx, r.Login, r.Password); err != nil {
			return err
		}
	}
	return c.Quit(ctx)
}
