package autoconfig

import (
	"encoding/xml"

	"github.com/mailstead/mailstead/mail"
)

// clientConfig is config-v1.1.xml.
type clientConfig struct {
	XMLName  xml.Name      `xml:"clientConfig"`
	Version  string        `xml:"version,attr"`
	Provider emailProvider `xml:"emailProvider"`
}

type emailProvider struct {
	ID        string          `xml:"id,attr"`
	Domain    string          `xml:"domain"`
	Name      string          `xml:"displayName"`
	ShortName string          `xml:"displayShortName"`
	Incoming  []mozillaServer `xml:"incomingServer"`
	Outgoing  []mozillaServer `xml:"outgoingServer"`
	Docs      *mozillaDocs    `xml:"documentation,omitempty"`
}

type mozillaServer struct {
	Type           string `xml:"type,attr"`
	Hostname       string `xml:"hostname"`
	Port           int    `xml:"port"`
	SocketType     string `xml:"socketType"`
	Authentication string `xml:"authentication"` // "password-cleartext": inside TLS
	Username       string `xml:"username"`
}

type mozillaDocs struct {
	URL   string `xml:"url,attr"`
	Descr string `xml:"descr"`
}

// mozilla is the document for people of a domain. The program puts the
// address in the place of %EMAILADDRESS% itself.
func (s *Service) mozilla(domain mail.Domain) ([]byte, error) {
	setup := s.Setup(mail.Path{})
	p := emailProvider{ID: string(domain), Domain: string(domain), Name: domain.Unicode() + " mail", ShortName: domain.Unicode(),
		Incoming: mozillaServers("imap", setup.IMAP), Outgoing: mozillaServers("smtp", setup.SMTP)}
	if s.opts.Web != "" {
		p.Docs = &mozillaDocs{URL: s.opts.Web + helpPath, Descr: "How to set up a mail program"}
	}
	return document(clientConfig{Version: "1.1", Provider: p})
}

func mozillaServers(kind string, endpoints []Endpoint) (list []mozillaServer) {
	for _, e := range endpoints {
		socket := map[Security]string{TLS: "SSL", STARTTLS: "STARTTLS"}[e.Security]
		list = append(list, mozillaServer{Type: kind, Hostname: e.Host, Port: e.Port, SocketType: socket,
			Authentication: "password-cleartext", Username: "%EMAILADDRESS%"})
	}
	return list
}

// document writes an XML document.
func document(v any) ([]byte, error) {
	body, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(append([]byte(xml.Header), body...), '\n'), nil
}
