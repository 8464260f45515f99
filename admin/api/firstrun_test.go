package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/setup"
	"github.com/mailstead/mailstead/admin/signin/passkeytest"
)

// TestSetupOperations goes through the first run: what each of its operations
// answers on success, and to input that is not valid.
func TestSetupOperations(t *testing.T) {
	w := emptyWorld(t)
	w.server = handler(t, Options{Admin: w.admin, Version: "test", Now: w.now, NoLimits: true, Setup: w.wizard})
	w.web = w.server.Web()
	w.obeys()
	onWeb := w.web
	w.web = w.server.Socket()
	made := w.do(attempt{method: "POST", path: "/setup:code"})
	w.web = onWeb
	if made.code != 200 || made.field(t, "hostname") != host {
		t.Fatalf("code: %+v", made)
	}
	entered := w.do(attempt{method: "POST", path: "/setup:redeem", body: fmt.Sprintf(`{"code":%q}`, made.field(t, "code"))})
	in := entered.cookie(setupCookie)
	if entered.code != 200 || in == nil {
		t.Fatalf("redeem: %+v", entered)
	}
	header := map[string]string{"Cookie": setupCookie + "=" + in.Value}
	for _, tt := range []struct {
		method, path, template, body string
		code                         int
		says                         string
	}{
		{"GET", "/setup", "/setup", "", 200, `"step":"start"`},
		{"PUT", "/setup/start", "/setup/{step}", `{"goal":"serve"}`, 200, `"step":"you"`},
		{"PUT", "/setup/you", "/setup/{step}", `{"address":"ana","password":"correct horse"}`, 422, `"location":"body.address"`},
		{"POST", "/setup:survey", "/setup:survey", `{"domain":"a.test"}`, 200, `"domain":"a.test"`},
		{"POST", "/setup:survey", "/setup:survey", `{"domain":"a b"}`, 422, `"location":"body.domain"`},
		{"POST", "/setup:finish", "/setup:finish", "", 422, "address and password"},
		{"PUT", "/setup/you", "/setup/{step}", `{"address":"ana@a.test","password":"correct horse"}`, 200, `"step":"server"`},
		{"POST", "/setup/dns:check", "/setup/{step}:check", "", 200, `"failing":`},
		{"POST", "/setup/server:check", "/setup/{step}:check", "", 200, `"id":"ptr.v4"`},
		{"PUT", "/setup/dns", "/setup/{step}", `{}`, 404, "nothing to answer"},
		{"GET", "/domains", "/domains", "", 403, "role"},
		{"POST", "/setup:finish", "/setup:finish", "", 200, `"signedIn":true`},
		{"GET", "/setup", "/setup", "", 401, "code"},
	} {
		w.path = tt.template
		r := w.do(attempt{method: tt.method, path: tt.path, body: tt.body, header: header})
		if r.code != tt.code || !strings.Contains(r.body, tt.says) {
			t.Errorf("%s %s %s: %d, want %d with %s: %.500s", tt.method, tt.path, tt.body, r.code, tt.code, tt.says, r.body)
		}
	}
	if w.wizard.Open(t.Context()) {
		t.Error("the first run is open still")
	}
	if _, err := w.wizard.Answer(t.Context(), setup.Start, setup.Input{Goal: setup.GoalTry}); err == nil {
		t.Error("an answer after the end was taken")
	}
}

// TestPasskeyOperations makes a passkey, signs in by it, and proves by it once
// more who it is.
func TestPasskeyOperations(t *testing.T) {
	w := newWorld(t)
	w.server.opts.NoLimits = true
	w.obeys()
	device := passkeytest.New("https://" + host)
	// ceremony begins something and returns the ticket and what the device says.
	ceremony := func(as, path, body string, answer func([]byte) ([]byte, error)) string {
		t.Helper()
		r := w.do(attempt{as: as, method: "POST", path: path, body: body})
		if r.code != 200 {
			t.Fatalf("%s: %+v", path, r)
		}
		var begun Ceremony
		r.into(t, &begun)
		said, err := answer(begun.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"ticket":%q,"credential":%s`, begun.Ticket, said)
	}
	made := w.do(attempt{as: "user@a.test", method: "POST", path: "/me/passkeys:finish", body: ceremony("user@a.test", "/me/passkeys:begin", "", device.Create) + `,"label":"key"}`})
	if made.code != 201 {
		t.Fatalf("add-passkey-finish: %+v", made)
	}
	in := w.do(attempt{method: "POST", path: "/session:passkey-finish", body: ceremony("", "/session:passkey-begin", `{"address":"user@a.test"}`, device.Get) + `}`})
	if in.code != 200 || in.cookie(sessionCookie) == nil {
		t.Fatalf("sign-in-passkey-finish: %+v", in)
	}
	w.tokens["user@a.test"] = in.cookie(sessionCookie).Value
	if r := w.do(attempt{as: "user@a.test", method: "POST", path: "/session:reauth", body: ceremony("user@a.test", "/session:reauth-begin", "", device.Get) + `}`}); r.code != 200 {
		t.Errorf("reauth: %+v", r)
	}
	id := made.field(t, "id")
	w.path = "/me/passkeys/{id}"
	if r := w.do(attempt{as: "user@a.test", method: "PATCH", path: "/me/passkeys/" + id, body: `{"label":"other"}`}); r.code != 200 || r.field(t, "label") != "other" {
		t.Errorf("rename-passkey: %+v", r)
	}
	if r := w.do(attempt{as: "owner@a.test", method: "DELETE", path: "/me/passkeys/" + id}); r.code != 404 {
		t.Errorf("the passkey of somebody else: %+v", r)
	}
	if r := w.do(attempt{as: "user@a.test", method: "DELETE", path: "/me/passkeys/" + id}); r.code != 204 {
		t.Errorf("remove-passkey: %+v", r)
	}
}

// TestCodeOperations signs in with a code of an authenticator app, and with
// one for recovery.
func TestCodeOperations(t *testing.T) {
	w := newWorld(t)
	w.server.opts.NoLimits = true
	w.obeys()
	post := func(path, body string, header map[string]string) result {
		return w.do(attempt{method: "POST", path: path, body: body, header: header})
	}
	secret := w.do(attempt{as: "user@a.test", method: "POST", path: "/me/totp:begin"}).field(t, "secret")
	confirmed := w.do(attempt{as: "user@a.test", method: "POST", path: "/me/totp:confirm", body: fmt.Sprintf(`{"code":%q}`, totp(t, secret, w.now()))})
	var codes RecoveryCodes
	confirmed.into(t, &codes)
	if confirmed.code != 200 || len(codes.RecoveryCodes) == 0 {
		t.Fatalf("totp-confirm: %+v", confirmed)
	}
	again := w.do(attempt{as: "user@a.test", method: "POST", path: "/me/recovery-codes"})
	if again.into(t, &codes); again.code != 200 {
		t.Fatalf("new-recovery-codes: %+v", again)
	}
	w.late.Add(int64(60e9)) // a code works once
	for path, code := range map[string]string{"/session:totp": totp(t, secret, w.now()), "/session:recovery": codes.RecoveryCodes[0]} {
		begun := post("/session", fmt.Sprintf(`{"address":"user@a.test","password":%q}`, password), nil)
		ticket := begun.cookie(ticketCookie)
		if ticket == nil {
			t.Fatalf("sign-in: %+v", begun)
		}
		r := post(path, fmt.Sprintf(`{"code":%q}`, code), map[string]string{"Cookie": ticketCookie + "=" + ticket.Value})
		if r.code != 200 || r.cookie(sessionCookie) == nil {
			t.Errorf("%s: %+v", path, r)
		}
	}
	if r := w.do(attempt{as: "user@a.test", method: "DELETE", path: "/me/totp"}); r.code != 204 {
		t.Errorf("totp-remove: %+v", r)
	}
	w.path = "/accounts/{address}:invite"
	link := w.do(attempt{as: "owner@a.test", method: "POST", path: "/accounts/bob@b.test:invite"}).field(t, "url")
	_, token, _ := strings.Cut(link, "#")
	w.path = "" // the library finds the others itself
	if r := post("/invites/"+token+":look", "", nil); r.code != 200 {
		t.Errorf("look-at-invite: %+v", r)
	}
	if r := post("/invites/"+token+":accept", `{"password":"a good password"}`, nil); r.code != 200 {
		t.Errorf("accept-invite: %+v", r)
	}
}

// TestSetupCodeEnds: a code is good for an hour, once, and only the last one.
func TestSetupCodeEnds(t *testing.T) {
	w := emptyWorld(t)
	w.server = handler(t, Options{Admin: w.admin, Version: "test", Now: w.now, NoLimits: true, Setup: w.wizard})
	w.web = w.server.Web()
	code := func() string {
		t.Helper()
		c, _, err := w.dir.NewSetupCode(t.Context(), "test", directory.SetupCodeFor)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	redeem := func(c string) int {
		return w.do(attempt{method: "POST", path: "/setup:redeem", body: fmt.Sprintf(`{"code":%q}`, c)}).code
	}
	late := code()
	w.late.Add(int64(61 * time.Minute))
	if got := redeem(late); got != 401 {
		t.Errorf("after 61 minutes: %d", got)
	}
	older, last := code(), code()
	if got := redeem(older); got != 401 {
		t.Errorf("one before the last: %d", got)
	}
	w.late.Add(int64(59 * time.Minute))
	if got := redeem(last); got != 200 {
		t.Errorf("after 59 minutes: %d", got)
	}
	if got := redeem(last); got != 401 {
		t.Errorf("once more: %d", got)
	}
}
