package alerts

import (
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/mail/disk"
)

// Finding is one thing that was looked at. Only warn and fail are trouble.
type Finding struct {
	ID      string       `json:"id"`
	Title   string       `json:"title"`
	State   checks.State `json:"state" enum:"ok,warn,fail,unknown"`
	Saw     string       `json:"saw" doc:"What is wrong, in one sentence."`
	How     string       `json:"how" doc:"How that is known."`
	Fix     string       `json:"fix,omitempty" doc:"What to do."`
	FixLink string       `json:"fixLink,omitempty"`
	Domain  string       `json:"domain,omitempty"`

	// Check is where it comes from, if it is a check; one of the network has to
	// be seen twice.
	Check string `json:"check,omitempty"`
	twice bool
	quiet bool   // somebody has muted the check
	about string // the channel that it is about, which does not tell it
}

// Observations are what is known of a server. What is nil or zero is not
// known, and nothing is found about it.
type Observations struct {
	Now    time.Time
	Host   string // whose certificate is the business of a check
	Checks []checks.Result

	Certificates []Certificate
	Disk         *Disk
	Queue        *Queue
	QueueTrouble string // why the store could not be asked
	Logins       *Logins
	Errors       int    // in the log, within ErrorsSpan
	LastError    string // of them
	Webhooks     []Webhook

	channels []channelState
}

// Certificate is one that the server shows.
type Certificate struct {
	Name     string
	NotAfter time.Time
	Problem  string // of the last try to renew it
	Renewed  bool   // by this server itself
}

// Disk is how full the disk is going to be; how full it is says a check.
type Disk struct {
	FullAt time.Time
	Stage  disk.Stage // now; the check may be older
}

// Queue is what waits to be delivered to others.
type Queue struct {
	Messages int
	Oldest   time.Time
}

// Logins are those that failed within LoginsSpan.
type Logins struct {
	Failed int
	Most   string // where most of them came from, or went to; "" is not known
}

// Webhook is one that was switched off because it did not work.
type Webhook struct {
	ID, URL, Reason, Domain string
}

// Times that are looked back.
const (
	LoginsSpan = 10 * time.Minute
	ErrorsSpan = 10 * time.Minute
)

// Limits are what the settings call trouble. Zero switches a rule off.
type Limits struct {
	QueueAge     time.Duration
	QueueSize    int
	FailedLogins int // within LoginsSpan
}

// severity orders states: more is worse.
func severity(s checks.State) int {
	switch s {
	case checks.Fail:
		return 2
	case checks.Warn:
		return 1
	}
	return 0
}

// maxWords bounds texts of a finding, in octets.
const maxWords = 400

func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords], "") + "…"
}
