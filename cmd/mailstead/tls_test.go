package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// tlsPorts are the services that speak TLS, and how: what is said before the
// handshake, "" where it comes first.
var tlsPorts = []struct{ service, start string }{
	{portSMTP, "smtp"}, {portSubmission, "smtp"}, {portIMAP, "imap"}, {portSubmissions, ""}, {portIMAPS, ""}, {portHTTPS, ""},
}

// handshake connects to a port and does what cfg says.
func handshake(port int, start string, cfg *tls.Config) (*x509.Certificate, error) {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), deadline)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(deadline))
	if err := startTLS(c, start); err != nil {
		return nil, err
	}
	tc := tls.Client(c, cfg)
	if err := tc.Handshake(); err != nil {
		return nil, err
	}
	return tc.ConnectionState().PeerCertificates[0], nil
}

// startTLS says what comes before a handshake.
func startTLS(c net.Conn, start string) error {
	r := bufio.NewReader(c)
	until := func(end string) error {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return fmt.Errorf("before TLS: %w", err)
			}
			if strings.HasPrefix(line, end) {
				return nil
			}
		}
	}
	switch start {
	case "smtp":
		if err := until("220 "); err != nil {
			return err
		}
		fmt.Fprintf(c, "EHLO client.test\r\n")
		if err := until("250 "); err != nil {
			return err
		}
		fmt.Fprintf(c, "STARTTLS\r\n")
		return until("220 ")
	case "imap":
		if err := until("* OK"); err != nil {
			return err
		}
		fmt.Fprintf(c, "a STARTTLS\r\n")
		return until("a OK")
	}
	return nil
}

// checkServerNames wants a certificate of host on every port: whatever server
// name a client sends, or none. Versions of TLS before 1.2 are refused (RFC
// 8996).
func checkServerNames(t *testing.T, ports map[string]int, host string) {
	t.Helper()
	for _, p := range tlsPorts {
		for _, name := range []string{"", host, "wrong.example"} {
			cert, err := handshake(ports[p.service], p.start, &tls.Config{ServerName: name, InsecureSkipVerify: true})
			if err != nil {
				t.Errorf("%s for server name %q: %v", p.service, name, err)
			} else if cert.VerifyHostname(host) != nil || !strings.Contains(cert.Issuer.CommonName, "Pebble") {
				t.Errorf("%s for server name %q: %q by %s", p.service, name, cert.DNSNames, cert.Issuer)
			}
		}
		for _, old := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
			_, err := handshake(ports[p.service], p.start, &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: old, MaxVersion: old})
			if err == nil || !strings.Contains(err.Error(), "protocol version") {
				t.Errorf("%s with %s: %v, want it refused for its version", p.service, tls.VersionName(old), err)
			}
		}
		for _, good := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			if _, err := handshake(ports[p.service], p.start, &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: good, MaxVersion: good}); err != nil {
				t.Errorf("%s with %s: %v", p.service, tls.VersionName(good), err)
			}
		}
	}
}
