package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/queue"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// internet is a small world of servers in this process: names in zones, and
// addresses that lead to ports of loopback.
type internet struct {
	zones *dnstest.Zones
	ports map[string]string // "127.0.90.1:25" → where it listens; missing: no answer
}

// dialFrom is how the server of one address reaches others.
func (w *internet) dialFrom(from string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		to, ok := w.ports[addr]
		if !ok {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection timed out")}
		}
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: netip.MustParseAddr(from).AsSlice()}}
		return d.DialContext(ctx, "tcp", to)
	}
}

// testNode is one of the servers.
type testNode struct {
	*node
	t      *testing.T
	domain mail.Domain
	addr   string
	port   string // submission
	user   mail.Path
	log    *logBuffer
}

// newTestNode makes the server of a domain with one user, publishes its
// records and runs it until the test ends. Its configuration is changed first.
func newTestNode(t *testing.T, w *internet, domain mail.Domain, addr string, changes ...func(*nodeConfig)) *testNode {
	t.Helper()
	n := &testNode{t: t, domain: domain, addr: addr, user: mail.Path{Local: "user", Domain: domain}, log: &logBuffer{}}
	cfg := nodeConfig{
		Hostname: "mx." + domain, DataDir: t.TempDir(), Resolver: w.zones, Dial: w.dialFrom(addr), Certs: certs.Options{Mode: certs.SelfSigned},
		Log:   slog.New(slog.NewTextHandler(n.log, nil)),
		Retry: &queue.Options{Schedule: []time.Duration{200 * time.Millisecond}, DelayNotice: 700 * time.Millisecond, Expire: 3 * time.Second},
	}
	for _, change := range changes {
		change(&cfg)
	}
	var err error
	if n.node, err = openNode(cfg); err != nil {
		t.Fatal(err)
	}
	n.addUser()
	n.publish(w)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.ports[addr+":25"] = l.Addr().String()
	sub, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.port = sub.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return n.run(ctx, listeners{portSMTP: {l}, portSubmission: {sub}}) })
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(g.Wait(), n.close()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", domain, tail(n.log.String(), 6000))
		}
	})
	return n
}

func (n *testNode) addUser() {
	ctx := admin.AsOwner(context.Background(), "test")
	if _, err := n.admin.AddDomain(ctx, admin.NewDomain{Name: string(n.domain)}); err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.admin.AddAccount(ctx, admin.NewAccount{Address: n.user.String(), Password: password}); err != nil {
		n.t.Fatal(err)
	}
}

func (n *testNode) publish(w *internet) {
	var b strings.Builder
	fmt.Fprintf(&b, "%[1]s. 300 IN MX 10 mx.%[1]s.\nmx.%[1]s. 300 IN A %[2]s\n%[1]s. 300 IN TXT \"v=spf1 ip4:%[2]s -all\"\n_dmarc.%[1]s. 300 IN TXT \"v=DMARC1; p=reject\"\n", n.domain, n.addr)
	for _, k := range n.dkimKeys(n.domain) {
		fmt.Fprintf(&b, "%s. 300 IN TXT %s\n", dkim.RecordName(k), quoteTXT(dkim.Record(k)))
	}
	if err := w.zones.Add(b.String()); err != nil {
		n.t.Fatal(err)
	}
}

// submit sends a message as the user, through the submission port.
func (n *testNode) submit(to mail.Path, subject string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := net.Dial("tcp", n.port)
	if err != nil {
		n.t.Fatal(err)
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "client.test"})
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(ctx, smtpclient.TLSOptions{Config: &tls.Config{InsecureSkipVerify: true}}); err != nil {
		n.t.Fatal(err)
	}
	if err := c.Auth(ctx, n.user.String(), password); err != nil {
		n.t.Fatal(err)
	}
	text := "From: " + n.user.String() + "\r\nTo: " + to.String() + "\r\nSubject: " + subject + "\r\n\r\nhello\r\n"
	res := c.Send(ctx, &smtpclient.Message{Envelope: mail.Envelope{ReversePath: n.user, Recipients: []mail.Recipient{{Path: to}}}, Size: int64(len(text)), Body: strings.NewReader(text)})
	if res[0].Err != nil {
		n.t.Fatal(res[0].Err)
	}
}

const password = "correct horse battery"

func (n *testNode) userID() uint32 {
	a, err := n.directory.AccountByAddress(n.user)
	if err != nil {
		n.t.Fatal(err)
	}
	return a.ID
}

// inbox returns the user's messages.
func (n *testNode) inbox() []string {
	n.t.Helper()
	var refs []mailbox.BodyRef
	ctx := context.Background()
	err := n.boxes.Account(mailbox.AccountID(n.userID())).View(ctx, func(v *mailbox.View) error {
		refs = nil
		for m, err := range v.Messages(mailbox.Inbox, nil, 1) {
			if err != nil {
				return err
			}
			ref, err := m.Body()
			if err != nil {
				return err
			}
			refs = append(refs, ref)
		}
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
	var texts []string
	for _, r := range refs {
		body, err := n.boxes.OpenBody(ctx, r)
		if err != nil {
			n.t.Fatal(err)
		}
		var b bytes.Buffer
		io.Copy(&b, io.NewSectionReader(body, 0, body.Size()))
		body.Close()
		texts = append(texts, b.String())
	}
	return texts
}

// waitFor waits for a message that has all of words.
func (n *testNode) waitFor(words ...string) string {
	n.t.Helper()
	found := ""
	eventually(n.t, fmt.Sprintf("a message for %s with %q", n.user, words), func() bool {
		for _, m := range n.inbox() {
			all := true
			for _, w := range words {
				all = all && strings.Contains(m, w)
			}
			if all {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// TestTwoServers lets two servers with their own zones exchange mail: both
// directions, with a retry, a delay notice, and bounces.
func TestTwoServers(t *testing.T) {
	w := &internet{zones: dnstest.New(""), ports: map[string]string{}}
	a := newTestNode(t, w, "alpha.test", "127.0.90.1")
	b := newTestNode(t, w, "beta.test", "127.0.90.2")
	if err := w.zones.Add("silent.test. 300 IN MX 10 mx.silent.test.\nmx.silent.test. 300 IN A 127.0.90.9\n"); err != nil {
		t.Fatal(err)
	}

	a.submit(b.user, "there")
	got := b.waitFor("Subject: there", "spf=pass", "dkim=pass", "dmarc=pass", "Return-Path: <user@alpha.test>")
	if strings.Count(got, "dkim=pass") != 2 {
		t.Errorf("both signatures should pass:\n%s", got)
	}
	b.submit(a.user, "and back")
	a.waitFor("Subject: and back", "dmarc=pass")

	// Temporary trouble in the DNS: the first attempts fail, a later one does not.
	w.zones.SetFault("beta.test", dnstest.ServFail)
	a.submit(b.user, "after a while")
	eventually(t, "a deferred message", func() bool {
		items, err := a.queue.List(context.Background(), queue.Filter{})
		return err == nil && len(items) == 1 && items[0].Recipients[0].Attempts >= 1
	})
	w.zones.SetFault("beta.test", dnstest.NoFault)
	b.waitFor("Subject: after a while")

	a.submit(mail.Path{Local: "nobody", Domain: "beta.test"}, "to nobody")
	a.waitFor("Mail could not be delivered", "to nobody", "5.1.1", "nobody@beta.test")

	b.submit(mail.Path{Local: "x", Domain: "silent.test"}, "into silence")
	b.waitFor("Action: delayed", "into silence", "silent.test")
	b.waitFor("Action: failed", "into silence", "x@silent.test", "Status: 5.4.7")
	eventually(t, "empty queues", func() bool {
		for _, n := range []*testNode{a, b} {
			if items, err := n.queue.List(context.Background(), queue.Filter{}); err != nil || len(items) > 0 {
				return false
			}
		}
		return true
	})
}
