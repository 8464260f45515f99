package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

// read reads the answer to a GET as owner.
func read[T any](w *world, path string) T {
	w.t.Helper()
	r := w.do(attempt{as: "owner@a.test", method: "GET", path: path})
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil || r.code != 200 {
		w.t.Fatalf("%s: %d %v %s", path, r.code, err, r.body)
	}
	return v
}

func TestStorage(t *testing.T) {
	w := newWorld(t)
	w.fill("user@a.test", 3)
	v := read[admin.Storage](w, "/storage")
	if v.Disk == nil || v.Disk.Total != v.Disk.Used+v.Disk.Free || !v.Disk.FullAt.IsZero() {
		t.Errorf("disk: %+v", v.Disk)
	}
	sum := int64(0)
	kinds := map[string]admin.StorageKind{}
	for _, k := range v.Kinds {
		sum += k.Bytes
		kinds[k.Kind] = k
	}
	if sum != v.Data || kinds["mail"].Files == 0 || kinds["mailboxes"].Bytes == 0 || kinds["traces"].Files != 1 || kinds["directory"].Files != 1 {
		t.Errorf("data %d, kinds %+v", v.Data, v.Kinds)
	}
	if len(v.Accounts) != len(roles) || v.Others != 0 || v.Accounts[0].Address != "user@a.test" || v.Accounts[0].Messages != 3 || v.Accounts[0].Bytes == 0 || v.Accounts[0].Index == 0 {
		t.Errorf("accounts: %+v", v.Accounts)
	}
	// It looks again after a while, not before.
	w.fill("user@a.test", 1)
	if again := read[admin.Storage](w, "/storage"); again.Accounts[0].Messages != 3 || !again.At.Equal(v.At) {
		t.Errorf("looked again at once: %+v", again.Accounts[0])
	}
	w.late.Add(int64(6 * time.Minute))
	if later := read[admin.Storage](w, "/storage"); later.Accounts[0].Messages != 4 || later.Accounts[1] != v.Accounts[1] {
		t.Errorf("after six minutes: %+v", later.Accounts[:2])
	}
	about := read[admin.About](w, "/system")
	if about.Hostname != host || about.Version != "test" || about.Uptime < 360 || about.Go == "" || about.Data == nil || *about.Data < v.Data || about.Domains != 2 || about.Accounts != len(roles) {
		t.Errorf("about: %+v", about)
	}
	m := about.Memory
	if m == nil || m.Limit != 512<<20 || m.From != "the test" || m.Used != 40<<20 || m.Own != 50<<20 || m.Connections < 1000 || m.Passwords != 2 ||
		!slices.Equal(m.Parts, []admin.MemoryPart{{Part: "dns", Used: 1 << 20, Most: 16 << 20}}) {
		t.Errorf("memory: %+v", m)
	}
}

func TestLogs(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.log.Warn("slow", "password", "hush")
	}
	first := read[admin.Page[admin.LogLine]](w, "/logs?limit=2&level=warn")
	if len(first.Items) != 2 || first.Next == "" || first.Items[0].Level != "warn" || first.Items[0].Fields != "password=[redacted]" {
		t.Fatalf("%+v", first)
	}
	second := read[admin.Page[admin.LogLine]](w, "/logs?limit=2&level=warn&cursor="+first.Next)
	if len(second.Items) != 1 || second.Next != "" || second.Items[0].ID == first.Items[1].ID {
		t.Errorf("%+v", second)
	}
	w.log.Info("news")
	news := read[admin.Page[admin.LogLine]](w, "/logs?after="+first.Items[0].ID)
	if len(news.Items) != 1 || news.Items[0].Message != "news" {
		t.Errorf("%+v", news)
	}
	if found := read[admin.Page[admin.LogLine]](w, "/logs?q=hush"); len(found.Items) != 0 {
		t.Errorf("a secret can be looked for: %+v", found)
	}
}

// PUT replaces what POST adds to.
func TestSetAlias(t *testing.T) {
	w := newWorld(t)
	put := func(body string, header map[string]string) result {
		return w.do(attempt{as: "owner@a.test", method: "PUT", path: "/aliases/team@a.test", body: body, header: header})
	}
	if r := put(`{"targets":["user@a.test","x@far.example"]}`, nil); r.code != 200 {
		t.Fatalf("made: %+v", r)
	}
	tag := w.do(attempt{as: "owner@a.test", method: "GET", path: "/aliases/team@a.test"}).header.Get("Etag")
	if r := put(`{"targets":["owner@a.test"]}`, map[string]string{"If-Match": tag}); r.code != 200 {
		t.Fatalf("replaced: %+v", r)
	}
	if a := read[admin.Alias](w, "/aliases/team@a.test"); len(a.Targets) != 1 || a.Targets[0] != "owner@a.test" {
		t.Errorf("leads to %v", a.Targets)
	}
	if r := put(`{"targets":["user@a.test"]}`, map[string]string{"If-Match": tag}); r.code != 412 {
		t.Errorf("over a change of somebody else: %d", r.code)
	}
	if r := put(`{"targets":["team@a.test"]}`, nil); r.code != 422 {
		t.Errorf("to itself: %d", r.code)
	}
	if r := put(`{"targets":["nobody@a.test"]}`, nil); r.code < 400 {
		t.Errorf("to nobody: %d", r.code)
	}
	if r := w.do(attempt{as: "chief@a.test", method: "PUT", path: "/aliases/team@b.test", body: `{"targets":["user@a.test"]}`}); r.code != 404 {
		t.Errorf("in the domain of others: %d", r.code)
	}
}

// TestClock: a jump is shown, found by the check, and believed when somebody
// says so, who is written down.
func TestClock(t *testing.T) {
	w := newWorld(t)
	if c := read[admin.Clock](w, "/clock"); c.Doubt != nil || !c.Time.Equal(c.System) {
		t.Errorf("before: %+v", c)
	}
	w.jump.Store(int64(-90 * 24 * time.Hour))
	c := read[admin.Clock](w, "/clock")
	if d := c.Doubt; d == nil || d.Seconds != -90*24*3600 || d.Start || d.Wrong || c.System.Sub(c.Time) > -89*24*time.Hour {
		t.Fatalf("after a jump: %+v", c)
	}
	found := w.do(attempt{as: "owner@a.test", method: "POST", path: "/checks:run", body: `{"ids":["clock"]}`})
	if !strings.Contains(found.body, "jumped 90 days behind") || !strings.Contains(found.body, "mailstead clock accept") {
		t.Errorf("check: %s", found.body)
	}
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/clock:accept"}); r.code != 200 || strings.Contains(r.body, "doubt") {
		t.Errorf("accept: %+v", r)
	}
	if c := read[admin.Clock](w, "/clock"); c.Doubt != nil {
		t.Errorf("after it was accepted: %+v", c)
	}
	if list := read[admin.Page[directory.AuditEntry]](w, "/audit?limit=1"); len(list.Items) != 1 || list.Items[0].Action != "clock.accept" {
		t.Errorf("audit: %+v", list.Items)
	}
}
