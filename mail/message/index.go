package message

import (
	"io"
	"iter"
	"strings"
	"time"
)

// Bounds of what is indexed. What lies beyond is not lost: the octets stay
// part of the innermost part that was still indexed.
const (
	MaxDepth  = 100
	MaxParts  = 10_000
	MaxHeader = 1 << 20 // octets of one header that are looked at
)

// Index is what one pass over a message learned of it. Offsets count octets
// from the start of the message. Strings are as they stand in the header,
// unfolded, with encoded words left alone: use [DecodeHeaderText] to show them.
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

// MissingMailbox and MissingHost stand in an [Address] for what a header
// field should have said and did not, because IMAP gives an empty Mailbox or
// Host another meaning.
const (
	MissingMailbox = "MISSING_MAILBOX"
	MissingHost    = "MISSING_DOMAIN"
)

// IsGroupStart reports whether a begins a group, whose name is a.Mailbox.
func (a Address) IsGroupStart() bool { return a.Mailbox != "" && a.Host == "" }

// IsGroupEnd reports whether a ends a group.
func (a Address) IsGroupEnd() bool { return a == Address{} }

// Parts yields the part and all parts below it, in the order of the message.
func (p *Part) Parts() iter.Seq[*Part] {
	return func(yield func(*Part) bool) { p.walk(yield) }
}

func (p *Part) walk(yield func(*Part) bool) bool {
	if !yield(p) {
		return false
	}
	for _, c := range p.Children {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

// Size is the number of octets of the body as it stands in the message.
func (p *Part) Size() int64 { return p.BodyEnd - p.BodyStart }

// IsMultipart reports whether the children of p are the parts of a multipart.
func (p *Part) IsMultipart() bool { return p.Type == "multipart" }

// IsMessage reports whether the one child of p is a whole message
// (message/rfc822, or message/global of RFC 6532).
func (p *Part) IsMessage() bool { return p.Type == "message" && isMessageSubtype(p.Subtype) }

func isMessageSubtype(s string) bool { return s == "rfc822" || s == "global" }

// Param returns a parameter of Content-Type, or "".
func (p *Part) Param(name string) string { return findParam(p.Params, name) }

// DispositionParam returns a parameter of Content-Disposition, or "".
func (p *Part) DispositionParam(name string) string { return findParam(p.DispositionParams, name) }

func findParam(params []Param, name string) string {
	for _, p := range params {
		if strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return ""
}

// Filename returns the name the sender gave to the file, decoded for display.
// It can be anything, a path too.
func (p *Part) Filename() string {
	name := p.DispositionParam("filename")
	if name == "" {
		name = p.Param("name")
	}
	return DecodeHeaderText(name)
}

// Reader reads the body of p from the message it was indexed in.
func (p *Part) Reader(message io.ReaderAt) io.Reader {
	return io.NewSectionReader(message, p.BodyStart, p.Size())
}
