package message

import "time"

// Bounds of what is indexed. What lies beyond is not lost: the octets stay
// part of the innermost part that was still indexed.
const (
	MaxDepth  = 100
	MaxParts  = 10_000
	MaxHeader = 1 << 20 // octets of one header that are looked at
)

// Index is what one pass over a message learned of it. Offsets count octets
// from the start of the message. Strings are as they stand in the header,
// unfolded, with encoded words left alone: use [DecodeText] to show them.
type Index struct {
	Size     int64
	Envelope Envelope
	Root     Part // the whole message
	// Preview is the beginning of the text for people: decoded, white space
	// collapsed, at most 200 runes.
	Preview string
	// For threads: identifiers without their angle brackets.
	MessageID  string
	References []string // References, then In-Reply-To; at most 100
	Date       time.Time
	Traits     Traits
	// Hops is the number of Received fields.
	Hops int
}

// Traits is what policy and capabilities need to know of a message.
type Traits uint16

const (
	HasAttachment Traits = 1 << iota
	Has8Bit              // octets above 127 in the body
	HasUTF8Header        // octets above 127 in a header field
	HasNUL
	HasBareCR
	HasBareLF
	HasLongLine // beyond 998 octets
	BoundHit    // a bound of this package was reached
	NoHeader    // the message does not begin with a header field
)

// Envelope is the IMAP ENVELOPE (RFC 9051 section 7.5.2). Sender and ReplyTo
// are filled from From where they are absent.
type Envelope struct {
	Date, Subject                      string
	From, Sender, ReplyTo, To, Cc, Bcc []Address
	InReplyTo, MessageID               string
	// Has says which fields are present at all (NIL or empty string).
	HasDate, HasSubject, HasInReplyTo, HasMessageID bool
}

// Address is one address of a header field. A group begins with an Address
// that has a Mailbox and no Host and ends with an empty one, as in IMAP.
type Address struct{ Name, Mailbox, Host string }

// Param is a parameter of Content-Type or Content-Disposition, with RFC 2231
// continuations joined and their charset decoded to UTF-8.
type Param struct{ Name, Value string }

// Part is a MIME part, as BODYSTRUCTURE shows it (RFC 9051 section 7.5.2).
type Part struct {
	Type, Subtype     string // lower case; "text" "plain" where nothing usable is said
	Params            []Param
	ID, Description   string
	Encoding          string // lower case; "7bit" by default
	MD5               string
	Disposition       string
	DispositionParams []Param
	Language          []string
	Location          string

	HeaderStart int64 // the part's own header
	BodyStart   int64 // after the empty line
	BodyEnd     int64 // without the line end that belongs to the boundary
	Lines       int64 // line ends in the body

	Envelope *Envelope // of a message/rfc822 part, whose one child is its message
	Children []*Part
}
