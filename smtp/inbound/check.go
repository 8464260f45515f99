package inbound

import (
	"context"
	"io"
	"net/netip"
	"sync"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/dmarc"
)

// Check looks at a message. Run returns when ctx is done at the latest, may be
// called concurrently, and must not change the Mail.
type Check struct {
	Name string
	Run  func(ctx context.Context, m *Mail) Finding
}

// Mail is a message that is being judged.
type Mail struct {
	ID       trace.ID
	Client   Client
	Envelope mail.Envelope
	Header   []byte           // as it came, with the empty line after it
	Body     func() io.Reader // what came after Header, from its start
	Index    *message.Index
	Findings []Finding // of the stages before
}

// Client is who sent the message.
type Client struct {
	Addr     netip.Addr
	Hello    string // argument of HELO or EHLO
	Protocol string // for Received: ESMTPS …
	Cipher   string // of TLS, empty without
}

// Finding is what a check found out.
type Finding struct {
	Check string

	// What this check alone would do, and with Refuse what the client is told.
	Action Action
	Status mail.Status
	Code   int // reply code, if Status does not imply it
	Text   string
	Reason string // why, in one line; for people here

	Results     []mail.AuthResult  // for Authentication-Results
	Identifiers []dmarc.Identifier // domains that stand for the message
	Header      []byte             // fields to put before the message
	ClientName  string             // name of the client, confirmed both ways
	Err         error              // what went wrong on our side; for the log
}

// Action is what to do with a message, from mild to strict.
type Action uint8

const (
	Accept Action = iota
	Junk          // deliver to \Junk
	Refuse        // answer 4xx or 5xx
)

func (a Action) String() string { return [...]string{"accept", "junk", "refuse"}[a] }

// judge runs the checks stage by stage, until one refuses.
func (s *Service) judge(ctx context.Context, m *Mail) Verdict {
	for _, stage := range s.stages {
		m.Findings = append(m.Findings, s.runStage(ctx, stage, m)...)
		if v := decide(m.Findings); v.Action == Refuse {
			return v
		}
	}
	return decide(m.Findings)
}

// runStage runs checks at once, each stage within the time budget. Findings
// stand in the order of the checks.
func (s *Service) runStage(ctx context.Context, checks []Check, m *Mail) []Finding {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Budget)
	defer cancel()
	findings := make([]Finding, len(checks))
	run := func(i int) {
		findings[i] = checks[i].Run(ctx, m)
		findings[i].Check = checks[i].Name
	}
	var wg sync.WaitGroup
	for i := 1; i < len(checks); i++ {
		wg.Go(func() { run(i) })
	}
	run(0)
	wg.Wait()
	return findings
}

// Verdict is what becomes of a message.
type Verdict struct {
	Action  Action
	Status  mail.Status // of a refusal
	Code    int
	Text    string   // of a refusal, for the client
	Reasons []string // of everything that spoke against the message
	Reason  string   // the one of them that decided
}

// decide makes one verdict of all findings: the strictest wins, and among
// equals the first.
func decide(findings []Finding) Verdict {
	var v Verdict
	for _, f := range findings {
		if f.Action == Accept {
			continue
		}
		reason := f.Check + ": " + f.Reason
		v.Reasons = append(v.Reasons, reason)
		if f.Action > v.Action {
			v.Action, v.Status, v.Code, v.Text, v.Reason = f.Action, f.Status, f.Code, f.Text, reason
		}
	}
	return v
}

// err returns the refusal as an error for the client, nil if there is none.
func (v Verdict) err() error {
	if v.Action != Refuse {
		return nil
	}
	return &mail.Error{Status: v.Status, Code: v.Code, Text: v.Text}
}
