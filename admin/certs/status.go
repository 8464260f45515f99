package certs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is how the certificate of a name stands.
type State string

const (
	StateGood     State = "good"
	StateRenewing State = "renewing" // good, and its renewal is due
	StateExpired  State = "expired"
	StateWaiting  State = "waiting" // there is none yet
	StateFailing  State = "failing" // there is none yet, and the last attempt failed
	StateAway     State = "away"    // there is none, and the name does not lead here
)

// Status says how the certificate of one name stands.
type Status struct {
	Name      string    `json:"name"`
	Source    string    `json:"source" enum:"self-signed,files,acme"`
	State     State     `json:"state" enum:"good,renewing,expired,waiting,failing,away"`
	Issuer    string    `json:"issuer,omitempty"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	Renew     time.Time `json:"renew,omitzero" doc:"When it is renewed, as planned."`
	Challenge string    `json:"challenge,omitempty" enum:"http-01,tls-alpn-01,dns-01" doc:"By which the authority has last seen that the name is ours; absent if that is not known."`
	Problem   string    `json:"problem,omitempty" doc:"Of the last attempt, in plain words."`
	Advice    string    `json:"advice,omitempty" doc:"What to do about the problem."`
	Failed    time.Time `json:"failed,omitzero" doc:"When that attempt was."`
	Next      time.Time `json:"next,omitzero" doc:"When a name without a certificate is tried again."`
	// Optional says that nobody misses anything without it: the name is one
	// of those that a hosted domain may have.
	Optional bool `json:"optional,omitempty"`
}

// String says it in a sentence or more.
func (s Status) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", s.Name)
	switch {
	case s.State == StateAway:
		b.WriteString("no certificate; the name does not lead here")
	case s.NotAfter.IsZero():
		b.WriteString("no certificate yet; a self-signed one is shown")
	case s.State == StateExpired:
		fmt.Fprintf(&b, "%s certificate of %q ended on %s", s.Source, s.Issuer, s.NotAfter.Format("2 January 2006"))
	default:
		fmt.Fprintf(&b, "%s certificate of %q, good until %s", s.Source, s.Issuer, s.NotAfter.Format("2 January 2006"))
		if s.Source == string(ACME) {
			fmt.Fprintf(&b, ", renewed on %s", s.Renew.Format("2 January 2006"))
			if s.Challenge != "" {
				fmt.Fprintf(&b, ", proven by %s", s.Challenge)
			}
		}
	}
	if s.Problem != "" {
		b.WriteString(". The last try failed: " + strings.TrimSuffix(s.Problem, "."))
	}
	if s.Advice != "" {
		b.WriteString(". " + s.Advice)
	}
	return b.String()
}

// Status says how each name stands.
func (m *Manager) Status() []Status {
	var all []Status
	for _, name := range m.names() {
		all = append(all, m.status(name))
	}
	return all
}

func (m *Manager) status(name string) Status {
	switch {
	case m.acme != nil:
		return m.acmeStatus(name)
	case m.files != nil:
		return m.fileStatus(name)
	}
	leaf := m.own.Load().Leaf
	return Status{Name: name, Source: string(SelfSigned), State: StateGood, Issuer: leaf.Issuer.CommonName,
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Renew: leaf.NotAfter.Add(-renewLeft)}
}

func (m *Manager) fileStatus(name string) Status {
	s := Status{Name: name, Source: string(Files), State: StateWaiting}
	c, err := m.files.get()
	if err != nil {
		s.Problem, s.Advice = err.Error(), "See that the files that tls.cert_file and tls.key_file name are whole and fit together."
	}
	if c == nil || c.Leaf == nil {
		return s
	}
	s.State, s.Issuer, s.NotBefore, s.NotAfter = StateGood, c.Leaf.Issuer.CommonName, c.Leaf.NotBefore, c.Leaf.NotAfter
	if !m.opts.Now().Before(s.NotAfter) {
		s.State = StateExpired
	}
	if err := c.Leaf.VerifyHostname(name); err != nil {
		s.Problem, s.Advice = err.Error(), "Get a certificate that names "+name+", too."
	}
	return s
}

func (m *Manager) acmeStatus(name string) Status {
	s := m.acme.status(name)
	s.Optional = !slices.Contains(m.fixed, name)
	if !s.NotAfter.IsZero() {
		return s
	}
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	if n := m.book.names[name]; n != nil {
		if n.next > 0 {
			s.Next = m.opts.Now().Add(n.next - m.elapsed())
		}
		if n.away != "" {
			s.State, s.Problem, s.Advice = StateAway, "", "Nothing to do, unless people or programs are to find this server under this name: then give it a CNAME or address record."
		}
	}
	return s
}

// ErrUnknownName means that a name is not one of this server's.
var ErrUnknownName = errors.New("certs: no such name")

// ErrNotOurs means that certificates come from elsewhere.
var ErrNotOurs = errors.New("certs: not from a CA")

// Renewal says what is to be renewed.
type Renewal struct {
	Name string
	// Force renews although the certificate is good for long.
	Force bool
	// NewKey gives the host name its next key. Its TLSA record must be
	// published before.
	NewKey bool
	// Digest is that of the next key whose TLSA record was found, as in
	// Digests: nothing is ordered if another key is the next one when it comes
	// to that. "" is any key.
	Digest string
}

// Renew gets the certificate of a name now, and returns how it stands then.
// Without Force it leaves a good one alone until its renewal is due.
func (m *Manager) Renew(ctx context.Context, r Renewal) (Status, error) {
	switch {
	case m.acme == nil:
		return Status{}, fmt.Errorf("%w: tls.mode is %q", ErrNotOurs, m.opts.Mode)
	case !m.Wanted(r.Name):
		return Status{}, fmt.Errorf("%w: %s", ErrUnknownName, r.Name)
	}
	held := m.acme.find(r.Name)
	if held != nil && !r.Force && !r.NewKey && m.opts.Now().Before(m.acme.status(r.Name).Renew) {
		return m.status(r.Name), nil
	}
	var err error
	switch {
	case r.NewKey && r.Name == string(m.opts.Hostname):
		err = m.acme.changeKey(ctx, r.Digest)
	case held == nil:
		err = m.acme.obtain(ctx, r.Name)
	default:
		err = m.acme.renew(ctx, r.Name)
	}
	if err == nil {
		m.opts.Logger.InfoContext(ctx, "certificate", "name", r.Name, "issuer", m.acme.status(r.Name).Issuer)
		return m.status(r.Name), nil
	}
	if told := new(RenewError); errors.As(err, &told) {
		return Status{}, told // by us, not by a CA
	}
	f, ok := m.acme.failure(r.Name)
	if !ok {
		f = failure{authority: m.acme.opts.CAs[0], err: err}
	}
	problem, todo := explain(r.Name, f.authority, f.err)
	return Status{}, &RenewError{Problem: problem, Advice: todo, err: err}
}

// Adopt shows what another Manager of the same folder has had renewed: orders
// outlive a change of the configuration, and end with the one of before. A CA
// that only that one asks counts for nothing here.
func (m *Manager) Adopt(ctx context.Context, name string) (Status, error) {
	if m.acme != nil && m.Wanted(name) {
		if err := m.acme.adopt(ctx, name); err != nil {
			return Status{}, err
		}
	}
	return m.status(name), nil
}

// RenewError says why a certificate was not to be had, in plain words.
type RenewError struct {
	Problem, Advice string
	err             error
}

func (e *RenewError) Error() string { return strings.TrimSuffix(e.Problem, ".") + ". " + e.Advice }
func (e *RenewError) Unwrap() error { return e.err }
