package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/support"
	"github.com/mailstead/mailstead/admin/support/supporttest"
)

// TestSupportBundle puts secrets and names wherever there is room for one; none
// of them is in the bundle, and what helps is.
func TestSupportBundle(t *testing.T) {
	w := newWorld(t)
	canaries := []string{password, "b.test", "far.example", "203.0.113.77", "2001:db8::77", "relay.corp.example"}
	send := func(method, path, body string) result {
		t.Helper()
		r := w.do(attempt{as: "owner@a.test", method: method, path: path, body: body})
		if r.code >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, r.code, r.body)
		}
		return r
	}
	for name, value := range map[string]string{"relay.password": "canary-relay-1", "backup.s3-secret": "canaryS3secret2", "backup.sftp-password": "canary-sftp-3", "filter.rspamd-password": "canary-rspamd-4", "relay.host": "relay.corp.example:587"} {
		send("PUT", "/settings/"+name, fmt.Sprintf(`{"value":%q}`, value))
		canaries = append(canaries, value)
	}
	send("PUT", "/dns-providers/cf", `{"kind":"cloudflare","secret":"canary-dns-5","zones":["a.test"],"unchecked":true}`)
	send("POST", "/alert-channels", `{"kind":"ntfy","to":"https://ntfy.far.example/canary-topic-6","token":"tk_canary7"}`)
	hookURL := "https://hooks.far.example/canary-path-8"
	secret := send("POST", "/webhooks", fmt.Sprintf(`{"url":%q,"events":["message.received"]}`, hookURL)).field(t, "secret")
	key := send("POST", "/api-keys", `{"label":"canary-label-9","role":"support"}`).field(t, "key")
	appPassword := w.do(attempt{as: "user@a.test", method: "POST", path: "/me/app-passwords", body: `{"label":"phone"}`}).field(t, "password")
	if secret == "" || key == "" || appPassword == "" {
		t.Fatal("a canary is empty")
	}
	logged := append(slices.Clone(canaries[2:]), "canary-dns-5", "canary-topic-6", "tk_canary7", "canary-path-8", secret, key, "owner2@b.test", "a.test", "x.b.test")
	for _, s := range logged { // as a word, in a sentence, and as what a field has
		w.log.Info("something with "+s, "detail", s)
	}
	w.log.Info("a login", "password", password, "app-password", appPassword)
	canaries = append(append(canaries, logged...), appPassword, "canary-label-9", "owner2", "user@", "Divorce")
	w.log.Warn("login", "login", "user@a.test", "remote", "203.0.113.77:4711", "peer", "[2001:db8::77]:25", "subject", "Divorce papers", "url", "https://ana:"+secret+"@far.example/x")
	w.log.Warn("again", "login", "USER@A.test", "remote", "203.0.113.77")
	w.enqueue("user@a.test", "x@far.example")

	r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/system:support-bundle"})
	if r.code != http.StatusOK || r.header.Get("Content-Type") != support.Type || !strings.Contains(r.header.Get("Content-Disposition"), "mailstead-support-") {
		t.Fatalf("%d %v %.300s", r.code, r.header, r.body)
	}
	files := supporttest.Unpack(t, strings.NewReader(r.body))
	for name, text := range files {
		for _, canary := range canaries {
			if i := strings.Index(strings.ToLower(text), strings.ToLower(canary)); i >= 0 {
				t.Errorf("%s has %q: …%s…", name, canary, text[max(0, i-60):min(len(text), i+len(canary)+60)])
			}
		}
	}
	for name, words := range map[string][]string{
		"manifest.json": {`"redacted"`, `"log.txt"`, `"ip-addresses"`}, "server.json": {`"heap"`, `"kernel"`}, "settings.json": {`"relay.password"`, "[set]", `"name": "message.max-size"`, "zen.spamhaus.org"},
		"checks.json": {`"items"`}, "queue.json": {`"messages": 1`}, "storage.json": {`"kinds"`}, "log.txt": {"something with", "subject=subject"}, "goroutines.txt": {"goroutine profile"},
	} {
		for _, word := range words {
			if !strings.Contains(files[name], word) {
				t.Errorf("%s does not have %q: %.600s", name, word, files[name])
			}
		}
	}
	// The same person and the same machine in two lines have the same names.
	one, two := lineFields(t, files["log.txt"], "WARN login "), lineFields(t, files["log.txt"], "WARN again ")
	if one["login"] == "" || one["login"] != two["login"] || strings.TrimSuffix(one["remote"], ":4711") != two["remote"] {
		t.Errorf("%v and %v", one, two)
	}
	found, err := w.admin.Audit(admin.AsOwner(t.Context(), "test"), admin.AuditFilter{Action: "system.support-bundle"})
	if err != nil || len(found.Items) != 1 || found.Items[0].Actor != "owner@a.test" {
		t.Errorf("audit: %+v, %v", found, err)
	}
}

// lineFields are those of the line of a log that has a text.
func lineFields(t *testing.T, log, line string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(log, line)
	if !ok {
		t.Fatalf("no line %q in:\n%.2000s", line, log)
	}
	rest, _, _ = strings.Cut(rest, "\n")
	m := map[string]string{}
	for _, f := range strings.Fields(rest) {
		if k, v, ok := strings.Cut(f, "="); ok {
			m[k] = v
		}
	}
	return m
}

// TestSupportBundleAsksAgain: who sits at somebody's desk does not get it.
func TestSupportBundleAsksAgain(t *testing.T) {
	w := newWorld(t)
	if r := w.do(attempt{as: "admin@a.test", method: "GET", path: "/updates"}); r.code != http.StatusOK {
		t.Fatalf("%d %.300s", r.code, r.body)
	}
	w.late.Store(int64(directory.SudoFor))
	r := w.do(attempt{as: "admin@a.test", method: "POST", path: "/system:support-bundle"})
	if r.code != http.StatusForbidden || r.problem(t).Code != "reauth-required" {
		t.Errorf("%d %.300s", r.code, r.body)
	}
}
