package certs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/mail"
)

// hostedLabels are the names below a hosted domain that are looked for: by
// people, by mail programs, and by servers that send to it (RFC 8461 section
// 3.3). The server has no policy for the last of them: its certificate is for
// those who put one there themselves.
var hostedLabels = []string{"mail", "autoconfig", "autodiscover", "mta-sts"}

// Bounds of what is asked of CAs.
const (
	maxNames   = 2000 // each is a certificate of its own, and one order in two months
	atOnce     = 4    // orders under way
	passEvery  = 15 * time.Second
	lookAgain  = 15 * time.Minute // for a name that does not lead here
	maxPerPass = 40               // names that are begun: CAs count new orders
)

// backoff is how long after the n-th failure in a row a name is tried again.
var backoff = []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}

// nameBook is what is known of the names that have no certificate yet.
type nameBook struct {
	mu    sync.Mutex
	names map[string]*nameState
}

type nameState struct {
	next     time.Duration // by elapsed, when it is looked at again; 0: now
	failures int
	away     string // why it is not asked for: it does not lead here
}

// Wanted reports whether this server should have a certificate for a name: the
// decision that stands before every order.
func (m *Manager) Wanted(name string) bool {
	return slices.Contains(m.fixed, name) || m.hosted(name)
}

// hosted reports whether a name is one of those of a hosted domain.
func (m *Manager) hosted(name string) bool {
	label, domain, ok := strings.Cut(name, ".")
	if !ok || m.opts.Hosts == nil || !slices.Contains(hostedLabels, label) {
		return false
	}
	return m.opts.Hosts(mail.Domain(domain))
}

// names are all that may have a certificate: the host's first. There are at
// most maxNames; of more domains the last ones have none.
func (m *Manager) names() []string {
	list := slices.Clone(m.fixed)
	if m.acme == nil || m.opts.Domains == nil {
		return list
	}
	seen := map[string]bool{}
	for _, n := range list {
		seen[n] = true
	}
	for _, d := range m.opts.Domains() {
		for _, label := range hostedLabels {
			if name := label + "." + string(d); !seen[name] && len(list) < maxNames {
				seen[name] = true
				list = append(list, name)
			}
		}
	}
	return list
}

// wake has a name looked at that somebody has asked for in a handshake.
func (m *Manager) wake(name string) {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	if s := m.book.names[name]; s != nil && s.failures == 0 {
		s.next = 0 // at most once a pass
	}
	select {
	case m.woken <- struct{}{}:
	default:
	}
}

// elapsed is what waiting is measured by: how late it is may turn out to be
// years earlier than it was believed.
func (m *Manager) elapsed() time.Duration { return time.Since(m.begun) }

// due returns the names to look at now, and forgets those that are gone.
func (m *Manager) due() []string {
	names, now := m.names(), m.elapsed()
	here := make(map[string]bool, len(names))
	for _, n := range names {
		here[n] = true
	}
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	var gone []string
	for n := range m.book.names {
		if !here[n] {
			gone = append(gone, n)
			delete(m.book.names, n)
		}
	}
	if len(gone) > 0 {
		m.acme.drop(gone)
	}
	var list []string
	for _, n := range names {
		s := m.book.names[n]
		if s == nil {
			s = &nameState{}
			m.book.names[n] = s
		}
		switch {
		case m.acme.find(n) != nil:
			s.failures, s.away = 0, ""
		case now >= s.next && len(list) < maxPerPass:
			list = append(list, n)
		}
	}
	return list
}

// runACME gets certificates for all names, also for those that come later,
// until ctx is done.
func (m *Manager) runACME(ctx context.Context) error {
	defer m.acme.cache.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-m.woken:
			// Handshakes cannot make it look more often than this.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
		m.pass(ctx)
		timer.Reset(passEvery)
	}
}

// pass looks at the names that are due.
func (m *Manager) pass(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, name := range m.due() {
		g.Go(func() error {
			m.look(ctx, name)
			return nil
		})
	}
	g.Wait()
}

// look gets the certificate of a name if it leads here, and says when to look
// again.
func (m *Manager) look(ctx context.Context, name string) {
	if away := m.awayFromHere(ctx, name); away != "" {
		m.later(name, func(s *nameState) time.Duration { s.away = away; return lookAgain })
		return
	}
	err := m.acme.obtain(ctx, name)
	if ctx.Err() != nil {
		return
	}
	m.later(name, func(s *nameState) time.Duration {
		s.away = ""
		if err == nil {
			s.failures = 0
			return passEvery
		}
		s.failures++
		return backoff[min(s.failures, len(backoff))-1]
	})
	if err == nil {
		m.opts.Logger.InfoContext(ctx, "certificate", "name", name, "issuer", m.acme.status(name).Issuer)
		return
	}
	if _, known := m.acme.failure(name); !known {
		m.acme.failed(name, m.acme.opts.CAs[0], err)
	}
	s := m.acme.status(name)
	m.opts.Logger.WarnContext(ctx, "no certificate", "name", name, "err", s.Problem)
}

func (m *Manager) later(name string, change func(*nameState) time.Duration) {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	if s := m.book.names[name]; s != nil {
		s.next = m.elapsed() + change(s)
	}
}

// awayFromHere says why a CA would not find this server under a name; "" if it
// would, or if nobody can tell. The names of the configuration are always
// asked for: the administrator is told what is wrong with them.
func (m *Manager) awayFromHere(ctx context.Context, name string) string {
	if m.opts.LeadsHere == nil || slices.Contains(m.fixed, name) {
		return ""
	}
	here, err := m.opts.LeadsHere(ctx, name)
	switch {
	case err != nil:
		return fmt.Sprintf("the DNS gave no answer about %s", name)
	case !here:
		return name + " does not lead to this server"
	}
	return ""
}
