package signature

// Error says why a signature does not count. Result is one of RFC 8601 section
// 2.7.1, Text is for people.
type Error struct{ Result, Text string }

func (e *Error) Error() string { return e.Text }

// Permanent is a signature, or its key, that does not follow the rules.
func Permanent(text string) *Error { return &Error{"permerror", text} }

// Policy is one that we do not want to believe.
func Policy(text string) *Error { return &Error{"policy", text} }

// Fail is one that is not good.
func Fail(text string) *Error { return &Error{"fail", text} }
