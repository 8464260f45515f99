package inbound_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/smtp/inbound"
	"github.com/mailstead/mailstead/smtp/smtpserver"
)

var update = flag.Bool("update", false, "rewrite golden files")

// world is the DNS that the clients of the dialogues come from.
const world = `
$ORIGIN test.
sender             TXT "v=spf1 ip4:127.0.0.2 -all"
_dmarc.sender      TXT "v=DMARC1; p=reject"
_dmarc.careful     TXT "v=DMARC1; p=quarantine"
mail.sender        A   127.0.0.2
mail.sender        TXT "v=spf1 a -all"
2.0.0.127.in-addr.arpa. PTR mail.sender.test.
`

// mda delivers for example.org.
type mda struct {
	mu        sync.Mutex
	delivered bytes.Buffer
	last      string // message as it was handed over
	problems  []string
}

func (d *mda) CheckRecipient(_ context.Context, to mail.Path, size int64) error {
	switch {
	case to.Domain != "" && to.Domain != "example.org":
		return &mail.Error{Status: mail.StatusRelayDenied, Code: 550, Text: "no relaying"}
	case to.Local == "full" || size > 1_000_000:
		return &mail.Error{Status: mail.StatusMailboxFull, Code: 452, Text: "mailbox is full"}
	case to.Local == "nobody":
		return &mail.Error{Status: mail.StatusNoSuchMailbox, Code: 550, Text: "no such user"}
	}
	return nil
}

// Reach gives each address an account of its own.
func (d *mda) Reach(_ context.Context, to []mail.Recipient) (all []delivery.Reached) {
	for _, r := range to {
		id := slices.Index(people, r.Path.Local)
		all = append(all, delivery.Reached{Account: mailbox.AccountID(id + 1), To: r.Path})
	}
	return all
}

// people are the accounts 1, 2 and so on; others are elsewhere.
var people = []string{"bo", "ci", "di"}

// Deliver writes down what came, and checks that the index fits the octets.
func (d *mda) Deliver(ctx context.Context, m delivery.Mail) error {
	body, err := io.ReadAll(m.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = string(body)
	if err != nil || int64(len(body)) != m.Size {
		d.problems = append(d.problems, fmt.Sprintf("%d octets of %d, %v", len(body), m.Size, err))
	}
	if want, err := message.Parse(bytes.NewReader(body)); err != nil || want.Size != m.Index.Size ||
		want.Root.BodyStart != m.Index.Root.BodyStart || want.Envelope.Subject != m.Index.Envelope.Subject {
		d.problems = append(d.problems, fmt.Sprintf("index %+v does not fit the message: %+v, %v", m.Index, want, err))
	}
	for _, r := range m.Envelope.Recipients {
		if r.Path.Local == "broken" {
			return mail.Errorf(mail.StatusSystemFull, "disk is full, try again later")
		}
	}
	fmt.Fprintf(&d.delivered, "# id=%s from=%s to=", m.ID, m.Envelope.ReversePath.Wire())
	for _, r := range m.Envelope.Recipients {
		d.delivered.WriteString(r.Path.Wire())
	}
	for _, r := range d.Reach(ctx, m.Envelope.Recipients) {
		treat := m.Treat(r.Account)
		fmt.Fprintf(&d.delivered, "\n# %s: %s %v\n%s", r.To, treat.Place, treat.Keywords, strings.TrimSuffix(strings.ReplaceAll(string(treat.Header), "\r\n", "\n"), "\n"))
	}
	d.delivered.WriteString("\n" + strings.ReplaceAll(string(body), "\r\n", "\n"))
	return nil
}

// byWords scores a message by what its Subject says: "score 7.5". Who is
// written to by "known" expects it.
type byWords struct{}

func (byWords) Score(_ context.Context, e *junk.Evidence, accounts []mailbox.AccountID) []junk.Opinion {
	var base junk.Opinion
	if _, err := fmt.Sscanf(e.Index.Envelope.Subject, "score %g", &base.Score); err == nil {
		base.Reasons = []mail.Reason{{Name: "words", Score: base.Score - 1, Text: "Its words are those of junk."}, {Name: "form.odd", Score: 1, Text: "It is odd."}}
	}
	base.Reasons = append(base.Reasons, e.Reasons...)
	base.Known = strings.HasPrefix(e.Author.Local, "known")
	return slices.Repeat([]junk.Opinion{base}, len(accounts))
}

// wishes are what people want: di blocks ana, allows careful.test, and only
// wants to be told.
type wishes struct{}

func (wishes) AllowsClient(netip.Addr) bool { return false }

func (wishes) Rules(account uint32, by mail.Path) verdict.Rules {
	r := verdict.Rules{Policy: verdict.Default()}
	r.Lists[verdict.Server] = verdict.NewList([]verdict.Entry{{Verb: verdict.Block, Subject: "@blocked.test"}})
	if by.Local == "di" {
		r.Policy.Mode = verdict.Tag
		r.Lists[verdict.Account] = verdict.NewList([]verdict.Entry{
			{Verb: verdict.Block, Subject: "ana@sender.test"}, {Verb: verdict.Allow, Subject: "@careful.test"}, {Verb: verdict.Allow, Subject: "@blocked.test"},
			{Verb: verdict.Allow, Subject: "@plain.test"},
		})
	}
	return r
}

// zeros is randomness that stays the same.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// serve starts a server for a service and returns its address.
func serve(t *testing.T, opts inbound.Options) string {
	t.Helper()
	return serveFor(t, &smtpserver.Server{Handler: inbound.New(opts), Hostname: opts.Hostname, MaxSize: 1 << 20})
}

func serveFor(t *testing.T, server *smtpserver.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// TestDialogues plays testdata/dialogues/*.txt. "from" tells the client's
// address, "C:" lines are sent, each "S:" line is the beginning of the last
// line of one reply. What was delivered is compared with the golden file.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			var d mda
			addr := serve(t, inbound.Options{
				Hostname: "mx.example.org", Resolver: dnstest.New(world), Deliverer: &d, Intake: message.NewIntake(t.TempDir()), Rand: zeros{},
				Scorer: byWords{}, Policies: wishes{},
				Now: func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) },
			})
			play(t, file, addr)
			compare(t, strings.TrimSuffix(file, ".txt")+".golden", d.delivered.String())
			for _, p := range d.problems {
				t.Error(p)
			}
		})
	}
}

func play(t *testing.T, file, addr string) {
	t.Helper()
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c *client
	n := 0
	for line := range strings.Lines(string(script)) {
		n++
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch word {
		case "from":
			c = dial(t, rest, addr)
		case "C:":
			c.send(rest)
		case "S:":
			if got := c.reply(); !strings.HasPrefix(got, rest) {
				t.Fatalf("%s:%d: got %q, want %q", file, n, got, rest)
			}
		}
	}
}

// client is one connection to the server.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, from, addr string) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// reply returns the last line of a reply.
func (c *client) reply() string {
	c.t.Helper()
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v", line, err)
		}
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimRight(line, "\r\n")
		}
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("delivered\n%s\nwant\n%s", got, want)
	}
}

func TestTraceTellsTheStory(t *testing.T) {
	log, err := trace.Open(filepath.Join(t.TempDir(), "trace.db"), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	t.Run("dialogues", func(t *testing.T) { // the server has ended all sessions when it is over
		var d mda
		addr := serve(t, inbound.Options{Hostname: "mx.example.org", Resolver: dnstest.New(world), Deliverer: &d, Trace: log, Intake: message.NewIntake(t.TempDir())})
		play(t, filepath.Join("testdata", "dialogues", "junk.txt"), addr)
		play(t, filepath.Join("testdata", "dialogues", "recipients.txt"), addr)
	})
	if err := log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, address, outcome, status string
		reason                         string
		junk                           bool
		want                           []string // kinds and texts, in their order
	}{
		{"filed as junk", "eve@evil.test", "accepted", "2.0.0", "dmarc: neither SPF nor DKIM stands for careful.test, whose policy is p=quarantine", true,
			[]string{"connect 127.0.0.3 (mail.evil.test)", "dialogue C: EHLO mail.evil.test", "dialogue S: 354", "check iprev=fail", "check spf=none", "check dkim=none", "check dmarc=fail",
				"verdict junk for bo@example.org: dmarc", "done accepted for 1 recipient as junk"}},
		{"refused at RCPT", "nobody@example.org", "refused", "5.7.1", "5.7.1 ", false,
			[]string{"connect 127.0.0.2", "dialogue C: RCPT TO:<nobody@example.org>", "route nobody@example.org refused: 5.1.1 no such user"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := log.Find(t.Context(), trace.Query{Address: tt.address})
			if err != nil || len(found) != 1 {
				t.Fatalf("found %v, %v", found, err)
			}
			if found[0].Outcome != tt.outcome || found[0].Status != tt.status || found[0].Direction != "in" ||
				!strings.HasPrefix(found[0].Reason, tt.reason) || found[0].Cause == "" || found[0].Junk != tt.junk {
				t.Errorf("summary = %+v", found[0])
			}
			story, err := log.Show(t.Context(), found[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, e := range story.Events {
				lines = append(lines, string(e.Kind)+" "+e.Text)
			}
			text := strings.Join(lines, "\n")
			for _, want := range tt.want {
				i := strings.Index(text, want)
				if i < 0 {
					t.Fatalf("%q is missing, or not after the others, in\n%s", want, strings.Join(lines, "\n"))
				}
				text = text[i+len(want):]
			}
		})
	}
}

func TestMessageCutOffIsNotDelivered(t *testing.T) {
	var d mda
	addr := serve(t, inbound.Options{Hostname: "mx.example.org", Resolver: dnstest.New(world), Deliverer: &d, Intake: message.NewIntake(t.TempDir())})
	c := dial(t, "127.0.0.2", addr)
	c.reply()
	for _, line := range []string{"EHLO mail.sender.test", "MAIL FROM:<ana@sender.test>", "RCPT TO:<bo@example.org>", "DATA"} {
		c.send(line)
		c.reply()
	}
	c.send("From: ana@sender.test\r\n\r\nhalf a mess")
	c.conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, c.r) // until the server has given up
	if d.delivered.Len() > 0 {
		t.Errorf("delivered %s", d.delivered.String())
	}
}
