package sasl

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"unicode/utf8"
)

// tokenServer is OAUTHBEARER (RFC 7628) or XOAUTH2.
type tokenServer struct {
	result
	auth   Authenticator
	bearer bool
	failed error // told after the client has taken the error challenge
}

// refusedToken is the error challenge of RFC 7628 section 3.2.2.
const refusedToken = `{"status":"invalid_token","schemes":"bearer"}`

func (s *tokenServer) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if s.failed != nil {
		return nil, false, s.failed
	}
	if response == nil {
		return []byte{}, false, nil
	}
	if len(response) > maxResponse || !utf8.Valid(response) {
		return nil, false, ErrSyntax
	}
	login, token, ok := s.parse(response)
	if !ok {
		return nil, false, ErrSyntax
	}
	s.identity, err = s.auth.Token(ctx, login, token)
	if errors.Is(err, ErrFailed) {
		s.failed = err
		return []byte(refusedToken), false, nil
	}
	return nil, err == nil, err
}

// parse reads "n,a=LOGIN,^Ahost=…^Aauth=Bearer TOKEN^A^A", or for XOAUTH2
// "user=LOGIN^Aauth=Bearer TOKEN^A^A".
func (s *tokenServer) parse(response []byte) (login, token string, ok bool) {
	body, ok := bytes.CutSuffix(response, []byte("\x01\x01"))
	if !ok {
		return "", "", false
	}
	fields := strings.Split(string(body), "\x01")
	if s.bearer {
		gs2 := strings.Split(fields[0], ",")
		if len(gs2) != 3 || gs2[0] != "n" && gs2[0] != "y" || gs2[2] != "" { // nothing to bind to
			return "", "", false
		}
		if a, found := strings.CutPrefix(gs2[1], "a="); found {
			if login, ok = unescapeName(a); !ok {
				return "", "", false
			}
		}
		fields = fields[1:]
	}
	for _, f := range fields {
		k, v, _ := strings.Cut(f, "=")
		switch {
		case k == "user" && !s.bearer:
			login = v
		case k == "auth":
			scheme, t, _ := strings.Cut(v, " ")
			if !strings.EqualFold(scheme, "Bearer") {
				return "", "", false
			}
			token = t
		}
	}
	return login, token, token != "" && len(login) <= maxCredential && (login != "" || s.bearer)
}
