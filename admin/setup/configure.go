package setup

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/mail"
)

// host reads the name that this server is to have. Without one it keeps its
// own.
func (w *Wizard) host(name string) (mail.Domain, error) {
	if name = trim(name); name == "" {
		return w.opts.Hostname, nil
	}
	d, err := mail.ParseDomain(name)
	if err != nil || d.IsLiteral() || !strings.Contains(string(d), ".") {
		return "", field("host", "%q is not a complete name; write it as in mail.example.org", name)
	}
	if d != w.opts.Hostname && w.opts.Choose == nil {
		return "", field("host", "this server is called %s, which cannot be changed from here; change hostname in its configuration file", w.opts.Hostname)
	}
	return d, nil
}

// rename gives the server a name.
func (w *Wizard) rename(s *state, host mail.Domain) error {
	s.Answers.Host = string(host)
	if host == w.opts.Hostname {
		return nil
	}
	return admin.At("host", w.choose(s, config.Choice{Field: "hostname", Value: string(host)}))
}

// choose sets fields of the configuration. They count after a new beginning.
func (w *Wizard) choose(s *state, choices ...config.Choice) error {
	written, err := w.opts.Choose(choices...)
	if err != nil {
		return &directory.Problem{Kind: directory.ErrInvalid, Text: fmt.Sprintf("the configuration could not be written: %v", err)}
	}
	s.Written, s.restart = written, true
	return nil
}

// chooseCertificate orders a certificate that others trust, or goes on without
// one.
func (w *Wizard) chooseCertificate(ctx context.Context, s *state, in Input) error {
	if in.OwnCertificate != nil {
		s.Answers.OwnCertificate = *in.OwnCertificate
	}
	if in.ACME == nil {
		return nil
	}
	contact := trim(in.ACME.Contact)
	switch _, err := mail.ParseAddress(contact); {
	case !in.ACME.AcceptTerms:
		return field("acme.acceptTerms", "accept the terms of the certificate authority to get a certificate")
	case contact != "" && err != nil:
		return field("acme.contact", "%q is not an address; write it as in ana@example.org, or leave it out", contact)
	case w.opts.Choose == nil:
		return &directory.Problem{Kind: admin.ErrUnavailable, Text: "only a running server gets certificates"}
	}
	s.Answers.AcceptTerms, s.Answers.Contact, s.Answers.OwnCertificate = true, contact, false
	if in.ACME.Now || w.leadsHere(ctx, s) {
		return w.order(s)
	}
	return nil
}

// order has the server get a certificate.
func (w *Wizard) order(s *state) error {
	s.Ordered = true
	return w.choose(s, config.Choice{Field: "tls.mode", Value: config.ModeACME}, config.Choice{Field: "tls.agree", Value: true},
		config.Choice{Field: "tls.email", Value: s.Answers.Contact})
}

// orderWhenSeen orders the certificate that waits for the DNS: authorities
// count tries that fail.
func (w *Wizard) orderWhenSeen(ctx context.Context) error {
	s, err := w.load(ctx)
	if err != nil || !s.waits() {
		return err
	}
	if err := w.refresh(ctx, DNS); err != nil || !w.leadsHere(ctx, &s) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, err = w.load(ctx); err != nil || !s.waits() { // since it was looked
		return err
	}
	if err := w.order(&s); err != nil {
		return err
	}
	if err := w.opts.Directory.PutState(ctx, stateName, s); err != nil {
		return err
	}
	w.opts.Reconfigure()
	return nil
}

// waits reports whether a certificate is to be ordered as soon as the name
// leads here.
func (s *state) waits() bool { return s.Answers.AcceptTerms && !s.Ordered && !s.Answers.OwnCertificate }

// leadsHere reports whether the DNS has the address of this server under its
// name, and no other.
func (w *Wizard) leadsHere(ctx context.Context, s *state) bool {
	r, err := w.opts.Admin.DomainDNS(ctx, domainOf(s.Answers.Address))
	if err != nil {
		return false
	}
	found := false
	for _, rec := range r.Records() {
		if rec.ID != "a" && rec.ID != "aaaa" {
			continue
		}
		if rec.State == dnsadvice.Wrong {
			return false
		}
		found = found || rec.State == dnsadvice.OK
	}
	return found
}

// certificate says whether others trust what the host name shows.
func (w *Wizard) certificate(ctx context.Context, s *state) CertificateView {
	v := CertificateView{Text: fmt.Sprintf("there is none for %s", w.opts.Hostname), Automatic: w.opts.Mode == config.ModeACME, Waits: s.waits()}
	if w.opts.Mode == config.ModeSelfSigned && w.opts.Choose != nil && !s.Answers.AcceptTerms {
		v.Terms = w.opts.Terms
	}
	list, err := w.opts.Admin.Certificates(ctx)
	if err != nil {
		v.Text = "nothing is known"
	}
	for _, st := range list.Items {
		if st.Name == string(w.opts.Hostname) {
			v.Trusted = st.Source != string(certs.SelfSigned) && st.NotAfter.After(w.opts.Now())
			v.Text, v.Problem = st.String(), st.Problem
		}
	}
	return v
}
