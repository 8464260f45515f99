package reports

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
)

// now is the day after the one that the reports in testdata are about.
var now = time.Date(2025, 11, 28, 9, 0, 0, 0, time.UTC)

// zone has names of sources: two that lead back, one that does not.
const zone = `
7.130.2.198.in-addr.arpa. 300 IN PTR mail7.mcsv.net.
mail7.mcsv.net. 300 IN A 198.2.130.7
77.113.0.203.in-addr.arpa. 300 IN PTR mail.google.com.
mail.google.com. 300 IN A 203.0.113.1
9.100.51.198.in-addr.arpa. 300 IN PTR out9.hoster.test.
out9.hoster.test. 300 IN A 198.51.100.9
`

// world is a Book, and what it sends.
type world struct {
	*Book
	zones *dnstest.Zones
	now   time.Time
	mu    sync.Mutex // over sent and texts while Run runs
	sent  []delivery.Mail
	texts []string
	fails error // of Deliver
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{zones: dnstest.New(zone), now: now}
	var err error
	w.Book, err = Open(filepath.Join(t.TempDir(), "reports.db"), Options{
		Address:  func(p mail.Path) bool { return p.Local == "dmarc-reports" && p.Domain == "example.test" },
		Hosted:   func(d mail.Domain) bool { return d == "example.test" || d == "other.test" },
		Resolver: w.zones, Hostname: "mail.example.test", Own: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.25")} },
		Send: func() bool { return true }, From: func() mail.Domain { return "example.test" }, Deliver: w, Product: "Mailstead test",
		Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// Deliver keeps what is sent.
func (w *world) Deliver(_ context.Context, m delivery.Mail) error {
	if w.fails != nil {
		return w.fails
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(m.Body); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent, w.texts = append(w.sent, m), append(w.texts, b.String())
	return nil
}

// delivered is how many messages were sent.
func (w *world) delivered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}

// part is one part of a message.
type part struct{ mediaType, name, content string }

// mailOf makes a message of parts, all of them in base64.
func mailOf(parts ...part) string {
	var b strings.Builder
	b.WriteString("From: noreply@reporter.test\r\nSubject: Report\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "\r\n--b\r\nContent-Type: %s; name=\"%s\"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n", p.mediaType, p.name, base64.StdEncoding.EncodeToString([]byte(p.content)))
	}
	b.WriteString("\r\n--b--\r\n")
	return b.String()
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func dmarcFile(t testing.TB, name string) string {
	return read(t, "dmarc", "aggregate", "testdata", name)
}

func gzipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zipped(t testing.TB, name, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// take gives a message to the Book, as delivery does.
func (w *world) take(t testing.TB, author mail.Domain, text string) (string, error) {
	t.Helper()
	ix, err := message.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return w.Take(t.Context(), delivery.ReportMail{ID: "0123456789abcdef", To: mail.Path{Local: "dmarc-reports", Domain: "example.test"}, Author: author,
		Received: w.now, Index: ix, Text: strings.NewReader(text)})
}

func (w *world) mustTake(t testing.TB, author mail.Domain, text string) {
	t.Helper()
	if told, err := w.take(t, author, text); err != nil {
		t.Fatalf("%q, %v", told, err)
	}
}

func (w *world) summary(t testing.TB) *Summary {
	t.Helper()
	s, err := w.DMARC(t.Context(), "example.test", w.now.AddDate(0, 0, -28), w.now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var errNoReport = delivery.ErrNoReport

func is(err, target error) bool { return errors.Is(err, target) }

// name reads what is known of an address.
func (w *world) name(t testing.TB, addr string) (name string) {
	t.Helper()
	err := w.db.View(func(tx *bolt.Tx) error {
		name = nameOf(tx, netip.MustParseAddr(addr))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}
