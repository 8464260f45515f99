package trace

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// ID names a message on its way through this system: in Received, in the log,
// in the queue and in admin. It sorts by time, is 16 characters of lower-case
// base32 (no i, l, o, u) and is not guessable.
type ID string

// Kind says which stage an event comes from. It is a closed set.
type Kind string

const (
	Connect  Kind = "connect"  // address, name, TLS
	Dialogue Kind = "dialogue" // one command and its reply
	Check    Kind = "check"    // one check with its result and reason
	Verdict  Kind = "verdict"
	Route    Kind = "route"   // what an address became
	Filed    Kind = "filed"   // mailbox of an account
	Queued   Kind = "queued"  // given to the outbound queue
	Attempt  Kind = "attempt" // a delivery attempt, with its result
	Report   Kind = "report"  // a delivery report was made
	Done     Kind = "done"    // reply to the client; delivered, bounced, cancelled
)

// ErrNotFound means that there is no trace of this ID, or no longer.
var ErrNotFound = errors.New("trace: no such message; traces are kept for a limited time")

// Event is one thing that happened. Text is for people, in one line; Fields
// have closed names per kind ("mx", "code", "result", "reason", "tls" …) and
// no secrets, bodies or subjects.
type Event struct {
	Time   time.Time         `json:"time"`
	Kind   Kind              `json:"kind"`
	Text   string            `json:"text"`
	Fields map[string]string `json:"fields,omitempty"`
}

// Recipients says how many they are, for the text of an event.
func Recipients(n int) string {
	if n == 1 {
		return "1 recipient"
	}
	return strconv.Itoa(n) + " recipients"
}

// Summary is what a trace is found by. Empty fields of an Append leave what
// is known as it is; Recipients are added.
type Summary struct {
	ID          ID          `json:"id"`
	Start       time.Time   `json:"start"`
	Last        time.Time   `json:"last"`
	Direction   string      `json:"direction,omitempty"` // "in", "out" (submitted), "local"
	ReversePath mail.Path   `json:"reverse_path"`
	Recipients  []mail.Path `json:"recipients,omitempty"`
	MessageID   string      `json:"message_id,omitempty"`
	SubjectHash string      `json:"subject_hash,omitempty"` // of SubjectHash; the subject itself is not kept
	RemoteIP    string      `json:"remote_ip,omitempty"`
	RemoteName  string      `json:"remote_name,omitempty"`
	Login       string      `json:"login,omitempty"`
	Size        int64       `json:"size,omitempty"`
	// Outcome is the last one, of [Outcomes]. Status, Reason and Cause belong to
	// it: they are empty when they are not given with it.
	Outcome string `json:"outcome,omitempty"`
	Status  string `json:"status,omitempty"` // enhanced status code
	Reason  string `json:"reason,omitempty"` // why, in one line for people; no subject, no secret
	Cause   string `json:"cause,omitempty"`  // the same for messages that have the same trouble
	Junk    bool   `json:"junk,omitempty"`   // filed to Junk for somebody
	// Quarantined says that it waits for release for somebody, or did.
	Quarantined bool `json:"quarantined,omitempty"`
}

// Values of Summary.Direction and Summary.Outcome; both can also be empty.
var (
	Directions = []string{"in", "out", "local"}
	Outcomes   = []string{"accepted", "refused", "aborted", "delivered", "deferred", "bounced", "cancelled"}
)

// Trace is the whole story.
type Trace struct {
	Summary
	Events []Event `json:"events"`
}

// Query narrows what is looked for; empty fields do not, and a trace has to
// match all others.
type Query struct {
	// Text is what somebody has typed: an address, "@example.org", a
	// Message-ID, an ID, an IP address or a net (of IPv4 /24 and smaller, of IPv6
	// /48 and from /56 to /64), or a whole subject.
	Text string

	ID, MessageID, IP, Subject string
	Address                    string // reverse-path or recipient; "@example.org" is a whole domain

	Direction, Outcome string
	Refusals           bool // refused, filed to Junk or quarantined
	Quarantined        bool
	Domains            []mail.Domain // has an address in one of them
	Similar            ID            // has the same Cause as this one, which is left out

	After, Before time.Time // of Start
	Limit         int       // 0: 100; at most 10,000
	Cursor        string    // Page.Next of the page before
}

// SubjectHash is what is kept of a subject: enough to find a message whose
// subject one knows, not enough to read it.
func SubjectHash(subject string) string {
	s := strings.Join(strings.Fields(strings.ToLower(subject)), " ")
	if s == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// Bounds of one trace; what comes later is dropped, the summary stays true.
const (
	maxEvents     = 2_000
	maxRecipients = 1_000
	maxText       = 1_000 // octets of an Event's Text and of each field
)

// Reasons is the field of a Verdict that has the list of its reasons as JSON.
// Cut off it would be none: whoever appends it keeps it within MaxReasons.
const (
	Reasons    = "reasons"
	MaxReasons = 4_000 // octets
)

// merge puts what later says into s.
func (s *Summary) merge(later Summary) {
	if later.Start.IsZero() {
		later.Start = later.Last
	}
	if s.Start.IsZero() || later.Start.Before(s.Start) {
		s.Start = later.Start
	}
	if later.Last.After(s.Last) {
		s.Last = later.Last
	}
	set(&s.Direction, later.Direction)
	set(&s.MessageID, clip(later.MessageID))
	set(&s.SubjectHash, later.SubjectHash)
	set(&s.RemoteIP, later.RemoteIP)
	set(&s.RemoteName, clip(later.RemoteName))
	set(&s.Login, clip(later.Login))
	if later.Outcome != "" && !(later.Outcome == "accepted" && s.sent()) {
		s.Outcome, s.Status, s.Reason, s.Cause = later.Outcome, later.Status, clip(later.Reason), clip(later.Cause)
	}
	s.Junk = s.Junk || later.Junk
	s.Quarantined = s.Quarantined || later.Quarantined
	if !later.ReversePath.IsNull() {
		s.ReversePath = later.ReversePath
	}
	if later.Size > 0 {
		s.Size = later.Size
	}
	s.addRecipients(later.Recipients)
}

// sent reports whether the outcome is one of the queue: that of the session
// comes after it when the client takes its time to say more.
func (s *Summary) sent() bool {
	return slices.Contains([]string{"delivered", "deferred", "bounced", "cancelled"}, s.Outcome)
}

func (s *Summary) addRecipients(more []mail.Path) {
	seen := make(map[mail.Path]bool, len(s.Recipients)+len(more))
	for _, p := range s.Recipients {
		seen[p] = true
	}
	for _, p := range more {
		if !seen[p] && len(s.Recipients) < maxRecipients {
			seen[p] = true
			s.Recipients = append(s.Recipients, p)
		}
	}
}

func set(to *string, v string) {
	if v != "" {
		*to = v
	}
}

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
