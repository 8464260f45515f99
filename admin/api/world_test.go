package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/autoconfig"
	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/deliverability"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/logs"
	"github.com/mailstead/mailstead/admin/memory"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/admin/setup"
	"github.com/mailstead/mailstead/admin/signin"
	"github.com/mailstead/mailstead/admin/webhooks"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/delivery/quarantine"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/clock"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/queue"
	"github.com/mailstead/mailstead/smtp/reports"
)

// world is a server with people of all roles, in two domains.
type world struct {
	t      *testing.T
	dir    *directory.Directory
	admin  *admin.Admin
	queue  *queue.Queue
	boxes  *mailbox.Boxes
	book   *quarantine.Book
	traces *trace.Log
	log    *slog.Logger // of the server
	zones  *dnstest.Zones
	hooks  *webhooks.Book
	wizard *setup.Wizard
	server *Server
	web    http.Handler
	tokens map[string]string // of sessions, by address

	check func(*http.Request, *http.Response, string) // of each answer, if it is set, with the path of the operation
	path  string                                      // of the operation that is tested, as the document writes it

	late atomic.Int64 // how much later it is than it is
	jump atomic.Int64 // how much later the system says that it is
	junk *junk.Classifier

	imports string // folder of imports
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.late.Load())) }

// watched is the clock of the world.
func (w *world) watched() *clock.Clock {
	start := w.now()
	return clock.Open(clock.Options{
		System:  func() time.Time { return w.now().Add(time.Duration(w.jump.Load())) },
		Elapsed: func() time.Duration { return w.now().Sub(start) },
	})
}

// zoneText has the name servers of the domains, and no mail yet.
const zoneText = `
a.test. NS ns1.dns.example.
b.test. NS ns1.dns.example.
ns1.dns.example. A 192.0.2.53
1.2.0.192.in-addr.arpa. PTR mail.a.test.
`

// host is what browsers call the server.
const host = "mail.a.test"

const password = "correct horse battery"

// roles are the people of a world.
var roles = map[string]string{
	"owner@a.test": "owner", "admin@a.test": "admin", "chief@a.test": "domain-admin", "helper@a.test": "support", "user@a.test": "user",
	"owner2@b.test": "owner", "bob@b.test": "user",
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := emptyWorld(t)
	w.people()
	return w
}

// emptyWorld is a world before its first run.
func emptyWorld(t *testing.T) *world {
	t.Helper()
	data := t.TempDir()
	w := &world{t: t, tokens: map[string]string{}, imports: filepath.Join(data, "imports")}
	var err error
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.dir, err = directory.Open(filepath.Join(data, "system.db"), directory.Options{Cost: directory.Cost{MemoryKiB: 64, Time: 1}, Now: w.now})
	check(err)
	t.Cleanup(func() { w.dir.Close() })
	w.traces, err = trace.Open(filepath.Join(data, "trace.db"), trace.Options{Keep: func() time.Duration { return 24 * time.Hour }})
	check(err)
	t.Cleanup(func() { w.traces.Close() })
	eng, err := store.Open(filepath.Join(data, "store"), store.Options{Apply: func(rw store.RW, a store.Accepted) error {
		if a.To.Owner == store.Queue {
			return queue.Apply(rw, a)
		}
		return mailbox.Apply(rw, a)
	}})
	check(err)
	t.Cleanup(func() { eng.Close() })
	book, err := reports.Open(filepath.Join(data, "reports.db"), reports.Options{Now: w.now})
	check(err)
	t.Cleanup(func() { book.Close() })
	w.queue = queue.New(eng, nil, queue.Options{})
	w.boxes = mailbox.Open(eng, mailbox.Options{})
	w.book = quarantine.New(quarantine.Options{Boxes: w.boxes, Now: w.now, Accounts: func() []mailbox.AccountID { return nil }})
	w.junk, err = junk.Open(filepath.Join(data, "junk.db"), junk.Options{Boxes: w.boxes, Hostname: host, Now: w.now})
	check(err)
	t.Cleanup(func() { w.junk.Close() })
	counted := metrics.New()
	series, err := metrics.Open(filepath.Join(data, "metrics.db"), counted.Registry, metrics.StoreOptions{Now: w.now})
	check(err)
	t.Cleanup(func() { series.Close() })
	arrivals, err := deliverability.Open(t.Context(), series.Days("deliverability"), deliverability.Options{Now: w.now})
	check(err)
	w.zones = dnstest.New(zoneText)
	authority := dns.NewAuthority(dns.AuthorityOptions{Finder: w.zones, Dial: w.zones.Dial})
	sender := push.New(push.Options{Resolver: w.zones})
	w.hooks, err = webhooks.Open(filepath.Join(data, "webhooks.db"), webhooks.Options{Store: w.dir, Post: sender.Post, Now: w.now, Hostname: host})
	check(err)
	t.Cleanup(func() { w.hooks.Close() })
	lines := logs.NewRing(slog.DiscardHandler)
	w.log = slog.New(lines)
	w.log.Info("the world begins")
	w.admin = admin.New(admin.Options{
		DataDir: data, Logs: lines, Version: "test", Series: series, Arrivals: arrivals, Authority: authority,
		Addresses: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} },
		Server: &checks.Server{Memory: func() memory.State {
			return memory.State{Plan: memory.For(memory.Limit{Bytes: 512 << 20, From: "the test"}, memory.Machine{Processors: 2}), Used: 40 << 20, Resident: 50 << 20,
				Parts: []memory.Part{{Name: "dns", Used: 1 << 20, Most: 16 << 20}}}
		}, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network in tests") }},
		Directory: w.dir, Mailboxes: w.boxes, Store: eng, Quarantine: w.book, Learner: w.junk, Queue: w.queue, Traces: w.traces, Reports: book, Hostname: host,
		Resolver: w.zones, Certificates: fakeCerts{}, Now: w.now, Reload: reloaded, ExportDir: filepath.Join(data, "export"), ImportDir: w.imports,
		Backup:   admin.NewBackups(backup.Options{Now: w.now, Source: backup.Source{DataDir: data, Directory: w.dir, Boxes: w.boxes, Store: eng}}),
		Clients:  autoconfig.New(autoconfig.Options{Hostname: host, Ports: autoconfig.StandardPorts(), Hosted: w.dir.IsLocal}),
		Push:     sender,
		Clock:    w.watched(),
		SignIn:   signin.New(signin.Options{Directory: w.dir, Now: w.now, Origins: func() []string { return []string{"https://" + host} }}),
		Webhooks: w.hooks,
	})
	t.Cleanup(func() { w.admin.Close() })
	w.wizard = setup.New(setup.Options{Admin: w.admin, Directory: w.dir, Hostname: host, Now: w.now,
		Checker: &dnsadvice.Checker{Authority: authority, Resolver: w.zones}})
	w.server = handler(t, Options{Admin: w.admin, Version: "test", Now: w.now})
	w.web = w.server.Web()
	return w
}

// people makes the domains and accounts.
func (w *world) people() {
	w.t.Helper()
	ctx := admin.AsOwner(w.t.Context(), "world")
	for _, d := range []mail.Domain{"a.test", "b.test"} {
		if _, err := w.dir.AddDomain(ctx, "world", directory.NewDomain{Name: d}); err != nil {
			w.t.Fatal(err)
		}
	}
	for address, role := range roles {
		n := admin.NewAccount{Address: address, Password: password, Role: role}
		if role == "domain-admin" {
			n.Domains = []string{"a.test"}
		}
		if _, err := w.admin.AddAccount(ctx, n); err != nil {
			w.t.Fatal(err)
		}
	}
}

// quarantine puts a message for an account into quarantine and returns its ID.
func (w *world) quarantine(address string) string {
	w.t.Helper()
	raw := "From: Eve <eve@far.example>\r\nSubject: cheap\r\n\r\nbuy\r\n"
	ix, err := message.Parse(strings.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	id := mailbox.AccountID(w.account(address).ID)
	m := &mailbox.NewMessage{Body: strings.NewReader(raw), Size: int64(len(raw)), Index: ix, InternalDate: w.now()}
	err = w.boxes.Deliver(w.t.Context(), m, []mailbox.Target{{Account: id, Role: mailbox.RoleQuarantine,
		Header: []byte("Delivered-To: " + address + "\r\nX-Mailstead-Verdict: quarantine; score=11.5; reasons=words=+5.0\r\n")}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.book.Added(id)
	keys, err := w.book.Keys(w.t.Context(), []mailbox.AccountID{id})
	if err != nil || len(keys) == 0 {
		w.t.Fatalf("%d messages in quarantine, %v", len(keys), err)
	}
	var newest mailbox.UID
	for _, k := range keys {
		newest = max(newest, k.UID)
	}
	return fmt.Sprintf("%d-%d", id, newest)
}

// account returns an account by its address.
func (w *world) account(address string) directory.Account {
	w.t.Helper()
	a, ok := w.dir.LoginAccount(address)
	if !ok {
		w.t.Fatalf("there is no account %s", address)
	}
	return a
}

// signIn begins a session, which has fresh proof of who it is.
func (w *world) signIn(address string) string {
	w.t.Helper()
	token, _, err := w.dir.AddSession(w.t.Context(), directory.NewSession{Account: w.account(address).ID, Method: directory.ByPassword, IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// attempt is a request, as a browser on one of our pages makes it.
type attempt struct {
	as     string // address of who is signed in with fresh proof; "" is nobody
	method string
	path   string // below /api/v1
	body   string
	header map[string]string
}

// result is an answer.
type result struct {
	code   int
	header http.Header
	body   string
}

// problem reads the answer as one.
func (r result) problem(t *testing.T) Problem {
	t.Helper()
	var p Problem
	if r.header.Get("Content-Type") != problemType || json.Unmarshal([]byte(r.body), &p) != nil {
		t.Fatalf("%d is no problem: %s %s", r.code, r.header.Get("Content-Type"), r.body)
	}
	return p
}

// field returns a text in a JSON object.
func (r result) field(t *testing.T, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	s, _ := m[name].(string)
	return s
}

// cookie returns a cookie that an answer sets.
func (r result) cookie(name string) *http.Cookie {
	for _, c := range (&http.Response{Header: r.header}).Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func (w *world) do(c attempt) result {
	w.t.Helper()
	p := c.path
	if !strings.HasPrefix(p, "!") {
		p = Prefix + p
	}
	r := httptest.NewRequestWithContext(w.t.Context(), c.method, "https://"+host+strings.TrimPrefix(p, "!"), strings.NewReader(c.body))
	r.RemoteAddr = "192.0.2.1:1234"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.as != "" {
		if w.tokens[c.as] == "" {
			w.tokens[c.as] = w.signIn(c.as)
		}
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: w.tokens[c.as]})
	}
	for k, v := range c.header {
		switch {
		case k == "remote":
			r.RemoteAddr = v
		case v == "":
			r.Header.Del(k)
		case k == "Cookie":
			r.Header.Add(k, v)
		default:
			r.Header.Set(k, v)
		}
	}
	asked := r.Clone(w.t.Context()) // the server writes verbs in another way
	rec := httptest.NewRecorder()
	w.web.ServeHTTP(rec, r)
	body, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.check != nil {
		w.check(asked, rec.Result(), w.path)
	}
	return result{rec.Code, rec.Result().Header, string(body)}
}

// random numbers for IDs.
type random struct{}

func (random) Read(p []byte) (int, error) { return rand.Read(p) }

// into reads the answer as JSON.
func (r result) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("%v: %d %s", err, r.code, r.body)
	}
}

// reloaded is what a server says that has read its configuration again.
func reloaded(context.Context) (admin.Reloaded, error) {
	return admin.Reloaded{Changed: []string{"tls.mode"}, Restart: []string{}}, nil
}
