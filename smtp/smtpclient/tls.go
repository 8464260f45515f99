package smtpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// statusTLS is a cryptographic failure (RFC 3463 section 3.8). It is temporary:
// certificates get renewed.
var statusTLS = mail.Status{Class: 4, Subject: 7, Detail: 5}

// TLSOptions say how to start TLS, and whom to expect.
type TLSOptions struct {
	// Config has ServerName and, where needed, RootCAs. It is copied.
	Config *tls.Config
	// Verify judges the server; nil: a certificate of a known authority for
	// Config.ServerName.
	Verify func(tls.ConnectionState) error
	// Required makes the handshake fail when Verify does. Without it the
	// verdict is only recorded: TLS with anybody is better than none.
	Required bool
}

// StartTLS begins TLS (RFC 3207) and says EHLO again: what was learned before
// does not count any more. If the server merely refuses, the client stays
// [Client.Alive] without TLS.
func (c *Client) StartTLS(ctx context.Context, o TLSOptions) error {
	defer c.watch(ctx)()
	p, err := c.command(ctx, "STARTTLS")
	if err != nil {
		return err
	}
	if p.code != 220 {
		e := p.err()
		e.Status = statusTLS // also for 5yz: it is not a verdict on the mail
		return e
	}
	if n := c.r.Buffered(); n > 0 {
		// What came after the 220 was not said under TLS, so somebody on the
		// way may have put it in. It is dropped.
		c.record("STARTTLS", fmt.Sprintf("(%d octets of plaintext dropped)", n), 0)
		c.r.Discard(n)
	}
	if err := c.handshake(ctx, o); err != nil {
		c.fail(err)
		return err
	}
	c.r.Reset(c.conn)
	if err := c.hello(ctx); err != nil {
		c.fail(err)
		return err
	}
	return nil
}

// handshake puts TLS around the connection and judges the server.
func (c *Client) handshake(ctx context.Context, o TLSOptions) error {
	config := &tls.Config{}
	if o.Config != nil {
		config = o.Config.Clone()
	}
	verify := o.Verify
	if verify == nil {
		verify = func(s tls.ConnectionState) error { return verifyPKIX(config, s) }
	}
	// The verdict is ours, so that it can be recorded without failing.
	config.InsecureSkipVerify = true
	var verdict error
	config.VerifyConnection = func(s tls.ConnectionState) error {
		if verdict = verify(s); verdict != nil && o.Required {
			return verdict
		}
		return nil
	}
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS12
	}
	c.arm(ctx, c.opts.Timeouts.TLS)
	conn := tls.Client(c.conn, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		text := "TLS could not be started with the server"
		if verdict != nil {
			text = "the server's certificate is not acceptable: " + asciiText(clean(verdict.Error()))
		}
		c.record("(TLS handshake)", "("+clean(err.Error())+")", 0)
		return &mail.Error{Status: statusTLS, Text: text, Err: err}
	}
	state := conn.ConnectionState()
	c.conn, c.tls, c.auth = conn, &state, verdict
	answer := "(" + c.TLS()
	if verdict != nil {
		answer += ": " + clean(verdict.Error())
	}
	c.record("(TLS handshake)", answer+")", 0)
	return nil
}

// verifyPKIX checks the certificate chain as for the web.
func verifyPKIX(config *tls.Config, s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	opts := x509.VerifyOptions{
		DNSName:       config.ServerName,
		Roots:         config.RootCAs,
		Intermediates: x509.NewCertPool(),
	}
	if config.Time != nil {
		opts.CurrentTime = config.Time()
	}
	for _, cert := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := s.PeerCertificates[0].Verify(opts)
	return err
}

// TLS describes the connection's TLS: "TLS1.3 X25519 … verified"; empty
// without TLS.
func (c *Client) TLS() string {
	if c.tls == nil {
		return ""
	}
	words := []string{strings.ReplaceAll(tls.VersionName(c.tls.Version), " ", "")}
	if c.tls.CurveID != 0 {
		words = append(words, c.tls.CurveID.String())
	}
	words = append(words, tls.CipherSuiteName(c.tls.CipherSuite))
	if c.auth == nil {
		return strings.Join(append(words, "verified"), " ")
	}
	return strings.Join(append(words, "unverified"), " ")
}

// Verified reports whether the server proved under TLS who it is.
func (c *Client) Verified() bool { return c.tls != nil && c.auth == nil }
