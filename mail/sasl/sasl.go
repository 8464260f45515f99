package sasl

import (
	"context"
	"errors"
	"slices"
)

// ErrFailed means that the login or the secret was wrong. The text never says
// which of them.
var ErrFailed = errors.New("sasl: login or password is wrong")

// Identity is who has logged in.
type Identity struct {
	Login   string // what was typed
	Account uint32
	// AppPassword is the ID of the app password that was used; "" is the
	// password of the account.
	AppPassword string
}

// Authenticator knows the credentials. It is made for one connection, so that
// it can throttle by client address.
type Authenticator interface {
	// Password checks a password. It fails with [ErrFailed], or with another
	// error when the check itself was not possible (the client may try again).
	Password(ctx context.Context, login, password string) (Identity, error)
	// SCRAMKeys returns the SCRAM-SHA-256 keys of login. For an unknown login
	// it returns made-up keys that stay the same, so that asking tells nothing.
	SCRAMKeys(ctx context.Context, login string) (SCRAMKeys, error)
	// SCRAMDone tells how the exchange for login ended: with the key whose
	// password the client has, or nil. It returns who has logged in, or
	// ErrFailed when proved is nil.
	SCRAMDone(ctx context.Context, login string, proved *SCRAMKey) (Identity, error)
	// Token checks an OAuth bearer token; ErrFailed where none are supported.
	Token(ctx context.Context, login, token string) (Identity, error)
	// Describe tells what the client calls itself, for the history of logins:
	// IMAP ID, the argument of EHLO. It may come before the login or after.
	Describe(client string)
	// OnRevoke has f called, in a goroutine of its own, when whoever logged in
	// may no longer be there: the password was revoked or changed, the account
	// suspended or removed. stop ends that, as the stop of context.AfterFunc.
	OnRevoke(f func()) (stop func() bool)
}

// Unwatched is for authenticators without history whose logins stay good.
type Unwatched struct{}

// Describe does nothing.
func (Unwatched) Describe(string) {}

// OnRevoke never calls f.
func (Unwatched) OnRevoke(func()) (stop func() bool) { return func() bool { return true } }

// SCRAMKeys is what a server keeps for SCRAM-SHA-256 (RFC 5802 section 3).
type SCRAMKeys struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
	// More are the keys of other passwords that are good for the login, made
	// with the same salt and iterations.
	More []SCRAMKey
}

// SCRAMKey is the key of one password.
type SCRAMKey struct {
	ID        string // of the password; "" is the first of SCRAMKeys
	StoredKey []byte
	ServerKey []byte
}

// Server is the server's half of one exchange. Next takes what the client
// sent, already decoded from base64 (nil: it sent no initial response), and
// returns the next challenge; after done it must not be called again. An
// error ends the exchange: ErrFailed for wrong credentials.
type Server interface {
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	// Identity returns who has logged in once done.
	Identity() Identity
}

// Options say what the connection allows.
type Options struct {
	// TLSExporter is the 32 octets of channel binding "tls-exporter"
	// (RFC 9266); nil if there is no TLS 1.3 connection, and then there is no
	// SCRAM-SHA-256-PLUS.
	TLSExporter []byte
	// Plain allows mechanisms that show the password to the connection.
	Plain bool
	// Tokens allows XOAUTH2 and OAUTHBEARER.
	Tokens bool
}

// ErrMechanism means that a mechanism is unknown or not allowed here.
var ErrMechanism = errors.New("sasl: mechanism is not available")

// ErrSyntax means that the client's part of an exchange is malformed.
var ErrSyntax = errors.New("sasl: malformed response")

// maxResponse bounds one response; tokens of large identity providers have a
// few KiB.
const maxResponse = 16 << 10

// Names of the mechanisms.
const (
	scramPlus   = "SCRAM-SHA-256-PLUS"
	scram       = "SCRAM-SHA-256"
	oauthBearer = "OAUTHBEARER"
	xoauth2     = "XOAUTH2"
	plain       = "PLAIN"
	login       = "LOGIN"
)

// Mechanisms lists what may be used, the strongest first.
func Mechanisms(o Options) []string {
	var m []string
	if o.TLSExporter != nil {
		m = append(m, scramPlus)
	}
	m = append(m, scram)
	if o.Tokens {
		m = append(m, oauthBearer, xoauth2)
	}
	if o.Plain {
		m = append(m, plain, login)
	}
	return m
}

// New begins an exchange. It fails with [ErrMechanism] if the mechanism, a
// name in capitals, is not among [Mechanisms].
func New(mechanism string, a Authenticator, o Options) (Server, error) {
	if !slices.Contains(Mechanisms(o), mechanism) {
		return nil, ErrMechanism
	}
	switch mechanism {
	case scramPlus, scram:
		return &scramServer{auth: a, plus: mechanism == scramPlus, exporter: o.TLSExporter}, nil
	case oauthBearer, xoauth2:
		return &tokenServer{auth: a, bearer: mechanism == oauthBearer}, nil
	case plain:
		return &plainServer{auth: a}, nil
	}
	return &loginServer{auth: a}, nil
}
