package certs

import (
	"crypto/tls"
	"slices"
	"strings"
)

// Terms are those of Let's Encrypt, for people to read before they accept
// them.
const Terms = "https://letsencrypt.org/repository/"

// WebConfig is TLSConfig for browsers. One that comes by the address of the
// server, or through a tunnel, sees the same self-signed certificate from the
// first run on: a person who has compared and accepted it is not asked again
// when the server gets its name or a certificate for it.
func (m *Manager) WebConfig(protos ...string) *tls.Config {
	cfg := m.TLSConfig(protos...)
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if m.named(hello) {
			return m.certificate(hello)
		}
		return m.local.Load(), nil
	}
	return cfg
}

// named reports whether a client asks for a name that others can know, or is
// an authority that looks at a challenge.
func (m *Manager) named(hello *tls.ClientHelloInfo) bool {
	name := strings.ToLower(hello.ServerName)
	return name != "" && name != "localhost" || slices.Contains(hello.SupportedProtos, ALPN)
}
