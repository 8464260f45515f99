package signin

import (
	"errors"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
)

// What errors of this package are, for errors.Is, beside those of the
// directory (ErrSignedOut, ErrLink, ErrSetupCode, ErrInvalid and so on). Their
// texts are sentences for the person who signs in.
var (
	ErrFailed  = errors.New("signin: failed")             // address, password or passkey
	ErrCode    = errors.New("signin: wrong code")         // TOTP or recovery code
	ErrTicket  = errors.New("signin: ticket not valid")   // used, too old, too many tries
	ErrReauth  = errors.New("signin: reauthentication")   // prove who you are first
	ErrPasskey = errors.New("signin: passkey not usable") // malformed, or not at this address
	ErrLater   = errors.New("signin: too many attempts")  // see RetryAfter
)

// RetryAfter says how long to wait after an error that is ErrLater.
func RetryAfter(err error) time.Duration {
	var t *directory.Throttled
	if errors.As(err, &t) {
		return t.Wait
	}
	return time.Minute
}

func problem(kind error, format string, args ...any) error {
	return &directory.Problem{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

func errFailed() error {
	return problem(ErrFailed, "the address or the password is not right")
}

func errPasskeyFailed() error {
	return problem(ErrFailed, "this passkey cannot sign in here; try another one, or use your password")
}

func errCode() error {
	return problem(ErrCode, "this code is not right, or was used before; wait for the next one and try again")
}

func errTicket() error {
	return problem(ErrTicket, "this took too long or was tried too often; begin again")
}

func errReauth() error {
	return problem(ErrReauth, "confirm that it is you: enter your password, a code, or use a passkey")
}

// laterError is an attempt that was put off.
type laterError struct{ cause error }

func (e *laterError) Error() string {
	return fmt.Sprintf("there were too many failed attempts; try again in %v", RetryAfter(e.cause))
}
func (e *laterError) Unwrap() []error { return []error{ErrLater, e.cause} }
