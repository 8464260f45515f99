package dnsbl

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

const (
	lookupTimeout = 5 * time.Second // for all lists together
	maxNames      = 6               // domains of a message that are asked about
)

// MaxLinks is how many domains of links are asked about at most, and those they
// are registered under.
const MaxLinks = 20

// Settings are texts as [Parse] and [ParseKeys] read them.
type Settings struct {
	Addresses, Domains, Allow string
	Keys                      string
}

// Options are what Lists work with. Resolver and Settings are needed.
type Options struct {
	Resolver dns.Resolver
	// Settings is asked at each lookup, so that changes count at once.
	Settings func() Settings

	Now    func() time.Time
	Logger *slog.Logger
}

// Lists asks lists. It is safe for concurrent use.
type Lists struct {
	opts   Options
	parsed atomic.Pointer[parsed]

	ctx    context.Context // of self-tests
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	health map[string]*health // by name of the list as it is shown
}

// parsed is what the settings say.
type parsed struct {
	from  Settings
	lists map[Kind][]List
	keys  map[string]string
}

// New makes Lists. Close ends what it began.
func New(o Options) *Lists {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Lists{opts: o, health: map[string]*health{}}
	l.ctx, l.cancel = context.WithCancel(dns.WithSecretNames(context.Background()))
	return l
}

// Close ends self-tests that are under way.
func (l *Lists) Close() {
	l.cancel()
	l.wg.Wait()
}

// settings returns what is configured now. A text that cannot be read, which
// nobody can set, counts as no list.
func (l *Lists) settings() *parsed {
	now := l.opts.Settings()
	if p := l.parsed.Load(); p != nil && p.from == now {
		return p
	}
	p := &parsed{from: now, lists: map[Kind][]List{}}
	for kind, text := range map[Kind]string{Addresses: now.Addresses, Domains: now.Domains, Allow: now.Allow} {
		var err error
		if p.lists[kind], err = Parse(kind, text); err != nil {
			l.opts.Logger.Error("blocklists cannot be read", "err", err)
		}
	}
	var err error
	if p.keys, err = ParseKeys(now.Keys); err != nil {
		l.opts.Logger.Error("keys of blocklists cannot be read", "err", err)
	}
	l.parsed.Store(p)
	return p
}

// Name is a domain that stands for a message.
type Name struct {
	Role   string // "the sender's domain"; for people
	Domain mail.Domain
}

// Listing is what one list has.
type Listing struct {
	List   string
	Kind   Kind
	Role   string // of a domain
	What   string // address or domain
	Answer netip.Addr
	Score  float64
	Refuse bool // mail may be refused for it alone
}

// question is one name to ask one list for.
type question struct {
	list  *List
	role  string
	what  string
	entry string // before the zone
}

// Address asks the lists of addresses and those of good senders.
func (l *Lists) Address(ctx context.Context, a netip.Addr) []Listing {
	p := l.settings()
	return l.ask(ctx, p, aboutAddress(p, a))
}

// AddressNow is Address where all answers are there without I/O.
func (l *Lists) AddressNow(a netip.Addr) (listings []Listing, known bool) {
	p := l.settings()
	found, rest := l.askCache(p, aboutAddress(p, a))
	return heaviest(found), len(rest) == 0
}

func aboutAddress(p *parsed, a netip.Addr) (ask []question) {
	entry, what := reversed(a), a.Unmap().String()
	for _, kind := range []Kind{Addresses, Allow} {
		for i := range p.lists[kind] {
			ask = append(ask, question{list: &p.lists[kind][i], what: what, entry: entry})
		}
	}
	return ask
}

// Domains asks the lists of domains about names and the domains that they are
// registered under.
func (l *Lists) Domains(ctx context.Context, names []Name) []Listing {
	return l.askNames(ctx, withRegistered(names, maxNames))
}

// Links is Domains for those that links of a message lead to.
func (l *Lists) Links(ctx context.Context, names []Name) []Listing {
	return l.askNames(ctx, withRegistered(names, 2*MaxLinks))
}

func (l *Lists) askNames(ctx context.Context, names []Name) []Listing {
	p := l.settings()
	var ask []question
	for i := range p.lists[Domains] {
		for _, n := range names {
			ask = append(ask, question{list: &p.lists[Domains][i], role: n.Role, what: string(n.Domain), entry: string(n.Domain) + "."})
		}
	}
	return l.ask(ctx, p, ask)
}

// withRegistered adds the domains that names are registered under, and leaves
// out what can be on no list. Some lists have only those, some also hosts.
func withRegistered(names []Name, most int) []Name {
	var out []Name
	seen := map[mail.Domain]bool{}
	add := func(role string, d mail.Domain) {
		if !seen[d] && len(out) < most {
			seen[d] = true
			out = append(out, Name{role, d})
		}
	}
	for _, n := range names {
		if n.Domain.IsLiteral() || !strings.Contains(string(n.Domain), ".") {
			continue
		}
		registered, err := publicsuffix.EffectiveTLDPlusOne(string(n.Domain))
		if err != nil { // a public suffix itself
			continue
		}
		add(n.Role, mail.Domain(registered))
		add(n.Role, n.Domain)
	}
	return out
}

// reversed is where lists have an address (RFC 5782 sections 2.1 and 2.4), with
// a dot at the end.
func reversed(a netip.Addr) string {
	name := dns.ReverseName(a.WithZone(""))
	name = strings.TrimSuffix(name, "in-addr.arpa.")
	return strings.TrimSuffix(name, "ip6.arpa.")
}

// ask asks all questions at once and returns one listing per list: that of the
// largest weight.
func (l *Lists) ask(ctx context.Context, p *parsed, questions []question) []Listing {
	found, rest := l.askCache(p, questions)
	if len(rest) == 0 {
		return heaviest(found)
	}
	ctx, cancel := context.WithTimeout(dns.WithSecretNames(ctx), lookupTimeout)
	defer cancel()
	dns.Waiting(ctx)
	later := make([]*Listing, len(rest))
	var wg sync.WaitGroup
	for i := 1; i < len(rest); i++ {
		wg.Go(func() { later[i] = l.lookUp(ctx, p, &rest[i]) })
	}
	later[0] = l.lookUp(ctx, p, &rest[0])
	wg.Wait()
	return heaviest(append(found, later...))
}

// askCache answers what can be answered without I/O, and returns the rest.
func (l *Lists) askCache(p *parsed, questions []question) (found []*Listing, rest []question) {
	for i := range questions {
		q := &questions[i]
		zone := q.list.zone(p.keys)
		if zone == "" {
			continue
		}
		works, tested := l.tested(q.list, zone)
		switch {
		case !tested:
			rest = append(rest, *q)
			continue
		case !works:
			continue
		}
		answers, known, err := dns.CachedIPv4(l.opts.Resolver, q.entry+zone)
		if !known {
			rest = append(rest, *q)
		} else if listing := l.interpret(q, answers, err); listing != nil {
			found = append(found, listing)
		}
	}
	return found, rest
}

func heaviest(found []*Listing) (listings []Listing) {
	at := map[string]int{}
	for _, f := range found {
		if f == nil {
			continue
		}
		i, ok := at[f.List]
		switch {
		case !ok:
			at[f.List] = len(listings)
			listings = append(listings, *f)
		case weight(f.Score) > weight(listings[i].Score):
			listings[i] = *f
		}
	}
	return listings
}

// lookUp asks one question; nil is not listed, or unknown.
func (l *Lists) lookUp(ctx context.Context, p *parsed, q *question) *Listing {
	zone := q.list.zone(p.keys)
	if zone == "" || !l.usable(ctx, q.list, zone) {
		return nil
	}
	answers, err := dns.IPv4(ctx, l.opts.Resolver, q.entry+zone)
	return l.interpret(q, answers, err)
}

// interpret says what an answer means; nil is not listed, or unknown.
func (l *Lists) interpret(q *question, answers []netip.Addr, err error) *Listing {
	if errors.Is(err, dns.ErrNotFound) {
		l.answered(q.list)
		return nil
	}
	if why := trouble(answers, err); why != "" {
		l.failed(q.list, why, err != nil)
		return nil
	}
	l.answered(q.list)
	code, answer := q.list.find(answers)
	if code == nil {
		return nil
	}
	return &Listing{List: q.list.Name, Kind: q.list.Kind, Role: q.role, What: q.what, Answer: answer, Score: code.Score, Refuse: code.Refuse}
}

// refusals is the net of codes by which lists say that they do not answer this
// resolver.
var (
	refusals = netip.MustParsePrefix("127.255.255.0/24")
	loopback = netip.MustParsePrefix("127.0.0.0/8")
)

// trouble says why an answer tells nothing about what was asked; "" if it does.
// It never has the name that was asked for.
func trouble(answers []netip.Addr, err error) string {
	if err != nil {
		return "it gives no answer"
	}
	for _, a := range answers {
		switch {
		case refusals.Contains(a):
			return "it refuses to answer this resolver (" + a.String() + ")"
		case !loopback.Contains(a):
			return "it, or the resolver, gives an answer that no list gives (" + a.String() + ")"
		}
	}
	return ""
}
