package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/dns"
)

// renewTimeout bounds the renewal of one name: a CA may take minutes, and
// records in the DNS longer.
const renewTimeout = 10 * time.Minute

// RenewRequest says how certificates are renewed.
type RenewRequest struct {
	Force bool // also if they are good for long
	// NewKey gives the host name its next key, whose TLSA record must be
	// published before.
	NewKey bool
}

// Certificates says how certificates stand.
func (a *Admin) Certificates(ctx context.Context) (Page[certs.Status], error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Page[certs.Status]{}, err
	}
	if a.opts.Certificates == nil {
		return Page[certs.Status]{}, noCertificates()
	}
	return whole(a.opts.Certificates.Status()), nil
}

func noCertificates() error {
	return &directory.Problem{Kind: ErrUnavailable, Text: "only a running server knows its certificates; start it with `mailstead serve`"}
}

// RenewCertificate begins to get the certificate of a name now, or those of
// all names that are due or missing if name is "".
func (a *Admin) RenewCertificate(ctx context.Context, name string, r RenewRequest) (Job, error) {
	may := authorize
	if r.NewKey {
		may = authorizeSudo // those who check TLSA records refuse a key that they do not know
	}
	p, err := may(ctx, ChangeSystem)
	if err != nil {
		return Job{}, err
	}
	if a.opts.Certificates == nil {
		return Job{}, noCertificates()
	}
	names, err := a.renewable(strings.ToLower(name), r)
	if err != nil {
		return Job{}, err
	}
	digest := ""
	if r.NewKey && !r.Force {
		if digest, err = a.nextKeyPublished(ctx); err != nil {
			return Job{}, err
		}
	}
	if err := a.opts.Directory.Record(ctx, Actor(ctx), "certificate.renew", name, nil); err != nil {
		return Job{}, err
	}
	how := certs.Renewal{Force: r.Force, NewKey: r.NewKey, Digest: digest}
	return a.start(p, "certificate.renew", func(ctx context.Context, p *Progress) (any, error) { return a.renewAll(ctx, p, names, how) })
}

// renewable are the names to renew.
func (a *Admin) renewable(name string, r RenewRequest) ([]string, error) {
	var all []string
	for _, s := range a.opts.Certificates.Status() {
		if s.Source != string(certs.ACME) {
			return nil, invalid("certificates come from a CA only with tls.mode = \"acme\"; here it is %q", s.Source)
		}
		if name == "" && (r.Force && s.State != certs.StateAway || s.State != certs.StateGood && s.State != certs.StateAway) || s.Name == name {
			all = append(all, s.Name)
		}
	}
	switch {
	case name != "" && len(all) == 0:
		return nil, &directory.Problem{Kind: directory.ErrNotFound, Text: name + " is no name of this server; `mailstead cert list` shows them"}
	case r.NewKey && (len(all) != 1 || all[0] != string(a.opts.Hostname)):
		return nil, invalid("only the host name, %s, keeps its key; name it to change the key", a.opts.Hostname)
	}
	return all, nil
}

// nextKeyPublished makes sure that nobody who checks TLSA records meets a key
// that they do not know (RFC 7671 section 8.1), and returns the digest of the key
// whose record it has found. Without records nobody checks, and any key will do.
func (a *Admin) nextKeyPublished(ctx context.Context) (digest string, err error) {
	d, ok := a.opts.Certificates.TLSA()
	if !ok || a.opts.Resolver == nil {
		return "", nil
	}
	name := "_25._tcp." + string(a.opts.Hostname)
	records, _, err := a.opts.Resolver.TLSA(ctx, name)
	switch {
	case errors.Is(err, dns.ErrNotFound) || err == nil && len(records) == 0:
		return "", nil
	case err != nil:
		return "", &directory.Problem{Kind: ErrUnavailable, Text: "the DNS gave no answer about TLSA records of " + name + "; try again later"}
	}
	if slices.ContainsFunc(records, func(r dns.TLSA) bool { return r.Selector == 1 && hex.EncodeToString(r.Data) == d.Next }) {
		return d.Next, nil
	}
	return "", invalid("%s has TLSA records, and that of the next key is not among them: publish \"%s\" and wait for twice its TTL, or mail from those who check them stops", name, tlsaData(d.Next))
}

// renewAll renews one name after the other, and fails if one of them could not
// be. Of one that is cancelled the result is what was renewed until then.
func (a *Admin) renewAll(ctx context.Context, p *Progress, names []string, how certs.Renewal) (any, error) {
	done := []certs.Status{}
	var failed []error
	for i, name := range names {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		one, cancel := context.WithTimeout(ctx, renewTimeout)
		how.Name = name
		s, err := a.opts.Certificates.Renew(one, how)
		cancel()
		if err != nil && ctx.Err() != nil {
			return done, ctx.Err()
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
			p.Log("%s: %v", name, err)
		} else {
			done = append(done, s)
			p.Log("%s", s)
		}
		p.Set(int64(i+1), int64(len(names)))
	}
	if len(failed) > 0 {
		return nil, fmt.Errorf("%d of %d certificates could not be had", len(failed), len(names))
	}
	return done, nil
}
