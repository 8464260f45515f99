package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// someCerts are certificates of a CA, and what was renewed.
type someCerts struct {
	list    []certs.Status
	renewed []certs.Renewal
	err     error
	during  func(ctx context.Context, name string) // a renewal; nil: nothing
	digests certs.Digests                          // empty: some
}

func (c *someCerts) Status() []certs.Status { return c.list }

func (c *someCerts) Renew(ctx context.Context, r certs.Renewal) (certs.Status, error) {
	c.renewed = append(c.renewed, r)
	if c.during != nil {
		c.during(ctx, r.Name)
	}
	return certs.Status{Name: r.Name, State: certs.StateGood}, c.err
}

const nextKey = "1111111111111111111111111111111111111111111111111111111111111111"

func (c *someCerts) TLSA() (certs.Digests, bool) {
	if c.digests.Shown != "" {
		return c.digests, true
	}
	shown := strings.Repeat("0", 64)
	return certs.Digests{Shown: shown, Current: shown, Next: nextKey}, true
}

func TestRenewCertificate(t *testing.T) {
	const other = "_25._tcp.mx.b.org. IN TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000\n"
	const next = "_25._tcp.mx.b.org. IN TLSA 3 1 1 " + nextKey + "\n"
	for _, tt := range []struct {
		name, cert string
		req        RenewRequest
		zone       string
		source     certs.Mode
		want       []string
		says       string
		digest     string // of the only key that may be taken
	}{
		{name: "all that need it", want: []string{"late.b.org", "failing.b.org"}},
		{name: "all by force", req: RenewRequest{Force: true}, want: []string{"mx.b.org", "late.b.org", "failing.b.org"}},
		{name: "one", cert: "MX.b.org", want: []string{"mx.b.org"}},
		{name: "one that does not lead here", cert: "away.b.org", want: []string{"away.b.org"}},
		{name: "unknown", cert: "x.example", says: "no name of this server"},
		{name: "not from a CA", cert: "mx.b.org", source: certs.SelfSigned, says: "tls.mode"},
		{name: "new key, nobody checks", cert: "mx.b.org", req: RenewRequest{NewKey: true}, want: []string{"mx.b.org"}},
		{name: "new key, published", cert: "mx.b.org", req: RenewRequest{NewKey: true}, zone: other + next, want: []string{"mx.b.org"}, digest: nextKey},
		{name: "new key, not published", cert: "mx.b.org", req: RenewRequest{NewKey: true}, zone: other, says: "3 1 1 " + nextKey},
		{name: "new key, by force", cert: "mx.b.org", req: RenewRequest{NewKey: true, Force: true}, zone: other, want: []string{"mx.b.org"}},
		{name: "new key of another name", cert: "late.b.org", req: RenewRequest{NewKey: true}, says: "only the host name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := string(certs.ACME)
			if tt.source != "" {
				source = string(tt.source)
			}
			c := &someCerts{}
			for _, s := range []certs.Status{{Name: "mx.b.org", State: certs.StateGood}, {Name: "late.b.org", State: certs.StateRenewing}, {Name: "failing.b.org", State: certs.StateFailing}, {Name: "away.b.org", State: certs.StateAway}} {
				s.Source = source
				c.list = append(c.list, s)
			}
			a := open(t, t.TempDir(), Options{Hostname: "mx.b.org", Certificates: c, Resolver: dnstest.New(tt.zone)})
			ctx := AsOwner(t.Context(), "tester")
			j, err := a.RenewCertificate(ctx, tt.cert, tt.req)
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v does not say %q", err, tt.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			a.jobs.group.Wait()
			if j, err = a.Job(ctx, j.ID); err != nil || j.State != JobDone {
				t.Fatalf("job = %+v, %v", j, err)
			}
			var names []string
			for _, r := range c.renewed {
				names = append(names, r.Name)
				if r.Digest != tt.digest {
					t.Errorf("%s may get the key %q, want %q alone", r.Name, r.Digest, tt.digest)
				}
			}
			if !slices.Equal(names, tt.want) {
				t.Errorf("renewed %q, want %q", names, tt.want)
			}
		})
	}
}

func TestRenewCertificateFails(t *testing.T) {
	c := &someCerts{list: []certs.Status{{Name: "mx.b.org", Source: string(certs.ACME), State: certs.StateFailing}}, err: errors.New("the authority is out of paper")}
	a := open(t, t.TempDir(), Options{Hostname: "mx.b.org", Certificates: c})
	ctx := AsOwner(t.Context(), "tester")
	j, err := a.RenewCertificate(ctx, "mx.b.org", RenewRequest{})
	if err != nil {
		t.Fatal(err)
	}
	a.jobs.group.Wait()
	if j, err = a.Job(ctx, j.ID); err != nil || j.State != JobFailed || !strings.Contains(strings.Join(j.Log, " "), "out of paper") {
		t.Errorf("job = %+v, %v", j, err)
	}
	if _, err := a.RenewCertificate(WithPrincipal(ctx, Principal{Kind: KindUser, Address: "x@example.org", Role: directory.RoleSupport}), "mx.b.org", RenewRequest{}); !errors.Is(err, ErrForbidden) {
		t.Errorf("as support: %v", err)
	}
}

// TestRenewCertificateCancelled: what was renewed before somebody cancelled the
// job is told, and a job whose last name was renewed all the same is done.
func TestRenewCertificateCancelled(t *testing.T) {
	for _, tt := range []struct {
		name, during string // the job is cancelled while this name is renewed
		fails        bool   // this renewal
		want         []string
		state        JobState
	}{
		{"the first is renewed all the same", "a.b.org", false, []string{"a.b.org"}, JobCancelled},
		{"the second fails", "b.b.org", true, []string{"a.b.org"}, JobCancelled},
		{"the last is renewed all the same", "c.b.org", false, []string{"a.b.org", "b.b.org", "c.b.org"}, JobDone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &someCerts{}
			for _, name := range []string{"a.b.org", "b.b.org", "c.b.org"} {
				c.list = append(c.list, certs.Status{Name: name, Source: string(certs.ACME), State: certs.StateRenewing})
			}
			a := open(t, t.TempDir(), Options{Hostname: "a.b.org", Certificates: c})
			ctx := AsOwner(t.Context(), "tester")
			begun := make(chan string, 1)
			c.during = func(running context.Context, name string) {
				if name != tt.during {
					return
				}
				if _, err := a.CancelJob(ctx, <-begun); err != nil {
					t.Error(err)
				}
				<-running.Done()
				if tt.fails {
					c.err = running.Err()
				}
			}
			j, err := a.RenewCertificate(ctx, "", RenewRequest{})
			if err != nil {
				t.Fatal(err)
			}
			begun <- j.ID
			a.jobs.group.Wait()
			if j, err = a.Job(ctx, j.ID); err != nil {
				t.Fatal(err)
			}
			var names []string
			result, _ := j.Result.([]certs.Status)
			for _, s := range result {
				names = append(names, s.Name)
			}
			if j.State != tt.state || !slices.Equal(names, tt.want) {
				t.Errorf("the job is %s, with the result %q; want %s, %q", j.State, names, tt.state, tt.want)
			}
		})
	}
}
