package imapserver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// TestDialogues plays the dialogues of testdata/*.txt against a server of its
// own each. Lines begin with:
//
//	C:  sent with CRLF; C2: by a second client. \xNN is one octet.
//	C+: sent without CRLF
//	S:  expected; <n> is a number, <*> anything, <id> an identifier
//	!   a step by others: put BOX FILE [flags], expunge BOX, quota OCTETS MESSAGES,
//	    limit N (of APPEND), fill N (octets sent), eof
//	#   a comment
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			playDialogue(t, string(text))
		})
	}
}

type dialogue struct {
	t       *testing.T
	f       *fixture
	clients map[string]*testClient
}

func playDialogue(t *testing.T, text string) {
	d := &dialogue{t: t, clients: map[string]*testClient{}}
	var changes []func(*Server)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "! limit ") {
			var n int64
			fmt.Sscanf(line, "! limit %d", &n)
			changes = append(changes, func(s *Server) { s.AppendLimit = n })
		}
	}
	d.f = newFixtureQuiet(t, changes...)
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "" || line[0] == '#' || strings.HasPrefix(line, "! limit") {
			continue
		}
		if err := d.step(line); err != nil {
			t.Fatalf("line %d: %s\n%v", i+1, line, err)
		}
	}
}

// newFixtureQuiet is a fixture without the check of goroutines, which cannot
// count those of tests beside it.
func newFixtureQuiet(t testing.TB, change ...func(*Server)) *fixture {
	return newFixtureWith(t, false, change...)
}

func (d *dialogue) step(line string) error {
	who, rest, _ := strings.Cut(line, " ")
	switch {
	case who == "!":
		return d.other(strings.Fields(rest))
	case strings.HasPrefix(who, "C"):
		c := d.client(strings.Trim(who, "C:+"))
		if !strings.HasSuffix(who, "+:") {
			rest += "\r\n"
		}
		return c.send(unescape(rest))
	case strings.HasPrefix(who, "S"):
		return d.client(strings.Trim(who, "S:")).expect(unescape(rest))
	}
	return fmt.Errorf("not a line of a dialogue")
}

func (d *dialogue) client(name string) *testClient {
	if d.clients[name] == nil {
		d.clients[name] = d.f.dial()
	}
	return d.clients[name]
}

// other does what happens outside of the dialogue.
func (d *dialogue) other(words []string) error {
	switch words[0] {
	case "put":
		var flags mailbox.Flags
		var keywords []string
		for _, w := range words[3:] {
			i := slices.IndexFunc(systemFlags[:], func(f systemFlag) bool { return string(f.name) == w })
			if i >= 0 {
				flags |= systemFlags[i].bit
			} else {
				keywords = append(keywords, w)
			}
		}
		d.f.put(words[1], readMail(d.t, words[2]), flags, keywords...)
	case "expunge":
		_, err := d.f.account.Expunge(d.t.Context(), d.f.box(words[1]), nil)
		return err
	case "quota":
		var bytes, messages int64
		fmt.Sscan(words[1]+" "+words[2], &bytes, &messages)
		return d.f.account.SetQuota(d.t.Context(), bytes, messages)
	case "fill": // octets that look like nothing
		var n int
		fmt.Sscan(words[1], &n)
		return d.client("").send(strings.Repeat("x", n))
	case "eof":
		return d.client("").expectEOF()
	default:
		return fmt.Errorf("unknown step %q", words[0])
	}
	return nil
}

// unescape replaces \xNN by octets, \r and \n too.
func unescape(s string) string {
	return regexp.MustCompile(`\\x[0-9a-f]{2}`).ReplaceAllStringFunc(s, func(x string) string {
		var c byte
		fmt.Sscanf(x, `\x%02x`, &c)
		return string([]byte{c})
	})
}

// testClient is a connection that reads lines.
type testClient struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// patience is for machines that are busy.
const patience = 30 * time.Second

func (f *fixture) dial() *testClient {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	return &testClient{t: f.t, conn: conn, r: bufio.NewReader(conn)}
}

func (c *testClient) send(s string) error {
	c.conn.SetDeadline(time.Now().Add(patience))
	_, err := io.WriteString(c.conn, s)
	return err
}

func (c *testClient) line() (string, error) {
	c.conn.SetDeadline(time.Now().Add(patience))
	line, err := c.r.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n"), err
}

func (c *testClient) expect(pattern string) error {
	line, err := c.line()
	if err != nil {
		return fmt.Errorf("read: %q, %w", line, err)
	}
	if !matchLine(pattern, line) {
		rest := c.peek()
		return fmt.Errorf("got: %s%s", line, rest)
	}
	return nil
}

// peek returns what has come already, for error messages.
func (c *testClient) peek() string {
	b, _ := c.r.Peek(c.r.Buffered())
	if len(b) == 0 {
		return ""
	}
	return "\nthen: " + string(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n      ")))
}

func (c *testClient) expectEOF() error {
	if line, err := c.line(); err != io.EOF {
		return fmt.Errorf("got %q, %v; want the end", line, err)
	}
	return nil
}

// matchLine compares a line with a pattern of a dialogue.
func matchLine(pattern, line string) bool {
	pattern, line = octets(pattern), octets(line)
	p := regexp.QuoteMeta(pattern)
	p = strings.NewReplacer("<n>", "[0-9]+", `<\*>`, ".*", "<id>", "[A-Za-z0-9_-]+").Replace(p)
	return regexp.MustCompile("^" + p + "$").MatchString(line)
}

// octets makes a character of each octet, so that a pattern need not be UTF-8.
func octets(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// run sends a command and returns all lines of its answer.
func (c *testClient) run(command string) []string {
	c.t.Helper()
	tag, _, _ := strings.Cut(command, " ")
	if err := c.send(command + "\r\n"); err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for {
		line, err := c.line()
		if err != nil {
			c.t.Fatalf("%s: %v after %q", command, err, lines)
		}
		lines = append(lines, line)
		if strings.HasPrefix(line, tag+" ") {
			return lines
		}
	}
}

// login logs in and opens a mailbox.
func (f *fixture) login(box string) *testClient {
	f.t.Helper()
	c := f.dial()
	if err := c.expect("* OK <*>"); err != nil {
		f.t.Fatal(err)
	}
	for _, command := range []string{"l1 LOGIN " + testLogin + " " + testPassword, "l2 SELECT " + box} {
		if lines := c.run(command); !strings.Contains(lines[len(lines)-1], " OK ") {
			f.t.Fatal(lines)
		}
	}
	return c
}
