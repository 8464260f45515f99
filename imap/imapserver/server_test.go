package imapserver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/wire"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store/memstore"
)

// testNow is what time it is in tests.
var testNow = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

const (
	testAccount  mailbox.AccountID = 7
	testLogin                      = "ana@example.org"
	testPassword                   = "secret"
)

// fixture is a running server with one account.
type fixture struct {
	t       testing.TB
	srv     *Server
	store   *memstore.Store
	boxes   *mailbox.Boxes
	account *mailbox.Account
	addr    string
	stop    context.CancelFunc
	done    chan error
}

// newFixture starts a server on loopback. When the test ends it is stopped,
// and all of its goroutines must have ended.
func newFixture(t testing.TB, change ...func(*Server)) *fixture {
	t.Helper()
	return newFixtureWith(t, true, change...)
}

// newOffline makes a server with one account, but does not start it.
func newOffline(t testing.TB, change ...func(*Server)) *fixture {
	t.Helper()
	st := memstore.New(mailbox.Apply)
	f := &fixture{t: t, store: st, boxes: mailbox.Open(st, mailbox.Options{Now: func() time.Time { return testNow }})}
	f.account = f.boxes.Account(testAccount)
	if err := f.boxes.CreateAccount(context.Background(), testAccount); err != nil {
		t.Fatal(err)
	}
	f.srv = &Server{
		Boxes: f.boxes, Auth: fakeAuth{}, PlainAuth: true, Hostname: "mail.example.org", Limits: wire.NoLimits(),
		Now: func() time.Time { return testNow }, Logger: slog.New(slog.NewTextHandler(testLog{t}, nil)),
	}
	for _, c := range change {
		c(f.srv)
	}
	return f
}

func newFixtureWith(t testing.TB, count bool, change ...func(*Server)) *fixture {
	t.Helper()
	before := runtime.NumGoroutine()
	f := newOffline(t, change...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.done = stop, make(chan error, 1)
	go func() { f.done <- f.srv.Serve(ctx, l) }()
	t.Cleanup(func() {
		f.stop()
		if err := <-f.done; err != nil {
			t.Errorf("Serve = %v", err)
		}
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
		if count {
			f.checkGoroutines(before)
		}
	})
	return f
}

// checkGoroutines fails if more goroutines run than before. Some end a moment
// after those who wait for them have been told.
func (f *fixture) checkGoroutines(before int) {
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			f.t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			return
		}
	}
}

// testLog writes the server's log to the test.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "level=ERROR") {
		l.t.Errorf("server logged: %s", p)
	}
	return len(p), nil
}

// fakeAuth knows one login.
type fakeAuth struct{ sasl.Unwatched }

func (fakeAuth) Authenticator(netip.Addr, string) sasl.Authenticator { return fakeAuth{} }

func (fakeAuth) identity() sasl.Identity {
	return sasl.Identity{Login: testLogin, Account: uint32(testAccount)}
}

func (a fakeAuth) Password(_ context.Context, login, password string) (sasl.Identity, error) {
	if login != testLogin || password != testPassword {
		return sasl.Identity{}, sasl.ErrFailed
	}
	return a.identity(), nil
}

func (fakeAuth) SCRAMKeys(context.Context, string) (sasl.SCRAMKeys, error) {
	return sasl.MakeSCRAMKeys(testPassword)
}

func (a fakeAuth) SCRAMDone(_ context.Context, login string, proved *sasl.SCRAMKey) (sasl.Identity, error) {
	if login != testLogin || proved == nil {
		return sasl.Identity{}, sasl.ErrFailed
	}
	return a.identity(), nil
}

func (fakeAuth) Token(context.Context, string, string) (sasl.Identity, error) {
	return sasl.Identity{}, sasl.ErrFailed
}

// readMail reads a message of testdata/mail, or makes one of a text; line ends
// become CRLF.
func readMail(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "mail", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
}

// put appends a message as another program would.
func (f *fixture) put(box string, raw []byte, flags mailbox.Flags, keywords ...string) {
	f.t.Helper()
	f.putAll(box, [][]byte{raw}, flags, keywords...)
}

func (f *fixture) putAll(box string, all [][]byte, flags mailbox.Flags, keywords ...string) {
	f.t.Helper()
	var msgs []*mailbox.NewMessage
	for _, raw := range all {
		ix, err := message.Parse(bytes.NewReader(raw))
		if err != nil {
			f.t.Fatal(err)
		}
		msgs = append(msgs, &mailbox.NewMessage{Body: bytes.NewReader(raw), Size: int64(len(raw)), Index: ix, Flags: flags, Keywords: keywords})
	}
	if _, err := f.account.Append(f.t.Context(), f.box(box), msgs...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) box(name string) mailbox.ID {
	f.t.Helper()
	var id mailbox.ID
	err := f.account.View(f.t.Context(), func(v *mailbox.View) error {
		m, err := v.MailboxByName(name)
		id = m.ID
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// testTLS is a certificate for tests.
func testTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.org"}, DNSNames: []string{"mail.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}
