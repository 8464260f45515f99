package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Path is where the file is looked for when none is named.
const Path = "/etc/mailstead/mailstead.toml"

// Config is the file. Tags: "toml" is the name, "doc" the explanation,
// "example" what Describe shows in a comment where there is no default.
type Config struct {
	Hostname string `toml:"hostname" example:"mail.example.org" doc:"The name of this server in the DNS, which must lead to its address and back (PTR). It is the name in the greeting, in Received fields and in the certificate."`
	Data     string `toml:"data" doc:"The folder that everything is kept in: mail, accounts, settings, certificates. It belongs to the user of the service alone."`

	Listen Listen `toml:"listen" doc:"Where services listen: lists of \"host:port\"; without a host, on all addresses. An empty list switches a service off. Changes count after a reload (mailstead reload); ports that only root may open need a restart."`
	DNS    DNS    `toml:"dns" doc:"Name resolution."`
	TLS    TLS    `toml:"tls" doc:"Certificates."`
	Log    Log    `toml:"log" doc:"The log on standard error."`

	Sandbox Sandbox `toml:"sandbox" doc:"What the server may touch once its ports are open, whatever its user may (Landlock, Linux 5.13 or newer). It always may write its data, and read /etc, its certificates and what a system has for all programs. Changes need a restart."`

	// Notes say which values are not those of the file, and why.
	Notes []string `toml:"-"`
}

// Listen is the part [listen].
type Listen struct {
	SMTP        []string `toml:"smtp" doc:"Mail from other servers."`
	Submission  []string `toml:"submission" doc:"Mail from people's programs, with STARTTLS."`
	Submissions []string `toml:"submissions" doc:"Mail from people's programs, with TLS from the start."`
	IMAP        []string `toml:"imap" doc:"Mailboxes, with STARTTLS."`
	IMAPS       []string `toml:"imaps" doc:"Mailboxes, with TLS from the start."`
	HTTP        []string `toml:"http" doc:"HTTP: answers the certificate authority (HTTP-01)."`
	HTTPS       []string `toml:"https" doc:"HTTPS: answers the certificate authority (TLS-ALPN-01)."`

	Proxies        []string `toml:"proxies" example:"192.0.2.0/24" doc:"Nets of load balancers that speak the PROXY protocol to the services above (version 1 or 2). Nobody else may use it."`
	TrustedProxies []string `toml:"trusted_proxies" example:"127.0.0.1/32" doc:"Nets of web servers before ours whose X-Forwarded-For is believed."`
}

// DNS is the part [dns].
type DNS struct {
	Servers []string `toml:"servers" example:"127.0.0.1" doc:"Resolvers, with a port if it is not 53. Empty: those of /etc/resolv.conf. One that validates DNSSEC on this machine, such as unbound, is best."`
	TrustAD bool     `toml:"trust_ad" doc:"Believe the DNSSEC bit of resolvers that are not on this machine. Say true only if nobody can change what travels between."`
}

// Modes of TLS.
const (
	ModeACME       = "acme"
	ModeFiles      = "files"
	ModeSelfSigned = "self-signed"
)

// Ways to prove a name with mode "acme".
const (
	ChallengeAny  = "any"
	ChallengeHTTP = "http"
	ChallengeTLS  = "tls-alpn"
	ChallengeDNS  = "dns"
)

// StagingCA is the directory of the test system of Let's Encrypt.
const StagingCA = "https://acme-staging-v02.api.letsencrypt.org/directory"

// defaultCA is that of Let's Encrypt.
const defaultCA = "https://acme-v02.api.letsencrypt.org/directory"

// CAs are the directories in the order in which they are asked.
func (t *TLS) CAs() []string {
	first := t.CA
	switch {
	case t.Staging:
		first = StagingCA
	case first == "":
		first = defaultCA
	}
	return append([]string{first}, t.MoreCAs...)
}

// TLS is the part [tls].
type TLS struct {
	Mode string `toml:"mode" doc:"Where certificates come from: \"acme\" gets and renews them by itself (Let's Encrypt), \"files\" reads cert_file and key_file, \"self-signed\" makes one that nobody else trusts."`

	Email     string   `toml:"email" example:"you@example.org" doc:"acme: where the authority can reach you."`
	Agree     bool     `toml:"agree" doc:"acme: you agree to the terms of the authority, for Let's Encrypt those on https://letsencrypt.org/repository/."`
	Challenge string   `toml:"challenge" doc:"acme: how the authority sees that a name is yours: \"any\" asks this server on port 80 or 443, \"http\" on port 80 alone, \"tls-alpn\" on port 443 alone. \"dns\" looks for a record that this server writes where the zone has a DNS provider (mailstead dns-provider), and needs no open port; other names as with \"any\"."`
	Staging   bool     `toml:"staging" doc:"acme: ask the test system of Let's Encrypt, while you try things out. Nobody trusts what it issues, but it does not count how often you ask."`
	CA        string   `toml:"ca" doc:"acme: another authority: the https URL of its directory. Empty: Let's Encrypt."`
	MoreCAs   []string `toml:"more_cas" example:"https://acme.zerossl.com/v2/DV90" doc:"acme: authorities that are asked, in this order, when the first one fails."`
	CARoot    string   `toml:"ca_root" doc:"acme: file with the root certificates that the authorities' own servers are verified by, if the system does not know them."`
	EABFile   string   `toml:"eab_file" doc:"acme: file with what authorities want before they make an account (external account binding): lines with the URL of the directory, the key ID and the HMAC key."`

	CertFile string `toml:"cert_file" example:"/etc/ssl/mail.example.org.pem" doc:"files: certificate with its chain (PEM). It is read again when it changes."`
	KeyFile  string `toml:"key_file" example:"/etc/ssl/mail.example.org.key" doc:"files: private key (PEM)."`
}

// Log is the part [log].
type Log struct {
	Level  string `toml:"level" doc:"\"error\": an operator has to act; \"warn\"; \"info\": one line per login, transaction and delivery; \"debug\": dialogues too."`
	Format string `toml:"format" doc:"\"text\" or \"json\"."`
}

// Sandbox is the part [sandbox].
type Sandbox struct {
	Enabled bool     `toml:"enabled" doc:"Say false only to find out whether the sandbox is what stands in the way."`
	Read    []string `toml:"read" example:"/srv/certificates" doc:"More folders or files to read."`
	Write   []string `toml:"write" example:"/mnt/backup" doc:"More folders to write, such as one for backups outside of data. The unit of systemd must allow it, too (ReadWritePaths=)."`
	Execute []string `toml:"execute" example:"/usr/local/bin/dns-hook" doc:"Programs that hooks may run, and /bin/sh for the token command of an import. They get /usr, /bin and /lib to read and run, and are in the same sandbox."`
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Data: "/var/lib/mailstead",
		Listen: Listen{
			SMTP: []string{":25"}, Submission: []string{":587"}, Submissions: []string{":465"},
			IMAP: []string{":143"}, IMAPS: []string{":993"}, HTTP: []string{":80"}, HTTPS: []string{":443"},
			Proxies: []string{}, TrustedProxies: []string{},
		},
		DNS:     DNS{Servers: []string{}},
		TLS:     TLS{Mode: ModeSelfSigned, Challenge: ChallengeAny, MoreCAs: []string{}},
		Log:     Log{Level: "info", Format: "text"},
		Sandbox: Sandbox{Enabled: true, Read: []string{}, Write: []string{}, Execute: []string{}},
	}
}

// Resolvers returns DNS.Servers; a port that is not named is 53.
func (c *Config) Resolvers() ([]netip.AddrPort, error) {
	var servers []netip.AddrPort
	for _, s := range c.DNS.Servers {
		ap, err := parseServer(s)
		if err != nil {
			return nil, fmt.Errorf("dns.servers: %q is not the address of a resolver; write it as in 127.0.0.1 or [::1]:5353", s)
		}
		servers = append(servers, ap)
	}
	return servers, nil
}

func parseServer(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	return netip.ParseAddrPort(s)
}

// ProxyNets returns Listen.Proxies.
func (c *Config) ProxyNets() ([]netip.Prefix, error) {
	return parseNets("listen.proxies", c.Listen.Proxies)
}

// TrustedProxyNets returns Listen.TrustedProxies.
func (c *Config) TrustedProxyNets() ([]netip.Prefix, error) {
	return parseNets("listen.trusted_proxies", c.Listen.TrustedProxies)
}

// parseNets reads nets; an address alone is a net of one.
func parseNets(field string, list []string) ([]netip.Prefix, error) {
	var nets []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if a, aerr := netip.ParseAddr(s); aerr == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a net; write it as in 192.0.2.0/24", field, s)
		}
		nets = append(nets, p.Masked())
	}
	return nets, nil
}

// checkListen checks one "host:port".
func checkListen(field, s string) error {
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err == nil && host != "" {
		_, err = netip.ParseAddr(host)
	}
	if err != nil || perr != nil || n == 0 {
		return fmt.Errorf("%s: %q is not an address to listen on; write it as in \":25\" or \"192.0.2.1:25\"", field, s)
	}
	return nil
}
