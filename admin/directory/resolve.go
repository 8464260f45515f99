package directory

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// IsLocal reports whether mail for d is delivered here.
func (d *Directory) IsLocal(name mail.Domain) bool {
	return d.current.Load().domains[name] != nil
}

// Resolve says what p means, in one step: an account, or the addresses it
// leads to; both for an account that forwards its mail and keeps a copy. It
// fails with a *mail.Error for an address that is unknown
// (5.1.1), not ours (5.7.1) or suspended (5.2.1). "Postmaster" without a
// domain is ours.
func (d *Directory) Resolve(_ context.Context, p mail.Path) (account uint32, targets []mail.Path, err error) {
	s := d.current.Load()
	if p.Domain != "" || !isRole(p.Local) {
		dom := s.domains[p.Domain]
		switch {
		case dom == nil:
			return 0, nil, &mail.Error{Status: mail.StatusRelayDenied, Code: 550, Text: "this server does not handle mail for that domain"}
		case dom.Disabled:
			return 0, nil, suspended("mail for this domain is not accepted at present")
		}
	}
	account, targets = s.step(p)
	switch {
	case targets != nil:
		return 0, targets, nil
	case account == 0:
		return 0, nil, &mail.Error{Status: mail.StatusNoSuchMailbox, Code: 550, Text: "there is no mailbox with that address here"}
	case s.accounts[account].Suspended:
		return 0, nil, suspended("this mailbox does not accept mail at present")
	}
	if a := s.accounts[account]; len(a.Forward) > 0 {
		if !a.KeepCopy {
			account = 0
		}
		return account, a.Forward, nil
	}
	return account, nil, nil
}

func suspended(text string) error {
	return &mail.Error{Status: mail.Status{Class: 5, Subject: 2, Detail: 1}, Code: 550, Text: text}
}

// isRole reports whether an address of this name is there in every domain
// (RFC 5321 section 4.5.1, RFC 2142 section 2).
func isRole(local string) bool {
	return strings.EqualFold(local, "postmaster") || strings.EqualFold(local, "abuse")
}

// step says what p means; nothing of both if it is unknown.
func (s *snapshot) step(p mail.Path) (account uint32, targets []mail.Path) {
	if account, targets = s.exact(p); account != 0 || targets != nil {
		return account, targets
	}
	dom := s.domains[p.Domain]
	if dom == nil {
		if p.Domain == "" && isRole(p.Local) {
			return s.role("")
		}
		return 0, nil
	}
	if dom.AliasOf != "" {
		return 0, []mail.Path{{Local: p.Local, Domain: dom.AliasOf}}
	}
	if account, targets = s.subaddress(p, dom); account != 0 || targets != nil {
		return account, targets
	}
	if isRole(p.Local) {
		return s.role(p.Domain)
	}
	if !dom.CatchAll.IsNull() {
		return 0, []mail.Path{dom.CatchAll}
	}
	return 0, nil
}

func (s *snapshot) exact(p mail.Path) (account uint32, targets []mail.Path) {
	key := p.Key()
	if id := s.byAddress[key]; id != 0 {
		return id, nil
	}
	if a := s.aliases[key]; a != nil {
		return 0, a.Targets
	}
	return 0, nil
}

// subaddress looks for the address before a separator, the longest first: with
// "-" the address ann-list-x can belong to ann-list or to ann (RFC 5233).
func (s *snapshot) subaddress(p mail.Path, dom *Domain) (account uint32, targets []mail.Path) {
	for base := range dom.bases(p) {
		if account, targets = s.exact(base); account != 0 || targets != nil {
			return account, targets
		}
	}
	return 0, nil
}

func (d *Domain) separator() string { return cmp.Or(d.Separator, DefaultSeparator) }

// bases yields the addresses that p is a subaddress of, the longest first.
func (d *Domain) bases(p mail.Path) iter.Seq[mail.Path] {
	return func(yield func(mail.Path) bool) {
		sep := d.separator()
		if sep == NoSeparator {
			return
		}
		for i := strings.LastIndex(p.Local, sep); i > 0; i = strings.LastIndex(p.Local, sep) {
			p.Local = p.Local[:i]
			if !yield(p) {
				return
			}
		}
	}
}

// Missing returns what would let mail for p arrive if it were here: addresses,
// and those of catch-alls, which have no local-part. Nothing is missing of what
// arrives, or is not ours.
func (d *Directory) Missing(p mail.Path) []mail.Path {
	s := d.current.Load()
	dom := s.domains[p.Domain]
	if dom == nil || s.checkTarget(p) == nil {
		return nil
	}
	return append(slices.AppendSeq([]mail.Path{p}, dom.bases(p)), mail.Path{Domain: p.Domain})
}

// role says who gets mail for postmaster and abuse of a domain: the setting,
// else the domain's first account, else the first of all.
func (s *snapshot) role(name mail.Domain) (account uint32, targets []mail.Path) {
	if p, ok := s.values[string(Postmaster)].(mail.Path); ok && !p.IsNull() {
		dom := s.domains[p.Domain]
		id, to := s.exact(p)
		if dom == nil || to != nil || id != 0 && !s.accounts[id].Suspended {
			return 0, []mail.Path{p}
		}
	}
	if s.first == nil { // within a change, which has it to itself
		s.first = s.firsts()
	}
	if id := s.first[name]; id != 0 {
		return id, nil
	}
	return s.first[""], nil
}

// MaySend reports whether an account may write as p: its address and
// subaddresses, aliases that lead to it alone or list it, and unknown
// addresses of a domain whose catch-all it is.
func (d *Directory) MaySend(account uint32, p mail.Path) bool {
	s := d.current.Load()
	a := s.accounts[account]
	return a != nil && !a.Suspended && p.Domain != "" && s.owns(account, p, maxAliasDepth)
}

func (s *snapshot) owns(account uint32, p mail.Path, depth int) bool {
	id, targets := s.step(p)
	if id != 0 || depth == 0 {
		return id == account
	}
	if len(targets) == 1 {
		return s.owns(account, targets[0], depth-1)
	}
	for _, t := range targets {
		if id, _ := s.exact(t); id == account {
			return true
		}
	}
	return false
}

// typed returns the account whose history a login belongs to, also if it may
// not log in; 0 if there is none.
func (s *snapshot) typed(login string) uint32 {
	if id := s.login(login); id != 0 {
		return id
	}
	return s.byAddress[login]
}

// login returns the account that somebody who types this wants to use, 0 if
// there is none that may log in. Besides the primary address an alias that
// leads to the account alone will do.
func (s *snapshot) login(typed string) uint32 {
	p, err := mail.ParseAddress(typed)
	if err != nil {
		return 0
	}
	for range maxAliasDepth {
		dom := s.domains[p.Domain]
		if dom == nil || dom.Disabled {
			return 0
		}
		id, targets := s.exact(p)
		switch {
		case id != 0 && s.accounts[id].Suspended:
			return 0
		case id != 0:
			return id
		case len(targets) == 1:
			p = targets[0]
		case targets == nil && dom.AliasOf != "":
			p.Domain = dom.AliasOf
		default:
			return 0
		}
	}
	return 0
}
