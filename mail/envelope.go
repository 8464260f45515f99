package mail

// BodyType is the BODY parameter of MAIL (RFC 6152, RFC 3030).
type BodyType uint8

const (
	Body7Bit BodyType = iota
	Body8BitMIME
	BodyBinaryMIME
)

// String returns the parameter's value.
func (b BodyType) String() string {
	return [...]string{"7BIT", "8BITMIME", "BINARYMIME"}[b]
}

// Ret is the RET parameter of MAIL (RFC 3461 section 4.3): what a delivery
// report returns of the message.
type Ret uint8

const (
	RetUnset Ret = iota // not said: a failure report returns the header only
	RetFull
	RetHeaders
)

// Notify is the NOTIFY parameter of RCPT (RFC 3461 section 4.1), a set of
// conditions. The zero value means that it was not given: failures and delays
// are reported.
type Notify uint8

const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// Wants reports whether the sender asked to be told of the condition.
func (n Notify) Wants(condition Notify) bool {
	if n == 0 {
		return condition&(NotifyFailure|NotifyDelay) != 0
	}
	return n&condition != 0
}

// Envelope is what MAIL and RCPT said about a message; it never looks at the
// header.
type Envelope struct {
	ReversePath Path
	Recipients  []Recipient

	Body       BodyType
	UTF8       bool   // SMTPUTF8 (RFC 6531)
	RequireTLS bool   // REQUIRETLS (RFC 8689)
	Size       int64  // SIZE as declared, 0 if not (RFC 1870)
	Ret        Ret    // RET
	EnvID      string // ENVID, decoded from xtext; at most 100 octets
	Auth       string // AUTH= of MAIL, decoded; kept for the log only
}

// Recipient is one RCPT.
type Recipient struct {
	Path   Path
	Notify Notify
	// ORcpt is the original recipient, "addr-type;address" with the address
	// decoded from xtext (RFC 3461 section 4.2). Empty if not given.
	ORcpt string
}
