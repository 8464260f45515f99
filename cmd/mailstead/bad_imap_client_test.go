package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rawIMAP sends what it is told to, and takes as an answer only what follows
// the grammar of responses (RFC 9051 section 9) to the octet. Its methods may
// be used outside of the goroutine of the test.
type rawIMAP struct {
	conn net.Conn
	r    *bufio.Reader
	last int  // tag of the last command
	utf8 bool // was enabled: quoted strings may have it
}

// spread returns the n-th address of loopback, each in a net of its own.
func spread(n int) net.IP { return net.IPv4(127, byte(100+n/250), byte(n%250), 1) }

// dialRaw connects from an address of loopback; nil is the usual one.
func dialRaw(addr string, from net.IP) (net.Conn, error) {
	d := net.Dialer{Timeout: deadline}
	if from != nil {
		d.LocalAddr = &net.TCPAddr{IP: from}
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(2 * deadline))
}

// rawPlain connects to port 143 and reads the greeting.
func (i *instance) rawPlain(from net.IP) (*rawIMAP, error) {
	conn, err := dialRaw(i.IMAP, from)
	if err != nil {
		return nil, err
	}
	return greeted(conn)
}

// rawTLS connects to port 993 and reads the greeting.
func (i *instance) rawTLS(from net.IP) (*rawIMAP, error) {
	conn, err := dialRaw(i.IMAPS, from)
	if err != nil {
		return nil, err
	}
	return greeted(tls.Client(conn, &tls.Config{InsecureSkipVerify: true}))
}

func greeted(conn net.Conn) (*rawIMAP, error) {
	c := &rawIMAP{conn: conn, r: bufio.NewReader(conn)}
	r, err := c.response()
	if err == nil && (r.tag != "*" || r.kind != "OK") {
		err = fmt.Errorf("greeting: %s %s %s", r.tag, r.kind, r.text)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// rawLogin connects to port 993 and logs in.
func (i *instance) rawLogin(from net.IP, who tryAccount) (*rawIMAP, error) {
	c, err := i.rawTLS(from)
	if err != nil {
		return nil, err
	}
	if err := c.ok("LOGIN %s %s", who.Address, who.Password); err != nil {
		c.conn.Close()
		return nil, err
	}
	return c, nil
}

// raw is rawLogin for a test; with select it has INBOX selected.
func (p *probed) raw(t *testing.T, who tryAccount) *rawIMAP {
	t.Helper()
	c, err := p.rawLogin(nil, who)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// rawBefore is a connection to port 143, before the login.
func (p *probed) rawBefore(t *testing.T) *rawIMAP {
	t.Helper()
	c, err := p.rawPlain(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// send writes text as it is.
func (c *rawIMAP) send(text string) error {
	_, err := io.WriteString(c.conn, text)
	return err
}

// sendSoon writes in the background, for what may be more than the server
// reads. The result comes when all is written, or the connection has ended.
func (c *rawIMAP) sendSoon(text string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- c.send(text) }()
	return done
}

// answer is what came up to a tagged response.
type answer struct {
	response            // the tagged one; of tag "*" if it is BAD or BYE without a tag
	data     []response // untagged
}

// next reads up to a tagged response, or to a BAD that could not have a tag.
func (c *rawIMAP) next() (answer, error) {
	var a answer
	for {
		r, err := c.response()
		switch {
		case err != nil:
			return a, err
		case r.tag == "+":
			return a, fmt.Errorf("unexpected continuation: %s", r.text)
		case r.tag != "*", r.kind == "BAD", r.kind == "BYE":
			a.response = r
			return a, nil
		}
		a.data = append(a.data, r)
	}
}

// do sends a command and reads its answer.
func (c *rawIMAP) do(format string, args ...any) (answer, error) {
	c.last++
	tag := "t" + strconv.Itoa(c.last)
	if err := c.send(tag + " " + fmt.Sprintf(format, args...) + "\r\n"); err != nil {
		return answer{}, err
	}
	a, err := c.next()
	if err == nil && a.tag != tag {
		err = fmt.Errorf("answer to %s is for %s: %s %s", tag, a.tag, a.kind, a.text)
	}
	return a, err
}

// ok is do for what has to succeed.
func (c *rawIMAP) ok(format string, args ...any) error {
	a, err := c.do(format, args...)
	if err == nil && a.kind != "OK" {
		err = fmt.Errorf("%.60s: %s %s", format, a.kind, a.text)
	}
	return err
}

// inStep checks that both sides agree on where a command begins, and that no
// answer comes to what was not one.
func (c *rawIMAP) inStep() error {
	if err := c.ok("NOOP"); err != nil {
		return fmt.Errorf("out of step: %w", err)
	}
	return nil
}

// toEnd reads all answers up to the end of the connection.
func (c *rawIMAP) toEnd() ([]response, error) {
	var all []response
	for {
		r, err := c.response()
		if err != nil {
			if errors.Is(err, errNotIMAP) {
				return all, err
			}
			return all, nil
		}
		all = append(all, r)
	}
}

// ends checks that the last thing the server says is BYE with a word.
func (c *rawIMAP) ends(word string) error {
	all, err := c.toEnd()
	if err != nil {
		return err
	}
	if len(all) == 0 || all[len(all)-1].kind != "BYE" || !strings.Contains(all[len(all)-1].text, word) {
		return fmt.Errorf("no BYE with %q at the end: %+v", word, all[max(0, len(all)-3):])
	}
	return nil
}

// response is one response.
type response struct {
	tag  string      // "*" and "+" are tags here
	num  string      // of "* 4 FETCH"
	kind string      // "OK", "FETCH", "LIST" …; empty after "+"
	text string      // after a status; of "+"
	args []imapToken // of other responses
}

// imapToken is a word of a response.
type imapToken struct {
	kind tokenKind
	text string
	list []imapToken
}

type tokenKind string

const (
	atom    tokenKind = "atom"
	quoted  tokenKind = "quoted"
	literal tokenKind = "literal"
	list    tokenKind = "list"
)

// errNotIMAP is what is wrong with a response.
var errNotIMAP = errors.New("not a response of IMAP")

func notIMAP(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNotIMAP, fmt.Sprintf(format, args...))
}

// response reads one response, or an error of the connection.
func (c *rawIMAP) response() (response, error) {
	var r response
	line, err := c.line()
	if err != nil {
		return r, err
	}
	r.tag, line, _ = strings.Cut(line, " ")
	if r.tag == "+" {
		r.text = line
		return r, printable(line)
	}
	if r.tag == "" || strings.ContainsAny(r.tag, "(){%\"\\") {
		return r, notIMAP("tag %q", r.tag)
	}
	word, rest, _ := strings.Cut(line, " ")
	if _, err := strconv.ParseUint(word, 10, 32); err == nil {
		r.num = word
		word, rest, _ = strings.Cut(rest, " ")
	}
	r.kind = word
	switch word {
	case "OK", "NO", "BAD", "BYE":
		r.text = rest
		if rest == "" {
			return r, notIMAP("status without text")
		}
		return r, printable(rest)
	}
	if r.tag != "*" {
		return r, notIMAP("%s after the tag %s", word, r.tag)
	}
	if rest != "" {
		r.args, err = (&tokenizer{c: c, line: rest}).tokens()
	}
	return r, err
}

// line reads a line up to its CRLF.
func (c *rawIMAP) line() (string, error) {
	s, err := c.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(s, "\r\n") || strings.ContainsAny(s[:len(s)-2], "\r\x00") {
		return "", notIMAP("line %.100q", s)
	}
	return s[:len(s)-2], nil
}

func printable(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return notIMAP("text %.100q", s)
	}
	return nil
}

// tokenizer takes a response apart.
type tokenizer struct {
	c    *rawIMAP
	line string
	last byte // what was taken before
}

// tokens takes all up to the end of the response.
func (z *tokenizer) tokens() ([]imapToken, error) {
	stack := [][]imapToken{nil}
	for z.line != "" {
		c := z.line[0]
		var t imapToken
		var err error
		switch c {
		case ' ':
			if z.last == ' ' || z.last == '(' || len(z.line) == 1 || z.line[1] == ')' {
				return nil, notIMAP("space before %.40q", z.line)
			}
			z.take(1)
			continue
		case '(':
			z.take(1)
			stack = append(stack, nil)
			continue
		case ')':
			if len(stack) == 1 {
				return nil, notIMAP("closing before %.40q", z.line)
			}
			z.take(1)
			t = imapToken{kind: list, list: stack[len(stack)-1]}
			stack = stack[:len(stack)-1]
		case '"':
			t, err = z.quoted()
		case '{', '~':
			t, err = z.literal()
		default:
			t, err = z.atom()
		}
		if err != nil {
			return nil, err
		}
		stack[len(stack)-1] = append(stack[len(stack)-1], t)
	}
	if len(stack) != 1 {
		return nil, notIMAP("%d lists without an end", len(stack)-1)
	}
	return stack[0], nil
}

// take drops what was understood.
func (z *tokenizer) take(n int) { z.last, z.line = z.line[n-1], z.line[n:] }

// between checks that a word does not follow another without a space.
func (z *tokenizer) between() error {
	if z.last != 0 && z.last != ' ' && z.last != '(' {
		return notIMAP("no space before %.40q", z.line)
	}
	return nil
}

func (z *tokenizer) quoted() (imapToken, error) {
	if err := z.between(); err != nil {
		return imapToken{}, err
	}
	var b strings.Builder
	for i := 1; i < len(z.line); i++ {
		switch c := z.line[i]; {
		case c == '"':
			z.take(i + 1)
			return imapToken{kind: quoted, text: b.String()}, nil
		case c == '\\':
			if i++; i == len(z.line) || z.line[i] != '"' && z.line[i] != '\\' {
				return imapToken{}, notIMAP("quoted string %.60q", z.line)
			}
		case c < ' ' || c == 0x7f || c > 0x7f && !z.c.utf8:
			return imapToken{}, notIMAP("quoted string with octet %#x", c)
		}
		b.WriteByte(z.line[i])
	}
	return imapToken{}, notIMAP("quoted string without an end: %.60q", z.line)
}

func (z *tokenizer) literal() (imapToken, error) {
	if err := z.between(); err != nil {
		return imapToken{}, err
	}
	size := strings.TrimPrefix(z.line, "~")
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(size, "{"), "}"))
	if err != nil || size != "{"+strconv.Itoa(n)+"}" || n < 0 || n > 64<<20 {
		return imapToken{}, notIMAP("literal %.60q", z.line)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(z.c.r, text); err != nil {
		return imapToken{}, err
	}
	z.last = '}'
	z.line, err = z.c.line()
	return imapToken{kind: literal, text: string(text)}, err
}

// atom takes a word; of BODY[…] with all that is between the brackets.
func (z *tokenizer) atom() (imapToken, error) {
	if err := z.between(); err != nil {
		return imapToken{}, err
	}
	var name strings.Builder
	for z.line != "" && strings.IndexByte(" ()\"{", z.line[0]) < 0 {
		c := z.line[0]
		if c < ' ' || c >= 0x7f {
			return imapToken{}, notIMAP("octet %#x in %.60q", c, z.line)
		}
		name.WriteByte(c)
		z.line = z.line[1:]
		if c != '[' {
			continue
		}
		inside, err := z.brackets()
		if err != nil {
			return imapToken{}, err
		}
		name.WriteString(inside)
	}
	if name.Len() == 0 {
		return imapToken{}, notIMAP("octet %q", z.line[0])
	}
	z.last = 'a'
	return imapToken{kind: atom, text: name.String()}, nil
}

// brackets takes a section up to its closing bracket. Names of header fields
// in it may be strings of all kinds.
func (z *tokenizer) brackets() (string, error) {
	var b strings.Builder
	for z.line != "" {
		switch c := z.line[0]; c {
		case ']':
			z.line = z.line[1:]
			return b.String() + "]", nil
		case '"', '{':
			z.last = 0
			take := z.quoted
			if c == '{' {
				take = z.literal
			}
			t, err := take()
			if err != nil {
				return "", err
			}
			b.WriteString(t.text)
		default:
			b.WriteByte(c)
			z.line = z.line[1:]
		}
	}
	return "", notIMAP("brackets without an end: %.60q", b.String())
}

// items are the data items of a FETCH response by their names.
func (r response) items() (map[string]imapToken, error) {
	if r.kind != "FETCH" || len(r.args) != 1 || r.args[0].kind != list || len(r.args[0].list)%2 != 0 {
		return nil, notIMAP("FETCH response with %d words", len(r.args))
	}
	items := map[string]imapToken{}
	for l := r.args[0].list; len(l) > 0; l = l[2:] {
		if l[0].kind != atom {
			return nil, notIMAP("data item is a %s", l[0].kind)
		}
		if _, twice := items[l[0].text]; twice {
			return nil, notIMAP("data item %s twice", l[0].text)
		}
		items[l[0].text] = l[1]
	}
	return items, nil
}
