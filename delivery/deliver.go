package delivery

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Options are what an MDA works with. Trace and Logger may be nil.
type Options struct {
	Directory Directory
	Boxes     *mailbox.Boxes
	Reports   Reports // nil: there are no addresses for reports
	// Enqueue makes the outbound queue's share of an Accept: queue.Entry.
	Enqueue func(id trace.ID, env mail.Envelope, now time.Time) (store.Recipient, error)
	// Quarantined is told of accounts that got a message into quarantine; it
	// may be nil, and has to be quick.
	Quarantined func(mailbox.AccountID)
	// ForwardJunk says whether an account that forwards its mail passes on what
	// it gets as junk, too; nil: it does not.
	ForwardJunk func() bool
	Trace       *trace.Log
	Now         func() time.Time
	Logger      *slog.Logger
}

// MDA routes and files mail. Its methods may be called concurrently.
type MDA struct {
	opts    Options
	reports chan struct{} // has room for those that are taken at once
}

// New makes an MDA.
func New(opts Options) *MDA {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.ForwardJunk == nil {
		opts.ForwardJunk = func() bool { return false }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &MDA{opts: opts, reports: make(chan struct{}, parallelReports)}
}

// Mail is a complete message with its envelope. Index belongs to exactly the
// octets of Body, which is read once.
type Mail struct {
	ID       trace.ID
	Envelope mail.Envelope
	Index    *message.Index
	Body     io.Reader
	Size     int64
	Received time.Time
	Author   mail.Domain // that DMARC has proved; "" if there is none
	// Treat says what each account gets; nil: the message in its INBOX.
	Treat func(mailbox.AccountID) Treatment
	// Submitted says that the sender has logged in and may send anywhere.
	Submitted bool
	// Settle makes the queue's share where the message comes from the queue,
	// instead of Options.Enqueue, and also if there are no recipients
	// elsewhere: the message is filed and leaves the queue in one step.
	Settle func(onward mail.Envelope) (store.Recipient, error)
}

// Deliver puts the message on stable storage for all recipients, or returns
// the reason why for none of them.
func (m *MDA) Deliver(ctx context.Context, msg Mail) error {
	p, err := m.plan(ctx, &msg)
	if err != nil {
		return err
	}
	new := &mailbox.NewMessage{Body: msg.Body, Size: msg.Size, Index: msg.Index, InternalDate: msg.Received, Owed: msg.Settle != nil}
	if p.header != nil {
		new.Body = io.MultiReader(bytes.NewReader(p.header), msg.Body)
		new.Size += int64(len(p.header))
		new.Index.Prepend(p.header)
	}
	also, err := p.queueEntry(m, &msg)
	if err != nil {
		return err
	}
	if len(p.targets)+len(also) > 0 { // else it was a report, and nothing but that
		if err := m.opts.Boxes.Deliver(ctx, new, p.targets, also...); err != nil {
			return storeError(err)
		}
	}
	if m.opts.Quarantined != nil {
		for _, t := range p.targets {
			if t.Role == mailbox.RoleQuarantine {
				m.opts.Quarantined(t.Account)
			}
		}
	}
	m.opts.Trace.Append(trace.Summary{ID: msg.ID}, p.events...)
	return nil
}

// storeError names a failure to store for the peer: all of them pass.
func storeError(err error) error {
	if errors.Is(err, store.ErrFull) {
		return &mail.Error{Status: mail.StatusSystemFull, Code: 452, Text: "disk is full, try again later", Err: err}
	}
	return &mail.Error{Status: mail.StatusUnclassified, Text: "message could not be stored, try again later", Err: err}
}

// CheckRoom says before the message comes whether the disk has room for size
// octets (0: not known). What then comes may find none all the same.
func CheckRoom(g *disk.Guard, size int64) error {
	if err := g.Fits(disk.Mail, max(size, 0)); err != nil {
		return storeError(err)
	}
	return nil
}

// plan is where a message goes.
type plan struct {
	header  []byte // put before the shared body
	targets []mailbox.Target
	remote  []mail.Recipient
	reports []mail.Recipient // that Reports is for
	events  []trace.Event
}

// plan routes all recipients. One that cannot be routed any more, though it
// was at RCPT, makes the peer try again, and RCPT will tell it why. A full
// account does not hold up the others: it had room at RCPT and may overrun its
// quota by this one message, unless all accounts are full.
func (m *MDA) plan(ctx context.Context, msg *Mail) (*plan, error) {
	p := &plan{}
	seen := map[mailbox.AccountID]bool{}
	var full error
	room := false
	for _, rcpt := range msg.Envelope.Recipients {
		if !m.local(rcpt.Path) {
			if !msg.Submitted {
				return nil, m.CheckRecipient(ctx, rcpt.Path, 0) // never an open relay, whoever calls
			}
			p.remote = append(p.remote, rcpt)
			room = true
			continue
		}
		route, err := m.Route(ctx, rcpt.Path)
		if err != nil {
			return nil, &mail.Error{Status: mail.StatusUnclassified, Err: err,
				Text: "recipient " + rcpt.Path.String() + " was changed just now, try again later"}
		}
		if route.Reports {
			p.reports = append(p.reports, rcpt)
		}
		if err := m.checkQuota(ctx, route, msg.Size); err != nil {
			full = err
		} else {
			room = true
		}
		route, noCopy := m.withRoom(ctx, route, msg.Size)
		if len(route.Remote) > 0 && msg.isJunk(route.Accounts) && !m.opts.ForwardJunk() {
			route.Remote = nil
			p.events = append(p.events, trace.Event{Time: m.opts.Now(), Kind: trace.Route, Text: "junk is not forwarded; " + rcpt.Path.String() + " keeps it",
				Fields: map[string]string{"rcpt_to": rcpt.Path.String()}})
		}
		p.add(m.opts.Now(), msg, rcpt, route, seen)
		for _, id := range noCopy {
			p.events = append(p.events, trace.Event{Time: m.opts.Now(), Kind: trace.Route, Text: "no copy for " + rcpt.Path.String() + " here: the mailbox is full",
				Fields: map[string]string{"rcpt_to": rcpt.Path.String(), "account": formatID(id)}})
		}
	}
	if !room && full != nil {
		return nil, full
	}
	if len(p.reports) > 0 {
		return p, m.takeReports(ctx, msg, p, seen)
	}
	return p, nil
}

// add puts one routed recipient into the plan; an account that has the
// message already gets it once.
func (p *plan) add(now time.Time, msg *Mail, rcpt mail.Recipient, route Route, seen map[mailbox.AccountID]bool) {
	for _, id := range route.Accounts {
		if seen[id] {
			continue
		}
		seen[id] = true
		treat := msg.treatment(id)
		filed := treat.Place.mailbox()
		t := mailbox.Target{Account: id, Role: treat.Place.role(), Keywords: treat.Keywords,
			Header: append(finalHeader(msg.Envelope.ReversePath, rcpt.Path), treat.Header...)}
		p.targets = append(p.targets, t)
		p.events = append(p.events, trace.Event{Time: now, Kind: trace.Filed, Text: rcpt.Path.String() + " filed to " + filed,
			Fields: map[string]string{"rcpt_to": rcpt.Path.String(), "account": formatID(id), "mailbox": filed}})
	}
	for _, out := range route.Remote {
		p.remote = append(p.remote, forwarded(rcpt, out.To))
		text := rcpt.Path.String() + " is forwarded to " + out.To.String()
		if out.By.Key() != rcpt.Path.Key() {
			text += " by " + out.By.String()
		}
		p.events = append(p.events, trace.Event{Time: now, Kind: trace.Route, Text: text,
			Fields: map[string]string{"rcpt_to": rcpt.Path.String(), "to": out.To.String(), "by": out.By.String()}})
	}
	if len(route.Remote) > 0 && len(msg.Envelope.Recipients) == 1 {
		p.header = message.FormatField("Delivered-To", rcpt.Path.String())
	}
}

func formatID(id mailbox.AccountID) string { return strconv.FormatUint(uint64(id), 10) }

// forwarded is the recipient for the next hop of an alias to outside. The
// original recipient is kept for delivery reports (RFC 3461 section 5.2.7.1).
func forwarded(rcpt mail.Recipient, to mail.Path) mail.Recipient {
	out := mail.Recipient{Path: to, Notify: rcpt.Notify, ORcpt: rcpt.ORcpt}
	if out.ORcpt == "" {
		out.ORcpt = "rfc822;" + rcpt.Path.String()
		if rcpt.Path.NeedsUTF8() {
			out.ORcpt = "utf-8;" + rcpt.Path.String()
		}
	}
	return out
}

// finalHeader is written at final delivery (RFC 5321 section 4.4).
func finalHeader(from, to mail.Path) []byte {
	h := append([]byte("Return-Path: "), from.Wire()...)
	h = append(h, "\r\nDelivered-To: "...)
	h = append(h, to.String()...)
	return append(h, "\r\n"...)
}

// queueEntry returns the queue's share, if there is one.
func (p *plan) queueEntry(m *MDA, msg *Mail) ([]store.Recipient, error) {
	if len(p.remote) == 0 && msg.Settle == nil {
		return nil, nil
	}
	env := msg.Envelope
	env.Recipients = p.remote
	enqueue := msg.Settle
	if enqueue == nil {
		enqueue = func(env mail.Envelope) (store.Recipient, error) { return m.opts.Enqueue(msg.ID, env, m.opts.Now()) }
	}
	entry, err := enqueue(env)
	if err != nil {
		return nil, &mail.Error{Status: mail.StatusUnclassified, Text: "message could not be queued, try again later", Err: err}
	}
	if len(p.remote) > 0 {
		p.events = append(p.events, trace.Event{Time: m.opts.Now(), Kind: trace.Queued,
			Text: "queued for " + trace.Recipients(len(p.remote)) + " elsewhere", Fields: map[string]string{"recipients": strconv.Itoa(len(p.remote))}})
	}
	return []store.Recipient{entry}, nil
}
