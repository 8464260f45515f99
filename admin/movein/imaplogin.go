package movein

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// login signs in, by token or by password.
func (c *imapConn) login(ctx context.Context, o *IMAPOptions) error {
	var err error
	if o.Password != "" {
		err = c.loginPassword(ctx, o)
	} else {
		err = c.loginToken(ctx, o)
	}
	var refused *statusError
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: %s does not get in: %w", ErrRefused, o.User, err)
	}
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return c.capability()
}

// loginPassword uses AUTHENTICATE PLAIN (RFC 4616), or LOGIN where that is all
// there is.
func (c *imapConn) loginPassword(ctx context.Context, o *IMAPOptions) error {
	if c.caps["AUTH=PLAIN"] {
		return c.authenticate(ctx, "PLAIN", "\x00"+o.User+"\x00"+o.Password, "")
	}
	user, ok := quote(o.User)
	password, ok2 := quote(o.Password)
	switch {
	case c.caps["LOGINDISABLED"]:
		return fmt.Errorf("%w: it takes no password on this connection; use tls or starttls", ErrRefused)
	case !ok || !ok2:
		return fmt.Errorf("%w: it takes no user or password with other characters than ASCII", ErrRefused)
	}
	return c.do(ctx, "LOGIN "+user+" "+password, nil)
}

// loginToken uses OAUTHBEARER (RFC 7628) or XOAUTH2.
func (c *imapConn) loginToken(ctx context.Context, o *IMAPOptions) error {
	token, err := o.token(ctx)
	if err != nil {
		return fmt.Errorf("%w: no token: %w", ErrRefused, err)
	}
	if c.caps["AUTH=OAUTHBEARER"] {
		user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(o.User)
		return c.authenticate(ctx, "OAUTHBEARER", fmt.Sprintf("n,a=%s,\x01host=%s\x01port=%d\x01auth=Bearer %s\x01\x01", user, o.Host, o.Port, token), "AQ==")
	}
	return c.authenticate(ctx, "XOAUTH2", "user="+o.User+"\x01auth=Bearer "+token+"\x01\x01", "")
}

// authenticate sends the one message of a mechanism; last answers a challenge
// that says why it was refused.
func (c *imapConn) authenticate(ctx context.Context, mechanism, first, last string) error {
	b := base64.StdEncoding.EncodeToString([]byte(first))
	if c.caps["SASL-IR"] {
		return c.dialogue(ctx, "AUTHENTICATE "+mechanism+" "+b, []string{last}, nil)
	}
	return c.dialogue(ctx, "AUTHENTICATE "+mechanism, []string{b, last}, nil)
}
