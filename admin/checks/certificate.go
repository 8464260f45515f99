package checks

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/certs"
)

// Days before the end of a certificate.
const (
	certWarn = 14 * day
	certFail = 3 * day
)

// certificatePage is where certificates are renewed.
const certificatePage = "/admin/system/certificates"

// certificateCheck is about what the server shows: that others trust it, that
// it is for the host name, and how long.
func (s *Server) certificateCheck() Check {
	return Check{ID: "certificate", Group: Names, Title: "Certificate", Want: "for " + s.Hostname + ", trusted, and good for two weeks",
		Why: "Mail programs warn of a certificate that they do not trust, or refuse it.",
		Run: func(ctx context.Context) Finding {
			for _, st := range s.Certificates() {
				if st.Name != s.Hostname {
					continue
				}
				f := s.judgeCertificate(st)
				if f.State != OK {
					return f.link(certificatePage)
				}
				if shown, ok := s.shown(ctx); ok {
					return shown
				}
				return f
			}
			return unknown("no certificate is known for %s", s.Hostname)
		}}
}

func (s *Server) judgeCertificate(st certs.Status) Finding {
	left := st.NotAfter.Sub(s.now())
	switch {
	case st.Source == string(certs.SelfSigned):
		return Warn.because("it is signed by this server itself, so that nobody else trusts it").
			fix("Set [tls] mode = \"acme\" in the configuration, with agree = true, to get a free one from Let's Encrypt.")
	case st.NotAfter.IsZero() && st.Problem != "":
		return Fail.because("there is none yet: %s", st.Problem).fix("%s", cmp.Or(st.Advice, "See that "+st.Name+" leads here, and that ports 80 and 443 are open from outside."))
	case st.NotAfter.IsZero():
		return Warn.because("there is none yet; it has been ordered")
	case left <= 0:
		return Fail.because("it ended on %s", st.NotAfter.Format("2 January 2006")).fix("%s", renewal(st))
	case left < certFail:
		return Fail.because("it ends in %d hours", int(left/hour)).fix("%s", renewal(st))
	case left < certWarn && st.Problem != "", left < certWarn && st.Source == string(certs.Files):
		return Warn.because("it ends in %d days", int(left/day)).fix("%s", renewal(st))
	}
	return ok("good for %d days", int(left/day))
}

// otherCertificates is about those of other names than the host's: of
// domains, and of the configuration. Names that do not lead here need none.
func (s *Server) otherCertificates() Check {
	return Check{ID: "certificates", Group: Names, Title: "Certificates of other names", Want: "one for each name that leads here, good for two weeks",
		Why: "People and mail programs that use these names are warned, or do not connect.",
		Run: func(context.Context) Finding {
			var bad []string
			worst := ok("all are good")
			for _, st := range s.Certificates() {
				f, ok := s.judgeOther(st)
				if !ok {
					continue
				}
				if bad = append(bad, st.Name); f.State.severity() > worst.State.severity() {
					worst = f
				}
			}
			if len(bad) > 1 {
				worst.Saw += fmt.Sprintf("; %d names are not right: %s", len(bad), strings.Join(bad[:min(len(bad), 10)], ", "))
			}
			return worst
		}}
}

// judgeOther says what is wrong with the certificate of another name than the
// host's; ok is false if nothing is.
func (s *Server) judgeOther(st certs.Status) (f Finding, ok bool) {
	ordered := st.NotAfter.IsZero() && st.Problem == ""
	if st.Name == s.Hostname || st.Source == string(certs.SelfSigned) || st.State == certs.StateAway || ordered {
		return f, false
	}
	if f = s.judgeCertificate(st); f.State == OK {
		return f, false
	}
	if st.NotAfter.IsZero() && st.Optional {
		f.State = Warn // nobody has used it yet
	}
	f.Saw = st.Name + ": " + f.Saw
	return f.link(certificatePage), true
}

func renewal(st certs.Status) string {
	if st.Source == string(certs.Files) {
		return "Renew the files that tls.cert_file and tls.key_file name; they are read again when they change."
	}
	if st.Problem != "" {
		return "The last try failed: " + st.Problem
	}
	return "It is renewed by itself; see the log for why that has not happened."
}

// shown shakes hands with one of our own TLS ports as a client would, and
// tells when what is shown there is not trusted.
func (s *Server) shown(ctx context.Context) (Finding, bool) {
	i := slices.IndexFunc(s.Ports, func(p Port) bool { return p.TLS })
	if i < 0 {
		return Finding{}, false
	}
	p := s.Ports[i]
	if p.Local == "" {
		p.Local = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Number))
	}
	dial := s.DialLocal
	if dial == nil {
		dial = s.Dial
	}
	ctx, cancel := context.WithTimeout(ctx, portTimeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", p.Local)
	if err != nil {
		return Finding{}, false // the check of the port says so
	}
	defer conn.Close()
	now := s.now()
	c := tls.Client(conn, &tls.Config{ServerName: s.Hostname, RootCAs: s.Roots, MinVersion: tls.VersionTLS12, Time: func() time.Time { return now }})
	err = c.HandshakeContext(ctx)
	if bad := new(tls.CertificateVerificationError); errors.As(err, &bad) {
		return Fail.because("what port %d shows is not trusted: %s", p.Number, distrust(bad.Err)).
			fix("Use a certificate for %s with its whole chain.", s.Hostname), true
	}
	return Finding{}, false
}

// distrust says why a certificate is not trusted.
func distrust(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return "it is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has ended"
	}
	return "no authority that clients know has signed it, or its chain is not complete"
}
