package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// pebbleVersion is the CA for tests by the makers of Let's Encrypt.
const pebbleVersion = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"

// buildPebble builds the CA; go keeps what it has built.
func buildPebble(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "install", pebbleVersion)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("MAILSTEAD_PEERS") == "required" {
			t.Fatalf("pebble: %v\n%s", err, out)
		}
		t.Skipf("pebble could not be built: %v", err)
	}
	return filepath.Join(dir, "pebble")
}

// certificateFiles makes a self-signed certificate for loopback.
func certificateFiles(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pk}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// serveDNS answers for zones on a port of loopback.
func serveDNS(t *testing.T, zones string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- dnstest.New(zones).Serve(ctx, pc, l) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return l.Addr().String()
}

// startProgram runs a program until the test ends, and returns its number.
func startProgram(t *testing.T, env []string, name string, args ...string) (pid int) {
	t.Helper()
	log := &logBuffer{}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(deadline, func() { cmd.Process.Kill() })
		cmd.Wait()
		timer.Stop()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), tail(log.String(), 5000))
		}
	})
	return cmd.Process.Pid
}

// TestServeWithACME runs the real command with a configuration file: it gets a
// certificate from a CA and serves all ports with it, also to clients that send
// no server name.
func TestServeWithACME(t *testing.T) {
	t.Parallel()
	s := startACMESite(t, "")
	checkServerNames(t, s.ports, s.host)
	checkCertCommands(t, s.program, s.config, s.ports)
	checkWithTestSSL(t, s.ports, s.host)
}

// acmeSite is the real command with a configuration file, all its ports, and a
// CA that gives it certificates.
type acmeSite struct {
	t                     *testing.T
	program, config, data string
	host                  string
	ports                 map[string]int
	pid                   int
}

// startACMESite starts a server and its CA, and waits for the certificate. The
// domain of the host is example.test; zones are what else there is in the DNS.
func startACMESite(t *testing.T, zones string) *acmeSite {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	pebble := buildPebble(t)
	s := &acmeSite{t: t, program: file, host: "mail.example.test", ports: map[string]int{}}
	resolver := serveDNS(t, "mail.example.test. 300 IN A 127.0.0.1\nexample.test. 300 IN MX 10 mail.example.test.\n"+zones)
	for _, p := range []string{portSMTP, portSubmission, portSubmissions, portIMAP, portIMAPS, portHTTP, portHTTPS, "acme", "manage"} {
		s.ports[p] = freePort(t)
	}
	cert, key := certificateFiles(t)
	config := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(config, fmt.Appendf(nil, `{"pebble":{"listenAddress":"127.0.0.1:%d","managementListenAddress":"127.0.0.1:%d","retryAfter":{"authz":1,"order":1},"certificate":%q,"privateKey":%q,"httpPort":%d,"tlsPort":%d}}`,
		s.ports["acme"], s.ports["manage"], cert, key, s.ports[portHTTP], s.ports[portHTTPS]), 0o600); err != nil {
		t.Fatal(err)
	}
	startProgram(t, []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"}, pebble, "-config", config, "-dnsserver", resolver)
	eventually(t, "the CA listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.ports["acme"]))
		if err == nil {
			c.Close()
		}
		return err == nil
	})

	s.data = filepath.Join(t.TempDir(), "data")
	var toml strings.Builder
	fmt.Fprintf(&toml, "hostname = %q\ndata = %q\n[listen]\n", s.host, s.data)
	for _, p := range []string{portSMTP, portSubmission, portSubmissions, portIMAP, portIMAPS, portHTTP, portHTTPS} {
		fmt.Fprintf(&toml, "%s = [\"127.0.0.1:%d\"]\n", p, s.ports[p])
	}
	fmt.Fprintf(&toml, "[dns]\nservers = [%q]\n[tls]\nmode = \"acme\"\nemail = \"me@example.test\"\nagree = true\nca = \"https://127.0.0.1:%d/dir\"\nca_root = %q\n", resolver, s.ports["acme"], cert)
	s.config = filepath.Join(t.TempDir(), "mailstead.toml")
	if err := os.WriteFile(s.config, []byte(toml.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s.pid = startProgram(t, nil, file, "serve", "--config", s.config)
	eventually(t, "a certificate of the CA", func() bool {
		return strings.Contains(issuerOf(s.ports[portIMAPS], ""), "Pebble") && strings.Contains(issuerOf(s.ports[portSubmissions], s.host), "Pebble")
	})
	return s
}

// checkCertCommands lists and renews the certificate from the command line.
func checkCertCommands(t *testing.T, file, config string, ports map[string]int) {
	t.Helper()
	cert := func(args ...string) (string, error) {
		out, err := exec.Command(file, append([]string{"cert", "--config", config}, args...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := cert("list"); err != nil || !strings.Contains(out, "mail.example.test: acme certificate of \"Pebble") || !strings.Contains(out, "renewed on") {
		t.Errorf("cert list: %v\n%s", err, out)
	}
	before, err := handshake(ports[portIMAPS], "", &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := cert("renew", "mail.example.test", "--force"); err != nil || !strings.Contains(out, "good until") {
		t.Errorf("cert renew: %v\n%s", err, out)
	}
	after, err := handshake(ports[portIMAPS], "", &tls.Config{InsecureSkipVerify: true})
	if err != nil || after.Equal(before) {
		t.Errorf("after cert renew: the certificate is the same (%v)", err)
	}
	if out, err := cert("renew", "other.example"); err == nil || !strings.Contains(out, "no name of this server") {
		t.Errorf("cert renew of another name: %v\n%s", err, out)
	}
}

// issuerOf returns who signed the certificate of a port.
func issuerOf(port int, serverName string) string {
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{InsecureSkipVerify: true, ServerName: serverName})
	if err != nil {
		return ""
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Issuer.CommonName
}
