package checks

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mail/dns"
)

// connectTimeout is how long a connection to another mail server may take.
const connectTimeout = 8 * time.Second

// port25Check connects to mail servers of others: many providers do not let
// that happen.
func (s *Server) port25Check(family, network string) Check {
	name := map[string]string{"v4": "IPv4", "v6": "IPv6"}[family]
	return Check{ID: "port25." + family, Group: Network, Title: "Outgoing port 25 over " + name, Want: "mail servers of others can be reached",
		Why: "Mail is handed to others on port 25; where the provider blocks it, none goes out.", After: []string{idResolver}, Every: 6 * time.Hour,
		Run: func(ctx context.Context) Finding { return s.tryPort25(ctx, family, network, name) }}
}

// reached is the outcome of one connection.
type reached int

const (
	notAsked   reached = iota // no address of this family, or none could be looked up
	connected                 // a mail server greeted
	noneThere                 // nothing connected
	intercepts                // connected, but what greeted is no mail server
)

func (s *Server) tryPort25(ctx context.Context, family, network, name string) Finding {
	if s.RelayHost != nil {
		if relay := s.RelayHost(); relay != "" {
			return ok("not needed: all mail is handed to %s", relay)
		}
	}
	if s.ReceiveOnly != nil && s.ReceiveOnly() {
		return ok("not needed: this server only receives")
	}
	outcomes := make([]reached, len(s.MXHosts))
	var wg sync.WaitGroup
	for i, host := range s.MXHosts {
		wg.Go(func() { outcomes[i] = s.connect25(ctx, host, network) })
	}
	wg.Wait()
	count := map[reached]int{}
	for _, o := range outcomes {
		count[o]++
	}
	tried := len(outcomes) - count[notAsked]
	switch {
	case tried == 0:
		return unknown("no mail server of others has an %s address that could be looked up", name)
	case count[connected] > 0:
		return ok("open (%d of %d tried)", count[connected], tried)
	case count[intercepts] > 0:
		return Fail.because("something in between answers on port 25 that is no mail server").fix("%s", s.unblock())
	case family == "v6":
		return Warn.because("none of %d mail servers can be reached over IPv6; mail goes out over IPv4", tried).
			fix("Ask the provider of this server about IPv6 and port 25, or switch IPv6 off.")
	}
	return Fail.because("none of %d mail servers can be reached: the provider of this server blocks port 25", tried).fix("%s", s.unblock()).link("/admin/system/settings?q=relay")
}

// connect25 connects to one mail server and reads the begin of its greeting.
func (s *Server) connect25(ctx context.Context, host, network string) reached {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addrs, _, err := s.Resolver.A(ctx, host)
	if err != nil && !errors.Is(err, dns.ErrNotFound) {
		return notAsked
	}
	for _, a := range addrs {
		if a.Is4() != (network == "tcp4") {
			continue
		}
		conn, err := s.Dial(ctx, network, netip.AddrPortFrom(a, 25).String())
		if err != nil {
			return noneThere
		}
		defer conn.Close()
		return greets(ctx, conn)
	}
	return notAsked
}

// greets reads a greeting. A server that takes its time is reached all the
// same.
func greets(ctx context.Context, conn net.Conn) reached {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	line := make([]byte, 3)
	n, err := bufio.NewReaderSize(conn, 64).Read(line)
	code := string(line[:n])
	if err != nil || strings.HasPrefix(code, "220") || strings.HasPrefix(code, "4") || strings.HasPrefix(code, "5") {
		return connected
	}
	return intercepts
}

// unblock says what to do about a blocked port 25.
func (s *Server) unblock() string {
	const ways = " Until then, or instead: hand mail to a relay (setting relay.host), or only receive here."
	if p := s.provider(); p != nil {
		return p.Name + ": " + p.Port25 + ways
	}
	return "Ask the provider of this server to open outgoing port 25: \"" + Ticket(s.Hostname) + "\"" + ways
}

// Ticket is what to write to a provider that blocks port 25.
func Ticket(hostname string) string {
	return "Please open outgoing TCP port 25 for my server " + hostname + ". I run the mail server of my own domain on it. " +
		"It sends only mail of its own users, signs it (SPF, DKIM, DMARC) and limits how much anybody can send."
}

// Hoster is a provider of servers, and its ways with port 25.
type Hoster struct {
	Name   string
	Port25 string // how it is opened
	PTR    string // where reverse names are set
}

// hosters are known by the names they give to addresses.
var hosters = []struct {
	suffix string
	Hoster
}{
	{".amazonaws.com", Hoster{"Amazon EC2", "port 25 is closed until you send the form \"Request to remove email sending limitations\", which sets the reverse name, too.", "the same form, or Elastic IPs › Update reverse DNS"}},
	{".googleusercontent.com", Hoster{"Google Cloud", "port 25 is always closed; use a relay.", "the settings of the VM's network interface › Public DNS PTR record"}},
	{".cloudapp.azure.com", Hoster{"Microsoft Azure", "port 25 is closed for most subscriptions; use a relay.", "the public IP address › DNS name › reverse FQDN"}},
	{".your-server.de", Hoster{"Hetzner", "port 25 is closed for new customers: after the first paid invoice ask for it in the console under Limits.", "the console: server › Networking › reverse DNS"}},
	{".vultrusercontent.com", Hoster{"Vultr", "port 25 is closed at first: ask for it by a ticket.", "the server › Settings › IPv4 › Reverse DNS"}},
	{".linodeusercontent.com", Hoster{"Akamai (Linode)", "port 25 is closed for new customers: ask for it by a ticket.", "the Linode › Network › Edit RDNS"}},
	{".contaboserver.net", Hoster{"Contabo", "port 25 is open, but limited.", "the customer panel › Reverse DNS"}},
	{".ovh.net", Hoster{"OVHcloud", "port 25 is open unless it was closed after a complaint: see the console › IP › Antispam.", "the console: IP › Modify the reverse path"}},
	{".scw.cloud", Hoster{"Scaleway", "port 25 is opened by the option \"Enable SMTP\" of the security group.", "the flexible IP › Reverse DNS"}},
	{".oraclevcn.com", Hoster{"Oracle Cloud", "port 25 is closed: ask for an exemption by a ticket, or use a relay.", "a ticket"}},
	{".ip-ptr.tech", Hoster{"DigitalOcean", "port 25 is closed and is not opened any more; use a relay.", "the name of the droplet is its reverse name"}},
}

// provider guesses who runs the machine by the name its address has.
func (s *Server) provider() *Hoster {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	v4, _ := s.families()
	for _, a := range v4 {
		names, _, err := s.Resolver.PTR(ctx, a)
		if err != nil {
			continue
		}
		for _, name := range names {
			for i := range hosters {
				if strings.HasSuffix(name, hosters[i].suffix) {
					return &hosters[i].Hoster
				}
			}
		}
	}
	return nil
}
