package verdict

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Verb is what an entry of a list asks for.
type Verb string

const (
	NoVerb Verb = "" // no entry matches
	Allow  Verb = "allow"
	Block  Verb = "block"
)

// Entry is one line of a list.
type Entry struct {
	Verb Verb `json:"kind" enum:"allow,block"`
	// Subject is in the form that ParseSubject returns.
	Subject string    `json:"entry"`
	Note    string    `json:"note,omitempty"`
	Created time.Time `json:"created"`
}

// ParseSubject reads what an entry is about and returns it in its one form:
//
//	ana@example.org       an address
//	@example.org          a domain
//	.example.org          a domain and all below it
//	192.0.2.0/24          a network; an address alone is one of its own
//
// example.org alone is meant as @example.org.
func ParseSubject(s string) (string, error) {
	s = strings.TrimSpace(s)
	if p, err := parseNetwork(s); err == nil {
		if p.Bits() == 0 {
			return "", fmt.Errorf("%s is the whole internet; name a smaller network", s)
		}
		return networkText(p), nil
	}
	if strings.Contains(s, "/") {
		return "", fmt.Errorf("%q is no network; write one like 192.0.2.0/24 or 2001:db8::/32", s)
	}
	if name, ok := strings.CutPrefix(s, "."); ok {
		d, err := listDomain(name)
		return "." + string(d), err
	}
	if name, ok := strings.CutPrefix(s, "@"); ok || !strings.Contains(s, "@") {
		d, err := listDomain(name)
		return "@" + string(d), err
	}
	p, err := mail.ParseAddress(s)
	if err != nil {
		return "", fmt.Errorf("%q is no address; write ana@example.org, @example.org, .example.org or 192.0.2.0/24", s)
	}
	return addressText(p), nil
}

// addressText is an address without regard to case.
func addressText(p mail.Path) string {
	return mail.Path{Local: strings.ToLower(p.Local), Domain: p.Domain}.String()
}

func listDomain(name string) (mail.Domain, error) {
	d, err := mail.ParseDomain(name)
	if err != nil || d.IsLiteral() {
		return "", fmt.Errorf("%q is no domain; write ana@example.org, @example.org, .example.org or 192.0.2.0/24", name)
	}
	return d, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, err
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("mapped network")
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// networkText leaves the length of a single address out.
func networkText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// List is a list made ready to be asked; nil is empty. It does not change.
type List struct {
	verbs map[string]Verb // of addresses and domains, by subject
	nets  []network       // the longest prefix first
}

type network struct {
	prefix netip.Prefix
	verb   Verb
}

// NewList makes a List. Entries that no version of ParseSubject makes are left
// out.
func NewList(entries []Entry) *List {
	l := &List{verbs: map[string]Verb{}}
	for _, e := range entries {
		if p, err := parseNetwork(e.Subject); err == nil {
			l.nets = append(l.nets, network{p, e.Verb})
			continue
		}
		l.verbs[e.Subject] = e.Verb
	}
	slices.SortStableFunc(l.nets, func(a, b network) int { return b.prefix.Bits() - a.prefix.Bits() })
	return l
}

// Client returns what the list says of a client's network, and by which entry.
func (l *List) Client(addr netip.Addr) (Verb, string) {
	if l == nil {
		return NoVerb, ""
	}
	addr = addr.Unmap().WithZone("")
	for _, n := range l.nets {
		if n.prefix.Contains(addr) {
			return n.verb, networkText(n.prefix)
		}
	}
	return NoVerb, ""
}

// Address returns what the list says of an address: the entry that names it
// most closely counts.
func (l *List) Address(p mail.Path) (Verb, string) {
	if l == nil || p.IsNull() {
		return NoVerb, ""
	}
	d := string(p.Domain)
	for _, subject := range []string{addressText(p), "@" + d} {
		if v := l.verbs[subject]; v != NoVerb {
			return v, subject
		}
	}
	for name := d; name != ""; {
		if v := l.verbs["."+name]; v != NoVerb {
			return v, "." + name
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return NoVerb, ""
}

// Sender is who a message comes from, as far as lists are about that.
type Sender struct {
	Client  netip.Addr
	Authors []Party // of From
	// ReversePath is proven if SPF allows the client to send for it.
	ReversePath Party
}

// Party is an address that stands for a message. Proven says that the message
// is authenticated as of its domain, or that the domain has no way to say so.
type Party struct {
	Address mail.Path
	Proven  bool
}

// Match is what lists say of a sender.
type Match struct {
	Verb    Verb
	Subject string // the entry
	Scope   Scope  // of its list
}

// Scope is whom a list or policy is for.
type Scope uint8

const (
	Server Scope = iota
	Domain
	Account
	Address // policies only
)

func (s Scope) String() string { return [...]string{"server", "domain", "account", "address"}[s] }

// Lists are those that hold for an account, by scope; nil ones are empty.
type Lists [Account + 1]*List

// Match applies the lists in the order that doc.go tells.
func (ls *Lists) Match(s *Sender) Match {
	var said [len(Lists{})]Match
	for i, l := range ls {
		said[i] = l.match(s)
		said[i].Scope = Scope(i)
	}
	for _, m := range said[:Account] {
		if m.Verb == Block {
			return m
		}
	}
	for _, scope := range []Scope{Account, Domain, Server} {
		if said[scope].Verb != NoVerb {
			return said[scope]
		}
	}
	return Match{}
}

// match asks one list for all that stands for the message; a block wins.
func (l *List) match(s *Sender) Match {
	if l == nil || len(l.verbs) == 0 && len(l.nets) == 0 {
		return Match{}
	}
	var allow Match
	if v, subject := l.Client(s.Client); v == Block {
		return Match{Verb: v, Subject: subject}
	} else if v == Allow {
		allow = Match{Verb: v, Subject: subject}
	}
	for i := 0; i <= len(s.Authors); i++ {
		p := s.ReversePath
		if i < len(s.Authors) {
			p = s.Authors[i]
		}
		v, subject := l.Address(p.Address)
		if v == Block {
			return Match{Verb: v, Subject: subject}
		}
		if v == Allow && p.Proven && allow.Verb == NoVerb {
			allow = Match{Verb: v, Subject: subject}
		}
	}
	return allow
}

// Rules are what holds for mail that reaches an account by one address.
type Rules struct {
	Policy Policy
	Lists  Lists
}
