package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
)

// importOf runs an import of a folder of that name below imports/files, and
// returns its ID when it has ended.
func (w *world) importOf(name string) string {
	w.t.Helper()
	ended := w.endOfImports()
	r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports", body: fmt.Sprintf(`{"kind":"maildir","account":"user@a.test","path":%q}`, name)})
	if r.code != http.StatusAccepted {
		w.t.Fatalf("import: %+v", r)
	}
	ended(1)
	return r.field(w.t, "id")
}

// endOfImports returns what waits, for a minute at most, until a number of
// imports have ended from now on, as who watches is told.
func (w *world) endOfImports() (ended func(n int)) {
	w.t.Helper()
	stream, err := w.admin.Events(admin.AsOwner(w.t.Context(), "test"), []admin.Topic{admin.TopicJobs}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	w.t.Cleanup(cancel)
	return func(n int) {
		w.t.Helper()
		for n > 0 {
			list, _, err := stream.Next(ctx)
			if err != nil {
				w.t.Fatalf("%d imports have not ended: %v", n, err)
			}
			for _, e := range list {
				m, ok := e.Data.(admin.Import)
				if ok && m.State != admin.ImportRunning && m.State != admin.ImportWaiting {
					n--
				}
			}
		}
	}
}

// files writes files below the folder from which the API imports.
func (w *world) files(files map[string]string) {
	w.t.Helper()
	for name, text := range files {
		path := filepath.Join(w.imports, "files", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestImports brings a Maildir in over the API: progress and report are told,
// paths outside the folder for it are not, and no password comes out again.
func TestImports(t *testing.T) {
	w := newWorld(t)
	w.files(map[string]string{"ana/cur/1.a:2,S": "Subject: one\n\nx\n", "ana/cur/2.a": "", "ana/.Sent/cur/3.a": "Subject: two\n\n"})
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

// TestManyImports runs all imports of a kind again, which brings what is new,
// and passes over dry runs and those that are not chosen.
func TestManyImports(t *testing.T) {
	w := newWorld(t)
	w.files(map[string]string{"ana/cur/1.a:2,S": "Subject: one\n\n", "bo/cur/1.a:2,S": "Subject: two\n\n"})
	ana, bo := w.importOf("ana"), w.importOf("bo")
	ended := w.endOfImports()
	dry := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports", body: `{"kind":"maildir","account":"bob@b.test","path":"bo","dryRun":true}`})
	if dry.code != http.StatusAccepted {
		t.Fatalf("dry run: %+v", dry)
	}
	ended(1)
	w.files(map[string]string{"ana/cur/2.a:2,S": "Subject: new\n\n", "bo/cur/3.a:2,S": "Subject: newer\n\n"})
	many := func(verb, choice, want string) {
		t.Helper()
		r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports:" + verb, body: choice})
		if r.code >= 300 || !strings.Contains(r.body, want) {
			t.Errorf("%s %s: %d %s, not %s", verb, choice, r.code, r.body, want)
		}
	}
	many("resume", `{"server":"imap.far.example:993"}`, `{"changed":0,"passed":0}`)
	many("resume", `{"state":"failed"}`, `{"changed":0,"passed":0}`)
	ended = w.endOfImports()
	many("resume", `{"kind":"maildir"}`, `{"changed":2,"passed":1}`)
	ended(2)
	for _, id := range []string{ana, bo} {
		r := w.do(attempt{as: "owner@a.test", method: "GET", path: "/imports/" + id})
		for _, want := range []string{`"state":"done"`, `"runs":2`, `"added":1`, `"known":1`} {
			if !strings.Contains(r.body, want) {
				t.Errorf("no %s in %s", want, r.body)
			}
		}
	}
	many("cancel", `{}`, `{"changed":0,"passed":3}`)
	many("remove", `{"kind":"mbox"}`, `{"changed":0,"passed":0}`)
	many("remove", `{}`, `{"changed":3,"passed":0}`)
	if r := w.do(attempt{as: "owner@a.test", method: "GET", path: "/imports"}); !strings.Contains(r.body, `"items":[]`) {
		t.Errorf("after all were forgotten: %s", r.body)
	}
	if left, err := filepath.Glob(filepath.Join(w.imports, "*.json")); err != nil || len(left) > 0 {
		t.Errorf("files that are left: %v, %v", left, err)
	}
	audit := w.do(attempt{as: "owner@a.test", method: "GET", path: "/audit?limit=50"}).body
	for action, times := range map[string]int{"import.resume": 1, "import.remove": 1, "import.cancel": 0} {
		if n := strings.Count(audit, `"`+action+`"`); n != times {
			t.Errorf("%s is in the audit log %d times, not %d", action, n, times)
		}
	}
}

// TestImportList: what is the same for all lines is said once, and a line may
// say otherwise; what is wrong with one is told in words.
func TestImportList(t *testing.T) {
	w := newWorld(t)
	look := func(list admin.ImportList) (rows []admin.ImportRow, told string) {
		t.Helper()
		list.DryRun = true
		b, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports:bulk", body: string(b)})
		var result admin.ImportListResult
		if err := json.Unmarshal([]byte(r.body), &result); err != nil || r.code != http.StatusOK {
			t.Fatalf("%d %s: %v", r.code, r.body, err)
		}
		return result.Rows, r.body
	}
	for _, tt := range []struct {
		name string
		list admin.ImportList
		want []string // from, or what the error says
	}{
		{"own server", admin.ImportList{Text: "user@a.test,imap.far.example,ana,secret\nbob@b.test,imap.far.example,bo,secret,1143,STARTTLS"},
			[]string{"ana at imap.far.example:993", "bo at imap.far.example:1143"}},
		{"one server", admin.ImportList{Text: "user@a.test,ana,se;cret\nbob@b.test,,secret", Source: &admin.ListSource{Host: "imap.far.example", TLS: "none"}},
			[]string{"ana at imap.far.example:143", "bob@b.test at imap.far.example:143"}},
		{"master user", admin.ImportList{Text: "user@a.test\nbob@b.test,bo,own", Source: &admin.ListSource{Host: "h", Master: "boss", Password: "secret"}},
			[]string{"user@a.test*boss at h:993", "bo at h:993"}},
		{"token", admin.ImportList{Text: "address;token\nuser@a.test;secret\nbob@b.test;", Source: &admin.ListSource{Host: "h", Token: "secret"}},
			[]string{"user@a.test at h:993", "bob@b.test at h:993"}},
		{"Mail-in-a-Box", admin.ImportList{Text: `[{"users":[{"email":"user@a.test","status":"active"},{"email":"old@a.test","status":"inactive"}],"aliases":[{"address":"x@a.test","forwards_to":["user@a.test"]}]}]`, Source: &admin.ListSource{Host: "h", Password: "secret"}},
			[]string{"user@a.test at h:993"}},
		{"twice in a list without lines", admin.ImportList{Text: `[{"users":[{"email":"user@a.test","status":"active"},{"email":"user@a.test","status":"active"}]}]`, Source: &admin.ListSource{Host: "h", Password: "secret"}},
			[]string{"user@a.test at h:993", "the list has this account"}},
		{"what is wrong", admin.ImportList{Text: "user@a.test,h,u,secret\nuser@a.test,h,u,secret\nno@a.test,h,u,secret\nuser@a.test,,u,secret\nuser@a.test,h,u\nuser@a.test,h,v,secret,port\nuser@a.test,h,v,secret,1,ssl\nuser@a.test,h,v,secret,1,tls,12"},
			[]string{"u at h:993", "line 1 has this account", "no@a.test", "names no server", "neither a password nor a token", `"port" is not a port`, `"ssl" is not tls`, "SHA-256"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, told := look(tt.list)
			if len(rows) != len(tt.want) {
				t.Fatalf("%d rows, not %d: %s", len(rows), len(tt.want), told)
			}
			for i, want := range tt.want {
				if got := rows[i]; got.Error == "" && got.From != want || got.Error != "" && !strings.Contains(got.Error, want) {
					t.Errorf("row %d: %+v, not %q", i, got, want)
				}
			}
			if strings.Contains(told, "secret") || strings.Contains(told, "se;cret") {
				t.Errorf("a secret comes out again: %s", told)
			}
		})
	}
	r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports:bulk", body: `{"text":"user@a.test","source":{"host":"h","tokenCommand":"id"}}`})
	if !strings.Contains(r.body, "only the command line") {
		t.Errorf("a program of whoever has the API: %s", r.body)
	}
	for _, again := range []string{"", `"again":true`} {
		if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports:bulk", body: `{"text":"user@a.test,127.0.0.1,x,y,1,none","dryRun":true}`}); !strings.Contains(r.body, again) || !strings.Contains(r.body, `"started":1`) {
			t.Errorf("dry run: no %s in %s", again, r.body)
		}
		if again != "" {
			break
		}
		ended := w.endOfImports()
		if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports:bulk", body: `{"text":"user@a.test,127.0.0.1,x,y,1,none"}`}); !strings.Contains(r.body, `"started":1`) {
			t.Errorf("start: %s", r.body)
		}
		w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports:cancel", body: "{}"})
		ended(1)
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

// TestImportSetup: a file that sets a server up may be larger than other
// requests, and has a verdict for each part.
func TestImportSetup(t *testing.T) {
	w := newWorld(t)
	send := func(comment int, more string) result {
		text := "# " + strings.Repeat("x", comment) + "\\n[[domains]]\\nname = 'c.test'\\n[[alert-channels]]\\nkind = 'webhook'\\nleast = 'warn'\\nto = 'https://far.example/a'\\n"
		return w.do(attempt{as: "owner@a.test", method: "POST", path: "/imports:setup", body: `{"text":"` + text + `"` + more + `}`})
	}
	if r := send(3<<20, `,"dryRun":true`); r.code != 200 || !strings.Contains(r.body, `"dryRun":true,"done":false`) || !strings.Contains(r.body, `"made":2`) || strings.Contains(r.body, "whsec_") {
		t.Errorf("3 MiB, dry: %d %.500s", r.code, r.body)
	}
	if r := send(9<<20, ""); r.code != 422 {
		t.Errorf("9 MiB: %d %.500s", r.code, r.body)
	}
	if r := send(17<<20, ""); r.code != 413 {
		t.Errorf("17 MiB: %d %.500s", r.code, r.body)
	}
	if r := send(1, ""); r.code != 200 || !strings.Contains(r.body, `"done":true`) || !strings.Contains(r.body, `"secret":"whsec_`) {
		t.Errorf("for good: %d %s", r.code, r.body)
	}
	if r := send(1, ""); r.code != 200 || !strings.Contains(r.body, `"there":2`) {
		t.Errorf("again: %d %s", r.code, r.body)
	}
}
