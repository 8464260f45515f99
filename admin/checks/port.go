package checks

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Port is one of our own.
type Port struct {
	Name   string // of the service: "smtp", "imaps", …
	Number int
	Local  string // host:port on this machine; "" is 127.0.0.1 with Number
	TLS    bool   // from the start
	Greets string // what the first line begins with; "" if the client speaks first
}

// portCheck connects to one of our ports here and by the host name.
func (s *Server) portCheck(p Port) Check {
	return Check{ID: "port." + p.Name, Group: Network, Title: fmt.Sprintf("Port %d (%s)", p.Number, p.Name), Want: "it answers, also by the name " + s.Hostname,
		Why: "Others, and your people, come in here.", Every: 15 * time.Minute,
		Run: func(ctx context.Context) Finding {
			local := p.Local
			if local == "" {
				local = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Number))
			}
			if err := s.try(ctx, local, p); err != nil {
				return Fail.because("it does not answer on this machine: %v", err).fix("See that the server runs, and that [listen] in the configuration has the port.")
			}
			addrs, _, err := s.Resolver.A(ctx, s.Hostname)
			if err != nil || len(addrs) == 0 {
				return ok("it answers here; %s could not be looked up", s.Hostname)
			}
			for _, a := range addrs {
				if s.try(ctx, net.JoinHostPort(a.String(), strconv.Itoa(p.Number)), p) == nil {
					return ok("it answers, also by the name %s", s.Hostname)
				}
			}
			// Many routers do not let a machine reach itself from outside.
			return unknown("it answers here; by the name %s it could not be reached from this machine, which not every network allows", s.Hostname).
				fix("See that the firewall lets port %d in: try it from elsewhere.", p.Number)
		}}
}

// portTimeout is how long one of our own ports may take.
const portTimeout = 5 * time.Second

// try connects to a port, and shakes hands or reads the greeting.
func (s *Server) try(ctx context.Context, addr string, p Port) error {
	ctx, cancel := context.WithTimeout(ctx, portTimeout)
	defer cancel()
	dial := s.DialLocal
	if dial == nil {
		dial = s.Dial
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return errors.New("no connection")
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if p.TLS {
		c := tls.Client(conn, &tls.Config{ServerName: s.Hostname, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err := c.HandshakeContext(ctx); err != nil {
			return errors.New("no TLS")
		}
		conn = c
	}
	if p.Greets == "" {
		return nil
	}
	line, err := bufio.NewReaderSize(conn, 1024).ReadSlice('\n')
	if err != nil || !strings.HasPrefix(string(line), p.Greets) {
		return errors.New("no greeting")
	}
	return nil
}
