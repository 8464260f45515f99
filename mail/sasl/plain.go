package sasl

import (
	"bytes"
	"context"
	"unicode/utf8"
)

// maxCredential bounds a login and a password (RFC 4616 section 2 asks for at
// least 255 octets).
const maxCredential = 1024

// result is the end of an exchange.
type result struct{ identity Identity }

func (r *result) Identity() Identity { return r.identity }

// plainServer is PLAIN: authzid NUL authcid NUL password (RFC 4616).
type plainServer struct {
	result
	auth Authenticator
}

func (s *plainServer) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte{}, false, nil
	}
	part := bytes.Split(response, []byte{0})
	if len(response) > maxResponse || len(part) != 3 || !utf8.Valid(response) {
		return nil, false, ErrSyntax
	}
	authzid, login, password := string(part[0]), string(part[1]), string(part[2])
	if login == "" || password == "" || len(login) > maxCredential || len(password) > maxCredential {
		return nil, false, ErrSyntax
	}
	if authzid != "" && authzid != login { // nobody acts for others here
		return nil, false, ErrFailed
	}
	s.identity, err = s.auth.Password(ctx, login, password)
	return nil, err == nil, err
}

// loginServer is LOGIN, which no RFC defines and Outlook still uses: two
// prompts.
type loginServer struct {
	result
	auth  Authenticator
	asked int
	login string
}

func (s *loginServer) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if len(response) > maxCredential || !utf8.Valid(response) {
		return nil, false, ErrSyntax
	}
	switch {
	case s.asked == 0 && response == nil:
		s.asked = 1
		return []byte("Username:"), false, nil
	case s.asked <= 1:
		s.asked, s.login = 2, string(response)
		return []byte("Password:"), false, nil
	}
	if s.login == "" || len(response) == 0 {
		return nil, false, ErrSyntax
	}
	s.identity, err = s.auth.Password(ctx, s.login, string(response))
	return nil, err == nil, err
}
