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
)

// problem is an error whose text is made for an operator.
type problem struct {
	kind error
	text string
}

func (p *problem) Error() string { return p.text }
func (p *problem) Unwrap() error { return p.kind }

func notFound(format string, args ...any) error {
	return &problem{ErrNotFound, fmt.Sprintf(format, args...)}
}

func exists(format string, args ...any) error {
	return &problem{ErrExists, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &problem{ErrInvalid, fmt.Sprintf(format, args...)}
}

func inUse(format string, args ...any) error {
	return &problem{ErrInUse, fmt.Sprintf(format, args...)}
}
