package dnsadvice

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail/dns"
)

// addrOf is the address whose reverse name a record is about.
func (p Plan) addrOf(name string) netip.Addr {
	for _, a := range p.Addrs {
		if strings.TrimSuffix(dns.ReverseName(a), ".") == name {
			return a
		}
	}
	return netip.Addr{}
}

func good(text string) verdict { return verdict{state: OK, text: text} }
func bad(format string, a ...any) verdict {
	return verdict{state: Wrong, text: fmt.Sprintf(format, a...)}
}

const asItShouldBe = "as it should be"

// judge says what a view of a record means.
func (r *run) judge(ctx context.Context, rec *Record, v view) verdict {
	var got verdict
	switch {
	case rec.Type == "A" || rec.Type == "AAAA":
		got = r.judgeAddress(rec, v)
	case rec.Type == "MX":
		got = r.judgeMX(ctx, rec, v)
	case rec.Type == "PTR":
		got = r.judgeReverse(rec, v)
	case rec.Type == "CAA":
		got = r.judgeCAA(ctx, v)
	case rec.Type == "TLSA":
		got = r.judgeTLSA(rec, v)
	case rec.Type == "SRV":
		got = judgeSRV(rec, v)
	case rec.Type == "CNAME":
		got = r.judgeClientHost(ctx, rec, v)
	default:
		got = r.judgeText(ctx, rec, v)
	}
	if got.state == Missing {
		r.lookForDoubled(ctx, rec, &got)
	}
	return got
}

// missing is the verdict on a record that is not there.
func missing(rec *Record) verdict {
	if rec.Optional {
		return verdict{state: Missing, text: "not there; nice to have"}
	}
	return verdict{state: Missing, text: "not there yet; publish this record"}
}

// lookForDoubled finds a record whose whole name was typed into a panel that
// adds the domain itself: mail.example.org.example.org.
func (r *run) lookForDoubled(ctx context.Context, rec *Record, got *verdict) {
	zone := r.zoneOf(rec.Name).Name
	if zone == "" || rec.Type == "PTR" || rec.Name == zone && rec.Optional {
		return
	}
	doubled := rec.Name + "." + zone
	for _, a := range r.Authority.Ask(ctx, r.zoneOf(rec.Name), doubled, rec.Type) {
		if a.Err == nil && len(a.Values) > 0 {
			*got = bad("it was published as %s: the panel adds the domain by itself. Write only %q as its name", doubled, hostPart(rec.Name, zone))
			got.code = "dns.name_doubled"
			return
		}
	}
}

func (r *run) judgeAddress(rec *Record, v view) verdict {
	if v.alias != "" {
		return bad("%s is an alias (CNAME) of %s. A name that mail goes to must have its address itself (RFC 2181 section 10.3)", rec.Name, v.alias)
	}
	if len(v.values) == 0 {
		return missing(rec)
	}
	if rec.Want == "" {
		return good("there is an address; see that it is this server's public one")
	}
	var strangers []string
	for _, value := range v.values {
		addr, err := netip.ParseAddr(value)
		if err != nil || slices.Contains(r.plan.Addrs, addr) {
			continue
		}
		if proxied(addr) {
			got := bad("it leads to Cloudflare (%s), which passes only web pages on, not mail. Switch the proxy of this record off: \"DNS only\", the grey cloud", value)
			got.code = "dns.proxied"
			return got
		}
		strangers = append(strangers, value)
	}
	switch {
	case !slices.Contains(v.values, rec.Want) && len(strangers) > 0:
		return bad("it leads to %s, which is not this server", strings.Join(strangers, " and "))
	case len(strangers) > 0:
		return bad("it leads to %s too, which is not this server: some mail would go there", strings.Join(strangers, " and "))
	case !slices.Contains(v.values, rec.Want):
		return missing(rec)
	}
	return good(asItShouldBe)
}

func (r *run) judgeMX(ctx context.Context, rec *Record, v view) verdict {
	if v.alias != "" {
		return bad("%s is an alias (CNAME) of %s, so that it can have no MX record of its own", rec.Name, v.alias)
	}
	if len(v.values) == 0 {
		return missing(rec)
	}
	best, others, ours := 1<<16, []string(nil), 1<<16
	for _, value := range v.values {
		pref, host := cutMX(value)
		best = min(best, pref)
		switch {
		case host == r.plan.Host:
			ours = min(ours, pref)
		case host == ".":
			return bad("it says that this domain takes no mail (RFC 7505); replace it")
		case host == r.plan.Host+"."+r.zone.Name || host == r.plan.Host+"."+r.plan.Domain:
			got := bad("it leads to %s: the panel adds the domain by itself. Write %s with a dot at its end, or only its first part", host, r.plan.Host)
			got.code = "dns.name_doubled"
			return got
		case isAddress(host):
			return bad("it leads to an address (%s); an MX record needs a name: %s", host, r.plan.Host)
		default:
			others = append(others, host)
		}
	}
	switch {
	case ours == 1<<16:
		got := bad("mail goes to %s now. When you have moved, replace %s by this record", mailAt(others), plural(len(others), "that record", "those records"))
		got.code = "dns.mx_elsewhere"
		return got
	case ours > best:
		return bad("mail goes to %s first; remove that record when you have moved", mailAt(others))
	case len(others) > 0:
		return bad("some mail goes to %s; remove that record unless it passes mail on to here", mailAt(others))
	}
	return r.judgeTarget(ctx)
}

// judgeTarget makes sure that the host behind MX is no alias.
func (r *run) judgeTarget(ctx context.Context) verdict {
	for _, a := range r.Authority.Ask(ctx, r.zoneOf(r.plan.Host), r.plan.Host, "A") {
		if a.Err == nil && a.Alias != "" {
			return bad("it leads to %s, which is an alias (CNAME) of %s; some servers refuse that (RFC 2181 section 10.3). Give %[1]s an A record", r.plan.Host, a.Alias)
		}
	}
	return good(asItShouldBe)
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// cutMX splits "10 mail.example.org".
func cutMX(value string) (preference int, host string) {
	fmt.Sscanf(value, "%d %s", &preference, &host)
	return preference, host
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func (r *run) judgeReverse(rec *Record, v view) verdict {
	switch {
	case slices.Contains(v.values, r.plan.Host) && len(v.values) == 1:
		return good(asItShouldBe)
	case slices.Contains(v.values, r.plan.Host):
		return good("as it should be, beside other names")
	case len(v.values) == 0:
		return verdict{state: Missing, text: "the address has no name; set it at the provider of this server to " + r.plan.Host}
	}
	return bad("the address is called %s; set its name at the provider of this server to %s", strings.Join(v.values, " and "), r.plan.Host)
}

// judgeCAA looks for a record that keeps our CA from issuing: the nearest one
// above counts (RFC 8659 section 3).
func (r *run) judgeCAA(ctx context.Context, v view) verdict {
	name, values := r.plan.Host, v.values
	for len(values) == 0 {
		_, name, _ = strings.Cut(name, ".")
		if !within(name, r.zoneOf(r.plan.Host).Name) {
			return good("there is none, so that every authority may issue; with one only those that it names")
		}
		answers := r.Authority.Ask(ctx, r.zoneOf(name), name, "CAA")
		if noneAnswered(answers) {
			return verdict{state: Unknown, text: "the DNS gave no answer about CAA records of " + name}
		}
		for _, a := range answers {
			values = append(values, a.Values...)
		}
	}
	issuers := 0
	for _, value := range values {
		fields := strings.SplitN(value, " ", 3)
		if len(fields) != 3 || !strings.EqualFold(fields[1], "issue") {
			continue
		}
		issuers++
		ca, _, _ := strings.Cut(strings.Trim(fields[2], `"`), ";")
		if strings.EqualFold(strings.TrimSpace(ca), r.plan.CA) {
			return good("there is one that lets " + r.plan.CA + " issue")
		}
	}
	if issuers == 0 {
		return good("there is one that leaves the choice of authority open")
	}
	return bad("a CAA record of %s keeps %s from issuing certificates; add this record", name, r.plan.CA)
}

// judgeTLSA is about the keys of this server. Records without one that fits
// keep out those who check them (RFC 7672 section 2.2).
func (r *run) judgeTLSA(rec *Record, v view) verdict {
	fits := slices.Contains(v.values, r.plan.TLSA[0])
	switch {
	case slices.Contains(v.values, rec.Want) && rec.Want == r.plan.TLSA[0]:
		return r.judgeOldTLSA(v)
	case slices.Contains(v.values, rec.Want):
		return good(asItShouldBe)
	case len(v.values) == 0 || fits:
		return missing(rec)
	}
	return bad("the TLSA records of %s do not fit its key, so that those who check them do not deliver; add this one", r.plan.Host)
}

// judgeOldTLSA is about what a change of keys leaves behind: whoever has one of
// those keys could still pass for this server. It stops no mail.
func (r *run) judgeOldTLSA(v view) verdict {
	var old []string
	for _, value := range v.values {
		if slices.Contains(r.plan.OldTLSA, value) {
			old = append(old, value)
		}
	}
	if len(old) == 0 {
		return good(asItShouldBe)
	}
	got := good(fmt.Sprintf("as it should be; remove %s, of %s that this server had before and does not use any more", quoteList(old), plural(len(old), "a key", "keys")))
	got.code = "dns.tlsa_old"
	return got
}

func judgeSRV(rec *Record, v view) verdict {
	if len(v.values) == 0 {
		return missing(rec)
	}
	_, want := cutSRV(rec.Want)
	for _, value := range v.values {
		if _, have := cutSRV(value); have != want && !(want == "0 ." && strings.HasSuffix(have, " .")) {
			return bad("it says %q", value)
		}
	}
	return good(asItShouldBe)
}

// cutSRV splits "0 1 993 mail.example.org" into what may differ and "993
// mail.example.org".
func cutSRV(value string) (weights, target string) {
	f := strings.Fields(value)
	if len(f) != 4 {
		return "", value
	}
	return f[0] + " " + f[1], f[2] + " " + f[3]
}

// judgeClientHost is about names that mail programs ask for settings: an alias
// of this server, or addresses that are its own.
func (r *run) judgeClientHost(ctx context.Context, rec *Record, v view) verdict {
	if v.alias == r.plan.Host {
		return good(asItShouldBe)
	}
	addrs, _, err := r.Resolver.A(ctx, rec.Name)
	for _, a := range addrs {
		rec.Have = append(rec.Have, a.String())
	}
	switch {
	case errors.Is(err, dns.ErrNotFound) && v.empty():
		return missing(rec)
	case err != nil && !errors.Is(err, dns.ErrNotFound):
		return verdict{state: Unknown, text: "the DNS gave no answer (" + cause(err) + ")"}
	case len(addrs) > 0 && len(r.plan.Addrs) == 0:
		return good("there is an address; see that it is this server's public one")
	case len(addrs) > 0 && !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !slices.Contains(r.plan.Addrs, a) }):
		return good("it has the addresses of this server, which is as good")
	}
	return bad("it leads to another server")
}
