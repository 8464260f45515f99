package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
)

// TestCrossSite: what another site makes a browser send is refused, however it
// is dressed up.
func TestCrossSite(t *testing.T) {
	w := newWorld(t)
	session := w.signIn("owner@a.test")
	for _, tt := range []struct {
		name   string
		header map[string]string
		code   int
		says   string
	}{
		{"our page", map[string]string{"Sec-Fetch-Site": "same-origin"}, 204, ""},
		{"fetch of another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "cross-site"},
		{"fetch of another host of the domain", map[string]string{"Sec-Fetch-Site": "same-site"}, 403, "cross-site"},
		{"old browser on our page", map[string]string{"Sec-Fetch-Site": "", "Origin": "https://" + host}, 204, ""},
		{"old browser on another page", map[string]string{"Sec-Fetch-Site": "", "Origin": "https://evil.example"}, 403, "cross-site"},
		{"our name without TLS", map[string]string{"Sec-Fetch-Site": "", "Origin": "http://" + host}, 403, "cross-site"},
		{"another port", map[string]string{"Sec-Fetch-Site": "", "Origin": "https://" + host + ":8443"}, 403, "cross-site"},
		{"opaque origin", map[string]string{"Sec-Fetch-Site": "", "Origin": "null"}, 403, "cross-site"},
		{"form", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "media-type"},
		{"form that looks like JSON", map[string]string{"Content-Type": "text/plain"}, 415, "media-type"},
		{"form with files", map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, 415, "media-type"},
	} {
		tt.header["Cookie"] = sessionCookie + "=" + session
		r := w.do(attempt{method: "POST", path: "/accounts/user@a.test:password", body: `{"password":"a new password"}`, header: tt.header})
		if r.code != tt.code || tt.says != "" && r.problem(t).Code != tt.says {
			t.Errorf("%s: %d %s", tt.name, r.code, r.body)
		}
		if r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: another site may read the answer", tt.name)
		}
	}
	if r := w.do(attempt{method: "OPTIONS", path: "/accounts", header: map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}}); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight: %+v", r)
	}
}

// TestSessionFixation: a session is never one that the browser came with.
func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	planted := strings.Repeat("A", 43)
	mine := w.signIn("user@a.test")
	for name, token := range map[string]string{"made up": planted, "of the attacker": mine} {
		body := fmt.Sprintf(`{"address":"owner@a.test","password":%q}`, password)
		r := w.do(attempt{method: "POST", path: "/session", body: body, header: map[string]string{"Cookie": sessionCookie + "=" + token}})
		c := r.cookie(sessionCookie)
		if r.code != 200 || c == nil || c.Value == token || len(c.Value) < 43 {
			t.Errorf("%s: %+v", name, r)
		}
		if r := w.do(attempt{method: "GET", path: "/me", header: map[string]string{"Cookie": sessionCookie + "=" + token}}); r.code != 401 {
			t.Errorf("%s: the old session is still there: %+v", name, r)
		}
	}
	// A ticket is no session.
	if r := w.do(attempt{method: "GET", path: "/me", header: map[string]string{"Cookie": ticketCookie + "=" + w.signIn("owner@a.test")}}); r.code != 401 {
		t.Errorf("ticket: %+v", r)
	}
}

// TestSessionsEnd: a session ends with its time, and with its account.
func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	me := func(token string) int {
		return w.do(attempt{method: "GET", path: "/me", header: map[string]string{"Cookie": sessionCookie + "=" + token}}).code
	}
	idle, gone := w.signIn("user@a.test"), w.signIn("bob@b.test")
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/accounts/bob@b.test:suspend"}); r.code != 200 {
		t.Fatalf("suspend: %+v", r)
	}
	if code := me(gone); code != 401 {
		t.Errorf("of a suspended account: %d", code)
	}
	w.late.Store(int64(11 * time.Hour))
	if code := me(idle); code != 200 {
		t.Errorf("after eleven hours: %d", code)
	}
	w.late.Add(int64(13 * time.Hour))
	if code := me(idle); code != 401 {
		t.Errorf("idle for thirteen hours: %d", code)
	}
}

// TestHeaderInjection: what comes in does not come out as a header.
func TestHeaderInjection(t *testing.T) {
	w := newWorld(t)
	const evil = "x\r\nSet-Cookie: stolen=1\r\n\r\n<script>"
	for _, a := range []attempt{
		{as: "owner@a.test", method: "GET", path: "/accounts/x%0d%0aSet-Cookie:%20stolen=1@a.test"},
		{as: "owner@a.test", method: "GET", path: "/traces?q=%0d%0aSet-Cookie:%20stolen=1"},
		{as: "owner@a.test", method: "PATCH", path: "/accounts/user@a.test", body: `{"name":"x\r\nSet-Cookie: stolen=1"}`},
		{as: "owner@a.test", method: "POST", path: "/accounts", body: `{"address":"x\r\nSet-Cookie: stolen=1@a.test"}`},
		{method: "POST", path: "/session", body: `{"address":"x\r\nSet-Cookie: stolen=1","password":"x"}`},
		{method: "GET", path: "!/admin/%0d%0aSet-Cookie:%20stolen=1"},
	} {
		r := w.do(a)
		for name, values := range r.header {
			if strings.Contains(strings.Join(values, ""), "stolen") || strings.ContainsAny(name, "\r\n") {
				t.Errorf("%s %s: %s: %q", a.method, a.path, name, values)
			}
		}
	}
	if host, ok := plainHost(evil); ok {
		t.Errorf("%q is a host", host)
	}
}

// TestStaticFiles: nothing outside the built pages is served, and nothing of
// them without its policy.
func TestStaticFiles(t *testing.T) {
	w := newWorld(t)
	page := []byte("<!doctype html><title>page</title>")
	s := handler(t, Options{Admin: w.admin, Pages: fstest.MapFS{
		"admin/index.html": {Data: page}, "account/index.html": {Data: page}, "setup/index.html": {Data: page}, "assets/a-1.js": {Data: []byte("1")},
	}})
	w.web = s.Web()
	for _, path := range []string{
		"/../../etc/passwd", "/assets/../../../etc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fetc%2fpasswd", `/assets/..\..\etc\passwd`,
		"/admin/../../../etc/passwd", "//etc/passwd", "/assets/", "/assets/a-1.js/", "/assets/a-1.js%00.html", "/webadmin.go", "/dist/admin/index.html", "/.env", "/.git/config",
	} {
		r := w.do(attempt{method: "GET", path: "!" + path})
		if r.code == http.StatusOK && r.body != string(page) || strings.Contains(r.body, "root:") {
			t.Errorf("%s: %d %.100s", path, r.code, r.body)
		}
	}
	r := w.do(attempt{method: "GET", path: "!/admin/people/user@a.test"})
	csp := r.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("policy without %s: %s", part, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || r.header.Get("X-Content-Type-Options") != "nosniff" || r.header.Get("X-Frame-Options") != "DENY" || r.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("headers: %v", r.header)
	}
	if r := w.do(attempt{method: "GET", path: "!/assets/a-1.js"}); !strings.Contains(r.header.Get("Cache-Control"), "immutable") || r.body != "1" {
		t.Errorf("asset: %+v", r)
	}
}

// TestBruteForce: guessing is slowed down whatever X-Forwarded-For says, and
// the owner gets in from where they were before.
func TestBruteForce(t *testing.T) {
	w := newWorld(t)
	w.server.opts.NoLimits = true // so that the throttle of logins is what is seen
	home := map[string]string{"remote": "198.51.100.7:1"}
	good := fmt.Sprintf(`{"address":"owner@a.test","password":%q}`, password)
	if r := w.do(attempt{method: "POST", path: "/session", body: good, header: home}); r.code != 200 {
		t.Fatalf("at home: %+v", r)
	}
	last := result{}
	for n := range 50 {
		last = w.do(attempt{method: "POST", path: "/session", body: fmt.Sprintf(`{"address":"owner@a.test","password":"guess %d"}`, n),
			header: map[string]string{"remote": "203.0.113.9:1", "X-Forwarded-For": fmt.Sprint("192.0.2.", n), "X-Real-Ip": fmt.Sprint("192.0.2.", n)}})
	}
	if last.code != 429 || last.problem(t).Code != "rate-limited" || last.header.Get("Retry-After") == "" {
		t.Errorf("after 50 guesses: %+v", last)
	}
	if r := w.do(attempt{method: "POST", path: "/session", body: good, header: map[string]string{"remote": "203.0.113.9:1"}}); r.code != 429 {
		t.Errorf("the right guess at last: %+v", r)
	}
	if r := w.do(attempt{method: "POST", path: "/session", body: good, header: home}); r.code != 200 {
		t.Errorf("the owner at home: %+v", r)
	}
}

// TestForwardedFor: the address of a client is that of the connection, unless
// it is a proxy that is named.
func TestForwardedFor(t *testing.T) {
	w := newWorld(t)
	made := w.do(attempt{as: "owner@a.test", method: "POST", path: "/api-keys", body: `{"label":"net","role":"support","cidrs":["198.51.100.0/24"]}`})
	spoofed := map[string]string{"Authorization": "Bearer " + made.field(t, "key"), "X-Forwarded-For": "198.51.100.1", "X-Real-Ip": "198.51.100.1", "Forwarded": "for=198.51.100.1"}
	if r := w.do(attempt{method: "GET", path: "/queue", header: spoofed}); r.code != 401 {
		t.Errorf("spoofed: %+v", r)
	}
	proxied := handler(t, Options{Admin: w.admin, Proxies: func() []netip.Prefix { return prefixes("192.0.2.0/24") }, Now: w.now})
	w.web = proxied.Web()
	if r := w.do(attempt{method: "GET", path: "/queue", header: spoofed}); r.code != 200 {
		t.Errorf("by a proxy that is named: %+v", r)
	}
	spoofed["X-Forwarded-For"] = "198.51.100.1, 203.0.113.5"
	if r := w.do(attempt{method: "GET", path: "/queue", header: spoofed}); r.code != 401 {
		t.Errorf("what the client has put before: %+v", r)
	}
	spoofed["remote"], spoofed["X-Forwarded-For"] = "203.0.113.5:1", "198.51.100.1"
	if r := w.do(attempt{method: "GET", path: "/queue", header: spoofed}); r.code != 401 {
		t.Errorf("by another proxy: %+v", r)
	}
}

// TestKeyExpires: a key ends when it says.
func TestKeyExpires(t *testing.T) {
	w := newWorld(t)
	body := fmt.Sprintf(`{"label":"short","role":"support","expires":%q}`, w.now().Add(time.Hour).UTC().Format(time.RFC3339))
	made := w.do(attempt{as: "owner@a.test", method: "POST", path: "/api-keys", body: body})
	with := map[string]string{"Authorization": "Bearer " + made.field(t, "key")}
	if r := w.do(attempt{method: "GET", path: "/queue", header: with}); r.code != 200 {
		t.Errorf("before: %+v", r)
	}
	w.late.Store(int64(2 * time.Hour))
	if r := w.do(attempt{method: "GET", path: "/queue", header: with}); r.code != 401 {
		t.Errorf("after: %+v", r)
	}
}

// TestOtherDomains: to the domain admin of a.test there is no b.test, in any
// operation that names something.
func TestOtherDomains(t *testing.T) {
	w := newWorld(t)
	w.server.opts.NoLimits = true
	for _, a := range []attempt{
		{method: "POST", path: "/aliases", body: `{"address":"info@b.test","targets":["bob@b.test"]}`},
		{method: "POST", path: "/domains/b.test/dkim", body: `{"selector":"s1","algorithm":"ed25519"}`},
	} {
		a.as = "owner@a.test"
		if r := w.do(a); r.code >= 300 {
			t.Fatalf("%s: %+v", a.path, r)
		}
	}
	queued, traced := w.enqueue("bob@b.test", "x@far.example"), w.trace("bob@b.test", "x@far.example")
	hook := w.do(attempt{as: "owner@a.test", method: "POST", path: "/webhooks", body: `{"url":"https://far.example/hook","events":["message.received"],"domains":["b.test"]}`}).field(t, "id")
	named := strings.NewReplacer("{domain}", "b.test", "{selector}", "s1")
	// What names no domain, account or message is decided by rights alone.
	free := map[string]bool{"/me": true, "/session": true, "/invites": true, "/settings": true, "/api-keys": true, "/jobs": true, "/imports": true, "/dns-providers": true, "/backups": true, "/checks": true, "/alerts": true, "/alert-channels": true, "/setup": true, "/audit": true}
	tried := 0
	for id, o := range w.operations() {
		first, _, _ := strings.Cut(strings.TrimPrefix(o.path, "/"), "/")
		if !strings.Contains(o.path, "{") || free["/"+first] {
			continue
		}
		path := named.Replace(o.path)
		switch {
		case first == "accounts":
			path = strings.Replace(path, "{address}", "bob@b.test", 1)
		case first == "aliases":
			path = strings.Replace(path, "{address}", "info@b.test", 1)
		case first == "queue":
			path = strings.Replace(path, "{id}", queued, 1)
		case first == "webhooks":
			path = strings.Replace(path, "{id}", hook, 1)
		case first == "traces":
			path = strings.Replace(path, "{id}", traced, 1)
		}
		path = strings.Replace(path, "{id}", "x", 1)
		tried++
		body := operations1[id]
		r := w.do(attempt{as: "chief@a.test", method: o.method, path: path, body: body})
		// 403 where the role never may; else there is nothing.
		if r.code != 404 && r.code != 403 {
			t.Errorf("%s: %s %s: %d %.200s", id, o.method, path, r.code, r.body)
		}
		if own := strings.NewReplacer("b.test", "a.test", "bob@", "user@").Replace(path); r.code == 403 && o.method == "GET" {
			t.Errorf("%s: reading %s is 403, which tells that it is there; %s", id, path, own)
		}
		if strings.Contains(r.body, "x@far.example") || strings.Contains(r.body, `"address":"bob`) {
			t.Errorf("%s tells of b.test: %s", id, r.body)
		}
	}
	if tried < 15 {
		t.Errorf("only %d operations were tried", tried)
	}
	// Lists have nothing of it, and what is named in a body or query is not there.
	for _, path := range []string{"/domains", "/accounts", "/aliases", "/queue", "/traces", "/refusals", "/sign-ins", "/audit", "/queue/groups"} {
		if r := w.do(attempt{as: "chief@a.test", method: "GET", path: path}); r.code != 200 || strings.Contains(r.body, "b.test") {
			t.Errorf("%s: %d %.300s", path, r.code, r.body)
		}
	}
	for _, a := range []attempt{
		{method: "GET", path: "/accounts?domain=b.test"}, {method: "GET", path: "/aliases?domain=b.test"}, {method: "GET", path: "/resolve?address=bob@b.test"},
		{method: "POST", path: "/accounts", body: `{"address":"new@b.test"}`}, {method: "POST", path: "/aliases", body: `{"address":"x@b.test","targets":["user@a.test"]}`},
	} {
		a.as = "chief@a.test"
		there := w.do(a)
		a.path, a.body = strings.ReplaceAll(a.path, "b.test", "c.test"), strings.ReplaceAll(a.body, "b.test", "c.test")
		nowhere := w.do(a)
		if there.code != 404 || nowhere.code != 404 ||
			strings.ReplaceAll(there.problem(t).Detail, "b.test", "c.test") != nowhere.problem(t).Detail {
			t.Errorf("%s %s: %d %s; a domain that is nowhere: %d %s", a.method, a.path, there.code, there.body, nowhere.code, nowhere.body)
		}
	}
}

// operations1 are the bodies of changes, so that they are refused for what they
// name and not for how they look.
var operations1 = map[string]string{
	"change-domain": `{"separator":"-"}`, "change-account": `{"name":"x"}`, "set-account-password": `{"password":"taken over now"}`,
	"apply-domain-dns": `{"dryRun":true}`, "add-dkim-key": `{"algorithm":"ed25519"}`, "set-alias": `{"targets":["user@a.test"]}`, "change-webhook": `{"label":"x"}`,
}

// TestRanks: nobody changes those who may do more.
func TestRanks(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		as, method, path, body string
		code                   int
	}{
		{"admin@a.test", "POST", "/accounts/owner@a.test:password", `{"password":"taken over now"}`, 403},
		{"admin@a.test", "DELETE", "/accounts/owner@a.test", "", 403},
		{"admin@a.test", "PATCH", "/accounts/user@a.test", `{"role":"owner"}`, 403},
		{"admin@a.test", "PATCH", "/accounts/admin@a.test", `{"role":"owner"}`, 403},
		{"admin@a.test", "POST", "/accounts", `{"address":"x@a.test","role":"admin"}`, 403},
		{"admin@a.test", "PATCH", "/accounts/user@a.test", `{"role":"support"}`, 200},
		{"chief@a.test", "POST", "/accounts/admin@a.test:password", `{"password":"taken over now"}`, 403},
		{"chief@a.test", "POST", "/accounts/admin@a.test:invite", "", 403},
		{"chief@a.test", "PATCH", "/accounts/chief@a.test", `{"domains":["a.test","b.test"]}`, 403},
		{"chief@a.test", "PATCH", "/accounts/user@a.test", `{"role":"admin"}`, 403},
		{"helper@a.test", "PATCH", "/accounts/user@a.test", `{"name":"x"}`, 403},
		{"user@a.test", "GET", "/accounts/user@a.test", "", 200},
	} {
		if r := w.do(attempt{as: tt.as, method: tt.method, path: tt.path, body: tt.body}); r.code != tt.code {
			t.Errorf("%s: %s %s %s: %d %.200s", tt.as, tt.method, tt.path, tt.body, r.code, r.body)
		}
	}
}

// TestLastOwner: the last owner stays.
func TestLastOwner(t *testing.T) {
	w := newWorld(t)
	if r := w.do(attempt{as: "owner@a.test", method: "DELETE", path: "/accounts/owner2@b.test"}); r.code != 204 {
		t.Fatalf("one of two: %+v", r)
	}
	for _, a := range []attempt{
		{method: "DELETE", path: "/accounts/owner@a.test"}, {method: "POST", path: "/accounts/owner@a.test:suspend"},
		{method: "PATCH", path: "/accounts/owner@a.test", body: `{"role":"user"}`}, {method: "DELETE", path: "/domains/a.test?force=true&confirm=a.test"},
	} {
		a.as = "owner@a.test"
		if r := w.do(a); r.code != 409 || r.problem(t).Code != "in-use" {
			t.Errorf("%s %s: %+v", a.method, a.path, r)
		}
	}
	if owner := w.account("owner@a.test"); owner.Role != directory.RoleOwner {
		t.Errorf("owner = %+v", owner)
	}
}

func prefixes(list ...string) []netip.Prefix {
	var nets []netip.Prefix
	for _, s := range list {
		nets = append(nets, netip.MustParsePrefix(s))
	}
	return nets
}
