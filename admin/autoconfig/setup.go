package autoconfig

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Security is how a connection is protected.
type Security string

const (
	TLS      Security = "tls"      // from the start (RFC 8314 section 3)
	STARTTLS Security = "starttls" // by a command
)

// Endpoint is one way to reach a service.
type Endpoint struct {
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Security Security `json:"security"`
}

// Setup is what somebody types into a mail program that asks for everything.
// Of each service the first endpoint is the one to recommend.
type Setup struct {
	Address string     `json:"address"`
	Login   string     `json:"login"`
	IMAP    []Endpoint `json:"imap"`
	SMTP    []Endpoint `json:"smtp"`
}

// Ports are where clients find the services; 0 is a service that is not there.
type Ports struct {
	IMAPS, IMAP, Submissions, Submission int
}

// StandardPorts are those that are registered (RFC 8314 section 7).
func StandardPorts() Ports {
	return Ports{IMAPS: 993, IMAP: 143, Submissions: 465, Submission: 587}
}

// Options of a Service; Hostname and Hosted are needed.
type Options struct {
	Hostname mail.Domain
	Ports    Ports // of the services as clients see them
	// Web is the address of our pages for people, such as
	// https://mail.example.org; "" leaves links to them out.
	Web string
	// Hosted reports whether people of a domain have their mail here.
	Hosted func(mail.Domain) bool
	// Signer returns the certificate that profiles are signed with, its chain
	// and key; nil, or an error, leaves them unsigned.
	Signer func() (*tls.Certificate, error)

	Random io.Reader        // crypto/rand if nil
	Now    func() time.Time // time.Now if nil
}

// Service knows how clients are set up. Its methods may be called
// concurrently.
type Service struct {
	opts   Options
	mux    *http.ServeMux
	offers offers
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{opts: o, mux: http.NewServeMux()}
	s.routes()
	return s
}

// Setup returns what the owner of an address types into a mail program.
func (s *Service) Setup(address mail.Path) Setup {
	p := s.opts.Ports
	return Setup{Address: address.String(), Login: address.String(),
		IMAP: s.endpoints(p.IMAPS, p.IMAP), SMTP: s.endpoints(p.Submissions, p.Submission)}
}

// endpoints returns those of a service that is reached in up to two ways.
func (s *Service) endpoints(implicit, starttls int) []Endpoint {
	list := []Endpoint{}
	if implicit != 0 {
		list = append(list, Endpoint{string(s.opts.Hostname), implicit, TLS})
	}
	if starttls != 0 {
		list = append(list, Endpoint{string(s.opts.Hostname), starttls, STARTTLS})
	}
	return list
}

// maxAddress is the longest address there can be (RFC 5321 section 4.5.3.1.3
// less its brackets).
const maxAddress = 254

// parse reads an address that a client has sent and looks whether its domain
// is hosted here.
func (s *Service) parse(address string) (mail.Path, error) {
	if len(address) > maxAddress {
		return mail.Path{}, fmt.Errorf("an address has at most %d octets", maxAddress)
	}
	p, err := mail.ParseAddress(address)
	if err != nil || p.Domain == "" {
		return mail.Path{}, fmt.Errorf("%q is not an address; write it as in ana@example.org", address)
	}
	if !s.opts.Hosted(p.Domain) {
		return mail.Path{}, fmt.Errorf("there is no mail of %s on this server", p.Domain.Unicode())
	}
	return p, nil
}
