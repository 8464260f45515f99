package inbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/smtp/dnsbl"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

// DoorSettings may change at any time. A limit of 0 is none.
type DoorSettings struct {
	// Exempt are networks of our own: their clients do not wait and are not
	// counted, looked up in lists, or greylisted.
	Exempt []netip.Prefix
	Pause  time.Duration // before the greeting, for clients not seen to be good

	ConnectionsPerAddress, ConnectionsPerNet int // a minute
	MessagesPerAddress, MessagesPerNet       int // a minute
	UnknownRecipients                        int // that end the patience with an address

	RefuseUnknownSender bool         // 5.1.8 where the domain of MAIL FROM does not exist
	RefuseListed        RefuseListed // by blocklists of addresses

	LinkLookups int // of domains of a message's links in lists of domains

	Greylist      bool
	GreylistDelay time.Duration
	GreylistScore float64 // of those who have to come again, at least
}

// RefuseListed says which listings of a client's address refuse its mail.
type RefuseListed uint8

const (
	RefuseNone   RefuseListed = iota // lists only add to the score
	RefuseMarked                     // those whose code is marked
	RefuseAll
)

// DoorOptions are what a Door works with. Hostname, Resolver and Settings must
// be set.
type DoorOptions struct {
	Hostname mail.Domain
	Resolver dns.Resolver
	Settings func() DoorSettings
	Memory   *Memory      // nil: nobody is remembered, and nothing greylisted
	Lists    *dnsbl.Lists // nil: none

	// Self returns our own addresses; nil: not known.
	Self func() []netip.Addr
	// IsLocal reports whether mail for a domain is delivered here.
	IsLocal func(mail.Domain) bool
	// Sends reports whether anybody can write as an address of ours, so that a
	// delivery report can come to it; nil: all do.
	Sends  func(mail.Path) bool
	Now    func() time.Time
	Logger *slog.Logger
}

// Door is the policy before a message comes, and what is remembered for it.
// Each of its rules makes a [Ruling].
type Door struct {
	opts        DoorOptions
	connections rates
	messages    rates
	probes      probes
	told        tellings
	waiting     atomic.Int32 // clients that wait by our will
}

// NewDoor makes a Door.
func NewDoor(o DoorOptions) *Door {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Self == nil {
		o.Self = func() []netip.Addr { return nil }
	}
	if o.IsLocal == nil {
		o.IsLocal = func(mail.Domain) bool { return false }
	}
	if o.Sends == nil {
		o.Sends = func(mail.Path) bool { return true }
	}
	return &Door{opts: o}
}

// Ruling is what a rule of the door says: that a client or a recipient is
// refused, or what it adds to the score of the message.
type Ruling struct {
	Rule    string      // "rate.connections", "helo.form", "sender.null-mx" …
	Refusal *mail.Error // nil: it goes on
	Score   float64
	Text    string // why, in one sentence
}

func (r *Ruling) reason() mail.Reason { return mail.Reason{Name: r.Rule, Score: r.Score, Text: r.Text} }

// visit is one connection at the door.
type visit struct {
	door   *Door
	addr   netip.Addr
	exempt bool

	began    sync.Once
	once     sync.Once
	listings []dnsbl.Listing
	lookups  sync.WaitGroup
}

// maxWaiting bounds how many clients wait by our will; beyond it nobody does.
const maxWaiting = 1000

// enter decides on a connection, before the greeting. A refusal is 421, or 554
// for those who talk first. A network that a list of the server allows is as
// good as our own.
func (d *Door) enter(ctx context.Context, c *smtpserver.Conn, allowed bool) (*visit, *Ruling) {
	s, now := d.opts.Settings(), d.opts.Now()
	v := &visit{door: d, addr: c.Remote.Addr().Unmap().WithZone("")}
	if v.exempt = allowed || contains(s.Exempt, v.addr); v.exempt {
		return v, nil
	}
	if over := d.connections.take(v.addr, s.ConnectionsPerAddress, s.ConnectionsPerNet, now); over.IsValid() {
		return v, tooFast("rate.connections", "connections", over)
	}
	if d.probes.over(v.addr, s.UnknownRecipients, now) {
		return v, probing()
	}
	if s.Pause > 0 && !d.opts.Memory.good(v.addr) && d.wait(func() bool { return c.TalksEarly(ctx, s.Pause) }) {
		return v, &Ruling{Rule: "early-talker", Text: "The client has talked before the greeting.",
			Refusal: &mail.Error{Status: mail.Status{Class: 5, Subject: 5, Detail: 1}, Code: 554, Text: "you talked before the greeting"}}
	}
	return v, nil
}

// wait runs f, which takes its time, unless too many wait already.
func (d *Door) wait(f func() bool) bool {
	defer d.waiting.Add(-1)
	if d.waiting.Add(1) > maxWaiting {
		return false
	}
	return f()
}

func contains(nets []netip.Prefix, a netip.Addr) bool {
	for _, p := range nets {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// tooFast is the ruling about an address or net that does too much in a minute.
func tooFast(rule, what string, who netip.Prefix) *Ruling {
	code, from := 451, "your address"
	if rule == "rate.connections" {
		code = 421
	}
	if !who.IsSingleIP() && !(who.Addr().Is6() && who.Bits() == 64) {
		from = "your network"
	}
	return &Ruling{Rule: rule, Text: fmt.Sprintf("There were too many %s from %s in a minute.", what, who),
		Refusal: &mail.Error{Status: mail.Status{Class: 4, Subject: 7, Detail: 0}, Code: code,
			Text: fmt.Sprintf("too many %s from %s in a short time, try again in a minute", what, from)}}
}

// probing is the ruling about who looks for addresses.
func probing() *Ruling {
	return &Ruling{Rule: "probing", Text: "Most recipients that were asked for from there do not exist.",
		Refusal: &mail.Error{Status: mail.Status{Class: 4, Subject: 7, Detail: 1}, Code: 421,
			Text: "too many recipients that do not exist were asked for from your address, try again later"}}
}

// close waits for lookups that are under way.
func (v *visit) close() { v.lookups.Wait() }

// begin starts to look the client up in the lists, so that nobody waits for
// long when it is asked for.
func (v *visit) begin(ctx context.Context) {
	lists := v.door.opts.Lists
	if lists == nil || v.exempt {
		return
	}
	v.began.Do(func() {
		if now, known := lists.AddressNow(v.addr); known {
			v.once.Do(func() { v.listings = now })
			return
		}
		v.lookups.Go(func() { v.listed(ctx) })
	})
}

// listed returns what lists have of the client, once for a connection.
func (v *visit) listed(ctx context.Context) []dnsbl.Listing {
	if v.door.opts.Lists == nil || v.exempt {
		return nil
	}
	v.once.Do(func() { v.listings = v.door.opts.Lists.Address(ctx, v.addr) })
	return v.listings
}

// mail decides on a reverse-path. Only one of the rulings can be a refusal, and
// that is the last.
func (v *visit) mail(ctx context.Context, hello string, env *mail.Envelope) []Ruling {
	d := v.door
	s := d.opts.Settings()
	if !v.exempt {
		if over := d.messages.take(v.addr, s.MessagesPerAddress, s.MessagesPerNet, d.opts.Now()); over.IsValid() {
			return []Ruling{*tooFast("rate.messages", "messages", over)}
		}
	}
	if s.RefuseListed != RefuseNone {
		v.begin(ctx)
	}
	var rulings []Ruling
	for _, rule := range []func() *Ruling{
		func() *Ruling { return v.hello(hello) },
		func() *Ruling { return d.sender(ctx, env.ReversePath, s.RefuseUnknownSender) },
	} {
		if r := rule(); r != nil {
			if rulings = append(rulings, *r); r.Refusal != nil {
				break
			}
		}
	}
	return rulings
}

// senderTimeout bounds the lookups about a reverse-path. What takes longer
// counts for nothing.
const senderTimeout = 5 * time.Second

// sender looks at the domain of a reverse-path: whether a reply, or a delivery
// report, could go there. DNS trouble is no reason for anything.
func (d *Door) sender(ctx context.Context, from mail.Path, refuse bool) *Ruling {
	switch {
	case from.IsNull() || from.Domain == "" || d.opts.IsLocal(from.Domain):
		return nil
	case from.Domain.IsLiteral():
		return &Ruling{Rule: "sender.literal", Score: 1, Text: "The sender's address has no domain, but the address of a machine."}
	}
	ctx, cancel := context.WithTimeout(ctx, senderTimeout)
	defer cancel()
	mxs, _, err := d.opts.Resolver.MX(ctx, string(from.Domain))
	switch {
	case err == nil && len(mxs) == 1 && mxs[0].Host == ".": // RFC 7505 section 4.2
		return &Ruling{Rule: "sender.null-mx", Text: fmt.Sprintf("The domain %s says that it has no mail (null MX).", from.Domain),
			Refusal: &mail.Error{Status: mail.Status{Class: 5, Subject: 7, Detail: 27}, Code: 550,
				Text: fmt.Sprintf("%s says in the DNS that it has no mail (null MX); use a sender that can be replied to", from.Domain)}}
	case err == nil || !errors.Is(err, dns.ErrNotFound):
		return nil
	}
	if !errors.Is(err, dns.ErrNoSuchName) {
		if _, _, err = d.opts.Resolver.A(ctx, string(from.Domain)); !errors.Is(err, dns.ErrNotFound) {
			return nil
		}
	}
	if !d.soundDNS(ctx) {
		return nil
	}
	r := &Ruling{Rule: "sender.unknown", Score: 2.5, Text: fmt.Sprintf("The sender's domain %s does not exist, or takes no mail.", from.Domain)}
	if refuse {
		r.Refusal = &mail.Error{Status: mail.Status{Class: 5, Subject: 1, Detail: 8}, Code: 550,
			Text: fmt.Sprintf("%s has neither MX nor address records; use a sender that can be replied to", from.Domain)}
	}
	return r
}

// soundDNS reports whether the resolver still knows our own name. One that says
// of everything that it does not exist says nothing about a sender.
func (d *Door) soundDNS(ctx context.Context) bool {
	_, _, err := d.opts.Resolver.A(ctx, string(d.opts.Hostname))
	return err == nil
}

// recipient decides on a recipient that exists.
func (v *visit) recipient(ctx context.Context, env *mail.Envelope, to mail.Path) *Ruling {
	if isPostmaster(to) { // RFC 5321 section 4.5.1
		return nil
	}
	if r := v.door.bounce(env, to); r != nil {
		return r
	}
	return v.refuseListed(ctx, to)
}

func isPostmaster(p mail.Path) bool { return strings.EqualFold(p.Local, "postmaster") }

// bounce decides on a delivery report, by its null reverse-path. It is for the
// one who has sent (RFC 3464 section 2.1); one for an address that nobody
// writes as answers to mail that somebody has forged.
func (d *Door) bounce(env *mail.Envelope, to mail.Path) *Ruling {
	switch {
	case !env.ReversePath.IsNull():
		return nil
	case !d.opts.Sends(to):
		return &Ruling{Rule: "bounce.never-sent", Text: fmt.Sprintf("Nobody can write as %s, so no delivery report can be for it.", to),
			Refusal: &mail.Error{Status: mail.StatusPolicy, Code: 550, Text: "no mail is sent from this address, so no delivery report is taken for it"}}
	case len(env.Recipients) > 0:
		return &Ruling{Rule: "bounce.recipients", Text: "A delivery report has one recipient.",
			Refusal: &mail.Error{Status: mail.Status{Class: 4, Subject: 5, Detail: 3}, Code: 452,
				Text: "a message with a null reverse-path is taken for one recipient; send the rest in another transaction"}}
	}
	return nil
}

// refuseListed refuses a client for a list that says it sends nothing good,
// unless another list knows better.
func (v *visit) refuseListed(ctx context.Context, to mail.Path) *Ruling {
	mode := v.door.opts.Settings().RefuseListed
	if mode == RefuseNone {
		return nil
	}
	var worst *dnsbl.Listing
	listings := v.listed(ctx)
	for i := range listings {
		l := &listings[i]
		switch {
		case l.Kind == dnsbl.Allow:
			return nil
		case (l.Refuse || mode == RefuseAll) && (worst == nil || l.Score > worst.Score):
			worst = l
		}
	}
	if worst == nil {
		return nil
	}
	return &Ruling{Rule: dnsbl.ReasonAddress, Text: worst.Text(),
		Refusal: &mail.Error{Status: mail.StatusPolicy, Code: 550, Text: fmt.Sprintf("your address %s is on the blocklist %s; postmaster@%s takes mail from you",
			v.addr, worst.List, cmp.Or(to.Domain, v.door.opts.Hostname))}}
}

// Those who ask for unknown recipients wait for each answer, a second longer
// each time.
const (
	patientFor = 4 // unknown recipients
	maxDelay   = 5 * time.Second
)

// asked notes whether a recipient exists. It makes those wait who look for
// addresses, and sends them away in the end.
func (v *visit) asked(ctx context.Context, err error) *Ruling {
	d := v.door
	limit := d.opts.Settings().UnknownRecipients
	if v.exempt || limit == 0 {
		return nil
	}
	unknown := mail.StatusOf(err) == mail.StatusNoSuchMailbox
	if err != nil && !unknown { // says nothing about what the client knows
		return nil
	}
	n := d.probes.note(v.addr, unknown, d.opts.Now())
	if !unknown {
		return nil
	}
	if d.probes.over(v.addr, limit, d.opts.Now()) {
		return probing()
	}
	if delay := min(time.Duration(n-patientFor)*time.Second, maxDelay); delay > 0 {
		d.wait(func() bool {
			select {
			case <-ctx.Done():
			case <-time.After(delay):
			}
			return true
		})
	}
	return nil
}

// took notes that a message of the client was accepted as good.
func (v *visit) took() {
	if !v.exempt {
		v.door.opts.Memory.sawGood(v.addr)
	}
}
