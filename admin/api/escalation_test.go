package api

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/signin"
)

// key makes an API key as somebody and returns the header that shows it.
func (w *world) key(as, body string) map[string]string {
	w.t.Helper()
	r := w.do(attempt{as: as, method: "POST", path: "/api-keys", body: body})
	if r.code != 201 {
		w.t.Fatalf("key: %+v", r)
	}
	return map[string]string{"Authorization": "Bearer " + r.field(w.t, "key")}
}

// TestNarrowKeys: a key does not get by a way round what its scopes leave out.
func TestNarrowKeys(t *testing.T) {
	w := newWorld(t)
	reader := w.key("owner@a.test", `{"label":"auditor","role":"admin","scopes":["audit:read"]}`)
	people := w.key("owner@a.test", `{"label":"people","role":"owner","scopes":["people:write"]}`)
	for _, c := range []attempt{
		{method: "PUT", path: "/settings/queue.expire", body: `{"value":"3d"}`},
		{method: "PATCH", path: "/domains/b.test", body: `{"separator":"-"}`},
		{method: "POST", path: "/aliases", body: `{"address":"info@a.test","targets":["user@a.test"]}`},
		{method: "PATCH", path: "/accounts/user@a.test", body: `{"quotaBytes":9}`},
	} {
		c.as = "owner@a.test"
		if r := w.do(c); r.code/100 != 2 {
			t.Fatalf("%s: %+v", c.path, r)
		}
		entries, err := w.admin.Audit(admin.AsOwner(t.Context(), "test"), admin.AuditFilter{Paging: admin.Paging{Limit: 1}})
		if err != nil {
			t.Fatal(err)
		}
		undo := "/audit/" + entries.Items[0].ID + ":undo"
		if r := w.do(attempt{method: "POST", path: undo, header: reader}); r.code != 403 {
			t.Errorf("a key that only reads the audit log undoes %s: %+v", c.path, r)
		}
		if r := w.do(attempt{as: "admin@a.test", method: "POST", path: undo}); r.code != 200 {
			t.Errorf("an admin undoes %s: %+v", c.path, r)
		}
	}
	for _, c := range []attempt{
		{method: "POST", path: "/accounts", body: `{"address":"spy@a.test","role":"support"}`},
		{method: "PATCH", path: "/accounts/user@a.test", body: `{"role":"domain-admin","domains":["a.test"]}`},
	} {
		c.header = people
		if r := w.do(c); r.code != 403 {
			t.Errorf("a key for people makes a role: %s %s: %+v", c.method, c.path, r)
		}
	}
	if r := w.do(attempt{method: "POST", path: "/accounts", body: `{"address":"plain@a.test"}`, header: people}); r.code != 201 {
		t.Errorf("a key for people makes a user: %+v", r)
	}
}

// TestKeysEndWithTheirMaker: a key is not a way to stay when one has to go.
func TestKeysEndWithTheirMaker(t *testing.T) {
	w := newWorld(t)
	key := w.key("admin@a.test", `{"label":"way back","role":"admin"}`)
	ask := attempt{method: "GET", path: "/accounts", header: key}
	change := func(method, body string) {
		t.Helper()
		if r := w.do(attempt{as: "owner@a.test", method: method, path: "/accounts/admin@a.test", body: body}); r.code/100 != 2 {
			t.Fatalf("%s: %+v", body, r)
		}
	}
	for _, tt := range []struct {
		method, body string
		code         int
	}{
		{"PATCH", `{"suspended":true}`, 401},
		{"PATCH", `{"suspended":false}`, 200},
		{"PATCH", `{"role":"support"}`, 401},
		{"PATCH", `{"role":"admin"}`, 200},
		{"DELETE", "", 401},
	} {
		change(tt.method, tt.body)
		if r := w.do(ask); r.code != tt.code {
			t.Errorf("after %s %s: %d %s", tt.method, tt.body, r.code, r.body)
		}
	}
}

// TestDomainsOfOwners: an admin, who may not remove owners, does not remove
// them with their domain, nor lock them out.
func TestDomainsOfOwners(t *testing.T) {
	w := newWorld(t)
	for _, c := range []attempt{
		{method: "DELETE", path: "/domains/b.test?force=true&confirm=b.test"},
		{method: "PATCH", path: "/domains/b.test", body: `{"disabled":true}`},
	} {
		c.as = "admin@a.test"
		if r := w.do(c); r.code != 403 {
			t.Errorf("admin: %s: %d %s", c.method, r.code, r.body)
		}
		c.as = "owner@a.test"
		if c.method == "PATCH" {
			if r := w.do(c); r.code != 200 {
				t.Errorf("owner: %+v", r)
			}
		}
	}
}

// TestResolveStaysInside: a domain admin does not learn by an alias what
// becomes of mail in the domains of others.
func TestResolveStaysInside(t *testing.T) {
	w := newWorld(t)
	for _, c := range []attempt{
		{as: "owner@a.test", method: "PATCH", path: "/accounts/bob@b.test", body: `{"forward":["bob@secret.example"]}`},
		{as: "chief@a.test", method: "POST", path: "/aliases", body: `{"address":"probe@a.test","targets":["bob@b.test","user@a.test"]}`},
	} {
		if r := w.do(c); r.code != 200 {
			t.Fatalf("%s: %+v", c.path, r)
		}
	}
	see := func(as string) result {
		return w.do(attempt{as: as, method: "GET", path: "/resolve?address=probe@a.test"})
	}
	if r := see("owner@a.test"); r.code != 200 || !strings.Contains(r.body, "bob@secret.example") {
		t.Errorf("owner: %+v", r)
	}
	if r := see("chief@a.test"); r.code != 200 || strings.Contains(r.body, "secret.example") || !strings.Contains(r.body, "mailbox of user@a.test") {
		t.Errorf("domain admin: %+v", r)
	}
}

// TestIdempotencyKeepsNoRefusal: what was refused for want of a proof is done
// after it under the same key, and strangers share no answers.
func TestIdempotencyKeepsNoRefusal(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("user@a.test")
	w.late.Store(int64(directory.SudoFor))
	add := func() result {
		return w.do(attempt{method: "POST", path: "/me/app-passwords", body: `{"label":"phone"}`,
			header: map[string]string{"Cookie": sessionCookie + "=" + token, "Idempotency-Key": "k"}})
	}
	if r := add(); r.code != 403 {
		t.Fatalf("without a proof: %+v", r)
	}
	if r := w.do(attempt{method: "POST", path: "/session:reauth", body: fmt.Sprintf(`{"password":%q}`, password), header: map[string]string{"Cookie": sessionCookie + "=" + token}}); r.code != 200 {
		t.Fatalf("proof: %+v", r)
	}
	first, again := add(), add()
	if first.code != 201 || again.body != first.body {
		t.Errorf("with a proof: %+v, again %+v", first, again)
	}
	in := attempt{method: "POST", path: "/session", body: fmt.Sprintf(`{"address":"bob@b.test","password":%q}`, password), header: map[string]string{"Idempotency-Key": "k"}}
	one, two := w.do(in), w.do(in)
	if one.code != 200 || two.code != 200 || one.cookie(sessionCookie).Value == two.cookie(sessionCookie).Value {
		t.Errorf("two strangers get one session: %+v, %+v", one, two)
	}
}

// TestBusyStreamEnds: a stream that is never quiet ends all the same when who
// began it may see it no longer.
func TestBusyStreamEnds(t *testing.T) {
	w := newWorld(t)
	srv := httptest.NewServer(w.web)
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+Prefix+"/events?topics=traces", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: w.signIn("helper@a.test")})
	resp, err := srv.Client().Do(r)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("stream: %v %v", resp, err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if _, err := body.ReadString('\n'); err != nil { // it has begun
		t.Fatal(err)
	}
	if r := w.do(attempt{as: "owner@a.test", method: "PATCH", path: "/accounts/helper@a.test", body: `{"suspended":true}`}); r.code != 200 {
		t.Fatalf("suspend: %+v", r)
	}
	w.late.Add(int64(heartbeat))
	w.admin.Publish(admin.TopicTraces, "trace.changed", "not for them")
	if rest, err := io.ReadAll(body); err != nil || strings.Contains(string(rest), "not for them") {
		t.Errorf("the stream goes on: %q, %v", rest, err)
	}
}

// TestLives: who has a stream is somebody else once their role, domains or
// session are others.
func TestLives(t *testing.T) {
	w := newWorld(t)
	for _, c := range []attempt{
		{method: "PATCH", path: "/accounts/chief@a.test", body: `{"domains":["b.test"]}`},
		{method: "PATCH", path: "/accounts/chief@a.test", body: `{"role":"user","domains":[]}`},
		{method: "PATCH", path: "/accounts/chief@a.test", body: `{"suspended":true}`},
	} {
		token := w.signIn("chief@a.test")
		session, acct, err := w.admin.SignIn().Session(t.Context(), signin.Client{}, token)
		if err != nil {
			t.Fatal(err)
		}
		p := admin.SignedIn(session, acct, false)
		if !w.admin.Lives(t.Context(), p) {
			t.Errorf("before %s: gone", c.body)
		}
		c.as = "owner@a.test"
		if r := w.do(c); r.code != 200 {
			t.Fatalf("%s: %+v", c.body, r)
		}
		if w.admin.Lives(t.Context(), p) {
			t.Errorf("after %s: still there", c.body)
		}
	}
}
