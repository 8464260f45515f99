package autoconfig

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/mailstead/mailstead/mail"
)

// paccConfig is the document of draft-ietf-mailmaint-pacc.
type paccConfig struct {
	Protocols      map[string]paccServer `json:"protocols"`
	Authentication paccAuthentication    `json:"authentication"`
	Info           paccInfo              `json:"info"`
}

// paccServer is reached with TLS from the start, at the registered port.
type paccServer struct {
	Host string `json:"host"`
}

type paccAuthentication struct {
	Password bool `json:"password"`
}

type paccInfo struct {
	Provider paccProvider `json:"provider"`
	Help     *paccHelp    `json:"help,omitempty"`
}

type paccProvider struct {
	Name string `json:"name"`
}

type paccHelp struct {
	Documentation string `json:"documentation"`
}

// maxProvider bounds the name of a provider, in characters.
const maxProvider = 60

// pacc is the document for a domain: the same octets each time, since the DNS
// holds their digest.
func (s *Service) pacc(domain mail.Domain) ([]byte, error) {
	c := paccConfig{Protocols: map[string]paccServer{}, Authentication: paccAuthentication{Password: true},
		Info: paccInfo{Provider: paccProvider{clipRunes(domain.Unicode(), maxProvider)}}}
	if s.opts.Ports.IMAPS != 0 {
		c.Protocols["imap"] = paccServer{string(s.opts.Hostname)}
	}
	if s.opts.Ports.Submissions != 0 {
		c.Protocols["submit"] = paccServer{string(s.opts.Hostname)}
	}
	if s.opts.Web != "" {
		c.Info.Help = &paccHelp{s.opts.Web + helpPath}
	}
	return json.Marshal(c)
}

func clipRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// PACCRecord is the TXT record that lets a client believe the document: its
// name, and its text with the digest of what is served now.
func (s *Service) PACCRecord(domain mail.Domain) (name, text string, err error) {
	body, err := s.pacc(domain)
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256(body)
	return "_ua-auto-config." + string(domain), "v=UAAC1; a=sha256; d=" + base64.StdEncoding.EncodeToString(sum[:]), nil
}
