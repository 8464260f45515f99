package dnsprovider

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/libdns/libdns"
)

// Kind is how a zone is changed.
type Kind string

const (
	RFC2136      Kind = "rfc2136"
	Exec         Kind = "exec"
	Cloudflare   Kind = "cloudflare"
	Hetzner      Kind = "hetzner"
	DeSEC        Kind = "desec"
	DigitalOcean Kind = "digitalocean"
	Gandi        Kind = "gandi"
	Route53      Kind = "route53"
)

// Kinds are all, in the order of the documentation.
func Kinds() []Kind {
	return []Kind{RFC2136, Exec, Cloudflare, Hetzner, DeSEC, DigitalOcean, Gandi, Route53}
}

// Provider changes records. Zones end with a dot or not; names of records are
// below the zone, "@" is its top.
type Provider interface {
	libdns.RecordGetter
	libdns.RecordAppender
	libdns.RecordSetter
	libdns.RecordDeleter
}

// Secret never shows in logs.
type Secret string

// String hides it.
func (Secret) String() string { return "[redacted]" }

// GoString hides it, too.
func (Secret) GoString() string { return "[redacted]" }

// Spec says how a provider is reached.
type Spec struct {
	Kind Kind
	// Server is the name server that takes updates, with its port if that is
	// not 53, for rfc2136; the whole path of the program for exec.
	Server string
	// Login is the name of the TSIG key for rfc2136, with its algorithm before
	// it if that is not hmac-sha256 ("hmac-sha512:name"); the access key ID for
	// route53.
	Login string
	// Secret is the key in base64 for rfc2136, the secret access key for
	// route53, and a token for the others. exec may do without.
	Secret Secret
}

// Options are the world of providers; the zero value works.
type Options struct {
	HTTP *http.Client // nil: one of our own
	// Base replaces the address of an API, for tests.
	Base string
	Now  func() time.Time
}

// ErrCannotList means that a provider changes records, but does not tell which
// there are.
var ErrCannotList = errors.New("dnsprovider: records cannot be listed")

// Check says what is wrong with a spec, in words for whoever wrote it.
func (s Spec) Check() error {
	needs := func(what, v, example string) error {
		if v == "" {
			return fmt.Errorf("%s needs %s%s", s.Kind, what, example)
		}
		return nil
	}
	switch s.Kind {
	case RFC2136:
		if _, err := parseTSIG(s); err != nil {
			return err
		}
		return needs("the name server that takes updates", s.Server, ", as in 192.0.2.53 or ns1.example.org:53")
	case Exec:
		if !strings.HasPrefix(s.Server, "/") {
			return errors.New("exec needs the whole path of a program, as in /usr/local/bin/dns-hook")
		}
		return nil
	case Route53:
		return errors.Join(needs("an access key ID", s.Login, ""), needs("a secret access key", string(s.Secret), ""))
	case Cloudflare, Hetzner, DeSEC, DigitalOcean, Gandi:
		return needs("a token", string(s.Secret), "")
	}
	return fmt.Errorf("%q is no DNS provider that is known; choose one of %s", s.Kind, kindList())
}

func kindList() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// New makes a provider.
func New(s Spec, o Options) (Provider, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	switch s.Kind {
	case RFC2136:
		return newRFC2136(s)
	case Exec:
		return &provider{backend: &execHook{program: s.Server, secret: s.Secret}}, nil
	}
	c := newClient(s, o)
	b := map[Kind]func(*client) backend{
		Cloudflare: newCloudflare, Hetzner: newHetzner, DeSEC: newDeSEC, DigitalOcean: newDigitalOcean, Gandi: newGandi,
		Route53: func(c *client) backend { return newRoute53(c, s, o) },
	}[s.Kind](c)
	return &provider{backend: b}, nil
}
