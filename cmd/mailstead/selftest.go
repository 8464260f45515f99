package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/upgrade"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// selfTestDomain is where the message of a test goes. Nobody can have it (RFC
// 2606 section 2).
const selfTestDomain = "self-test.invalid"

const selfTestTimeout = time.Minute // for the message; reading takes what it takes

// openAside opens a data folder for work on it, without running anything: no
// mail goes out, and no name is looked up.
func openAside(dir string) (*node, error) {
	return openNode(nodeConfig{Hostname: "mail." + selfTestDomain, DataDir: dir, Resolver: dnstest.New(""), Certs: certs.Options{Mode: certs.SelfSigned},
		Log: slog.New(slog.DiscardHandler), NoLimits: true, PlainAuth: true})
}

// parts are what package upgrade works with.
func (n *node) parts() upgrade.Parts {
	return upgrade.Parts{Directory: n.directory, Boxes: n.boxes, Queue: n.queue, Open: n.engine.Open}
}

// selfTest tries out a copy of the data: all that is in mailboxes is read, and a
// message goes from a login at the submission port to one at the IMAP port. The
// copy is not fit for use any more. It returns how far the accounts had come.
func selfTest(ctx context.Context, dir string) (m upgrade.Marks, err error) {
	n, err := openAside(dir)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	if m, err = n.parts().Mark(ctx); err != nil {
		return m, err
	}
	accounts, messages, err := n.readAll(ctx)
	if err != nil {
		return m, fmt.Errorf("reading mailboxes: %w", err)
	}
	if err := n.loop(ctx); err != nil {
		return m, fmt.Errorf("sending a message and reading it: %w", err)
	}
	m.Tested = fmt.Sprintf("a message went from SMTP to IMAP, and the index of %d messages in %d accounts was read", messages, accounts)
	return m, nil
}

// readAll reads the index of all messages, and of each mailbox the text of the
// newest.
func (n *node) readAll(ctx context.Context) (accounts, messages int, err error) {
	for _, id := range n.accountIDs() {
		accounts++
		var newest []mailbox.BodyRef
		err := n.boxes.Account(id).View(ctx, func(v *mailbox.View) error {
			newest = nil
			boxes, err := v.Mailboxes()
			if err != nil {
				return err
			}
			for _, b := range boxes {
				var last *mailbox.Message
				for msg, err := range v.Messages(b.ID, nil, 1) {
					if err != nil {
						return err
					}
					if _, err := msg.Index(); err != nil {
						return err
					}
					messages, last = messages+1, msg
				}
				if last == nil {
					continue
				}
				ref, err := last.Body()
				if err != nil {
					return err
				}
				newest = append(newest, ref)
			}
			return ctx.Err()
		})
		if err != nil {
			return 0, 0, fmt.Errorf("account %d: %w", id, err)
		}
		for _, ref := range newest {
			body, err := n.boxes.OpenBody(ctx, ref)
			if err != nil {
				return 0, 0, fmt.Errorf("account %d: %w", id, err)
			}
			if err := body.Close(); err != nil {
				return 0, 0, err
			}
		}
	}
	return accounts, messages, nil
}

// loop sends a message to an account made for it, through the ports, and reads
// it there.
func (n *node) loop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, selfTestTimeout)
	defer cancel()
	who, secret := mail.Path{Local: "probe", Domain: selfTestDomain}, rand.Text()
	op := admin.AsOwner(ctx, "upgrade")
	if _, err := n.admin.AddDomain(op, admin.NewDomain{Name: selfTestDomain}); err != nil {
		return err
	}
	if _, err := n.admin.AddAccount(op, admin.NewAccount{Address: who.String(), Password: secret}); err != nil {
		return err
	}
	ls := listeners{}
	for _, name := range []string{portSubmission, portIMAP} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			ls.close()
			return err
		}
		ls[name] = []net.Listener{l}
	}
	running, stop := context.WithCancel(ctx)
	var g errgroup.Group
	for _, s := range n.ports(ls) {
		g.Go(func() error { return s(running) })
	}
	err := errors.Join(sendProbe(ctx, ls[portSubmission][0].Addr().String(), who, secret), readProbe(ctx, ls[portIMAP][0].Addr().String(), who, secret))
	stop()
	return errors.Join(err, g.Wait())
}

func sendProbe(ctx context.Context, addr string, who mail.Path, secret string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: selfTestDomain, InsecureAuth: true})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Auth(ctx, who.String(), secret); err != nil {
		return err
	}
	text := "From: <" + who.String() + ">\r\nTo: <" + who.String() + ">\r\nSubject: self-test\r\n\r\n" + secret[:8] + "\r\n"
	res := c.Send(ctx, &smtpclient.Message{Envelope: mail.Envelope{ReversePath: who, Recipients: []mail.Recipient{{Path: who}}}, Size: int64(len(text)), Body: strings.NewReader(text)})
	return res[0].Err
}

// readProbe reads the only message of INBOX.
func readProbe(ctx context.Context, addr string, who mail.Path, secret string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if t, ok := ctx.Deadline(); ok {
		conn.SetDeadline(t)
	}
	if _, err := fmt.Fprintf(conn, "a LOGIN %q %q\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[TEXT]\r\nd LOGOUT\r\n", who.String(), secret); err != nil {
		return err
	}
	var said []string
	found := false
	for sc := bufio.NewScanner(conn); sc.Scan(); {
		line := sc.Text()
		found = found || line == secret[:8]
		if strings.HasPrefix(line, "d OK") {
			break
		}
		said = append(said, line)
	}
	if !found {
		return fmt.Errorf("IMAP does not have the message: %.300q", said)
	}
	return nil
}
