package dsn

import (
	"io"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Action says what became of a recipient (RFC 3464 section 2.3.3).
type Action string

const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"
	Expanded  Action = "expanded"
)

// Report is one notification: some recipients of one message, to its sender.
type Report struct {
	Hostname  mail.Domain // our name: Reporting-MTA and the domain of Message-ID
	From      mail.Path   // author; zero: MAILER-DAEMON@Hostname
	To        mail.Path   // the reverse-path of the message
	Date      time.Time   // now
	MessageID string      // of the report, without brackets; empty: made from Rand
	Rand      io.Reader   // for Message-ID and boundary

	EnvID      string    // ENVID of MAIL, decoded
	Arrival    time.Time // of the message, at us
	QueueID    string    // by which our log and trace know the message
	Recipients []Recipient

	Original     io.Reader // the message itself; nil: nothing is returned
	OriginalSize int64     // octets in Original, -1 if unknown
	Ret          mail.Ret  // what to return; see Build
	UTF8         bool      // the message came with SMTPUTF8, so the report may be one too
}

// Recipient is what became of one recipient.
type Recipient struct {
	Path           mail.Path // Final-Recipient
	ORcpt          string    // "addr-type;address", decoded from xtext
	Action         Action
	Status         mail.Status
	RemoteMTA      string // name of the host that said Diagnostic; empty: it was us
	Diagnostic     string // the SMTP reply, or in our own words
	LastAttempt    time.Time
	WillRetryUntil time.Time // of Delayed
}

// MaxReturn is how large a message may be to be returned whole; of a larger
// one only the header is returned.
const MaxReturn = 256 << 10

// Build makes the notification, header and body, with CRLF line ends.
func Build(r Report) ([]byte, error) { return nil, nil }

// Received is what [Parse] understood of a notification.
type Received struct {
	EnvID        string
	ReportingMTA string
	Arrival      time.Time
	Recipients   []ReceivedRecipient
	MessageID    string // of the returned message, without brackets
}

// ReceivedRecipient is one recipient of a [Received] notification.
type ReceivedRecipient struct {
	Final, Original string // addresses without addr-type
	Action          Action
	Status          mail.Status
	RemoteMTA       string
	Diagnostic      string
	LastAttempt     time.Time
	WillRetryUntil  time.Time
}

// Parse reads a notification.
func Parse(body io.ReaderAt, size int64) (*Received, error) { return nil, nil }
