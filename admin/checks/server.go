package checks

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/memory"
	"github.com/mailstead/mailstead/mail/clock"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/smtp/dnsbl"
)

// Server is what the checks of a mail server look at. A field that is nil or
// empty leaves its checks out.
type Server struct {
	Hostname string
	Addrs    func() []netip.Addr // public addresses
	Resolver dns.Resolver        // needed
	// Dial reaches the world; it is needed.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// DialLocal reaches our own ports; nil: as Dial.
	DialLocal func(ctx context.Context, network, addr string) (net.Conn, error)

	MXHosts    []string       // mail servers of others whose port 25 is tried
	SignedName string         // a name with DNSSEC
	TimeHost   string         // its port 443 is asked for the time
	Blocklists []string       // zones
	Roots      *x509.CertPool // nil: the system's
	// Lists has the lists prove themselves that mail coming in is judged by.
	Lists func(context.Context) []dnsbl.State

	RelayHost   func() string // where all mail is handed to; "" is nowhere
	ReceiveOnly func() bool   // the operator does not send from here

	DataDir string
	Disk    func(dir string) (Disk, error)
	Guard   *disk.Guard // of the running server; nil: there is none

	Memory func() memory.State

	Ports        []Port
	Certificates func() []certs.Status
	Domains      func() []Domain
	Queue        func(ctx context.Context) (messages int, oldest time.Time, err error)
	LastErrors   func() (count int, last string, at time.Time)
	Filters      func() []Filter
	Backups      func(context.Context) Backups

	// Clock says whether the clock of the system is not believed. Now is then
	// where it should be.
	Clock func() (clock.Doubt, bool)
	Now   func() time.Time
}

// Domain is one of ours, and how its DNS is looked at.
type Domain struct {
	Name  string
	Check func(ctx context.Context) (dnsadvice.Report, error)
}

// Names of the checks that others depend on.
const idResolver = "resolver"

// Checks are all that apply to the server.
func (s *Server) Checks() []Check {
	all := []Check{s.resolverCheck()}
	if s.SignedName != "" {
		all = append(all, s.dnssecCheck())
	}
	v4, v6 := s.families()
	if len(s.MXHosts) > 0 {
		all = append(all, s.port25Check("v4", "tcp4"))
		if len(v6) > 0 {
			all = append(all, s.port25Check("v6", "tcp6"))
		}
	}
	all = append(all, s.hostnameCheck())
	if len(v4) > 0 {
		all = append(all, s.ptrCheck("v4", v4))
	}
	if len(v6) > 0 {
		all = append(all, s.ptrCheck("v6", v6))
	}
	if len(v4)+len(v6) > 0 {
		for _, zone := range s.Blocklists {
			all = append(all, s.blocklistCheck(zone))
		}
	}
	if s.Lists != nil {
		all = append(all, s.listsCheck())
	}
	return slices.Concat(all, s.localChecks())
}

// localChecks are those of this machine and its data.
func (s *Server) localChecks() []Check {
	var all []Check
	if s.TimeHost != "" || s.Clock != nil {
		all = append(all, s.clockCheck())
	}
	if s.Disk != nil {
		all = append(all, s.diskCheck(), s.inodesCheck())
	}
	if s.Memory != nil {
		all = append(all, s.memoryCheck())
	}
	for _, p := range s.Ports {
		all = append(all, s.portCheck(p))
	}
	if s.Certificates != nil {
		all = append(all, s.certificateCheck())
		if len(s.Certificates()) > 1 {
			all = append(all, s.otherCertificates())
		}
	}
	if s.Domains != nil {
		for _, d := range s.Domains() {
			all = append(all, domainCheck(d))
		}
	}
	if s.Queue != nil {
		all = append(all, s.queueCheck())
	}
	if s.Filters != nil {
		if list := s.Filters(); len(list) > 0 {
			all = append(all, filterCheck(list))
		}
	}
	if s.Backups != nil {
		all = append(all, s.backupCheck())
	}
	if s.LastErrors != nil {
		all = append(all, s.errorsCheck())
	}
	return all
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// families are the public addresses of the server.
func (s *Server) families() (v4, v6 []netip.Addr) {
	if s.Addrs == nil {
		return nil, nil
	}
	for _, a := range s.Addrs() {
		if a.Unmap().Is4() {
			v4 = append(v4, a.Unmap())
		} else {
			v6 = append(v6, a)
		}
	}
	return v4, v6
}

// resolverCheck asks for a few names. One that fails says nothing about the
// resolver; none that works does.
func (s *Server) resolverCheck() Check {
	return Check{ID: idResolver, Group: Network, Title: "Name resolution", Want: "the resolver answers",
		Why: "Without it no mail can be delivered, and no sender be checked.", Every: 15 * time.Minute,
		Run: func(ctx context.Context) Finding {
			names := slices.Concat(s.MXHosts, []string{s.Hostname, s.SignedName})
			var last error
			for _, name := range names {
				if name == "" {
					continue
				}
				_, _, err := s.Resolver.A(ctx, name)
				if err == nil || errors.Is(err, dns.ErrNotFound) {
					return ok("the resolver answers")
				}
				last = err
			}
			if last == nil || ctx.Err() != nil {
				return unknown("no name could be looked up in time")
			}
			return Fail.because("the resolver answers about none of %d names", len(names)).
				fix("See that a resolver runs and that [dns] servers in the configuration, or /etc/resolv.conf, names it.")
		}}
}

func (s *Server) dnssecCheck() Check {
	return Check{ID: "dnssec", Group: Network, Title: "DNSSEC", Want: "the resolver validates DNSSEC, and may be believed",
		Why: "Without it, DANE cannot protect mail to others from eavesdroppers.", After: []string{idResolver}, Every: 6 * time.Hour,
		Run: func(ctx context.Context) Finding {
			_, authentic, err := s.Resolver.TXT(ctx, s.SignedName)
			switch {
			case authentic:
				return ok("the resolver validates DNSSEC")
			case err != nil:
				return unknown("%s could not be looked up", s.SignedName)
			}
			return Warn.because("answers about %s come without the mark of DNSSEC", s.SignedName).
				fix("Install a validating resolver on this machine (such as unbound) and name it in [dns] servers as 127.0.0.1.")
		}}
}

func (s *Server) hostnameCheck() Check {
	return Check{ID: "hostname", Group: Names, Title: "Host name", Want: s.Hostname + " leads to this server",
		Why: "It is the name in the greeting to others, in MX records and in the certificate.", After: []string{idResolver},
		Run: func(ctx context.Context) Finding {
			if !strings.Contains(s.Hostname, ".") {
				return Fail.because("%q is not a complete name", s.Hostname).fix("Write a whole name such as mail.example.org as hostname in the configuration.")
			}
			addrs, _, err := s.Resolver.A(ctx, s.Hostname)
			v4, v6 := s.families()
			ours := slices.Concat(v4, v6)
			switch {
			case errors.Is(err, dns.ErrNotFound):
				return Fail.because("%s has no address in the DNS", s.Hostname).fix("Publish its A record; the DNS page of the domain shows it.")
			case err != nil:
				return unknown("%s could not be looked up now", s.Hostname)
			case slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.IsLoopback() }) && len(ours) > 0 && !ours[0].IsLoopback():
				return Warn.because("this machine believes %s to be itself (%v), perhaps by /etc/hosts", s.Hostname, addrs[0]).fix("Remove the name from /etc/hosts.")
			case len(ours) > 0 && !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return slices.Contains(ours, a) }):
				return Fail.because("%s leads to %s, which is not this server", s.Hostname, list(texts(addrs))).
					fix("Correct its A record. If this server is behind NAT, set server.addresses to its public address.")
			case s.isApex():
				return Warn.because("%s is the domain itself; a web page there will want the name some day", s.Hostname).
					fix("Call the server mail.%s instead.", s.Hostname)
			}
			return ok("%s leads to %s", s.Hostname, list(texts(addrs)))
		}}
}

// isApex reports whether the server is called like one of its domains.
func (s *Server) isApex() bool {
	if s.Domains == nil {
		return false
	}
	return slices.ContainsFunc(s.Domains(), func(d Domain) bool { return d.Name == s.Hostname })
}

func texts[T fmt.Stringer](values []T) []string {
	var list []string
	for _, v := range values {
		list = append(list, v.String())
	}
	return list
}

// domainCheck is how the DNS of a domain stands, in one line.
func domainCheck(d Domain) Check {
	return Check{ID: "dns." + d.Name, Group: Names, Title: "DNS of " + d.Name, Want: "all records are right", Domain: d.Name,
		Why: "Wrong records lose mail, or have it filed to Junk.", After: []string{idResolver},
		Run: func(ctx context.Context) Finding {
			report, err := d.Check(ctx)
			if err != nil {
				return unknown("the DNS could not be asked")
			}
			var bad []string
			for _, r := range report.Records() {
				if r.State == dnsadvice.Wrong || r.State == dnsadvice.Missing && !r.Optional {
					bad = append(bad, fmt.Sprintf("%s of %s is %s", r.Type, r.Name, r.State))
				}
			}
			switch {
			case len(bad) > 0:
				state := Warn
				if needed(report) {
					state = Fail
				}
				return state.because("%s", list(bad)).fix("The DNS page of the domain shows each record with its value to copy.").link("/admin/domains/" + d.Name + "/dns")
			case report.Summary.Right == 0:
				return unknown("%s", report.Text)
			}
			return ok("%s", report.Text)
		}}
}

// needed reports whether mail cannot come in, or go out signed, as the DNS is.
func needed(r dnsadvice.Report) bool {
	return slices.ContainsFunc(r.Records(), func(rec dnsadvice.Record) bool {
		vital := rec.Group == dnsadvice.Receive || rec.ID == "spf" || strings.HasPrefix(rec.ID, "dkim-")
		return vital && !rec.Optional && (rec.State == dnsadvice.Wrong || rec.State == dnsadvice.Missing)
	})
}
