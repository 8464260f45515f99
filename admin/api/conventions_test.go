package api

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
)

func TestIfMatch(t *testing.T) {
	w := newWorld(t)
	get := w.do(attempt{as: "owner@a.test", method: "GET", path: "/accounts/user@a.test"})
	tag := get.header.Get("Etag")
	if tag == "" {
		t.Fatalf("no ETag: %+v", get)
	}
	change := attempt{as: "owner@a.test", method: "PATCH", path: "/accounts/user@a.test", body: `{"name":"U"}`, header: map[string]string{"If-Match": tag}}
	first := w.do(change)
	if first.code != 200 || first.header.Get("Etag") == tag {
		t.Errorf("first change: %+v", first)
	}
	if r := w.do(change); r.code != 412 || r.problem(t).Code != "etag-mismatch" {
		t.Errorf("second change with the old ETag: %+v", r)
	}
	change.header = map[string]string{"If-Match": first.header.Get("Etag")}
	if r := w.do(change); r.code != 200 {
		t.Errorf("with the ETag of the change: %+v", r)
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	with := func(as, key, body string) result {
		return w.do(attempt{as: as, method: "POST", path: "/accounts", body: body, header: map[string]string{"Idempotency-Key": key}})
	}
	first := with("owner@a.test", "k1", `{"address":"new@a.test"}`)
	again := with("owner@a.test", "k1", `{"address":"new@a.test"}`)
	if first.code != 201 || again.code != 201 || again.body != first.body || again.header.Get("Idempotency-Replayed") == "" {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if r := with("owner@a.test", "k1", `{"address":"other@a.test"}`); r.code != 422 || r.problem(t).Code != "idempotency-key" {
		t.Errorf("another body: %+v", r)
	}
	if r := with("admin@a.test", "k1", `{"address":"other@a.test"}`); r.code != 201 {
		t.Errorf("the key of somebody else: %+v", r)
	}
	w.late.Store(int64(25 * time.Hour))
	w.tokens = map[string]string{} // a day is longer than a session may idle
	if r := with("owner@a.test", "k1", `{"address":"new@a.test"}`); r.code != 409 {
		t.Errorf("a day later: %+v", r)
	}
}

func TestDryRun(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ method, path, body, says string }{
		{"POST", "/accounts?dryRun=1", `{"address":"new@a.test"}`, "new@a.test is new"},
		{"PATCH", "/accounts/user@a.test?dryRun=true", `{"quotaBytes":5}`, `"path":"user@a.test quotaBytes"`},
		{"DELETE", "/accounts/user@a.test?dryRun=1", "", "user@a.test is gone"},
		{"POST", "/domains?dryRun=1", `{"name":"c.test"}`, "c.test is new"},
		{"DELETE", "/domains/b.test?force=true&dryRun=1", "", "bob@b.test is gone"},
		{"POST", "/aliases?dryRun=1", `{"address":"info@a.test","targets":["user@a.test"]}`, "info@a.test is new"},
		{"PUT", "/settings/queue.expire?dryRun=1", `{"value":"3d"}`, `"5d\"`},
		{"POST", "/queue:hold?dryRun=1", `{"filter":{}}`, "0 messages"},
	} {
		r := w.do(attempt{as: "owner@a.test", method: tt.method, path: tt.path, body: tt.body})
		if r.code != 200 || !strings.Contains(r.body, tt.says) || !strings.Contains(r.body, `"changes":[`) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, r.code, r.body)
		}
	}
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/accounts?dryRun=1", body: `{"address":"user@a.test"}`}); r.code != 409 {
		t.Errorf("what would fail: %+v", r)
	}
	if r := w.do(attempt{as: "owner@a.test", method: "GET", path: "/accounts"}); !strings.Contains(r.body, fmt.Sprintf(`"total":%d`, len(roles))) {
		t.Errorf("something has changed: %s", r.body)
	}
	for _, path := range []string{"/domains/b.test", "/accounts/user@a.test"} {
		if r := w.do(attempt{as: "owner@a.test", method: "GET", path: path}); r.code != 200 {
			t.Errorf("%s is gone: %+v", path, r)
		}
	}
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t)
	ask := func(remote string) result {
		return w.do(attempt{method: "GET", path: "/session", header: map[string]string{"remote": remote, "X-Forwarded-For": fmt.Sprint("203.0.113.", time.Now().UnixNano()%250)}})
	}
	first := ask("192.0.2.7:1")
	if first.header.Get("Ratelimit-Policy") != `"default";q=120;w=60` || !strings.Contains(first.header.Get("Ratelimit"), "r=119") {
		t.Errorf("headers: %v", first.header)
	}
	for range anonymousPerMinute {
		first = ask("192.0.2.7:1")
	}
	if first.code != 429 || first.problem(t).Code != "rate-limited" || first.header.Get("Retry-After") == "" {
		t.Errorf("after too many: %+v", first)
	}
	if r := ask("192.0.2.8:1"); r.code != 200 {
		t.Errorf("somebody else: %+v", r)
	}
	w.late.Add(int64(time.Minute))
	if r := ask("192.0.2.7:1"); r.code != 200 {
		t.Errorf("a minute later: %+v", r)
	}
}

// TestEvents reads a stream, breaks it, and goes on where it was.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	srv := httptest.NewServer(w.web)
	defer srv.Close()
	watch := func(as, query, last string) (*bufio.Reader, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+Prefix+"/events"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: w.signIn(as)})
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		resp, err := srv.Client().Do(r)
		if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != eventStream {
			t.Fatalf("stream: %v, %v", resp, err)
		}
		return bufio.NewReader(resp.Body), func() { cancel(); resp.Body.Close() }
	}
	next := func(r *bufio.Reader) (id, name, data string) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch key {
			case "id":
				id = value
			case "event":
				name = value
			case "data":
				return id, name, value
			}
		}
	}
	stream, end := watch("owner@a.test", "?topics=checks", "")
	w.admin.Publish(admin.TopicQueue, "queue.changed", map[string]int{"messages": 1})
	w.admin.Publish(admin.TopicChecks, "check.changed", map[string]string{"id": "one"})
	first, name, data := next(stream)
	if name != "check.changed" || data != `{"id":"one"}` {
		t.Errorf("first: %s %s", name, data)
	}
	end()
	w.admin.Publish(admin.TopicChecks, "check.changed", map[string]string{"id": "two"})
	stream, end = watch("owner@a.test", "?topics=checks", first)
	if _, _, data := next(stream); data != `{"id":"two"}` {
		t.Errorf("after the break: %s", data)
	}
	end()
	stream, end = watch("owner@a.test", "?topics=checks", "7")
	if _, name, _ := next(stream); name != "missed" {
		t.Errorf("after an ID of long ago: %s", name)
	}
	end()
	if r := w.do(attempt{as: "user@a.test", method: "GET", path: "/events?topics=traces"}); r.code != 403 {
		t.Errorf("user: %+v", r)
	}
	if r := w.do(attempt{method: "GET", path: "/events"}); r.code != 401 {
		t.Errorf("nobody: %+v", r)
	}
}

// What one principal asks for does not push out the answers of another, and
// all of them together are bounded.
func TestIdempotencyKeyBounds(t *testing.T) {
	var now time.Time
	a := newAnswers(func() time.Time { return now })
	ask := func(who, key string, octets int) (mine bool) {
		t.Helper()
		k, mine := a.begin(who, key, [32]byte{})
		if mine {
			k.status, k.body = 201, make([]byte, octets)
			a.end(who, key, k)
		}
		return mine
	}
	ask("ana", "1", 10)
	for i := range 3 * maxAnswers {
		ask("bo", fmt.Sprint(i), 10)
	}
	if ask("ana", "1", 10) {
		t.Error("the answer to ana is gone")
	}
	if own := a.by["bo"]; len(own.by) != maxAnswers || len(own.age) != maxAnswers || own.size != 10*maxAnswers || ask("bo", "599", 10) {
		t.Errorf("bo has %d answers, want the last %d", len(a.by["bo"].by), maxAnswers)
	}
	for who := range 3 * maxAll / (100 * maxKept) {
		for i := range 100 {
			ask(fmt.Sprint("key ", who), fmt.Sprint(i), maxKept)
		}
	}
	if a.size > maxAll || a.size < maxAll/2 || ask("ana", "1", 10) {
		t.Errorf("%d octets are kept, want at most %d with the small one of ana", a.size, maxAll)
	}
	// One that failed is made again, and counts once.
	k, _ := a.begin("cy", "1", [32]byte{})
	a.end("cy", "1", k)
	if !ask("cy", "1", 5) || len(a.by["cy"].age) != 1 || a.by["cy"].size != 5 {
		t.Errorf("after a failure: %+v", a.by["cy"])
	}
	now = now.Add(2 * keepAnswers)
	if !ask("ana", "1", 7) || len(a.by) != 1 || a.size != 7 {
		t.Errorf("two days later %d principals keep %d octets", len(a.by), a.size)
	}
}

// A refused key counts among the requests of its network.
func TestRefusedKeysAreLimited(t *testing.T) {
	w := newWorld(t)
	good := w.do(attempt{as: "owner@a.test", method: "POST", path: "/api-keys", body: `{"label":"x","role":"support"}`}).field(t, "key")
	ask := func(key, remote string) result {
		return w.do(attempt{method: "GET", path: "/queue", header: map[string]string{"remote": remote, "Authorization": "Bearer " + key}})
	}
	for i := range anonymousPerMinute {
		if r := ask("mailstead_no_such", "192.0.2.9:1"); r.code != 401 || r.problem(t).Code != "key" {
			t.Fatalf("attempt %d: %+v", i, r)
		}
	}
	if r := ask("mailstead_no_such", "192.0.2.9:1"); r.code != 429 || r.header.Get("Retry-After") == "" {
		t.Errorf("after %d: %+v", anonymousPerMinute, r)
	}
	if r := ask(good, "192.0.2.9:1"); r.code != 200 {
		t.Errorf("a good key of the same network: %+v", r)
	}
	if r := ask("mailstead_no_such", "192.0.2.10:1"); r.code != 401 {
		t.Errorf("another network: %+v", r)
	}
}

// Whoever sits at the desk of an admin must not send mail by a server of theirs.
func TestRerouteAsksForProof(t *testing.T) {
	w := newWorld(t)
	w.enqueue("user@a.test", "x@far.example")
	owner := w.signIn("owner@a.test")
	w.tokens["owner@a.test"] = owner
	w.late.Add(int64(11 * time.Minute)) // the proof of the sign-in is over
	reroute := attempt{as: "owner@a.test", method: "POST", path: "/queue:reroute", body: `{"filter":{},"to":"relay.example:587"}`}
	if r := w.do(reroute); r.code != 403 || r.problem(t).Code != "reauth-required" {
		t.Errorf("without: %+v", r)
	}
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/queue:hold", body: `{"filter":{}}`}); r.code != 200 {
		t.Errorf("hold: %+v", r)
	}
	proof := attempt{as: "owner@a.test", method: "POST", path: "/session:reauth", body: fmt.Sprintf(`{"password":%q}`, password)}
	if r := w.do(proof); r.code != 200 {
		t.Fatalf("proof: %+v", r)
	}
	if r := w.do(reroute); r.code != 200 {
		t.Errorf("with: %+v", r)
	}
}
