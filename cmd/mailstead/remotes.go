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
	"sync"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
	"github.com/mailstead/mailstead/smtp/smtpclient"
	"github.com/mailstead/mailstead/smtp/smtpserver"
	"github.com/mailstead/mailstead/smtp/spf"
)

// The simulated remotes of `mailstead try`: mail servers of other people, on
// loopback, so that a person without a domain sees what mail does out there.
// Each has an address of its own in 127.0.0.0/8, from which it also sends.
const (
	remoteBig    = "bigmail.test" // accepts, checks SPF and DKIM, and answers
	remoteSlow   = "slow.test"    // greylists, then accepts
	remoteStrict = "strict.test"  // refuses by policy
	remoteDown   = "down.test"    // does not answer
	remoteRelay  = "relay.test"   // takes mail for everybody, as the smarthost of a provider does
)

// greylistFor is how long slow.test keeps a sender waiting.
const greylistFor = 3 * time.Second

var remoteAddrs = map[string]netip.Addr{
	remoteBig:    netip.MustParseAddr("127.0.81.1"),
	remoteSlow:   netip.MustParseAddr("127.0.81.2"),
	remoteStrict: netip.MustParseAddr("127.0.81.3"),
	remoteDown:   netip.MustParseAddr("127.0.81.4"),
	remoteRelay:  netip.MustParseAddr("127.0.81.5"),
}

// remotes runs the simulated servers.
type remotes struct {
	resolver dns.Resolver
	home     string // host:port of our own port 25, for answers
	tls      *tls.Config
	key      dkim.Key
	log      *slog.Logger
	now      func() time.Time

	ports map[netip.Addr]string // where the server of an address really listens

	mu   sync.Mutex
	seen map[string]time.Time // slow.test: first try of sender and recipient

	answers sync.WaitGroup
}

// remoteZones is what the DNS of the simulated world says of them.
func remoteZones(key dkim.Key) string {
	var b strings.Builder
	for name, addr := range remoteAddrs {
		fmt.Fprintf(&b, "%[1]s. 300 IN MX 10 mx.%[1]s.\nmx.%[1]s. 300 IN A %[2]s\n%[1]s. 300 IN TXT \"v=spf1 ip4:%[2]s -all\"\n", name, addr)
		fmt.Fprintf(&b, "%s 300 IN PTR mx.%s.\n", dns.ReverseName(addr), name)
	}
	fmt.Fprintf(&b, "%s._domainkey.%s. 300 IN TXT %s\n", key.Selector, remoteBig, quoteTXT(dkim.Record(key)))
	fmt.Fprintf(&b, "_dmarc.%s. 300 IN TXT \"v=DMARC1; p=reject\"\n", remoteBig)
	return b.String()
}

// start makes all remotes listen on ports of loopback; they end with ctx.
func (r *remotes) start(ctx context.Context, g interface{ Go(func() error) }) error {
	r.ports = map[netip.Addr]string{}
	r.seen = map[string]time.Time{}
	for _, name := range []string{remoteBig, remoteSlow, remoteStrict, remoteRelay} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("simulated remote %s: %w", name, err)
		}
		r.ports[remoteAddrs[name]] = l.Addr().String()
		srv := &smtpserver.Server{
			Handler:  &remoteHandler{remotes: r, domain: mail.Domain(name)},
			Hostname: mail.Domain("mx." + name),
			TLS:      r.tls,
			Logger:   slog.New(slog.DiscardHandler),
		}
		g.Go(func() error { return srv.Serve(ctx, l) })
	}
	g.Go(func() error {
		<-ctx.Done()
		r.answers.Wait()
		return nil
	})
	return nil
}

// dial reaches the simulated remotes, and nothing else.
func (r *remotes) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	to, ok := r.ports[ap.Addr()]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(ap), Err: errors.New("connection timed out")}
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", to)
}

// remoteHandler is the policy of one simulated server.
type remoteHandler struct {
	remotes *remotes
	domain  mail.Domain
}

func (h *remoteHandler) Connect(_ context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
	return &remoteSession{h: h, conn: c}, nil
}

type remoteSession struct {
	h    *remoteHandler
	conn *smtpserver.Conn
	env  mail.Envelope
}

func (s *remoteSession) Login(context.Context, sasl.Identity) error { return nil }

func (s *remoteSession) Mail(_ context.Context, env *mail.Envelope) error {
	s.env = *env
	return nil
}

func (s *remoteSession) Rcpt(_ context.Context, r mail.Recipient) error {
	switch {
	case r.Path.Domain != s.h.domain && s.h.domain != remoteRelay:
		return mail.Errorf(mail.StatusRelayDenied, "we do not relay")
	case s.h.domain == remoteStrict:
		return &mail.Error{Status: mail.StatusPolicy, Code: 550, Text: "our policy does not allow mail from strangers"}
	case s.h.domain == remoteSlow && s.h.remotes.greylisted(s.env.ReversePath, r.Path):
		return &mail.Error{Status: mail.Status{Class: 4, Subject: 7, Detail: 1}, Code: 451, Text: "greylisted, please try again in a moment"}
	}
	s.env.Recipients = append(s.env.Recipients, r)
	return nil
}

// greylisted reports whether this is an early try of a pair.
func (r *remotes) greylisted(from, to mail.Path) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.seen) > 10_000 {
		clear(r.seen)
	}
	key := from.Key() + " " + to.Key()
	first, known := r.seen[key]
	if !known {
		r.seen[key] = now
	}
	return !known || now.Sub(first) < greylistFor
}

// maxRemoteMessage is what a simulated remote keeps of a message to look at.
const maxRemoteMessage = 1 << 20

func (s *remoteSession) Data(ctx context.Context, body io.Reader) (string, error) {
	msg, err := io.ReadAll(io.LimitReader(body, maxRemoteMessage))
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return "", err
	}
	if s.h.domain == remoteBig && !s.env.ReversePath.IsNull() {
		s.h.remotes.answer(ctx, s.conn.Remote.Addr(), s.conn, s.env, msg)
	}
	return "thank you", nil
}

func (s *remoteSession) Reset() { s.env = mail.Envelope{} }
func (s *remoteSession) Close() {}

// answer sends back, in the background, what bigmail.test saw of a message.
func (r *remotes) answer(ctx context.Context, from netip.Addr, c *smtpserver.Conn, env mail.Envelope, msg []byte) {
	ix, err := message.Parse(bytes.NewReader(msg))
	if err != nil || !message.IsAnswerable(msg[:message.HeaderEnd(msg)]) {
		return
	}
	hello, _ := c.Hello()
	ctx = context.WithoutCancel(ctx)
	r.answers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		results := r.check(ctx, spf.Client{Addr: from, Hello: hello, ReversePath: env.ReversePath}, msg)
		if err := r.send(ctx, env, ix, results); err != nil {
			r.log.Warn("simulated remote could not answer", "err", err)
		}
	})
}

// check is what a careful server finds out about a message.
func (r *remotes) check(ctx context.Context, client spf.Client, msg []byte) mail.AuthResults {
	results := mail.AuthResults{ServID: "mx." + remoteBig}
	results.Results = append(results.Results, spf.CheckMailFrom(ctx, r.resolver, client).AuthResult)
	end := message.HeaderEnd(msg)
	signed := signature.NewMessage(msg[:end], func() io.Reader { return bytes.NewReader(msg[end:]) })
	for _, d := range dkim.Verify(ctx, r.resolver, signed, r.now()) {
		results.Results = append(results.Results, d.AuthResult)
	}
	return results
}

// send hands a signed answer to our own port 25, as any server out there would.
func (r *remotes) send(ctx context.Context, env mail.Envelope, ix *message.Index, results mail.AuthResults) error {
	me := env.Recipients[0].Path
	text := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: Re: %s\r\nDate: %s\r\nMessage-ID: <%d@%s>\r\n"+
		"In-Reply-To: %s\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+
		"Your message came in here, at a simulated server of somebody else.\r\nThis is what it found out about it:\r\n\r\n%s\r\n",
		me, env.ReversePath, ix.Envelope.Subject, r.now().Format(time.RFC1123Z), r.now().UnixNano(), remoteBig, ix.Envelope.MessageID, results)
	field, err := dkim.Sign(strings.NewReader(text), []dkim.Key{r.key})
	if err != nil {
		return err
	}
	return r.transmit(ctx, me, env.ReversePath, append(field, text...))
}

// transmit speaks SMTP from the address of bigmail.test.
func (r *remotes) transmit(ctx context.Context, from, to mail.Path, msg []byte) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: remoteAddrs[remoteBig].AsSlice()}}
	conn, err := d.DialContext(ctx, "tcp", r.home)
	if err != nil {
		return err
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "mx." + remoteBig})
	if err != nil {
		return err
	}
	defer c.Close()
	results := c.Send(ctx, &smtpclient.Message{
		Envelope: mail.Envelope{ReversePath: from, Recipients: []mail.Recipient{{Path: to}}}, Size: int64(len(msg)), Body: bytes.NewReader(msg),
	})
	return errors.Join(results[0].Err, c.Quit(ctx))
}
