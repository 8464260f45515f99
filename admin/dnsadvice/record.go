package dnsadvice

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail/dns"
)

// State says how a record stands.
type State string

const (
	OK      State = "ok"
	Missing State = "missing"
	Wrong   State = "wrong"
	Unknown State = "unknown"
)

// Group is what a record is needed for.
type Group string

const (
	Receive Group = "receive"
	Send    Group = "send"
	Protect Group = "protect"
	Clients Group = "clients"
)

// groups is the order in which people see them.
var groups = []Group{Receive, Send, Protect, Clients}

// Record is one record that a domain should have, and what there is instead.
type Record struct {
	ID    string `json:"id"` // "mx", "spf", "dkim-rsa202611", …; unique in a plan
	Group Group  `json:"group"`
	Name  string `json:"name"` // the whole name, without the final dot
	// Host is the name as DNS panels want it: below the zone, "@" for its top.
	// It is empty where the record is not in a zone of the domain's owner (PTR).
	Host string `json:"host"`
	Type string `json:"type"`
	// Want is the value to publish: with what is there now merged in, where
	// that must not get lost. It is empty where only the operator knows it.
	Want     string `json:"want"`
	ZoneFile string `json:"zoneFile,omitempty"` // a line of a zone file
	Why      string `json:"why"`
	Optional bool   `json:"optional,omitempty"` // nice to have; missing is no problem

	Have  []string  `json:"have"`
	State State     `json:"state,omitempty"` // "" before a check
	Text  string    `json:"text,omitempty"`  // what it means, and what to do
	Code  string    `json:"code,omitempty"`  // of a finding that has a name, such as "dns.spf_duplicate"
	Since time.Time `json:"since,omitzero"`  // of the state; set by whoever keeps a history
}

// ttl is what zone file lines say.
const ttl = 3600

// zoneLine writes a record as a line of a zone file (RFC 1035 section 5.1).
func (r *Record) zoneLine() string {
	if r.Want == "" {
		return ""
	}
	return fmt.Sprintf("%s. %d IN %s %s", r.Name, ttl, r.Type, zoneValue(r.Type, r.Want))
}

// zoneValue gives names their final dot and texts their quotes.
func zoneValue(qtype, value string) string {
	switch qtype {
	case "TXT":
		return QuoteTXT(value)
	case "MX", "SRV", "CNAME", "PTR":
		if !strings.HasSuffix(value, ".") {
			return value + "."
		}
	}
	return value
}

// maxString is the length of one string of a TXT record (RFC 1035 section
// 3.3.14).
const maxString = 255

// QuoteTXT writes a text as the strings of a TXT record.
func QuoteTXT(s string) string {
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	var parts []string
	for len(s) > maxString {
		parts, s = append(parts, quote(s[:maxString])), s[maxString:]
	}
	return strings.Join(append(parts, quote(s)), " ")
}

// hostPart is a name below a zone as DNS panels want it.
func hostPart(name, zone string) string {
	if name == zone {
		return "@"
	}
	if host, ok := strings.CutSuffix(name, "."+zone); ok {
		return host
	}
	return ""
}

// Plan is what a domain needs.
type Plan struct {
	Domain string // A-labels, without the final dot
	Host   string // name of this server
	// HostGuessed says that no configuration names the server.
	HostGuessed bool
	Addrs       []netip.Addr // public addresses of this server; none if they are not known
	Keys        []Key        // DKIM
	// TLSA are the data of TLSA records of this server, as in "3 1 1 …": that of
	// the key that is shown first. None: its zone is not signed, or its keys do
	// not last.
	TLSA []string
	// OldTLSA are those of keys that this server had before, and whose records
	// may go.
	OldTLSA []string
	CA      string // of certificates, as CAA records name it; "" if none is used

	// Addresses that take the reports of others; "" if nobody reads them here.
	DMARCReports, TLSReports string
	// PACC is the record that lets mail programs believe what we say about
	// ourselves; nil if we say nothing.
	PACC *Text
}

// Text is a TXT record.
type Text struct{ Name, Value string }

// Key is the public side of a DKIM key.
type Key struct {
	Selector, Algorithm string
	Name, Record        string
}

// Records are all that a plan asks for. Host parts are below zone, which is
// the domain itself if it is empty.
func (p Plan) Records(zone string) []Record {
	if zone == "" {
		zone = p.Domain
	}
	list := slices.Concat(p.receive(), p.send(), p.protect(), p.clients())
	for i := range list {
		r := &list[i]
		r.Have = []string{}
		r.ZoneFile = r.zoneLine()
		if r.Type != "PTR" {
			r.Host = hostPart(r.Name, zone)
		}
	}
	return list
}

func (p Plan) receive() []Record {
	guess := ""
	if p.HostGuessed {
		guess = " The name is a guess: no configuration says what this server is called."
	}
	var list []Record
	for i, addr := range p.Addrs {
		r := Record{ID: "a", Group: Receive, Name: p.Host, Type: "A", Want: addr.String(),
			Why: "The address of this server. Others look it up to bring mail, and your people to read it." + guess}
		if addr.Is6() {
			r.ID, r.Type = "aaaa", "AAAA"
			r.Why = "The IPv6 address of this server, for those who come that way." + guess
		}
		if slices.ContainsFunc(p.Addrs[:i], func(a netip.Addr) bool { return a.Is6() == addr.Is6() }) {
			r.ID = fmt.Sprintf("%s-%d", r.ID, i+1)
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		list = append(list, Record{ID: "a", Group: Receive, Name: p.Host, Type: "A",
			Why: "The public address of this server, which it could not find out itself; AAAA too, if it has one." + guess})
	}
	return append(list, Record{ID: "mx", Group: Receive, Name: p.Domain, Type: "MX", Want: "10 " + p.Host,
		Why: "Says that mail for " + p.Domain + " goes to this server."})
}

func (p Plan) send() []Record {
	list := []Record{{ID: "spf", Group: Send, Name: p.Domain, Type: "TXT", Want: spfVersion + " mx -all",
		Why: "SPF: which servers may send mail of " + p.Domain + ". There can be only one such record."}}
	if p.Host != p.Domain {
		list = append(list, Record{ID: "spf-host", Group: Send, Name: p.Host, Type: "TXT", Want: spfVersion + " a -all", Optional: true,
			Why: "SPF of this server's own name, for mail without a sender such as delivery reports."})
	}
	for _, k := range p.Keys {
		list = append(list, Record{ID: "dkim-" + k.Selector, Group: Send, Name: k.Name, Type: "TXT", Want: k.Record,
			Why: "DKIM: the public key (" + k.Algorithm + ") that others verify the signatures of your mail with."})
	}
	list = append(list, Record{ID: "dmarc", Group: Send, Name: dmarcLabel + p.Domain, Type: "TXT", Want: "v=DMARC1; p=quarantine" + p.rua(),
		Why: "DMARC: what others do with mail in your name that is not yours. Large providers want it of every sender."})
	for i, addr := range p.Addrs {
		id := "ptr"
		if i > 0 {
			id = fmt.Sprintf("ptr-%d", i+1)
		}
		list = append(list, Record{ID: id, Group: Send, Name: strings.TrimSuffix(dns.ReverseName(addr), "."), Type: "PTR", Want: p.Host,
			Why: "The reverse name of " + addr.String() + ". Large providers refuse mail from addresses without one. " +
				"It is set where you rent the server, not where the domain is."})
	}
	return list
}

// rua asks for DMARC reports, at the end of a record (RFC 9989 section 4.7).
func (p Plan) rua() string {
	if p.DMARCReports == "" {
		return ""
	}
	return "; rua=mailto:" + p.DMARCReports
}

func (p Plan) protect() []Record {
	var list []Record
	if p.TLSReports != "" {
		list = append(list, Record{ID: "tlsrpt", Group: Protect, Name: "_smtp._tls." + p.Domain, Type: "TXT", Want: "v=TLSRPTv1; rua=mailto:" + p.TLSReports, Optional: true,
			Why: "TLSRPT: asks others to report once a day whether they reached this server with TLS (RFC 8460)."})
	}
	for i, data := range p.TLSA {
		why := "DANE: those who send to you make sure that they talk to this server, by its key (RFC 7672). It counts because the zone is signed."
		if i > 0 {
			why = "DANE: the key that comes next. Published ahead, it lets the key change without a gap."
		}
		list = append(list, Record{ID: "tlsa-" + data[max(0, len(data)-8):], Group: Protect, Name: "_25._tcp." + p.Host, Type: "TLSA", Want: data, Optional: true, Why: why})
	}
	if p.CA == "" {
		return list
	}
	return append(list, Record{ID: "caa", Group: Protect, Name: p.Host, Type: "CAA", Want: fmt.Sprintf("0 issue %q", p.CA), Optional: true,
		Why: "CAA: who may issue certificates for this name. Without one everybody may; with one of somebody else, this server gets none."})
}

// service is what mail programs look for (RFC 6186 section 3, RFC 8314 section
// 5.1).
type service struct {
	name string
	port int // 0: not offered
	why  string
}

var services = []service{
	{"_imaps", 993, "Tells mail programs where mailboxes are read, with TLS."},
	{"_submissions", 465, "Tells mail programs where mail is sent, with TLS."},
	{"_imap", 0, "Tells mail programs not to read mailboxes without TLS from the start."},
	{"_submission", 0, "Tells mail programs not to send without TLS from the start."},
	{"_pop3", 0, "Tells mail programs not to use POP3 without TLS from the start."},
}

func (p Plan) clients() []Record {
	var list []Record
	for _, s := range services {
		want := "0 0 0 ."
		if s.port != 0 {
			want = fmt.Sprintf("0 1 %d %s", s.port, p.Host)
		}
		list = append(list, Record{ID: "srv" + strings.ReplaceAll(s.name, "_", "-"), Group: Clients, Name: s.name + "._tcp." + p.Domain, Type: "SRV",
			Want: want, Optional: true, Why: s.why})
	}
	for _, s := range []struct{ name, who string }{{"autoconfig", "Thunderbird and others"}, {"autodiscover", "Outlook"}} {
		if s.name+"."+p.Domain == p.Host {
			continue
		}
		list = append(list, Record{ID: s.name, Group: Clients, Name: s.name + "." + p.Domain, Type: "CNAME", Want: p.Host, Optional: true,
			Why: "Lets " + s.who + " find the settings by the address alone."})
	}
	if p.PACC != nil {
		list = append(list, Record{ID: "pacc", Group: Clients, Name: p.PACC.Name, Type: "TXT", Want: p.PACC.Value, Optional: true,
			Why: "Lets newer mail programs see that the settings they find are yours: it has a digest of them (PACC). It changes when ports or names change."})
	}
	return list
}
