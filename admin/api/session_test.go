package api

import (
	"encoding/base32"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

// TestSignIn goes through a sign-in with a second step, what needs new proof,
// and out again.
func TestSignIn(t *testing.T) {
	w := newWorld(t)
	credentials := fmt.Sprintf(`{"address":"user@a.test","password":%q,"remember":true}`, password)
	in := w.do(attempt{method: "POST", path: "/session", body: credentials})
	c := in.cookie(sessionCookie)
	if in.code != 200 || c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 14*24*3600 {
		t.Fatalf("sign-in: %+v, cookie %+v", in, c)
	}
	as := map[string]string{"Cookie": sessionCookie + "=" + c.Value}
	if r := w.do(attempt{method: "GET", path: "/session", header: as}); !strings.Contains(r.body, `"address":"user@a.test"`) {
		t.Errorf("session: %s", r.body)
	}
	begin := w.do(attempt{method: "POST", path: "/me/totp:begin", header: as})
	if begin.code != 200 {
		t.Fatalf("TOTP: %+v", begin)
	}
	secret := begin.field(t, "secret")
	confirm := w.do(attempt{method: "POST", path: "/me/totp:confirm", header: as, body: fmt.Sprintf(`{"code":%q}`, totp(t, secret, time.Now()))})
	if confirm.code != 200 || strings.Count(confirm.body, `"`) < 12 {
		t.Fatalf("TOTP: %+v", confirm)
	}
	if out := w.do(attempt{method: "DELETE", path: "/session", header: as}); out.code != 204 || out.cookie(sessionCookie).MaxAge >= 0 {
		t.Errorf("sign out: %+v", out)
	}
	if r := w.do(attempt{method: "GET", path: "/me", header: as}); r.code != 401 || r.problem(t).Code != "signed-out" {
		t.Errorf("after signing out: %+v", r)
	}

	first := w.do(attempt{method: "POST", path: "/session", body: credentials})
	ticket := first.cookie(ticketCookie)
	if first.field(t, "next") != "totp" || ticket == nil || first.cookie(sessionCookie) != nil {
		t.Fatalf("first step: %+v", first)
	}
	with := map[string]string{"Cookie": ticketCookie + "=" + ticket.Value}
	wrong := w.do(attempt{method: "POST", path: "/session:totp", header: with, body: `{"code":"000000"}`})
	if wrong.code != 401 || wrong.problem(t).Code != "wrong-code" {
		t.Errorf("wrong code: %+v", wrong)
	}
	second := w.do(attempt{method: "POST", path: "/session:totp", header: with, body: fmt.Sprintf(`{"code":%q}`, totp(t, secret, time.Now().Add(30*time.Second)))})
	if c := second.cookie(sessionCookie); second.code != 200 || c == nil || c.MaxAge != 14*24*3600 {
		t.Errorf("second step: %+v", second)
	}
}

// totp is what an authenticator app shows.
func totp(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	raw, err := secretEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return directory.TOTPCode(raw, at)
}

// TestReauth: what is dangerous asks again after ten minutes.
func TestReauth(t *testing.T) {
	w := newWorld(t)
	as := map[string]string{"Cookie": sessionCookie + "=" + w.signIn("owner@a.test")}
	w.late.Store(int64(11 * time.Minute))
	for _, c := range []attempt{
		{method: "DELETE", path: "/accounts/user@a.test"},
		{method: "DELETE", path: "/domains/b.test?force=true&confirm=b.test"},
		{method: "PATCH", path: "/accounts/user@a.test", body: `{"role":"support"}`},
		{method: "POST", path: "/api-keys", body: `{"label":"x","role":"support"}`},
		{method: "POST", path: "/me/app-passwords", body: `{"label":"x"}`},
		{method: "POST", path: "/me/totp:begin"},
		{method: "POST", path: "/me/passkeys:begin"},
		{method: "POST", path: "/me/recovery-codes"},
		{method: "PATCH", path: "/me", body: `{"forward":["x@far.example"]}`},
		{method: "PATCH", path: "/accounts/user@a.test", body: `{"forward":["x@far.example"]}`},
		{method: "POST", path: "/accounts/owner@a.test:password", body: `{"password":"a new one for me"}`},
		{method: "POST", path: "/accounts/admin@a.test:invite"},
		{method: "POST", path: "/accounts/admin@a.test:remove-factors"},
		{method: "PUT", path: "/settings/backup.target", body: `{"value":"sftp://me@far.example/x"}`},
		{method: "PUT", path: "/settings/filter.milters", body: `{"value":"inet:1@127.0.0.1"}`},
		{method: "PUT", path: "/settings/postmaster", body: `{"value":"user@a.test"}`},
		{method: "DELETE", path: "/settings/relay.host"},
		{method: "PUT", path: "/settings.toml", body: "[queue]\nexpire = \"4d\"\n", header: map[string]string{"Content-Type": tomlType}},
	} {
		maps.Copy(as, c.header)
		c.header = as
		if r := w.do(c); r.code != 403 || r.problem(t).Code != "reauth-required" {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.code, r.body)
		}
	}
	delete(as, "Content-Type")
	owner := admin.AsOwner(t.Context(), "test")
	if _, err := w.admin.SetSetting(owner, "postmaster", "user@a.test"); err != nil {
		t.Fatal(err)
	}
	entries, err := w.admin.Audit(owner, admin.AuditFilter{Paging: admin.Paging{Limit: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if r := w.do(attempt{method: "POST", path: "/audit/" + entries.Items[0].ID + ":undo", header: as}); r.code != 403 || r.problem(t).Code != "reauth-required" {
		t.Errorf("undoing a change of a guarded setting: %d %s", r.code, r.body)
	}
	if r := w.do(attempt{method: "PUT", path: "/settings/queue.expire", body: `{"value":"4d"}`, header: as}); r.code != 200 {
		t.Errorf("a setting that leads nothing elsewhere: %+v", r)
	}
	if r := w.do(attempt{method: "POST", path: "/session:reauth", body: `{"password":"wrong"}`, header: as}); r.code != 401 {
		t.Errorf("wrong password: %+v", r)
	}
	r := w.do(attempt{method: "POST", path: "/session:reauth", body: fmt.Sprintf(`{"password":%q}`, password), header: as})
	if r.code != 200 || r.field(t, "sudoUntil") == "" {
		t.Errorf("reauth: %+v", r)
	}
	if r := w.do(attempt{method: "DELETE", path: "/accounts/user@a.test", header: as}); r.code != 204 {
		t.Errorf("after reauth: %+v", r)
	}
}

// TestAPIKey: a key does what its scopes allow, and nothing else.
func TestAPIKey(t *testing.T) {
	w := newWorld(t)
	made := w.do(attempt{as: "owner@a.test", method: "POST", path: "/api-keys", body: `{"label":"monitor","role":"admin","scopes":["flow:read"],"cidrs":["192.0.2.0/24"]}`})
	if made.code != 201 || !strings.HasPrefix(made.field(t, "key"), "mailstead_") {
		t.Fatalf("key: %+v", made)
	}
	bearer := map[string]string{"Authorization": "Bearer " + made.field(t, "key"), "Sec-Fetch-Site": ""}
	far := map[string]string{"Authorization": "Bearer " + made.field(t, "key"), "remote": "198.51.100.1:1"}
	for _, tt := range []struct {
		attempt
		code int
	}{
		{attempt{method: "GET", path: "/queue", header: bearer}, 200},
		{attempt{method: "GET", path: "/accounts", header: bearer}, 403},
		{attempt{method: "GET", path: "/me", header: bearer}, 403},
		{attempt{method: "GET", path: "/queue", header: far}, 401},
		{attempt{method: "GET", path: "/queue", header: map[string]string{"Authorization": "Bearer mailstead_x_y"}}, 401},
		{attempt{as: "admin@a.test", method: "POST", path: "/api-keys", body: `{"label":"x","role":"owner"}`}, 403},
		{attempt{as: "owner@a.test", method: "POST", path: "/api-keys", body: `{"label":"x","role":"support","scopes":["system"]}`}, 422},
		{attempt{as: "owner@a.test", method: "DELETE", path: "/api-keys/" + made.field(t, "id")}, 204},
		{attempt{method: "GET", path: "/queue", header: bearer}, 401},
	} {
		if r := w.do(tt.attempt); r.code != tt.code {
			t.Errorf("%s %s %v: %d %s", tt.method, tt.path, tt.header, r.code, r.body)
		}
	}
	// No key makes keys, not even one that may do everything.
	all := w.do(attempt{as: "owner@a.test", method: "POST", path: "/api-keys", body: `{"label":"all","role":"owner"}`})
	with := map[string]string{"Authorization": "Bearer " + all.field(t, "key")}
	if r := w.do(attempt{method: "POST", path: "/api-keys", body: `{"label":"x","role":"support"}`, header: with}); r.code != 403 {
		t.Errorf("a key makes a key: %+v", r)
	}
	narrow := w.do(attempt{as: "owner@a.test", method: "POST", path: "/api-keys", body: `{"label":"people","role":"owner","scopes":["people:write"]}`})
	with = map[string]string{"Authorization": "Bearer " + narrow.field(t, "key")}
	if r := w.do(attempt{method: "POST", path: "/accounts/owner2@b.test:password", body: `{"password":"taken over now"}`, header: with}); r.code != 403 {
		t.Errorf("a narrow key takes an owner's account: %+v", r)
	}
}

// TestDescribedRights: a principal has exactly the rights of its role.
func TestDescribedRights(t *testing.T) {
	for _, role := range directory.Roles() {
		p := admin.Principal{Kind: admin.KindUser, Role: role, Scopes: []admin.Right{}}
		if p.May(admin.OwnAccount) {
			t.Errorf("%s: no scopes are all scopes", role)
		}
	}
}

// secretEncoding is how a secret is typed into an app (RFC 4648 section 6).
var secretEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)
