package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/smtp/queue"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// Options are what a Transport works with. Hostname, Resolver and Dial are
// needed; the rest has defaults.
type Options struct {
	Hostname mail.Domain
	Resolver dns.Resolver
	// Dial connects to an IP address and port.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Self are our own addresses: an MX host that has one of them is us. If
	// there are any, addresses of the loopback are ours too.
	Self []netip.Addr
	// RelayTo returns what takes all mail from now on, nil if nothing does; it
	// is asked at each attempt. nil: nothing does.
	RelayTo func() *Relay
	// Reroute says how to use a relay that takes single messages, by its
	// host:port; nil: TLS if it is offered, and no login.
	Reroute func(addr string) Relay
	// Policy says what TLS a host owes us; nil: opportunistic TLS.
	Policy TLSPolicy
	Roots  *x509.CertPool // of known authorities; nil: those of the system

	PerHost        int           // connections at once to one host; 10 if 0
	MaxRecipients  int           // of one transaction; 100 if 0
	ConnectTimeout time.Duration // of one address; 30 s if 0
	IdleTimeout    time.Duration // that a connection is kept for reuse; 10 s if 0
	Timeouts       smtpclient.Timeouts

	Shuffle func(n int, swap func(i, j int)) // rand.Shuffle if nil
	Now     func() time.Time
	Logger  *slog.Logger
}

// Defaults of Options.
const (
	perHostDefault        = 10
	maxRecipientsDefault  = 100 // what every server takes, RFC 5321 section 4.5.3.1.8
	connectTimeoutDefault = 30 * time.Second
	idleTimeoutDefault    = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.PerHost <= 0 {
		o.PerHost = perHostDefault
	}
	if o.MaxRecipients <= 0 {
		o.MaxRecipients = maxRecipientsDefault
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = connectTimeoutDefault
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = idleTimeoutDefault
	}
	if o.Shuffle == nil {
		o.Shuffle = rand.Shuffle
	}
	if o.RelayTo == nil {
		o.RelayTo = func() *Relay { return nil }
	}
	if o.Reroute == nil {
		o.Reroute = func(addr string) Relay { return Relay{Addr: addr} }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// RelayTLS says how TLS is used with a smarthost.
type RelayTLS uint8

const (
	Opportunistic RelayTLS = iota // STARTTLS if it is offered
	Required                      // STARTTLS with a verified certificate
	Implicit                      // TLS from the first octet, verified
)

// Relay is a smarthost.
type Relay struct {
	Addr            string // host:port
	TLS             RelayTLS
	Login, Password string // AUTH is used if Login is set; it needs TLS
}

// LogValue keeps the password out of logs.
func (r Relay) LogValue() slog.Value { return slog.StringValue(r.Addr) }

// String keeps the password out of texts.
func (r Relay) String() string { return r.Addr }

// GoString keeps the password out of texts.
func (r Relay) GoString() string { return r.Addr }

// TLSPolicy is asked before a host is connected to. DANE (RFC 7672) and
// MTA-STS (RFC 8461) are such policies.
type TLSPolicy interface {
	// Host says what h owes us. An error is temporary: the host is not used
	// now.
	Host(ctx context.Context, h Host) (HostPolicy, error)
}

// Host is a next hop of a domain.
type Host struct {
	Domain    mail.Domain
	Name      string // MX host
	Authentic bool   // the MX records have the DNSSEC bit
}

// HostPolicy is what a host owes us. The zero value asks for nothing.
type HostPolicy struct {
	Name     string // for the trace: "dane", "mta-sts"
	Refused  string // why the host must not be used; empty: it may be
	Required bool   // TLS that passes Verify
	Verify   func(tls.ConnectionState) error
}

// Transport implements queue.Transport.
type Transport struct {
	opts Options
	pool pool
}

var _ queue.Transport = (*Transport)(nil)

// New makes a Transport.
func New(opts Options) *Transport {
	t := &Transport{opts: opts.withDefaults()}
	t.pool.init(t.opts.PerHost, t.opts.IdleTimeout)
	return t
}

// Close ends idle connections. Deliver must not be called any more.
func (t *Transport) Close() error {
	t.pool.close()
	return nil
}
