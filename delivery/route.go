package delivery

import (
	"context"
	"errors"
	"slices"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of the expansion of one address.
const (
	maxExpansionDepth = 10
	maxExpandedPaths  = 2_000
)

// Directory says what the addresses of our own domains mean.
type Directory interface {
	// IsLocal reports whether mail for d is delivered here.
	IsLocal(d mail.Domain) bool
	// Resolve takes one step: an account, or the targets of an alias; both for
	// an account that forwards its mail and keeps a copy. It fails with a
	// *mail.Error: 5.1.1 for an unknown user, 5.7.1 for a domain that is not
	// ours.
	Resolve(ctx context.Context, p mail.Path) (account uint32, targets []mail.Path, err error)
}

// Route is what one recipient became.
type Route struct {
	Accounts []mailbox.AccountID
	Remote   []Onward // through an alias, or because an account forwards
	Reports  bool     // the message is for Options.Reports too
}

// Onward is an address elsewhere, and the one of ours that leads there.
type Onward struct{ To, By mail.Path }

// local reports whether p is delivered here. "Postmaster" without a domain is
// (RFC 5321 section 4.5.1).
func (m *MDA) local(p mail.Path) bool { return p.Domain == "" || m.opts.Directory.IsLocal(p.Domain) }

// Route expands a recipient of one of our domains. Where some targets of a
// group are gone, the rest still gets its mail; only if nothing is left the
// first error is returned.
func (m *MDA) Route(ctx context.Context, to mail.Path) (Route, error) {
	x := expansion{mda: m, seen: map[string]bool{}}
	err := x.expand(ctx, to, to, 0)
	if len(x.route.Accounts) == 0 && len(x.route.Remote) == 0 && !x.route.Reports {
		if err == nil {
			err = mail.Errorf(mail.StatusRoutingLoop, "%s leads in a circle", to)
		}
		return Route{}, err
	}
	return x.route, nil
}

// Leaves reports whether mail for these recipients, or for what their
// addresses lead to, goes on to another server.
func (m *MDA) Leaves(ctx context.Context, to []mail.Recipient) bool {
	return slices.ContainsFunc(to, func(r mail.Recipient) bool {
		if !m.local(r.Path) {
			return true
		}
		route, err := m.Route(ctx, r.Path)
		return err != nil || len(route.Remote) > 0
	})
}

// Reached is an account that a message reaches, and by which of its
// recipients. Account 0 is nobody here: the recipient leads elsewhere only.
type Reached struct {
	Account mailbox.AccountID
	To      mail.Path
}

// Reach returns whom mail for recipients of our domains reaches: each account
// once, by the recipient under which [MDA.Deliver] files it. What cannot be
// routed is left out; Deliver says why.
func (m *MDA) Reach(ctx context.Context, to []mail.Recipient) []Reached {
	var all []Reached
	seen := map[mailbox.AccountID]bool{}
	for _, rcpt := range to {
		if !m.local(rcpt.Path) {
			continue
		}
		route, err := m.Route(ctx, rcpt.Path)
		if err != nil {
			continue
		}
		for _, id := range route.Accounts {
			if !seen[id] {
				seen[id] = true
				all = append(all, Reached{id, rcpt.Path})
			}
		}
		if len(route.Accounts) == 0 {
			all = append(all, Reached{0, rcpt.Path})
		}
	}
	return all
}

// expansion collects what one address leads to.
type expansion struct {
	mda   *MDA
	seen  map[string]bool
	route Route
}

// expand follows p, to which by leads, and returns the first error met on the
// way; other branches are followed all the same.
func (x *expansion) expand(ctx context.Context, p, by mail.Path, depth int) error {
	if x.seen[p.Key()] {
		return nil
	}
	if depth > maxExpansionDepth || len(x.seen) >= maxExpandedPaths {
		return mail.Errorf(mail.StatusRoutingLoop, "%s expands to too many addresses", p)
	}
	x.seen[p.Key()] = true
	if !x.mda.local(p) {
		x.route.Remote = append(x.route.Remote, Onward{To: p, By: by})
		return nil
	}
	if r := x.mda.opts.Reports; r != nil && r.Takes(p) {
		x.route.Reports = true
		return nil
	}
	account, targets, err := x.mda.opts.Directory.Resolve(ctx, p)
	if err != nil {
		return err
	}
	if account != 0 {
		x.add(mailbox.AccountID(account))
	}
	var first error
	for _, t := range targets {
		if err := x.expand(ctx, t, p, depth+1); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (x *expansion) add(id mailbox.AccountID) {
	for _, have := range x.route.Accounts {
		if have == id {
			return
		}
	}
	x.route.Accounts = append(x.route.Accounts, id)
}

// CheckRecipient says at RCPT whether a message of size octets (0: not known)
// for to would be taken. Addresses elsewhere are refused: whoever may relay
// does not ask.
func (m *MDA) CheckRecipient(ctx context.Context, to mail.Path, size int64) error {
	if !m.local(to) {
		return &mail.Error{Status: mail.StatusRelayDenied, Code: 550,
			Text: "this server does not deliver mail for that domain; log in on port 587 or 465 to send"}
	}
	route, err := m.Route(ctx, to)
	if err != nil {
		return err
	}
	return m.checkQuota(ctx, route, size)
}

// checkQuota fails when no account of the route has room. Groups deliver to
// those who have.
func (m *MDA) checkQuota(ctx context.Context, r Route, size int64) error {
	if len(r.Remote) > 0 || r.Reports {
		return nil
	}
	var full error
	for _, id := range r.Accounts {
		err := m.opts.Boxes.CheckQuota(ctx, id, size)
		if err == nil {
			return nil
		}
		full = err
	}
	if full == nil {
		return nil
	}
	if !errors.Is(full, mailbox.ErrOverQuota) {
		return &mail.Error{Status: mail.Status{Class: 4, Subject: 2}, Text: "mailbox is not available now, try again later", Err: full}
	}
	if m.neverFits(ctx, r, size) {
		return &mail.Error{Status: mail.Status{Class: 5, Subject: 2, Detail: 3}, Code: 552, Text: "message is larger than the mailbox may ever hold", Err: full}
	}
	return &mail.Error{Status: mail.StatusMailboxFull, Code: 452, Text: "mailbox is full", Err: full}
}

// withRoom leaves out the accounts that are full where the message also goes
// elsewhere: then RCPT did not ask for their room.
func (m *MDA) withRoom(ctx context.Context, r Route, size int64) (_ Route, full []mailbox.AccountID) {
	if len(r.Remote) == 0 {
		return r, nil
	}
	var room []mailbox.AccountID
	for _, id := range r.Accounts {
		if errors.Is(m.opts.Boxes.CheckQuota(ctx, id, size), mailbox.ErrOverQuota) {
			full = append(full, id)
			continue
		}
		room = append(room, id)
	}
	r.Accounts = room
	return r, full
}

// neverFits reports whether size is beyond the whole quota of each account:
// to try again is useless then.
func (m *MDA) neverFits(ctx context.Context, r Route, size int64) bool {
	for _, id := range r.Accounts {
		var u mailbox.Usage
		err := m.opts.Boxes.Account(id).View(ctx, func(v *mailbox.View) error {
			u = v.Usage()
			return nil
		})
		if err != nil || u.LimitBytes == 0 || size <= u.LimitBytes {
			return false
		}
	}
	return true
}
