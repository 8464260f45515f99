package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/queue"
)

var quiet = slog.New(slog.DiscardHandler)

// fakeCerts is a running server's certificates.
type fakeCerts struct{}

func (fakeCerts) Status() []certs.Status {
	return []certs.Status{{Name: "mail.example.org", Source: "acme", State: certs.StateFailing, Problem: "no answer"}}
}

func (fakeCerts) Renew(_ context.Context, r certs.Renewal) (certs.Status, error) {
	return certs.Status{Name: r.Name, Source: "acme", State: certs.StateGood}, nil
}

func (fakeCerts) TLSA() (certs.Digests, bool) { return certs.Digests{}, false }

// serve starts a server on a socket and returns its client and what it serves.
func serve(t *testing.T) (*Client, *admin.Admin) {
	t.Helper()
	data := t.TempDir()
	op, err := admin.Open(data, admin.Options{Hostname: "mail.example.org", Resolver: dnstest.New(""), Certificates: fakeCerts{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { op.Close() })
	sock := filepath.Join(data, "admin.sock")
	start(t, sock, op)
	c, err := Dial(t.Context(), sock, "cli:tester")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, op
}

func start(t *testing.T, sock string, op *admin.Admin) {
	t.Helper()
	l, err := Listen(sock)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	h := handler(t, Options{Admin: op}).Socket()
	go func() { ended <- Serve(ctx, l, h, quiet) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func handler(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSameAsDirect does everything through the socket and compares with what
// an Admin says itself.
func TestSameAsDirect(t *testing.T) {
	ctx := admin.AsOwner(t.Context(), "tester")
	c, op := serve(t)
	yes, catchAll, quota := true, "a/b@example.org", int64(1<<20)
	check := func(name string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	d, err := c.AddDomain(ctx, admin.NewDomain{Name: "example.org"})
	check("add domain", err)
	if len(d.Records) == 0 || len(d.Keys) != 2 {
		t.Errorf("domain = %+v", d)
	}
	// A local-part that has to be escaped in a path.
	a, err := c.AddAccount(ctx, admin.NewAccount{Address: "a/b@example.org", Password: "correct horse", QuotaBytes: &quota})
	check("add account", err)
	if a.Address != "a/b@example.org" || a.QuotaBytes != quota {
		t.Errorf("account = %+v", a)
	}
	_, err = c.SetDomain(ctx, "example.org", admin.DomainChange{CatchAll: &catchAll})
	check("set domain", err)
	_, err = c.AddAccount(ctx, admin.NewAccount{Address: `"c d?"@example.org`})
	check("add account with a quoted address", err)
	_, err = c.SetAccount(ctx, `"c d?"@example.org`, admin.AccountChange{Suspended: &yes})
	check("set account", err)
	check("set password", c.SetPassword(ctx, "a/b@example.org", "battery staple"))
	_, err = c.AddAlias(ctx, "info@example.org", []string{"a/b@example.org", "x@far.example"})
	check("add alias", err)
	check("remove target", c.RemoveAlias(ctx, "info@example.org", []string{"x@far.example"}))
	st, err := c.SetSetting(ctx, "queue.expire", "3d")
	check("set setting", err)
	if st.Value != "3d" || !st.Changed {
		t.Errorf("setting = %+v", st)
	}
	changed, err := c.ImportSettings(ctx, []byte("[trace]\nkeep = \"10d\"\n"))
	check("import", err)
	if len(changed.Items) != 1 || changed.Items[0].After != "10d" {
		t.Errorf("imported = %+v", changed)
	}

	same := func(name string, one, two any, err1, err2 error) {
		t.Helper()
		j1, _ := json.Marshal(one)
		j2, _ := json.Marshal(two)
		if err1 != nil || err2 != nil || string(j1) != string(j2) || reflect.TypeOf(one) != reflect.TypeOf(two) {
			t.Errorf("%s:\n%s, %v\n%s, %v", name, j1, err1, j2, err2)
		}
	}
	for _, tt := range []struct {
		name string
		get  func(admin.Operator) (any, error)
	}{
		{"domains", func(o admin.Operator) (any, error) { return o.Domains(ctx, admin.DomainFilter{}) }},
		{"domain", func(o admin.Operator) (any, error) { return o.Domain(ctx, "example.org") }},
		{"dns", func(o admin.Operator) (any, error) { return o.DomainDNS(ctx, "example.org") }},
		{"accounts", func(o admin.Operator) (any, error) {
			return o.Accounts(ctx, admin.AccountFilter{Domain: "example.org", Paging: admin.Paging{Limit: 1}})
		}},
		{"account", func(o admin.Operator) (any, error) { return o.Account(ctx, "a/b@example.org") }},
		{"aliases", func(o admin.Operator) (any, error) { return o.Aliases(ctx, admin.AliasFilter{}) }},
		{"alias", func(o admin.Operator) (any, error) { return o.Alias(ctx, "info@example.org") }},
		{"queue", func(o admin.Operator) (any, error) {
			return o.Queue(ctx, admin.QueueFilter{Paging: admin.Paging{Limit: 5}})
		}},
		{"groups", func(o admin.Operator) (any, error) { return o.QueueGroups(ctx) }},
		{"traces", func(o admin.Operator) (any, error) { return o.FindTraces(ctx, admin.TraceQuery{Address: "@x.org"}) }},
		{"settings", func(o admin.Operator) (any, error) { return o.Settings(ctx) }},
		{"setting", func(o admin.Operator) (any, error) { return o.Setting(ctx, "queue.expire") }},
		{"export", func(o admin.Operator) (any, error) { return o.ExportSettings(ctx) }},
		{"certificates", func(o admin.Operator) (any, error) { return o.Certificates(ctx) }},
		{"audit", func(o admin.Operator) (any, error) { return o.Audit(ctx, admin.AuditFilter{}) }},
		{"bans", func(o admin.Operator) (any, error) { return o.Bans(ctx) }},
	} {
		one, err1 := tt.get(c)
		two, err2 := tt.get(op)
		same(tt.name, one, two, err1, err2)
	}
	entries, err := c.Audit(ctx, admin.AuditFilter{Paging: admin.Paging{Limit: 1}})
	check("audit", err)
	if entries.Items[0].Actor != "admin socket (cli:tester)" {
		t.Errorf("actor = %q", entries.Items[0].Actor)
	}
	st, err = c.ResetSetting(ctx, "queue.expire")
	check("reset", err)
	if st.Changed {
		t.Errorf("setting = %+v", st)
	}
	check("remove alias", c.RemoveAlias(ctx, "info@example.org", nil))
	check("remove account", c.RemoveAccount(ctx, `"c d?"@example.org`))
	check("remove domain", c.RemoveDomain(ctx, "example.org", true))
	if left, err := op.Domains(ctx, admin.DomainFilter{}); err != nil || len(left.Items) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	ctx := admin.AsOwner(t.Context(), "tester")
	c, op := serve(t)
	if _, err := c.AddDomain(ctx, admin.NewDomain{Name: "example.org"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		do   func(admin.Operator) error
		kind error
	}{
		{"twice", func(o admin.Operator) error {
			_, err := o.AddDomain(ctx, admin.NewDomain{Name: "example.org"})
			return err
		}, directory.ErrExists},
		{"no domain", func(o admin.Operator) error { _, err := o.Domain(ctx, "other.org"); return err }, directory.ErrNotFound},
		{"no account", func(o admin.Operator) error { return o.SetPassword(ctx, "nobody", "x") }, directory.ErrNotFound},
		{"not valid", func(o admin.Operator) error {
			_, err := o.AddAlias(ctx, "nobody", []string{"x@example.org"})
			return err
		}, directory.ErrInvalid},
		{"no queue item", func(o admin.Operator) error { _, err := o.QueueItem(ctx, "x"); return err }, directory.ErrNotFound},
		{"no trace", func(o admin.Operator) error { _, err := o.Trace(ctx, "x"); return err }, directory.ErrNotFound},
		{"no IDs", func(o admin.Operator) error {
			_, err := o.ChangeQueue(ctx, admin.Hold, admin.QueueSelection{})
			return err
		}, directory.ErrInvalid},
		{"no ban", func(o admin.Operator) error { return o.LiftBan(ctx, admin.BanKey{Net: "192.0.2.1"}) }, directory.ErrNotFound},
		{"bad net", func(o admin.Operator) error { return o.LiftBan(ctx, admin.BanKey{Net: "here"}) }, directory.ErrInvalid},
		{"bad file", func(o admin.Operator) error { _, err := o.ImportSettings(ctx, []byte("x")); return err }, directory.ErrInvalid},
	} {
		remote, direct := tt.do(c), tt.do(op)
		if !errors.Is(remote, tt.kind) || direct == nil || remote.Error() != direct.Error() {
			t.Errorf("%s: %v; direct %v", tt.name, remote, direct)
		}
	}
}

func TestSocket(t *testing.T) {
	dir := t.TempDir()
	sock := filepath.Join(dir, "admin.sock")
	if _, err := Dial(t.Context(), sock, ""); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	// What a server that was killed leaves.
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: sock})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if _, err := Dial(t.Context(), sock, ""); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dead socket: %v", err)
	}
	l, err := Listen(sock)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(sock)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	l.Close()
	if _, err := Listen(filepath.Join(dir, strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "100 octets") {
		t.Errorf("long path: %v", err)
	}
}

// slow is a queue that takes too long.
type slow struct{ admin.Queue }

func (slow) Stats(context.Context, ...mail.Domain) (queue.Stats, error) {
	return queue.Stats{}, context.DeadlineExceeded
}

func TestProblems(t *testing.T) {
	h := handler(t, Options{Admin: admin.New(admin.Options{Queue: slow{}})}).Socket()
	for _, tt := range []struct {
		method, path, mediaType, body string
		status                        int
		code, says                    string
	}{
		{"GET", "/api/v1/domains", "", "", 500, "internal", "a bug of the server"},
		{"GET", "/api/v1/queue/groups", "", "", 503, "unavailable", "try again"},
		{"GET", "/api/v1/nothing", "", "", 404, "not-found", "Not Found"},
		{"PUT", "/api/v1/domains", "application/json", "{}", 405, "method", "Method Not Allowed"},
		{"POST", "/api/v1/domains", "text/plain", "{}", 415, "media-type", "application/json"},
		{"POST", "/api/v1/domains", "", "{}", 415, "media-type", "application/json"},
		{"PUT", "/api/v1/settings.toml", "application/json", "{}", 415, "media-type", "application/toml"},
		{"POST", "/api/v1/domains", "application/json", "{", 400, "invalid", "body"},
		{"POST", "/api/v1/domains", "application/json", `{"name":"x.org","nam":"x"}`, 422, "invalid", "body.nam"},
		{"POST", "/api/v1/domains", "application/json", `{"name":"x"} {}`, 400, "invalid", "after top-level value"},
		{"POST", "/api/v1/domains", "application/json", `{"name":"` + strings.Repeat("x", 3<<20) + `"}`, 413, "too-large", "Too Large"},
		{"GET", "/api/v1/queue?limit=many", "", "", 422, "invalid", "query.limit"},
		{"GET", "/api/v1/queue?limit=501", "", "", 422, "invalid", "query.limit"},
		{"GET", "/api/v1/queue?limits=5", "", "", 422, "invalid", "query.limits"},
		{"GET", "/api/v1/queue?cursor=!", "", "", 422, "invalid", "the cursor"},
		{"GET", "/api/v1/traces?from=yesterday", "", "", 422, "invalid", "query.from"},
		{"POST", "/api/v1/queue:dance", "", "", 405, "method", "Method Not Allowed"},
	} {
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
		if tt.mediaType != "" {
			r.Header.Set("Content-Type", tt.mediaType)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var p Problem
		err := json.Unmarshal(w.Body.Bytes(), &p)
		if err != nil || w.Code != tt.status || p.Status != tt.status || w.Header().Get("Content-Type") != problemType || p.Code != tt.code ||
			p.Type != "about:blank" || p.Title != http.StatusText(tt.status) || p.TraceID == "" || !strings.Contains(p.Detail, tt.says) {
			t.Errorf("%s %.40s: %d %.300s", tt.method, tt.path, w.Code, w.Body)
		}
	}
}

func TestActorHeader(t *testing.T) {
	for claim, want := range map[string]string{
		"":                       "admin socket",
		"cli:root":               "admin socket (cli:root)",
		"a\tb":                   "admin socket",
		strings.Repeat("x", 101): "admin socket",
	} {
		q := &records{}
		r := httptest.NewRequest("GET", "/api/v1/queue/groups", nil)
		r.Header.Set(actorHeader, claim)
		h := handler(t, Options{Admin: admin.New(admin.Options{Queue: q})})
		h.Socket().ServeHTTP(httptest.NewRecorder(), r)
		if q.actor != want {
			t.Errorf("%q is %q, want %q", claim, q.actor, want)
		}
	}
}

// records remembers who asked.
type records struct {
	admin.Queue
	actor string
}

func (r *records) Stats(ctx context.Context, _ ...mail.Domain) (queue.Stats, error) {
	r.actor = admin.Actor(ctx)
	return queue.Stats{}, nil
}

// TestStrangeServer lets the client talk to something else.
func TestStrangeServer(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	l, err := Listen(sock)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusTeapot)
		}
		io.Copy(io.Discard, r.Body)
		w.Write(bytes.Repeat([]byte("<html>"), 10))
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); srv.Serve(l) }()
	defer func() { srv.Close(); <-ended }()
	c, err := Dial(t.Context(), sock, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.AddDomain(t.Context(), admin.NewDomain{}); err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("teapot: %v", err)
	}
	if _, err := c.Domains(t.Context(), admin.DomainFilter{}); err == nil || !strings.Contains(err.Error(), "/domains") {
		t.Errorf("html: %v", err)
	}
}
