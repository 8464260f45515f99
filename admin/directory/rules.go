package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/verdict"
)

// maxListEntries bounds one allow and block list.
const maxListEntries = 5_000

var bucketRules = []byte("rules")

// RuleScope says for whom a list or a policy is: the zero value for the whole
// server.
type RuleScope struct {
	Domain  mail.Domain
	Account uint32
	Address mail.Path // policies only
}

// key is the scope in rows and in the audit log.
func (s RuleScope) key() string {
	switch {
	case s.Account != 0:
		return "account:" + strconv.FormatUint(uint64(s.Account), 10)
	case !s.Address.IsNull():
		return "address:" + s.Address.Key()
	case s.Domain != "":
		return "domain:" + string(s.Domain)
	}
	return "server"
}

// rules are the list and the policy of a scope. They do not change.
type rules struct {
	scope   RuleScope
	entries []verdict.Entry // by subject
	policy  *verdict.Policy // nil: that of the next wider scope
	list    *verdict.List   // made of entries
}

// rulesRecord is a row of rules.
type rulesRecord struct {
	Domain  string          `json:"domain,omitempty"`
	Account uint32          `json:"account,omitempty"`
	Address string          `json:"address,omitempty"`
	Entries []verdict.Entry `json:"entries,omitempty"`
	Policy  *verdict.Policy `json:"policy,omitempty"`
}

func (r *rules) record() *rulesRecord {
	return &rulesRecord{Domain: string(r.scope.Domain), Account: r.scope.Account, Address: text(r.scope.Address), Entries: r.entries, Policy: r.policy}
}

func (r *rulesRecord) rules() (*rules, error) {
	p, err := parsePath(r.Address)
	if err != nil {
		return nil, err
	}
	return newRules(RuleScope{Domain: mail.Domain(r.Domain), Account: r.Account, Address: p}, r.Entries, r.Policy), nil
}

func newRules(s RuleScope, entries []verdict.Entry, policy *verdict.Policy) *rules {
	return &rules{scope: s, entries: entries, policy: policy, list: verdict.NewList(entries)}
}

func (s *snapshot) readRules(_, v []byte) error {
	var r rulesRecord
	if err := decode(v, &r); err != nil {
		return err
	}
	made, err := r.rules()
	if err == nil {
		s.rules[made.scope.key()] = made
	}
	return err
}

// Rules returns what holds for mail that reaches an account by an address;
// account 0 is for addresses that lead elsewhere. It answers from memory.
func (d *Directory) Rules(account uint32, by mail.Path) verdict.Rules {
	return d.current.Load().rulesFor(account, by)
}

// Proposal is what could be changed for a scope.
type Proposal struct {
	Policy  *verdict.Policy // nil: as it is
	Entries []verdict.Entry // to put on the list; subjects as ParseSubject reads them
	Remove  []string        // subjects to take off
}

// Propose returns what Rules would return after a change of a scope, which is
// not made.
func (d *Directory) Propose(s RuleScope, p Proposal) (func(account uint32, by mail.Path) verdict.Rules, error) {
	next := d.current.Load().clone()
	if err := next.checkScope(s); err != nil {
		return nil, err
	}
	made := &rules{scope: s}
	if old := next.rules[s.key()]; old != nil {
		made.entries, made.policy = slices.Clone(old.entries), old.policy
	}
	if p.Policy != nil {
		if err := p.Policy.Check(); err != nil {
			return nil, invalid("%v", err)
		}
		made.policy = p.Policy
	}
	for _, e := range p.Entries {
		subject, err := verdict.ParseSubject(e.Subject)
		if err != nil {
			return nil, invalid("%v", err)
		}
		e.Subject = subject
		i, found := findEntry(made.entries, subject)
		if found {
			made.entries[i] = e
		} else {
			made.entries = slices.Insert(made.entries, i, e)
		}
	}
	for _, subject := range p.Remove {
		if parsed, err := verdict.ParseSubject(subject); err == nil {
			subject = parsed
		}
		if i, found := findEntry(made.entries, subject); found {
			made.entries = slices.Delete(made.entries, i, i+1)
		}
	}
	next.rules[s.key()] = newRules(s, made.entries, made.policy)
	return next.rulesFor, nil
}

func (s *snapshot) rulesFor(account uint32, by mail.Path) verdict.Rules {
	domain := by.Domain
	if a := s.accounts[account]; a != nil && s.domains[domain] == nil {
		domain = a.Address.Domain
	}
	r := verdict.Rules{Policy: verdict.Default()}
	for scope, of := range []RuleScope{verdict.Server: {}, verdict.Domain: {Domain: domain}, verdict.Account: {Account: account}} {
		if scope == int(verdict.Account) && account == 0 {
			continue
		}
		if found := s.rules[of.key()]; found != nil {
			r.Lists[scope] = found.list
			r.Policy = found.or(r.Policy)
		}
	}
	if found := s.rules[RuleScope{Address: by}.key()]; found != nil && !by.IsNull() {
		r.Policy = found.or(r.Policy)
	}
	return r
}

// or returns the policy of these rules or, if they have none, a wider one.
func (r *rules) or(wider verdict.Policy) verdict.Policy {
	if r.policy == nil {
		return wider
	}
	return *r.policy
}

// AllowsClient reports whether the list of the server allows a network.
func (d *Directory) AllowsClient(addr netip.Addr) bool {
	r := d.current.Load().rules[RuleScope{}.key()]
	if r == nil {
		return false
	}
	verb, _ := r.list.Client(addr)
	return verb == verdict.Allow
}

// ListEntries returns the list of a scope, by subject.
func (d *Directory) ListEntries(s RuleScope) []verdict.Entry {
	if r := d.current.Load().rules[s.key()]; r != nil {
		return slices.Clone(r.entries)
	}
	return nil
}

// OwnRules says what a scope has of its own.
type OwnRules struct {
	Scope   RuleScope
	Entries int             // on its list
	Policy  *verdict.Policy // nil: that of the next wider scope holds
}

// OwnRules returns the scopes that have a list or a policy of their own: the
// server first, then domains, accounts and addresses, each by name.
func (d *Directory) OwnRules() []OwnRules {
	snap := d.current.Load()
	list := []OwnRules{}
	for _, r := range snap.rules {
		own := OwnRules{Scope: r.scope, Entries: len(r.entries)}
		if r.policy != nil {
			p := *r.policy
			own.Policy = &p
		}
		list = append(list, own)
	}
	slices.SortFunc(list, func(a, b OwnRules) int {
		return cmp.Or(a.Scope.rank()-b.Scope.rank(), strings.Compare(snap.scopeName(a.Scope), snap.scopeName(b.Scope)))
	})
	return list
}

// rank is how narrow a scope is.
func (s RuleScope) rank() int {
	switch {
	case !s.Address.IsNull():
		return 3
	case s.Account != 0:
		return 2
	case s.Domain != "":
		return 1
	}
	return 0
}

// PutListEntry adds an entry to the list of a scope, or changes the one that is
// about the same. Subject may be in any form that verdict.ParseSubject reads.
func (d *Directory) PutListEntry(ctx context.Context, actor string, s RuleScope, e verdict.Entry) (verdict.Entry, error) {
	if err := checkEntry(&e); err != nil {
		return e, err
	}
	err := d.changeRules(ctx, actor, s, func(c *change, r *rules) error {
		e.Created = c.now.UTC()
		i, found := findEntry(r.entries, e.Subject)
		if found {
			e.Created = r.entries[i].Created
			r.entries[i] = e
			return nil
		}
		if len(r.entries) >= maxListEntries {
			return fullList()
		}
		r.entries = slices.Insert(r.entries, i, e)
		return nil
	})
	return e, err
}

// AddListEntries puts on the list of a scope what is not on it, in one change.
// It returns for each what is kept, and what hinders it: [ErrExists] with the
// entry that there is already. When err is not nil nothing was added.
func (d *Directory) AddListEntries(ctx context.Context, actor string, s RuleScope, list []verdict.Entry) (kept []verdict.Entry, refused []error, err error) {
	kept, refused = slices.Clone(list), make([]error, len(list))
	err = d.changeRules(ctx, actor, s, func(c *change, r *rules) error {
		for i := range kept {
			e := &kept[i]
			if refused[i] = checkEntry(e); refused[i] != nil {
				continue
			}
			at, found := findEntry(r.entries, e.Subject)
			switch {
			case found:
				*e, refused[i] = r.entries[at], exists("%s is on this list already", e.Subject)
			case len(r.entries) >= maxListEntries:
				refused[i] = fullList()
			default:
				e.Created = c.now.UTC()
				r.entries = slices.Insert(r.entries, at, *e)
			}
		}
		return nil
	})
	return kept, refused, err
}

const maxNote = 500

// checkEntry says what is wrong with an entry, and makes it what is kept.
func checkEntry(e *verdict.Entry) error {
	subject, err := verdict.ParseSubject(e.Subject)
	if err != nil {
		return invalid("%v", err)
	}
	if e.Verb != verdict.Allow && e.Verb != verdict.Block {
		return invalid("an entry is allow or block, not %q", e.Verb)
	}
	if len(e.Note) > maxNote {
		return invalid("a note has at most %d octets", maxNote)
	}
	e.Subject = subject
	return nil
}

func fullList() error {
	return invalid("a list has at most %d entries; remove some first", maxListEntries)
}

func findEntry(entries []verdict.Entry, subject string) (int, bool) {
	return slices.BinarySearchFunc(entries, subject, func(e verdict.Entry, s string) int { return strings.Compare(e.Subject, s) })
}

// RemoveListEntry takes an entry out of the list of a scope.
func (d *Directory) RemoveListEntry(ctx context.Context, actor string, s RuleScope, subject string) error {
	if parsed, err := verdict.ParseSubject(subject); err == nil {
		subject = parsed
	}
	return d.changeRules(ctx, actor, s, func(_ *change, r *rules) error {
		i, found := findEntry(r.entries, subject)
		if !found {
			return notFound("%s is not on this list", subject)
		}
		r.entries = slices.Delete(r.entries, i, i+1)
		return nil
	})
}

// JunkPolicy returns the policy of a scope itself, nil if it has none, and the
// one that holds there.
func (d *Directory) JunkPolicy(s RuleScope) (own *verdict.Policy, holds verdict.Policy) {
	snap := d.current.Load()
	if r := snap.rules[s.key()]; r != nil && r.policy != nil {
		p := *r.policy
		own = &p
	}
	account, by := s.Account, s.Address
	switch {
	case account != 0 && snap.accounts[account] != nil:
		by = snap.accounts[account].Address
		by.Local = "" // not the policy of an address
	case by.IsNull():
		by = mail.Path{Domain: s.Domain}
	default:
		account, _ = snap.step(by)
	}
	return own, d.Rules(account, by).Policy
}

// SetJunkPolicy gives a scope its own policy; with nil that of the next wider
// scope holds again.
func (d *Directory) SetJunkPolicy(ctx context.Context, actor string, s RuleScope, p *verdict.Policy) error {
	if p != nil {
		if err := p.Check(); err != nil {
			return invalid("%v", err)
		}
		kept := *p
		p = &kept
	}
	return d.changeRules(ctx, actor, s, func(_ *change, r *rules) error {
		r.policy = p
		return nil
	})
}

// changeRules lets fn change a copy of the rules of a scope.
func (d *Directory) changeRules(ctx context.Context, actor string, s RuleScope, fn func(*change, *rules) error) error {
	return d.update(ctx, actor, func(c *change) error {
		if err := c.next.checkScope(s); err != nil {
			return err
		}
		old := c.next.rules[s.key()]
		after := &rules{scope: s}
		if old != nil {
			after.entries, after.policy = slices.Clone(old.entries), old.policy
		}
		if err := fn(c, after); err != nil {
			return err
		}
		if before := cmp.Or(old, &rules{}); slices.Equal(before.entries, after.entries) && before.policy == after.policy {
			return nil
		}
		return c.putRules(s, old, after)
	})
}

// checkScope makes sure that there is somebody a rule could be for.
func (s *snapshot) checkScope(r RuleScope) error {
	switch {
	case r.Account != 0:
		if s.accounts[r.Account] == nil {
			return notFound("there is no account number %d", r.Account)
		}
	case !r.Address.IsNull():
		if s.domains[r.Address.Domain] == nil {
			return NoDomain(r.Address.Domain)
		}
	case r.Domain != "":
		if s.domains[r.Domain] == nil {
			return NoDomain(r.Domain)
		}
	}
	return nil
}

// putRules replaces the rules of a scope; empty ones are none.
func (c *change) putRules(s RuleScope, before, after *rules) error {
	none := (&rules{scope: s}).record()
	old, new := none, none
	var row any
	delete(c.next.rules, s.key())
	if before != nil {
		old = before.record()
	}
	if after != nil && (len(after.entries) > 0 || after.policy != nil) {
		kept := newRules(s, after.entries, after.policy)
		c.next.rules[s.key()] = kept
		new = kept.record()
		row = new
	}
	if err := c.put(bucketRules, []byte(s.key()), row); err != nil {
		return err
	}
	return c.audit("rules.set", c.next.scopeName(s), old, new)
}

// scopeName is a scope as people read it in the audit log.
func (s *snapshot) scopeName(r RuleScope) string {
	switch {
	case r.Account != 0:
		if a := s.accounts[r.Account]; a != nil {
			return text(a.Address)
		}
		return r.key()
	case !r.Address.IsNull():
		return text(r.Address)
	case r.Domain != "":
		return "@" + string(r.Domain)
	}
	return "server"
}

// forgetRules removes the rules of scopes that are gone.
func (c *change) forgetRules(gone func(RuleScope) bool) error {
	for _, key := range slices.Sorted(maps.Keys(c.next.rules)) {
		r := c.next.rules[key]
		if !gone(r.scope) {
			continue
		}
		if err := c.putRules(r.scope, r, nil); err != nil {
			return err
		}
	}
	return nil
}

// revertRules undoes a change of a list or policy.
func (c *change) revertRules(u *Undone) error {
	scope, err := u.ruleScope()
	if err != nil {
		return err
	}
	if err := c.next.checkScope(scope); err != nil {
		return conflict("%s is gone", u.Entry.Object)
	}
	old := c.next.rules[scope.key()]
	now := (&rules{scope: scope}).record()
	if old != nil {
		now = old.record()
	}
	var then rulesRecord
	if err := u.bringBack(now, &then); err != nil {
		return err
	}
	return c.putRules(scope, old, &rules{scope: scope, entries: then.Entries, policy: then.Policy})
}

// ruleScope is whom the rules of an entry are for.
func (u *Undone) ruleScope() (RuleScope, error) {
	var r rulesRecord
	if err := json.Unmarshal(u.Entry.Before, &r); err != nil {
		return RuleScope{}, err
	}
	made, err := r.rules()
	if err != nil {
		return RuleScope{}, err
	}
	return made.scope, nil
}
