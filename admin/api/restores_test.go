package api

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// backUp makes a backup and returns its ID.
func (w *world) backUp() string {
	w.t.Helper()
	return w.finish(attempt{as: "owner@a.test", method: "POST", path: "/backups"}).Result.(admin.BackupResult).Run.ID
}

// looks counts the entries of the audit log that say that somebody looked.
func (w *world) looks() (n int) {
	w.t.Helper()
	entries, err := w.dir.Audit(w.t.Context(), 500)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == "backup.browse" {
			n++
		}
	}
	return n
}

// spam is a message.
func spam(t *testing.T) *mailbox.NewMessage {
	t.Helper()
	const text = "Subject: x\r\n\r\ny\r\n"
	ix, err := message.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &mailbox.NewMessage{Body: strings.NewReader(text), Size: int64(len(text)), Index: ix}
}

// Messages of a backup come in pages, and each look leaves one entry in the
// audit log, however many pages and searches it has.
func TestBackupMessages(t *testing.T) {
	w := newWorld(t)
	w.fill("user@a.test", 5)
	w.fill("bob@b.test", 1)
	err := w.boxes.Deliver(t.Context(), spam(t), []mailbox.Target{{Account: mailbox.AccountID(w.account("user@a.test").ID), Role: mailbox.RoleJunk}})
	if err != nil {
		t.Fatal(err)
	}
	path := "/backups/" + w.backUp() + ":messages"
	page := func(as, query, body string) admin.Page[backup.Message] {
		t.Helper()
		got := w.do(attempt{as: as, method: "POST", path: path + query, body: body})
		var p admin.Page[backup.Message]
		if err := json.Unmarshal([]byte(got.body), &p); got.code != 200 || err != nil {
			t.Fatalf("%s %s: %d %s", query, body, got.code, got.body)
		}
		return p
	}
	const user = `{"account":"user@a.test","mailbox":"INBOX"}`
	var uids []uint32
	next := ""
	for range 3 {
		p := page("owner@a.test", "?limit=2&cursor="+next, user)
		for _, m := range p.Items {
			uids = append(uids, m.UID)
		}
		next = p.Next
	}
	if fmt.Sprint(uids) != "[5 4 3 2 1]" || next != "" {
		t.Errorf("three pages have %v, and %q comes next", uids, next)
	}
	if first := page("owner@a.test", "?limit=5", `{"account":"user@a.test"}`); first.Next == "" {
		t.Error("nothing comes after the inbox")
	} else if rest := page("owner@a.test", "?limit=5&cursor="+first.Next, `{"account":"user@a.test"}`); len(rest.Items) != 1 || rest.Items[0].Mailbox == "INBOX" || rest.Next != "" {
		t.Errorf("after the inbox comes %+v", rest)
	}
	for _, tt := range []struct {
		name, as, query, body string
		looks                 int
	}{
		{"other pages and searches", "owner@a.test", "", `{"account":"USER@a.test","text":"nothing"}`, 1},
		{"a page from the middle, of a cursor that was made up", "admin@a.test", "?cursor=MS8z", user, 2},
		{"another account", "owner@a.test", "", `{"account":"bob@b.test"}`, 3},
		{"again at once", "owner@a.test", "", user, 3},
	} {
		page(tt.as, tt.query, tt.body)
		if n := w.looks(); n != tt.looks {
			t.Errorf("%s: %d looks are in the audit log, want %d", tt.name, n, tt.looks)
		}
	}
	if got := w.do(attempt{as: "owner@a.test", method: "POST", path: path, body: `{"account":"user@a.test","text":"nothing"}`}); !strings.Contains(got.body, `"items":[]`) {
		t.Errorf("nothing found: %s", got.body)
	}
	for _, bad := range []string{"?cursor=MS8", "?cursor=eA", "?cursor=MC8w", "?cursor=!"} {
		if got := w.do(attempt{as: "owner@a.test", method: "POST", path: path + bad, body: user}); got.code != 422 || !strings.Contains(got.body, "cursor") {
			t.Errorf("%s: %d %s", bad, got.code, got.body)
		}
	}
	w.late.Store(int64(8 * time.Minute))
	page("owner@a.test", "", user)
	w.late.Store(int64(30 * time.Minute))
	w.tokens = map[string]string{} // signs in again
	page("owner@a.test", "", user)
	if n := w.looks(); n != 4 {
		t.Errorf("after a pause %d looks are in the audit log, want 4", n)
	}
}

// An account that was removed comes back with its app passwords, but for the
// one that was revoked; the dry run says the same.
func TestRestoreBringsAccountBack(t *testing.T) {
	w := newWorld(t)
	w.fill("user@a.test", 3) // octet for octet the same
	secrets := map[string]string{}
	ids := map[string]string{}
	for _, label := range []string{"Phone", "Lost"} {
		r := w.do(attempt{as: "user@a.test", method: "POST", path: "/me/app-passwords", body: `{"label":"` + label + `"}`})
		if r.code != 201 {
			t.Fatalf("%d %s", r.code, r.body)
		}
		secrets[label], ids[label] = r.field(t, "password"), r.field(t, "id")
	}
	id := w.backUp()
	if r := w.do(attempt{as: "user@a.test", method: "DELETE", path: "/me/app-passwords/" + ids["Lost"]}); r.code != 204 {
		t.Fatalf("%d %s", r.code, r.body)
	}
	if r := w.do(attempt{as: "owner@a.test", method: "DELETE", path: "/accounts/user@a.test"}); r.code != 204 {
		t.Fatalf("%d %s", r.code, r.body)
	}
	for _, dry := range []bool{true, false} {
		job := w.finish(attempt{as: "owner@a.test", method: "POST", path: "/restores", body: fmt.Sprintf(`{"backup":%q,"account":"user@a.test","addAccount":true,"dryRun":%v}`, id, dry)})
		res := job.Result.(backup.IntoResult)
		if res.Added != 1 || res.There != 2 || res.Back == nil || !res.Back.Password || fmt.Sprint(res.Back.AppPasswords) != "[Phone]" || len(res.Back.Left) != 1 {
			t.Errorf("dry run %v: %+v %+v", dry, res, res.Back)
		}
		if _, there := w.dir.LoginAccount("user@a.test"); there == dry {
			t.Errorf("dry run %v: the account is there: %v", dry, there)
		}
	}
	for label, secret := range secrets {
		_, err := w.dir.Authenticator(netip.MustParseAddr("192.0.2.1"), "imap").Password(t.Context(), "user@a.test", secret)
		if (err == nil) != (label == "Phone") {
			t.Errorf("%s logs in: %v", label, err)
		}
	}
}

// What a restore has done before it was cancelled is told with who cancelled it,
// and is in the audit log.
func TestCancelRestore(t *testing.T) {
	w := newWorld(t)
	w.fill("user@a.test", 500)
	id, owner := w.backUp(), admin.AsOwner(t.Context(), "test")
	job := func(id string, until func(*admin.Job) bool) admin.Job {
		t.Helper()
		for {
			j, err := w.admin.Job(owner, id)
			if err != nil {
				t.Fatal(err)
			}
			if until(&j) {
				return j
			}
			time.Sleep(time.Millisecond)
		}
	}
	for n := range 50 { // until one is cancelled in its midst
		started := w.do(attempt{as: "owner@a.test", method: "POST", path: "/restores", body: fmt.Sprintf(`{"backup":%q,"account":"user@a.test","mailbox":"INBOX","into":"Back %d"}`, id, n)})
		name := started.field(t, "job")
		job(name, func(j *admin.Job) bool { return j.Progress > 0 || j.State != admin.JobRunning })
		w.do(attempt{as: "owner@a.test", method: "POST", path: "/jobs/" + name + ":cancel"})
		ended := job(name, func(j *admin.Job) bool { return j.State != admin.JobRunning })
		res, ok := ended.Result.(backup.IntoResult)
		if !ok || res.Added == 0 || res.Added == 500 {
			continue
		}
		if res.Incomplete != backup.ErrCancelled.Error() {
			t.Errorf("%d of 500 were added, and it says %q", res.Added, res.Incomplete)
		}
		if ended.State != admin.JobCancelled || !strings.HasPrefix(ended.Log[len(ended.Log)-1], "cancelled by owner@a.test") {
			t.Errorf("the job is %s, and says %q", ended.State, ended.Log)
		}
		entries, err := w.dir.Audit(t.Context(), 1)
		if err != nil || len(entries) != 1 || entries[0].Action != "backup.restore" || !strings.Contains(string(entries[0].After), fmt.Sprintf(`"added":%d`, res.Added)) {
			t.Errorf("the audit log ends with %+v, %v; %d were added", entries, err, res.Added)
		}
		return
	}
	t.Fatal("none of 50 restores was cancelled in its midst")
}
