package smtpclient

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Auth logs in with AUTH PLAIN or LOGIN (RFC 4954), which show the password to
// the server: it is not done without TLS. The failures of the server keep
// their status.
func (c *Client) Auth(ctx context.Context, login, password string) error {
	defer c.watch(ctx)()
	if c.tls == nil && !c.opts.InsecureAuth {
		return mail.Errorf(mail.Status{Class: 4, Subject: 7, Detail: 11}, "the server offers no TLS, so the password is not shown to it")
	}
	mechanisms := strings.Fields(strings.ToUpper(c.ext["AUTH"]))
	for _, m := range mechanisms {
		if m == "PLAIN" {
			return c.authPlain(ctx, login, password)
		}
	}
	for _, m := range mechanisms {
		if m == "LOGIN" {
			return c.authLogin(ctx, login, password)
		}
	}
	return mail.Errorf(mail.Status{Class: 4, Subject: 7, Detail: 4}, "the server offers no way to log in that we know")
}

func (c *Client) authPlain(ctx context.Context, login, password string) error {
	p, err := c.say(ctx, "AUTH PLAIN "+encode("\x00"+login+"\x00"+password), "AUTH PLAIN [redacted]", c.opts.Timeouts.Command)
	if err != nil {
		return err
	}
	return authResult(p)
}

// authLogin is the mechanism that was never written down but in
// draft-murchison-sasl-login: what the server asks for is not looked at.
func (c *Client) authLogin(ctx context.Context, login, password string) error {
	p, err := c.command(ctx, "AUTH LOGIN")
	for _, answer := range []string{login, password} {
		if err != nil {
			return err
		}
		if p.code != 334 {
			return p.err()
		}
		p, err = c.say(ctx, encode(answer), "[redacted]", c.opts.Timeouts.Command)
	}
	if err != nil {
		return err
	}
	return authResult(p)
}

func authResult(p reply) error {
	if p.code != 235 {
		return p.err()
	}
	return nil
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
