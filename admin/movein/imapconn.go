package movein

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/imap/imapwire"
)

// Bounds of what a server may send and how long it may take.
const (
	dialTimeout = 30 * time.Second
	ioTimeout   = 3 * time.Minute // for the next octets: large folders take servers long
	maxTold     = 300             // octets of a server's text that are shown
	maxIgnored  = 1 << 20         // responses to one command that nobody asked for
)

// ErrRefused means that the server does not let us in, or has no such thing:
// trying again does not help.
var ErrRefused = errors.New("the server refuses")

// statusError is a NO or BAD.
type statusError struct{ status, code, text string }

func (e *statusError) Error() string {
	return "the server answers " + e.status + ": " + printable(e.text)
}

// forGood reports whether the same will be refused the next time.
func (e *statusError) forGood() bool { return e.code == "NONEXISTENT" || e.code == "NOPERM" }

// printable is a text of a server as people can be shown it.
func printable(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == 0xfffd {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	return cut(s, maxTold)
}

// err makes an error of a NO or BAD.
func (e *statusError) err() error {
	if throttled(e.code, e.text) {
		return &throttleError{e.code, e.text}
	}
	return e
}

// imapConn is a connection to an IMAP server. It belongs to one goroutine.
type imapConn struct {
	net.Conn
	dec      *imapwire.Decoder
	w        *bufio.Writer
	tag      int
	caps     map[string]bool
	greeting string
	bye      string
	code     string // of the answer to the last command
	exists   uint32 // messages of the selected folder, as the server last said
	expunged int    // messages that it said were removed, of any folder
}

// timed lets a connection that is silent for too long fail.
type timed struct{ net.Conn }

func (t timed) Read(p []byte) (int, error) {
	if err := t.SetReadDeadline(time.Now().Add(ioTimeout)); err != nil {
		return 0, err
	}
	return t.Conn.Read(p)
}

func (t timed) Write(p []byte) (int, error) {
	if err := t.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}

// dialIMAP connects, up to the greeting and TLS.
func dialIMAP(ctx context.Context, o *IMAPOptions) (*imapConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := o.Dial(ctx, "tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := &imapConn{}
	if o.TLS == "tls" {
		if conn, err = o.secure(ctx, conn); err != nil {
			return nil, err
		}
	}
	c.use(conn)
	if err = c.greet(); err == nil && o.TLS == "starttls" {
		err = c.startTLS(ctx, o)
	}
	if err == nil {
		err = c.capability()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// secure begins TLS. A certificate that is not valid is refused for good.
func (o *IMAPOptions) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	cfg := &tls.Config{ServerName: o.Host, MinVersion: tls.VersionTLS12, RootCAs: o.Roots}
	if o.Fingerprint != "" {
		want, err := ParseFingerprint(o.Fingerprint)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		cfg.InsecureSkipVerify = true // the certificate is held against the fingerprint instead
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			if got := sha256.Sum256(s.PeerCertificates[0].Raw); string(got[:]) != string(want) {
				return fmt.Errorf("the certificate has the fingerprint %x", got)
			}
			return nil
		}
	}
	t := tls.Client(conn, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		var bad *tls.CertificateVerificationError
		if errors.As(err, &bad) || strings.Contains(err.Error(), "fingerprint") {
			return nil, fmt.Errorf("%w: its certificate is not valid for %s: %w", ErrRefused, o.Host, err)
		}
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return t, nil
}

// ParseFingerprint reads a SHA-256 in hex, with or without colons.
func ParseFingerprint(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if err != nil || len(b) != sha256.Size {
		return nil, errors.New("a fingerprint is a SHA-256 in hex: 64 digits")
	}
	return b, nil
}

// use speaks over a connection.
func (c *imapConn) use(conn net.Conn) {
	c.Conn = timed{conn}
	c.w = bufio.NewWriter(c.Conn)
	c.dec = imapwire.NewDecoder(c.Conn, imapwire.Options{Continue: func() error { return nil }, Bounds: imapwire.Bounds{MaxString: 1 << 20}})
}

func (c *imapConn) greet() error {
	if err := c.dec.Next(); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	c.dec.Expect('*').SP()
	status := c.dec.Name()
	c.greeting = rest(c.dec)
	switch {
	case c.dec.Err() != nil:
		return fmt.Errorf("%w: this is no IMAP server", ErrRefused)
	case status == "OK", status == "PREAUTH":
		return nil
	}
	return (&statusError{status, "", c.greeting}).err()
}

func (c *imapConn) startTLS(ctx context.Context, o *IMAPOptions) error {
	if err := c.do(ctx, "STARTTLS", nil); err != nil {
		return fmt.Errorf("%w: no STARTTLS: %w", ErrRefused, err)
	}
	c.dec.Discard() // what was sent before was not protected
	conn, err := o.secure(ctx, c.Conn.(timed).Conn)
	if err != nil {
		return err
	}
	c.use(conn)
	return nil
}

func (c *imapConn) capability() error {
	c.caps = map[string]bool{}
	return c.do(context.Background(), "CAPABILITY", func(r *response) error {
		if r.name == "CAPABILITY" {
			for _, name := range strings.Fields(rest(r.dec)) {
				c.caps[strings.ToUpper(name)] = true
			}
		}
		return nil
	})
}

// response is one that is not tagged. What fn does not take of it is passed
// over.
type response struct {
	number uint32
	name   string
	code   string // of OK
	text   string
	dec    *imapwire.Decoder
}

// do sends a command, and lets fn see the responses to it.
func (c *imapConn) do(ctx context.Context, command string, fn func(*response) error) error {
	return c.dialogue(ctx, command, nil, fn)
}

// dialogue is do for a command that is continued by answers, one for each
// request of the server.
func (c *imapConn) dialogue(ctx context.Context, command string, answers []string, fn func(*response) error) error {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	c.tag++
	c.code = ""
	tag := "m" + strconv.Itoa(c.tag)
	if err := c.send(tag + " " + command); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	for ignored := 0; ignored < maxIgnored; {
		done, took, err := c.next(tag, &answers, fn)
		if err != nil || done {
			return errors.Join(ctx.Err(), err)
		}
		if !took {
			ignored++
		}
	}
	return errors.New("the server does not come to an end")
}

func (c *imapConn) send(line string) error {
	c.w.WriteString(line)
	c.w.WriteString("\r\n")
	if err := c.w.Flush(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// next reads one response.
func (c *imapConn) next(tag string, answers *[]string, fn func(*response) error) (done, took bool, err error) {
	d := c.dec
	if err := d.Next(); err != nil {
		if c.bye != "" {
			err = c.byeError()
		}
		return false, false, fmt.Errorf("read: %w", err)
	}
	switch {
	case d.Try('+'):
		answer := ""
		if len(*answers) > 0 {
			answer, *answers = (*answers)[0], (*answers)[1:]
		}
		if err := c.pass(); err != nil {
			return false, false, err
		}
		return false, false, c.send(answer)
	case d.Try('*'):
		took, err := c.untagged(fn)
		return false, took, err
	}
	if got := d.Tag(); got != tag {
		return false, false, fmt.Errorf("the server does not speak IMAP: a line begins with %.20q", got)
	}
	d.SP()
	e := statusError{status: d.Name()}
	e.code, e.text = codeOf(rest(d))
	c.code = e.code
	if err := d.Err(); err != nil {
		return false, false, err
	}
	if e.status == "OK" {
		return true, false, nil
	}
	return true, false, e.err()
}

// untagged reads the rest of a response that begins with "*".
func (c *imapConn) untagged(fn func(*response) error) (took bool, err error) {
	d := c.dec
	r := &response{dec: d}
	d.SP()
	if p := d.Peek(); p >= '0' && p <= '9' {
		r.number = d.Number()
		d.SP()
	}
	r.name = d.Name()
	switch r.name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		d.TrySP()
		r.code, r.text = codeOf(rest(d))
		if r.name == "BYE" {
			c.bye = r.text
		}
	case "EXISTS":
		c.exists = r.number
	case "EXPUNGE":
		c.exists -= min(c.exists, 1)
		c.expunged++
	}
	if fn != nil && d.Err() == nil {
		d.TrySP()
		if err := fn(r); err != nil {
			return false, err
		}
	}
	return r.name == "FETCH" || r.name == "LIST", c.pass()
}

func (c *imapConn) byeError() error {
	if throttled("", c.bye) {
		return &throttleError{"", c.bye}
	}
	return errors.New("the server ends the connection: " + printable(c.bye))
}

// pass passes over what is left of a response, its literals included.
func (c *imapConn) pass() error {
	for !c.dec.AtEnd() {
		if _, ok := c.dec.PeekLiteral(); ok {
			if _, err := io.Copy(io.Discard, c.dec.Literal()); err != nil {
				return err
			}
			continue
		}
		c.dec.Try(c.dec.Peek())
	}
	return c.dec.Err()
}

// rest takes the rest of a line, as far as it is text.
func rest(d *imapwire.Decoder) string {
	var b []byte
	for !d.AtEnd() {
		if _, ok := d.PeekLiteral(); ok {
			break
		}
		c := d.Peek()
		d.Try(c)
		b = append(b, c)
	}
	return strings.TrimSpace(string(b))
}

// codeOf divides "[CODE arguments] text".
func codeOf(s string) (code, text string) {
	if !strings.HasPrefix(s, "[") {
		return "", s
	}
	code, text, _ = strings.Cut(s[1:], "]")
	return strings.ToUpper(code), strings.TrimSpace(text)
}

// quote writes a string as a quoted one; ok is false if it cannot be.
func quote(s string) (quoted string, ok bool) {
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f {
			return "", false
		}
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, true
}
