package dnsbl

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail/dns"
)

const (
	believed    = time.Hour        // how long a self-test counts
	restFailed  = 5 * time.Minute  // of a list that gives no answer
	restRefused = 15 * time.Minute // of one that refuses, or fails its test
	maxFailures = 5                // lookups in a row without an answer
	testTimeout = 10 * time.Second
)

// Test points of lists of addresses (RFC 5782 section 5), and the name that no
// list of domains has.
var (
	alwaysListed = netip.MustParseAddr("127.0.0.2")
	neverListed  = netip.MustParseAddr("127.0.0.1")
)

const neverDomain = "invalid"

// health is what is known of one list.
type health struct {
	zone     string // with its key: another key has to prove itself anew
	works    bool
	why      string        // it does not
	tested   time.Time     // zero: never
	until    time.Time     // when the test is due again
	testing  chan struct{} // closed at the end of the test under way
	failures int           // lookups in a row without an answer
}

// State is what is known of one list, for people.
type State struct {
	List   string
	Kind   Kind
	Works  bool
	Why    string // it does not work
	Tested time.Time
}

// usable reports whether a list is seen to work. The first time it waits for
// the self-test; later ones run beside.
func (l *Lists) usable(ctx context.Context, list *List, zone string) bool {
	l.mu.Lock()
	h := l.health[list.Name]
	if h == nil || h.zone != zone {
		h = &health{zone: zone}
		l.health[list.Name] = h
	}
	if h.testing == nil && !l.opts.Now().Before(h.until) {
		l.begin(list, h)
	}
	if h.testing == nil || !h.tested.IsZero() {
		defer l.mu.Unlock()
		return h.works
	}
	testing := h.testing
	l.mu.Unlock()
	select {
	case <-testing:
	case <-ctx.Done():
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return h.works
}

// tested reports whether a list works, where its self-test is no older than it
// may be.
func (l *Lists) tested(list *List, zone string) (works, tested bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.health[list.Name]
	if h == nil || h.zone != zone || h.tested.IsZero() || !l.opts.Now().Before(h.until) {
		return false, false
	}
	return h.works, true
}

// begin starts a self-test; l.mu is held.
func (l *Lists) begin(list *List, h *health) {
	h.testing = make(chan struct{})
	l.wg.Go(func() {
		ctx, cancel := context.WithTimeout(l.ctx, testTimeout)
		why := l.selfTest(ctx, list, h.zone)
		cancel()
		l.mu.Lock()
		defer l.mu.Unlock()
		close(h.testing)
		h.testing, h.tested = nil, l.opts.Now()
		l.judge(list, h, why)
	})
}

// judge notes whether a list works, and tells once when that changes; l.mu is
// held.
func (l *Lists) judge(list *List, h *health, why string) {
	rest := believed
	if why != "" {
		rest = restRefused
		if strings.HasSuffix(why, "no answer") {
			rest = restFailed
		}
	}
	was, first := h.works, h.why == "" && !h.works
	h.works, h.why, h.failures, h.until = why == "", why, 0, l.opts.Now().Add(rest)
	switch {
	case l.ctx.Err() != nil: // the end of the server says nothing about lists
	case !h.works && (was || first):
		l.opts.Logger.Warn("a blocklist cannot be used; it counts for nothing until it works", "list", list.Name, "why", why)
	case h.works && !was && !first:
		l.opts.Logger.Info("a blocklist works again", "list", list.Name)
	}
}

// selfTest says why a list cannot be believed, "" if it can.
func (l *Lists) selfTest(ctx context.Context, list *List, zone string) string {
	listed, unlisted := reversed(alwaysListed), reversed(neverListed)
	if list.Kind == Domains {
		listed, unlisted = list.Test+".", neverDomain+"."
	}
	there, err := dns.IPv4(ctx, l.opts.Resolver, listed+zone)
	if errors.Is(err, dns.ErrNotFound) {
		return "it does not have its own test entry: it is out of service, or does not answer this resolver"
	}
	if why := trouble(there, err); why != "" {
		return why
	}
	answers, err := dns.IPv4(ctx, l.opts.Resolver, unlisted+zone)
	switch {
	case errors.Is(err, dns.ErrNotFound):
		return ""
	case err != nil:
		return "it gives no answer"
	}
	if why := trouble(answers, nil); why != "" {
		return why
	}
	return "it, or the resolver, has an entry for everything"
}

// answered notes that a list has given an answer.
func (l *Lists) answered(list *List) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.health[list.Name]; h != nil {
		h.failures = 0
	}
}

// failed notes that a lookup has told nothing. A list that gives no answer is
// asked a few times more.
func (l *Lists) failed(list *List, why string, patience bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.health[list.Name]
	if h == nil || !h.works {
		return
	}
	if h.failures++; patience && h.failures < maxFailures {
		return
	}
	l.judge(list, h, why)
}

// Test has all lists prove themselves now, and returns what came out.
func (l *Lists) Test(ctx context.Context) []State {
	p := l.settings()
	var waits []chan struct{}
	l.mu.Lock()
	for _, list := range p.all() {
		zone := list.zone(p.keys)
		if zone == "" {
			continue
		}
		h := l.health[list.Name]
		if h == nil || h.zone != zone {
			h = &health{zone: zone}
			l.health[list.Name] = h
		}
		if h.testing == nil {
			l.begin(list, h)
		}
		waits = append(waits, h.testing)
	}
	l.mu.Unlock()
	for _, w := range waits {
		select {
		case <-w:
		case <-ctx.Done():
		}
	}
	return l.States()
}

// States returns what is known of all lists.
func (l *Lists) States() []State {
	p := l.settings()
	l.mu.Lock()
	defer l.mu.Unlock()
	var states []State
	for _, list := range p.all() {
		s := State{List: list.Name, Kind: list.Kind}
		h := l.health[list.Name]
		switch {
		case list.zone(p.keys) == "":
			s.Why = "its key is not in blocklists.keys"
		case h == nil || h.tested.IsZero():
			s.Why = "it was not asked yet"
		default:
			s.Works, s.Why, s.Tested = h.works, h.why, h.tested
		}
		states = append(states, s)
	}
	return states
}

// all returns the lists of all kinds.
func (p *parsed) all() (lists []*List) {
	for _, kind := range []Kind{Addresses, Domains, Allow} {
		for i := range p.lists[kind] {
			lists = append(lists, &p.lists[kind][i])
		}
	}
	return lists
}
