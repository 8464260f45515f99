package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/dns"
)

// spfVersion begins an SPF record (RFC 7208 section 4.5).
const spfVersion = "v=spf1"

// records are what the DNS should have for a domain.
func (a *Admin) records(d Domain) []Record {
	host, guess := string(a.opts.Hostname), ""
	if host == "" {
		host, guess = "mail."+d.Name, " (a guess: no configuration file says what this server is called)"
	}
	list := []Record{
		{host, "A", "", "the address of this server" + guess + "; AAAA too, if it has one. The PTR record of each address must be " + host},
		{d.Name, "MX", "10 " + host, "where mail for " + d.Name + " goes"},
		{d.Name, "TXT", spfVersion + " mx -all", "SPF: only this server sends mail of " + d.Name + ". There may be only one such record: if there is one, add mx to it"},
	}
	if host != d.Name {
		list = append(list, Record{host, "TXT", spfVersion + " a -all", "SPF of this server's own name, for mail without sender such as bounces"})
	}
	for _, k := range d.Keys {
		list = append(list, Record{k.Name, "TXT", k.Record, "DKIM: the public key (" + k.Algorithm + ") that signatures are verified with"})
	}
	return append(list, Record{"_dmarc." + d.Name, "TXT", "v=DMARC1; p=quarantine", "DMARC: mail in your name without signature or SPF is forged; others file it to Junk"})
}

// CheckDomain compares what the DNS has with what it should have.
func (a *Admin) CheckDomain(ctx context.Context, name string) (Page[Check], error) {
	d, err := a.Domain(ctx, name)
	if err != nil {
		return Page[Check]{}, err
	}
	if a.opts.Resolver == nil {
		return Page[Check]{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server asks the DNS; start it with `mailstead serve`"}
	}
	var checks []Check
	for _, r := range d.Records {
		c := Check{Record: r}
		c.Found, err = a.lookup(ctx, r)
		switch {
		case ctx.Err() != nil:
			return Page[Check]{}, ctx.Err()
		case errors.Is(err, dns.ErrNotFound):
		case err != nil:
			c.Finding, c.Text = Unknown, "the DNS gave no answer; try again later"
		}
		if c.Finding == "" {
			c.judge()
		}
		checks = append(checks, c)
	}
	return whole(checks), nil
}

// lookup returns what the DNS has under a record's name and type.
func (a *Admin) lookup(ctx context.Context, r Record) ([]string, error) {
	var found []string
	switch r.Type {
	case "A":
		addrs, _, err := a.opts.Resolver.A(ctx, r.Name)
		for _, addr := range addrs {
			found = append(found, addr.String())
		}
		return found, err
	case "MX":
		mxs, _, err := a.opts.Resolver.MX(ctx, r.Name)
		for _, mx := range mxs {
			found = append(found, fmt.Sprintf("%d %s", mx.Preference, mx.Host))
		}
		return found, err
	}
	texts, _, err := a.opts.Resolver.TXT(ctx, r.Name)
	return texts, err
}

// judge says whether what was found will do.
func (c *Check) judge() {
	switch {
	case c.Type == "A":
		c.accept(len(c.Found) > 0, "")
	case c.Type == "MX":
		host := strings.TrimPrefix(c.Value, "10 ")
		ours := func(mx string) bool {
			_, h, _ := strings.Cut(mx, " ")
			return strings.EqualFold(h, host)
		}
		switch {
		case len(c.Found) > 0 && ours(c.Found[0]):
			c.accept(true, "")
		case slices.ContainsFunc(c.Found, ours):
			c.Finding, c.Text = Wrong, "mail goes to another server first; remove the other MX records when you have moved"
		default:
			c.accept(false, "mail goes to another server")
		}
	case strings.HasPrefix(c.Value, spfVersion):
		c.judgePolicy(spfVersion, func(v string) bool { return true })
	case strings.HasPrefix(c.Value, "v=DMARC1"):
		c.judgePolicy("v=DMARC1", func(v string) bool { return strings.Contains(v, "p=") })
	default:
		c.judgeKey()
	}
}

// accept sets the finding for one of two outcomes.
func (c *Check) accept(ok bool, wrong string) {
	switch {
	case ok:
		c.Finding, c.Text = OK, "as it should be"
	case len(c.Found) == 0:
		c.Finding, c.Text = Missing, "publish this record"
	default:
		c.Finding, c.Text = Wrong, wrong
	}
}

// judgePolicy looks for the one record that begins with a version. Policies
// differ from ours with good reason, so that any valid one will do.
func (c *Check) judgePolicy(version string, valid func(string) bool) {
	c.Found = slices.DeleteFunc(c.Found, func(v string) bool {
		return !strings.EqualFold(v, version) && !hasVersion(v, version)
	})
	switch {
	case len(c.Found) > 1:
		c.Finding, c.Text = Wrong, "there are several of these records, so that none counts; make one of them"
	case len(c.Found) == 1 && c.Found[0] != c.Value && valid(c.Found[0]):
		c.Finding, c.Text = OK, "there is a record; it differs from ours, so see that this server is in it"
		if version != spfVersion {
			c.Text = "there is a record of your own"
		}
	default:
		c.accept(len(c.Found) == 1 && valid(c.Found[0]), "the record is not complete")
	}
}

// hasVersion reports whether a text begins with a version and something that
// ends it.
func hasVersion(v, version string) bool {
	return len(v) > len(version) && strings.EqualFold(v[:len(version)], version) && (v[len(version)] == ' ' || v[len(version)] == ';')
}

// judgeKey compares keys without the spaces that some DNS panels add.
func (c *Check) judgeKey() {
	plain := func(s string) string { return strings.TrimRight(strings.Join(strings.Fields(s), ""), ";") }
	want := plain(c.Value)
	c.accept(slices.ContainsFunc(c.Found, func(v string) bool { return plain(v) == want }),
		"another key is published, so that others find our signatures broken; copy the whole value")
}
