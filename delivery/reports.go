package delivery

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
)

// Reports takes the messages to addresses that are for programs alone: those
// to which others report about mail of our domains (RFC 9990, RFC 8460).
type Reports interface {
	// Takes says whether an address is one of them.
	Takes(p mail.Path) bool
	// Take puts what a message reports on stable storage, and says in one line
	// what it was. It may get the same message again. [ErrNoReport] sends the
	// message to the postmaster; any other error makes the peer try again.
	Take(ctx context.Context, m ReportMail) (told string, err error)
}

// ErrNoReport means that there is no report in a message that can be used. The
// text of the error says why.
var ErrNoReport = errors.New("no report")

// ReportMail is a message to an address of [Reports].
type ReportMail struct {
	ID       trace.ID
	To       mail.Path
	Author   mail.Domain // that DMARC has proved; "" if there is none
	Received time.Time
	Index    *message.Index
	Text     io.ReaderAt
}

// Bounds of reports, which are read in memory before the reply to DATA.
const (
	maxReport       = 20 << 20 // octets of the message
	parallelReports = 2
)

// takeReports gives the message to Reports, and adds the postmaster to the plan
// where it is no report.
func (m *MDA) takeReports(ctx context.Context, msg *Mail, p *plan, seen map[mailbox.AccountID]bool) error {
	if msg.Size > maxReport {
		return m.noReport(ctx, msg, p, seen, "no report: the message is too large for one")
	}
	select {
	case m.reports <- struct{}{}:
		defer func() { <-m.reports }()
	case <-ctx.Done():
		return storeError(ctx.Err())
	}
	text, err := io.ReadAll(msg.Body)
	if err != nil {
		return storeError(err)
	}
	msg.Body = bytes.NewReader(text)
	to := p.reports[0] // what is in the message is the same for all
	told, err := m.opts.Reports.Take(ctx, ReportMail{ID: msg.ID, To: to.Path, Author: msg.Author, Received: msg.Received, Index: msg.Index, Text: bytes.NewReader(text)})
	switch {
	case errors.Is(err, ErrNoReport):
		return m.noReport(ctx, msg, p, seen, err.Error())
	case err != nil:
		return storeError(err)
	}
	p.events = append(p.events, trace.Event{Time: m.opts.Now(), Kind: trace.Filed, Text: to.Path.String() + ": " + told,
		Fields: map[string]string{"rcpt_to": to.Path.String(), "mailbox": "reports"}})
	return nil
}

// noReport sends the message to the postmaster of the domain, so that a person
// sees it. Where there is none, the peer is told.
func (m *MDA) noReport(ctx context.Context, msg *Mail, p *plan, seen map[mailbox.AccountID]bool, why string) error {
	mine := *msg
	mine.Treat = msg.treatReport
	for _, rcpt := range p.reports {
		route, err := m.Route(ctx, mail.Path{Local: "postmaster", Domain: rcpt.Path.Domain})
		if err != nil || len(route.Accounts)+len(route.Remote) == 0 {
			return &mail.Error{Status: mail.Status{Class: 5, Subject: 6}, Code: 554, Err: err,
				Text: rcpt.Path.String() + " takes reports about mail alone, and this is none: " + oneLine(why)}
		}
		p.events = append(p.events, trace.Event{Time: m.opts.Now(), Kind: trace.Route, Text: rcpt.Path.String() + " goes to the postmaster: " + oneLine(why),
			Fields: map[string]string{"rcpt_to": rcpt.Path.String(), "to": "postmaster", "reason": oneLine(why)}})
		p.add(m.opts.Now(), &mine, rcpt, route, seen)
	}
	return nil
}

// treatReport treats the postmaster's copy as was decided for the address for
// reports, which is nobody's (account 0).
func (m *Mail) treatReport(id mailbox.AccountID) Treatment {
	t := m.treatment(id)
	if t.Place == Inbox && t.Header == nil && t.Keywords == nil {
		return m.treatment(0)
	}
	return t
}

// oneLine makes one short line of a text that has something of the peer in it.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
