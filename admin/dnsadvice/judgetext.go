package dnsadvice

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/smtp/dmarc"
	"github.com/mailstead/mailstead/smtp/spf"
)

const dmarcLabel = "_dmarc."

// judgeText is about TXT records. One behind an alias is as good.
func (r *run) judgeText(ctx context.Context, rec *Record, v view) verdict {
	if v.alias != "" && len(v.values) == 0 {
		texts, _, err := r.Resolver.TXT(ctx, rec.Name)
		if err != nil && !errors.Is(err, dns.ErrNotFound) {
			return verdict{state: Unknown, text: "the DNS gave no answer about " + v.alias + " (" + cause(err) + ")"}
		}
		v.values = texts
	}
	switch {
	case strings.HasPrefix(rec.ID, "spf"):
		return r.judgeSPF(ctx, rec, v)
	case rec.ID == "dmarc":
		return r.judgeDMARC(ctx, rec, v)
	case rec.ID == "tlsrpt":
		return judgeTLSRPT(rec, v)
	case rec.ID == "pacc":
		return judgePACC(rec, v)
	}
	return judgeKey(rec, v)
}

func (r *run) judgeSPF(ctx context.Context, rec *Record, v view) verdict {
	records := withVersion(unquoted(v.values), spfVersion)
	own := "mx"
	if rec.ID == "spf-host" || !r.mxIsOurs && rec.ID == "spf" {
		own = "a:" + r.plan.Host // holds before mail has moved here, too
	}
	if rec.ID == "spf-host" {
		own = "a"
	}
	switch {
	case len(records) == 0:
		got := missing(rec)
		if rec.ID == "spf" && !r.mxIsOurs {
			got.want = mergeSPF([]string{spfVersion + " mx -all"}, own)
		}
		return got
	case len(records) > 1:
		got := bad("there are %d SPF records, so that none counts; replace all of them by this one", len(records))
		got.code, got.want = "dns.spf_duplicate", mergeSPF(records, own)
		return got
	case allowsAll(records[0]):
		got := bad("it lets everybody send mail in your name; replace it by this one")
		got.want = mergeSPF(records, own)
		return got
	}
	return r.judgeSPFRecord(ctx, rec, records[0], own)
}

// judgeSPFRecord says whether one record lets this server send.
func (r *run) judgeSPFRecord(ctx context.Context, rec *Record, record, own string) verdict {
	names := spfNames{domain: rec.Name, host: r.plan.Host, addrs: r.plan.Addrs, mxIsOurs: r.mxIsOurs && rec.ID == "spf"}
	merge := bad("it does not name this server; replace it by this one, which keeps what is there")
	merge.code, merge.want = "dns.spf_merge", mergeSPF([]string{record}, own)
	switch {
	case record == rec.Want && (r.mxIsOurs || rec.ID != "spf"):
		return good(asItShouldBe)
	case names.allows(record):
		return verdict{state: OK, text: "it names this server", want: record}
	case len(r.plan.Addrs) == 0 && record == rec.Want:
		return good("it names this server once the MX record does")
	case len(r.plan.Addrs) == 0:
		return merge
	}
	// By what it includes this server may be allowed all the same.
	for _, addr := range r.plan.Addrs {
		res := spf.CheckMailFrom(ctx, r.Resolver, spf.Client{Addr: addr, Hello: r.plan.Host,
			ReversePath: mail.Path{Local: "postmaster", Domain: mail.Domain(rec.Name)}})
		switch {
		case res.Pass():
		case res.Result == "temperror":
			return verdict{state: Unknown, text: "what it includes could not be looked up now"}
		case res.Result == "permerror":
			got := bad("it has a mistake, so that it does not count (%s); replace it by this one", clip(res.Comment))
			got.code, got.want = "dns.spf_broken", mergeSPF([]string{record}, own)
			return got
		default:
			return merge
		}
	}
	return verdict{state: OK, text: "it lets this server send", want: record}
}

// unquoted takes out the quotes that some panels keep when a value was pasted
// with them.
func unquoted(texts []string) []string {
	out := slices.Clone(texts)
	for i, t := range out {
		if t = strings.TrimSpace(t); len(t) > 1 && t[0] == '"' && t[len(t)-1] == '"' {
			out[i] = t[1 : len(t)-1]
		}
	}
	return out
}

func (r *run) judgeDMARC(ctx context.Context, rec *Record, v view) verdict {
	records := withVersion(v.values, "v=DMARC1")
	switch {
	case len(records) == 0 && len(withVersion(unquoted(v.values), "v=DMARC1")) > 0:
		return bad("the value has quotation marks in it; publish it without")
	case len(records) == 0:
		return r.inheritedDMARC(ctx, rec)
	case len(records) > 1:
		got := bad("there are %d DMARC records, so that none counts; keep one of them", len(records))
		got.code, got.want = "dns.dmarc_duplicate", records[0]
		return got
	}
	return r.judgeReports(judgePolicy(records[0]), records[0])
}

// judgeReports adds to the verdict on a policy that nobody hears what others
// see, where we would. Reports that go elsewhere are as good.
func (r *run) judgeReports(got verdict, text string) verdict {
	p, err := dmarc.ParseRecord(text)
	if got.state != OK || err != nil || len(p.AggregateURIs) > 0 || r.plan.DMARCReports == "" {
		return got
	}
	got.want = strings.TrimRight(text, "; \t") + r.plan.rua()
	got.text += "; it asks for no reports. With rua=mailto:" + r.plan.DMARCReports + " you see here who sends in your name"
	return got
}

// judgeTLSRPT is about where TLS reports go (RFC 8460 section 3).
func judgeTLSRPT(rec *Record, v view) verdict {
	records := withVersion(unquoted(v.values), "v=TLSRPTv1")
	switch {
	case len(records) == 0:
		return missing(rec)
	case len(records) > 1:
		return bad("there are %d TLSRPT records, so that none counts; keep one of them", len(records))
	case !strings.Contains(strings.ReplaceAll(records[0], " ", ""), ";rua="):
		return bad("it names no address for reports (rua=); replace it by this one")
	case records[0] != rec.Want:
		return verdict{state: OK, text: "reports go to another address, which is as good", want: records[0]}
	}
	return good(asItShouldBe)
}

// judgePACC is about the digest of what mail programs are told.
func judgePACC(rec *Record, v view) verdict {
	switch {
	case len(v.values) == 0:
		return missing(rec)
	case len(v.values) == 1 && unquoted(v.values)[0] == rec.Want:
		return good(asItShouldBe)
	}
	return bad("it does not fit what this server tells mail programs now, so that they do not believe it; replace it by this one")
}

// judgePolicy is about one DMARC record. Policies differ with good reason, so
// that every valid one will do.
func judgePolicy(text string) verdict {
	p, err := dmarc.ParseRecord(text)
	if err != nil || p.Inapplicable || !strings.Contains(strings.ReplaceAll(strings.ToLower(text), " ", ""), ";p=") {
		return bad("it has no valid policy (p=none, quarantine or reject), so that it asks for nothing")
	}
	got := verdict{state: OK, text: asItShouldBe, want: text}
	switch lower := strings.ReplaceAll(strings.ToLower(text), " ", ""); {
	case strings.Contains(lower, ";pct="):
		got.text = "it works; pct= is no longer part of DMARC (RFC 9989) and can go. For a trial there is t=y"
	case p.Policy == dmarc.None:
		got.text = "it works, but asks others to do nothing about forged mail; p=quarantine does when all your own mail is signed"
	case p.Testing:
		got.text = "it works; t=y says that you are still testing"
	}
	return got
}

// inheritedDMARC is about a domain without a record: that of the zone above it
// counts too.
func (r *run) inheritedDMARC(ctx context.Context, rec *Record) verdict {
	if r.zone.Name == "" || r.zone.Name == r.plan.Domain {
		return missing(rec)
	}
	answers := r.Authority.Ask(ctx, r.zone, dmarcLabel+r.zone.Name, "TXT")
	if noneAnswered(answers) {
		return verdict{state: Unknown, text: "the DNS gave no answer about the record of " + r.zone.Name}
	}
	for _, a := range answers {
		if records := withVersion(a.Values, "v=DMARC1"); len(records) == 1 {
			if got := judgePolicy(records[0]); got.state == OK {
				return good("there is none, and that of " + r.zone.Name + " counts: " + clip(records[0]))
			}
		}
	}
	return missing(rec)
}

// judgeKey compares keys without the spaces that some panels add.
func judgeKey(rec *Record, v view) verdict {
	plain := func(s string) string { return strings.TrimRight(strings.Join(strings.Fields(s), ""), ";") }
	want := plain(rec.Want)
	for _, value := range v.values {
		have := plain(value)
		switch {
		case have == want && len(v.values) > 1:
			return bad("there are %d records under this name; keep only this one", len(v.values))
		case have == want:
			return good(asItShouldBe)
		case plain(strings.ReplaceAll(value, `"`, "")) == want:
			return bad("the value has quotation marks in it; publish it without, or as one string")
		case len(have) >= 100 && strings.HasPrefix(want, have):
			got := bad("the value is cut off after %d characters; a TXT record can be longer: as several strings, see the zone file line", len(value))
			got.code = "dns.txt_cut"
			return got
		case strings.HasSuffix(have, "p="):
			return bad("it says that the key is withdrawn (p= is empty)")
		}
	}
	if len(v.values) == 0 {
		return missing(rec)
	}
	return bad("another key is published, so that others find your signatures broken; copy the whole value")
}
