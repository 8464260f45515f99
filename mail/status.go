package mail

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Status is an enhanced status code (RFC 3463 section 2): class, subject and
// detail. The class says whether to try again (4) or not (5); 2 is success.
type Status struct {
	Class   uint8
	Subject uint16
	Detail  uint16
}

// Statuses that several packages give (RFC 3463, RFC 7372, RFC 6710 registry).
var (
	StatusOK             = Status{2, 0, 0}
	StatusUnclassified   = Status{4, 3, 0}
	StatusNoSuchMailbox  = Status{5, 1, 1}
	StatusMailboxFull    = Status{4, 2, 2}
	StatusTooLarge       = Status{5, 3, 4}
	StatusSystemFull     = Status{4, 3, 1}
	StatusRoutingLoop    = Status{5, 4, 6}
	StatusExpired        = Status{5, 4, 7}
	StatusPolicy         = Status{5, 7, 1}
	StatusRelayDenied    = Status{5, 7, 1}
	StatusAuthFailed     = Status{5, 7, 8}
	StatusNullMX         = Status{5, 1, 10}
	StatusBadDestination = Status{5, 1, 2}
)

// ParseStatus reads "5.1.1".
func ParseStatus(s string) (Status, error) {
	var n [3]uint64
	fields := strings.Split(s, ".")
	if len(fields) != 3 {
		return Status{}, fmt.Errorf("enhanced status code %q: want class.subject.detail", s)
	}
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, 16)
		if err != nil || v > 999 {
			return Status{}, fmt.Errorf("enhanced status code %q: want numbers up to 999", s)
		}
		n[i] = v
	}
	if n[0] != 2 && n[0] != 4 && n[0] != 5 {
		return Status{}, fmt.Errorf("enhanced status code %q: class is 2, 4 or 5", s)
	}
	return Status{uint8(n[0]), uint16(n[1]), uint16(n[2])}, nil
}

func (s Status) String() string { return fmt.Sprintf("%d.%d.%d", s.Class, s.Subject, s.Detail) }

// Permanent reports whether trying again is useless.
func (s Status) Permanent() bool { return s.Class == 5 }

// Temporary reports whether the same may succeed later.
func (s Status) Temporary() bool { return s.Class == 4 }

// LogValue logs the dotted form.
func (s Status) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Error is a failure the mail system can name. Peers and delivery reports
// are told Status and Text; Err and Error() are for our own log.
type Error struct {
	Status Status // class, subject, detail (RFC 3463 section 2)
	Text   string // one line, ASCII, says what to do where it can
	Code   int    // the SMTP reply code, where Status does not imply it; else 0
	Err    error  // the cause, if any; never leaves the machine
}

// Errorf makes an Error with a text for the peer.
func Errorf(s Status, format string, args ...any) *Error {
	return &Error{Status: s, Text: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%v %s", e.Status, e.Text)
	}
	return fmt.Sprintf("%v %s (cause: %v)", e.Status, e.Text, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// StatusOf returns the status err carries; nil is [StatusOK]. A failure
// nobody classified is 4.3.0: what we do not understand is tried again, never
// bounced.
func StatusOf(err error) Status {
	if err == nil {
		return StatusOK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return StatusUnclassified
}
