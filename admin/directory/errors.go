package directory

import (
	"errors"
	"fmt"
)

// What errors of this package are, for errors.Is. Their texts are sentences
// that say what to do.
var (
	ErrNotFound = errors.New("directory: not found")
	ErrExists   = errors.New("directory: exists already")
	ErrInvalid  = errors.New("directory: not valid")
	ErrInUse    = errors.New("directory: in use")
	ErrConflict = errors.New("directory: changed meanwhile")
	ErrTooLong  = errors.New("directory: takes too long")
)

// Problem is an error whose text is made for an operator. Kind is one of the
// errors above.
type Problem struct {
	Kind error
	Text string
}

func (p *Problem) Error() string { return p.Text }
func (p *Problem) Unwrap() error { return p.Kind }

func notFound(format string, args ...any) error {
	return &Problem{ErrNotFound, fmt.Sprintf(format, args...)}
}

func exists(format string, args ...any) error {
	return &Problem{ErrExists, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &Problem{ErrInvalid, fmt.Sprintf(format, args...)}
}

func inUse(format string, args ...any) error {
	return &Problem{ErrInUse, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &Problem{ErrConflict, fmt.Sprintf(format, args...)}
}
