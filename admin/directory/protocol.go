package directory

import (
	"slices"
	"strings"
)

// Protocol is by what somebody logs in.
type Protocol string

const (
	ProtocolIMAP  Protocol = "imap"
	ProtocolPOP3  Protocol = "pop3"
	ProtocolSMTP  Protocol = "smtp"
	ProtocolSieve Protocol = "sieve" // an app password for IMAP is good for it, too
	ProtocolWeb   Protocol = "web"   // console and account pages
	ProtocolAPI   Protocol = "api"   // by API key
)

// MailProtocols are those that an app password can be for.
func MailProtocols() []Protocol { return []Protocol{ProtocolIMAP, ProtocolPOP3, ProtocolSMTP} }

// protocolOf returns the protocol of a service, as the servers name them.
func protocolOf(service string) Protocol {
	switch service {
	case "submission":
		return ProtocolSMTP
	case "managesieve":
		return ProtocolSieve
	}
	return Protocol(service)
}

// forMail reports whether mail programs log in by p.
func (p Protocol) forMail() bool {
	return p == ProtocolSieve || slices.Contains(MailProtocols(), p)
}

// name is for texts.
func (p Protocol) name() string { return strings.ToUpper(string(p)) }

// parseProtocols checks which protocols an app password is for; none is all.
func parseProtocols(list []Protocol) ([]Protocol, error) {
	if len(list) == 0 {
		return MailProtocols(), nil
	}
	var kept []Protocol
	for _, p := range MailProtocols() {
		if slices.Contains(list, p) {
			kept = append(kept, p)
		}
	}
	for _, p := range list {
		if !slices.Contains(kept, p) {
			return nil, invalid("%q is not a protocol of mail programs; use imap, pop3 or smtp", p)
		}
	}
	return kept, nil
}
