package certs

import (
	"crypto/tls"
	"slices"
	"strings"
)

// Terms are those of Let's Encrypt, for people to read before they accept
// them.
const Terms = "https://letsencrypt.org/repository/"

// WebConfig is TLSConfig for browsers. During the first run one that comes by
// the address of the server sees the same self-signed certificate all the
// time: a person who has compared and accepted it is not asked again when the
// server gets its name or a certificate for it. The same holds always for one
// that comes through a tunnel, as localhost, for which no other certificate is.
// Else whoever sends no name is shown the certificate of the host name, as on
// every port.
func (m *Manager) WebConfig(protos ...string) *tls.Config {
	cfg := m.TLSConfig(protos...)
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if m.named(hello) || m.host() && !strings.EqualFold(hello.ServerName, "localhost") && !m.firstRun() {
			return m.certificate(hello)
		}
		return m.local.Load(), nil
	}
	return cfg
}

func (m *Manager) firstRun() bool { return m.opts.FirstRun != nil && m.opts.FirstRun() }

// host reports whether there is a certificate of the host name that does not
// come from this server itself.
func (m *Manager) host() bool {
	switch {
	case m.files != nil:
		c, _ := m.files.get()
		return c != nil
	case m.acme != nil:
		return m.acme.find(string(m.opts.Hostname)) != nil
	}
	return false
}

// named reports whether a client asks for a name that others can know, or is
// an authority that looks at a challenge.
func (m *Manager) named(hello *tls.ClientHelloInfo) bool {
	name := strings.ToLower(hello.ServerName)
	return name != "" && name != "localhost" || slices.Contains(hello.SupportedProtos, ALPN)
}
