package api

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/setup"
)

// TestSetupIsOver: where there are accounts already, neither a code that is
// left nor a browser that is in gets at the first run, which acts as owner.
func TestSetupIsOver(t *testing.T) {
	w := newWorld(t)
	w.web = handler(t, Options{Admin: w.admin, Now: w.now, Setup: setup.New(setup.Options{Admin: w.admin, Directory: w.dir, Hostname: host})}).Web()
	code, _, err := w.dir.NewSetupCode(t.Context(), "test", directory.SetupCodeFor)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.do(attempt{method: "POST", path: "/setup:redeem", body: fmt.Sprintf(`{"code":%q}`, code)}); r.code != 409 || r.problem(t).Code != "setup-over" {
		t.Errorf("a code that is left: %+v", r)
	}
	token, _, err := w.dir.RedeemSetupCode(t.Context(), code, netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{"Cookie": setupCookie + "=" + token}
	for _, c := range []attempt{
		{method: "GET", path: "/setup"},
		{method: "PUT", path: "/setup/start", body: `{"goal":"try"}`},
		{method: "POST", path: "/setup/dns:check"},
		{method: "POST", path: "/setup:survey", body: `{"domain":"a.test"}`},
		{method: "POST", path: "/setup:handover"},
		{method: "POST", path: "/setup:finish"},
	} {
		c.header = in
		if r := w.do(c); r.code != 409 || r.problem(t).Code != "setup-over" {
			t.Errorf("a browser that is in: %s %s: %d %s", c.method, c.path, r.code, r.body)
		}
		c.header = nil
		if r := w.do(c); r.code != 401 {
			t.Errorf("nobody: %s %s: %d %s", c.method, c.path, r.code, r.body)
		}
	}
}
