package api

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
)

// importOf runs an import of a folder of that name below imports/files, and
// returns its ID when it has ended.
func (w *world) importOf(name string) string {
	w.t.Helper()
	stream, err := w.admin.Events(admin.AsOwner(w.t.Context(), "test"), []admin.Topic{admin.TopicJobs}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports", body: fmt.Sprintf(`{"kind":"maildir","account":"user@a.test","path":%q}`, name)})
	if r.code != http.StatusAccepted {
		w.t.Fatalf("import: %+v", r)
	}
	id := r.field(w.t, "id")
	for {
		list, _, err := stream.Next(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range list {
			if e.Data.(admin.Job).State == admin.JobRunning {
				continue
			}
			return id
		}
	}
}

// TestImports brings a Maildir in over the API: progress and report are told,
// paths outside the folder for it are not, and no password comes out again.
func TestImports(t *testing.T) {
	w := newWorld(t)
	files := filepath.Join(w.imports, "files")
	for name, text := range map[string]string{"ana/cur/1.a:2,S": "Subject: one\n\nx\n", "ana/cur/2.a": "", "ana/.Sent/cur/3.a": "Subject: two\n\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(files, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for round, added := range []string{`"added":2`, `"added":0`} {
		id := w.importOf("ana")
		r := w.do(attempt{as: "owner@a.test", method: "GET", path: "/imports/" + id})
		for _, want := range []string{`"state":"done"`, added, `"verified":2`, `"leftOut":1`, `"name":"cur/2.a"`, `"mailbox":"Sent"`, fmt.Sprintf(`"runs":%d`, round+1)} {
			if !strings.Contains(r.body, want) {
				t.Errorf("round %d: no %s in %s", round, want, r.body)
			}
		}
	}
	for _, path := range []string{"/etc", "../store", "ana/../../x"} {
		r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports", body: fmt.Sprintf(`{"kind":"maildir","account":"user@a.test","path":%q}`, path)})
		if r.code != http.StatusUnprocessableEntity {
			t.Errorf("path %q: %d %s", path, r.code, r.body)
		}
	}
	const secret = "not to be seen"
	r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports", body: fmt.Sprintf(`{"kind":"imap","account":"user@a.test","source":{"host":"127.0.0.1","port":1,"tls":"none","user":"x","password":%q}}`, secret)})
	if r.code != http.StatusAccepted {
		t.Fatalf("imap: %+v", r)
	}
	all := r.body + w.do(attempt{as: "owner@a.test", method: "GET", path: "/imports"}).body + w.do(attempt{as: "owner@a.test", method: "GET", path: "/audit"}).body
	if strings.Contains(all, secret) {
		t.Error("the password comes out again")
	}
	id := r.field(t, "id")
	if r = w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports/" + id + ":cancel"}); r.code != http.StatusOK {
		t.Errorf("cancel: %+v", r)
	}
	for _, body := range []string{`{"kind":"imap","account":"user@a.test","source":{"host":"a","user":"x"}}`, `{"kind":"imap","account":"user@a.test","source":{"host":"a","user":"x","password":"p","token":"t"}}`,
		`{"kind":"imap","account":"user@a.test","source":{"host":"a","user":"x","tokenCommand":"id"}}`, `{"kind":"imap","account":"user@a.test","source":{"host":"a","user":"x","tokenFile":"/etc/passwd"}}`,
		`{"kind":"imap","account":"user@a.test","source":{"host":"a","user":"x","password":"p","fingerprint":"12"}}`, `{"kind":"maildir","account":"nobody@a.test","path":"x"}`, `{"kind":"pst","account":"user@a.test","path":"x"}`} {
		if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports", body: body}); r.code < 400 || r.code >= 500 {
			t.Errorf("%s: %d %s", body, r.code, r.body)
		}
	}
}

// TestImportPeople: each line gets a verdict, in a rehearsal the same as for
// good, and aliases come after what they lead to.
func TestImportPeople(t *testing.T) {
	w := newWorld(t)
	const text = `{"text":"name,address,quota,aliases\nNew,new@a.test,5 GiB,info@a.test\nUser,user@a.test,,\nFar,far@c.test,,all@c.test\nBad,not an address,,\nQ,q@a.test,much,","domains":true,"dryRun":%v}`
	var answers []string
	for _, dry := range []bool{true, false} {
		r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports:people", body: fmt.Sprintf(text, dry)})
		for _, want := range []string{`"made":5`, `"there":1`, `"refused":2`, `"address":"info@a.test","kind":"alias"`, `"address":"c.test","kind":"domain"`} {
			if !strings.Contains(r.body, want) {
				t.Errorf("dry %v: no %s in %s", dry, want, r.body)
			}
		}
		answers = append(answers, r.body)
		want := http.StatusOK
		if dry {
			want = http.StatusNotFound
		}
		if r := w.do(attempt{as: "owner@a.test", method: "GET", path: "/accounts/far@c.test"}); r.code != want {
			t.Errorf("dry %v: the account is %d", dry, r.code)
		}
	}
	if answers[0] != answers[1] {
		t.Errorf("the rehearsal says\n%s\nand then\n%s", answers[0], answers[1])
	}
	if r := w.do(attempt{as: "chief@a.test", method: "POST", path: "/imports:people", body: `{"text":"x@b.test"}`}); !strings.Contains(r.body, `"refused":1`) {
		t.Errorf("a domain that is not theirs: %s", r.body)
	}
}
