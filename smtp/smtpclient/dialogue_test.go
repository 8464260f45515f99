package smtpclient

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// TestDialogues plays the servers of testdata/*.txt. A file has what the
// client is to do, the dialogue, and what comes of it:
//
//	from, to, body, ret, envid, utf8, requiretls, binary     the message
//	starttls [verify], auth LOGIN PASSWORD                   before it
//	S: a line of the server       C: the line the client must say
//	B: "octets"                   the octets the client must send
//	TLS, NOTLS, RAW "octets", CLOSE, HANG                    the server acts
//	= PATH: RESULT                for each recipient
//	! ERROR                       of New, StartTLS or Auth
//	alive, dead                   the client afterwards
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d := parseDialogue(t, string(text))
			synctest.Test(t, func(t *testing.T) { d.play(t) })
		})
	}
}

// dialogue is one file.
type dialogue struct {
	msg      Message
	body     string
	starttls *TLSOptions
	login    []string
	script   []string
	results  []string
	failure  string
	state    string
}

func parseDialogue(t *testing.T, text string) *dialogue {
	d := &dialogue{body: "Subject: hi\r\n\r\nHello\r\n"}
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "", "#":
		case "S:", "C:", "B:", "TLS", "NOTLS", "RAW", "CLOSE", "HANG":
			d.script = append(d.script, line)
		case "=":
			d.results = append(d.results, rest)
		case "!":
			d.failure = rest
		case "alive", "dead":
			d.state = word
		case "starttls":
			d.starttls = &TLSOptions{Required: rest == "verify"}
		case "auth":
			d.login = strings.Fields(rest)
		default:
			d.setMessage(t, n+1, word, rest)
		}
	}
	d.msg.Body = strings.NewReader(d.body)
	d.msg.Size = int64(len(d.body))
	d.msg.Traits = traitsOf(d.body)
	return d
}

func (d *dialogue) setMessage(t *testing.T, n int, word, rest string) {
	env := &d.msg.Envelope
	var err error
	switch word {
	case "from":
		env.ReversePath, err = mail.ParsePath(rest)
	case "to":
		f := strings.Fields(rest)
		var r mail.Recipient
		r.Path, err = mail.ParsePath(f[0])
		for _, p := range f[1:] {
			k, v, _ := strings.Cut(p, "=")
			switch {
			case k == "orcpt":
				r.ORcpt = v
			case v == "never":
				r.Notify = mail.NotifyNever
			default:
				r.Notify = mail.NotifySuccess | mail.NotifyDelay
			}
		}
		env.Recipients = append(env.Recipients, r)
	case "body":
		d.body, err = strconv.Unquote(rest)
	case "ret":
		env.Ret = map[string]mail.Ret{"full": mail.RetFull, "hdrs": mail.RetHeaders}[rest]
	case "envid":
		env.EnvID = rest
	case "utf8":
		env.UTF8 = true
	case "requiretls":
		env.RequireTLS = true
	case "binary":
		env.Body = mail.BodyBinaryMIME
	default:
		err = errors.New("unknown word " + word)
	}
	if err != nil {
		t.Fatalf("line %d: %v", n, err)
	}
}

// traitsOf is a plain version of what package message finds out.
func traitsOf(body string) message.Traits {
	var m message.Traits
	header, rest, _ := strings.Cut(body, "\r\n\r\n")
	for s, bit := range map[string]message.Traits{header: message.HasUTF8Header, rest: message.Has8Bit} {
		if strings.ContainsFunc(s, func(c rune) bool { return c >= 0x80 }) {
			m |= bit
		}
	}
	lines := strings.ReplaceAll(body, "\r\n", "")
	if strings.Contains(lines, "\r") {
		m |= message.HasBareCR
	}
	if strings.Contains(lines, "\n") {
		m |= message.HasBareLF
	}
	if strings.Contains(body, "\x00") {
		m |= message.HasNUL
	}
	return m
}

func (d *dialogue) play(t *testing.T) {
	here, there := net.Pipe()
	server := &scriptServer{conn: there, r: bufio.NewReader(there)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer there.Close()
		server.run(d.script)
	}()
	c, err := d.client(t.Context(), here)
	if got := errorText(err); got != d.failure {
		t.Errorf("session: %q, want %q", got, d.failure)
	}
	if err == nil && len(d.msg.Envelope.Recipients) > 0 {
		d.check(t, c.Send(t.Context(), &d.msg))
	}
	if state := map[bool]string{true: "alive", false: "dead"}[c.Alive()]; d.state != "" && state != d.state {
		t.Errorf("client is %s", state)
	}
	for _, e := range c.Dialogue() {
		t.Log(e.Text)
		if len(d.login) > 0 && (strings.Contains(e.Text, d.login[1]) || strings.Contains(e.Text, encode(d.login[1]))) {
			t.Error("the password is in the dialogue")
		}
	}
	c.Close()
	<-done
	if server.err != nil {
		t.Errorf("server: %v", server.err)
	}
}

func (d *dialogue) client(ctx context.Context, conn net.Conn) (*Client, error) {
	c, err := New(ctx, conn, Options{Hostname: "me.example.org", InsecureAuth: true})
	if err == nil && d.starttls != nil {
		d.starttls.Config = &tls.Config{ServerName: "mx.example.net", RootCAs: x509.NewCertPool()}
		d.starttls.Config.RootCAs.AddCert(certificate.Leaf)
		err = c.StartTLS(ctx, *d.starttls)
	}
	if err == nil && d.login != nil {
		err = c.Auth(ctx, d.login[0], d.login[1])
	}
	return c, err
}

func (d *dialogue) check(t *testing.T, results []Result) {
	if len(results) != len(d.msg.Envelope.Recipients) {
		t.Fatalf("%d results for %d recipients", len(results), len(d.msg.Envelope.Recipients))
	}
	for i, r := range results {
		got := d.msg.Envelope.Recipients[i].Path.String() + ": "
		if r.Err != nil {
			got += errorText(r.Err)
		} else {
			got += "ok"
		}
		if r.Reply != "" {
			got += " [" + r.Reply + "]"
		}
		if r.Lost {
			got += " lost"
		}
		if i >= len(d.results) || got != d.results[i] {
			t.Errorf("result %d is\n= %s", i, got)
		}
	}
	if len(d.results) > len(results) {
		t.Errorf("%d results, want %d", len(results), len(d.results))
	}
}

func errorText(err error) string {
	var e *mail.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Status.String() + " " + e.Text
	}
	return "no *mail.Error: " + err.Error()
}

// scriptServer plays the server's side.
type scriptServer struct {
	conn net.Conn
	r    *bufio.Reader
	err  error
}

func (s *scriptServer) run(script []string) {
	for n, line := range script {
		if err := s.step(line); err != nil {
			s.err = fmt.Errorf("step %d, %s: %w", n+1, line, err)
			return
		}
	}
	// What the client says beyond the script is an error, but for the end.
	if rest, err := io.ReadAll(s.r); err == nil && len(rest) > 0 {
		s.err = fmt.Errorf("client says more: %q", rest)
	}
}

func (s *scriptServer) step(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "S:":
		_, err := io.WriteString(s.conn, rest+"\r\n")
		return err
	case "RAW":
		raw, err := strconv.Unquote(rest)
		if err == nil {
			_, err = io.WriteString(s.conn, raw)
		}
		return err
	case "C:":
		got, err := s.r.ReadString('\n')
		if err == nil && got != rest+"\r\n" {
			err = fmt.Errorf("client says %q", got)
		}
		return err
	case "B:":
		want, err := strconv.Unquote(rest)
		got := make([]byte, len(want))
		if err == nil {
			_, err = io.ReadFull(s.r, got)
		}
		if err == nil && string(got) != want {
			err = fmt.Errorf("client sends %q", got)
		}
		return err
	case "TLS":
		conn := tls.Server(s.conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
		if err := conn.Handshake(); err != nil {
			return nil // the client may refuse; the script goes on to say so
		}
		s.conn = conn
		s.r = bufio.NewReader(conn)
	case "NOTLS":
		io.CopyN(io.Discard, s.r, 64)
		io.WriteString(s.conn, "500 what is this?\r\n")
		return s.conn.Close()
	case "CLOSE":
		return s.conn.Close()
	case "HANG":
		io.Copy(io.Discard, s.r)
	}
	return nil
}

// certificate is for mx.example.net and valid in the years of synctest.
var certificate = func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"mx.example.net"},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}()
