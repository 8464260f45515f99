package imapwire

import "errors"

// SyntaxError is something a client wrote that is not IMAP. Its text may be
// shown to the client.
type SyntaxError struct {
	Text string
	// TooBig means that a line or literal is longer than we take.
	TooBig bool
}

func (e *SyntaxError) Error() string { return e.Text }

// ErrName means that a mailbox name is neither modified UTF-7 nor UTF-8.
var ErrName = errors.New("imapwire: mailbox name is not validly encoded")

// ErrFlood means that a client sends more than we are ready to pass over. The
// connection cannot go on.
var ErrFlood = errors.New("imapwire: too much that cannot be used")
