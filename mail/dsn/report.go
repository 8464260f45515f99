package dsn

import (
	"io"
	"slices"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Action says what became of a recipient (RFC 3464 section 2.3.3).
type Action string

const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"  // to a server that makes no reports
	Expanded  Action = "expanded" // to the members of a list
)

// Report is one notification: some recipients of one message, to its sender.
// It is sent from the null reverse-path.
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
	Diagnostic     string // the SMTP reply, or our own words
	LastAttempt    time.Time
	WillRetryUntil time.Time // of Delayed
}

// Bounds of what is returned of a message. A larger one is not returned whole,
// of a larger header the last fields are left out.
const (
	MaxReturn       = 256 << 10
	maxReturnHeader = 32 << 10
)

// maxText bounds remote text in a report, so that a word of it fits a line.
const maxText = 900

func (r *Report) has(a Action) bool {
	return slices.ContainsFunc(r.Recipients, func(rcpt Recipient) bool { return rcpt.Action == a })
}

// returnsAll reports whether the whole message is asked for: RET concerns
// failures alone (RFC 3461 section 4.3).
func (r *Report) returnsAll() bool {
	return r.Ret == mail.RetFull && r.has(Failed) && r.OriginalSize <= MaxReturn
}
