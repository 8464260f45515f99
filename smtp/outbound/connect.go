package outbound

import (
	"context"
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// want is what a connection must be like.
type want struct {
	host     *host
	policy   HostPolicy
	tlsOrNot bool   // plaintext will do if TLS fails
	relay    *Relay // that the host is; nil: it is an MX
}

// addr is an address of the host, with its port.
func (w want) addr(a netip.Addr) string { return netip.AddrPortFrom(a, w.host.port).String() }

// connect opens a session with one address of a host. The dialogue of a
// failure is handed to tell.
func (t *Transport) connect(ctx context.Context, w want, a netip.Addr, tell func([]trace.Event)) (*connection, *sessionError) {
	c, err := t.session(ctx, w, a, true, tell)
	if err != nil && err.tls && w.tlsOrNot {
		// A server whose TLS is broken is reached as before there was any.
		c, err = t.session(ctx, w, a, false, tell)
	}
	return c, err
}

// sessionError is a failure to open a session.
type sessionError struct {
	*mail.Error
	reply string // of the server, if that was it
	tls   bool   // it was TLS
}

// refusal is the failure behind an error of smtpclient.
func refusal(err error) *sessionError {
	e := asError(err)
	return &sessionError{Error: e, reply: replyOf(e)}
}

// session dials, says EHLO and, if useTLS, STARTTLS.
func (t *Transport) session(ctx context.Context, w want, a netip.Addr, useTLS bool, tell func([]trace.Event)) (*connection, *sessionError) {
	addr := w.addr(a)
	dialed, cancel := context.WithTimeout(ctx, t.opts.ConnectTimeout)
	conn, err := t.opts.Dial(dialed, "tcp", addr)
	cancel()
	if err != nil {
		text := "no connection to " + w.host.Name + " (" + addr + ")"
		tell([]trace.Event{{Time: t.opts.Now(), Kind: trace.Dialogue, Text: text}})
		return nil, &sessionError{Error: &mail.Error{Status: statusNoAnswer, Text: text, Err: firstError(ctx, err)}}
	}
	tell([]trace.Event{{Time: t.opts.Now(), Kind: trace.Dialogue, Text: "connected to " + w.host.Name + " (" + addr + ")"}})
	o := smtpclient.Options{Hostname: t.opts.Hostname, Timeouts: t.opts.Timeouts, Now: t.opts.Now}
	secure := t.tlsOptions(w)
	if w.relay != nil && w.relay.TLS == Implicit {
		o.TLS, useTLS = &secure, false
	}
	c := &connection{addr: addr}
	var failure *sessionError
	if c.Client, err = smtpclient.New(ctx, conn, o); err != nil {
		failure = refusal(err)
	} else if useTLS {
		failure = startTLS(ctx, c, w, secure)
	}
	if failure == nil {
		failure = login(ctx, c, w.relay)
	}
	if failure != nil {
		tell(c.Dialogue())
		c.Close()
		return nil, failure
	}
	return c, nil
}

// startTLS begins TLS where it is offered.
func startTLS(ctx context.Context, c *connection, w want, o smtpclient.TLSOptions) *sessionError {
	if _, ok := c.Extension("STARTTLS"); !ok {
		if w.policy.Required {
			return &sessionError{Error: mail.Errorf(statusTLSPolicy, "%s offers no TLS, which is required of it (%s)", w.host.Name, w.policy.Name)}
		}
		return nil
	}
	err := c.StartTLS(ctx, o)
	if err == nil || c.Alive() && w.tlsOrNot { // refused, as if it were not offered
		return nil
	}
	failure := refusal(err)
	failure.tls = true
	return failure
}

// tlsOptions says whom to expect.
func (t *Transport) tlsOptions(w want) smtpclient.TLSOptions {
	name := w.host.Name
	if a, ok := mail.Domain(name).Literal(); ok {
		name = a.String()
	}
	return smtpclient.TLSOptions{
		Config:   &tls.Config{ServerName: name, RootCAs: t.opts.Roots, MinVersion: tls.VersionTLS12, Time: func() time.Time { return t.opts.Now() }},
		Verify:   w.policy.Verify,
		Required: w.policy.Required,
	}
}

// login authenticates to the smarthost. That it refuses us is for the operator
// to mend, and no reason to return mail.
func login(ctx context.Context, c *connection, r *Relay) *sessionError {
	if r == nil || r.Login == "" {
		return nil
	}
	err := c.Auth(ctx, r.Login, r.Password)
	if err == nil {
		return nil
	}
	failure := refusal(err)
	e := *failure.Error
	e.Status.Class = 4
	e.Text = "the smarthost did not let us log in: " + e.Text
	failure.Error = &e
	return failure
}

// firstError prefers the reason why ctx is done.
func firstError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
