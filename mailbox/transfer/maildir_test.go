package transfer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// tree makes files from a map of names to what is in them; a name that ends in
// a slash is a folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openMaildir(t *testing.T, dir string) *Maildir {
	t.Helper()
	m, err := OpenMaildir(dir, func() time.Time { return time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func foldersOf(t *testing.T, m *Maildir) (names []string, bad []error) {
	t.Helper()
	list, bad, err := m.Folders()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		name := f.Dir + "=" + strings.Join(f.Levels, "/")
		if f.Subscribed {
			name += " subscribed"
		}
		names = append(names, name)
	}
	return names, bad
}

func TestMaildirFolders(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"Maildir++", map[string]string{"cur/": "", "new/": "", "tmp/": "", ".Sent/cur/": "", ".Work.Old/new/": "", ".Empty/tmp/": "", ".&AOk-t&AOk-/cur/": "",
			"subscriptions": "Sent\nWork.Old\nGone\n", "dovecot.index.log": "x"},
			[]string{".=", ".&AOk-t&AOk-=&AOk-t&AOk-", ".Sent=Sent subscribed", ".Work.Old=Work/Old subscribed"}},
		{"subscriptions of version 2", map[string]string{"cur/": "", ".Work.Old/cur/": "", "subscriptions": "V\t2\n\nWork\tOld\n"}, []string{".=", ".Work.Old=Work/Old subscribed"}},
		{"folders in folders", map[string]string{"cur/": "", "Work/Old.2001/cur/": "", "Work/cur/": "", "subscriptions": "Work/Old.2001\n"},
			[]string{".=", "Work=Work", "Work/Old.2001=Work/Old.2001 subscribed"}},
		{"no INBOX", map[string]string{".Sent/cur/": ""}, []string{".Sent=Sent"}},
		{"empty levels", map[string]string{"cur/": "", ".a..b/cur/": "", "./cur/": ""}, []string{".="}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, bad := foldersOf(t, openMaildir(t, tree(t, tt.files))); !slices.Equal(got, tt.want) || len(bad) > 0 {
				t.Errorf("folders %q, bad %q; want %q", got, bad, tt.want)
			}
		})
	}
	if _, _, err := openMaildir(t, tree(t, map[string]string{"mail/inbox": "From "})).Folders(); err == nil {
		t.Error("a folder of other files is taken for a Maildir")
	}
}

// TestMaildirMessages: flags, keywords, dates and order come from where Dovecot
// keeps them.
func TestMaildirMessages(t *testing.T) {
	dir := tree(t, map[string]string{
		"cur/1000000000.b.host,S=5:2,FRSTDab": "B: 1\n", "cur/1000000001.a.host:2,PS": "A: 1\r\n\r\nx", "new/1000000002.c.host": "C: 1\n",
		"cur/.hidden": "x", "cur/sub/": "", "cur/strange": "D: 1\n",
		"dovecot-keywords": "0 work\n1 $Label1\nx\n99 y\n",
		"dovecot-uidlist":  "3 V1 N9 Gabc\n1 W5 :1000000001.a.host\n2 :1000000000.b.host,S=5\n7 :gone\nx\n",
	})
	old := time.Date(1999, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, name := range []string{"cur/1000000000.b.host,S=5:2,FRSTDab", "cur/strange"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	m := openMaildir(t, dir)
	if n, err := m.Count(MaildirFolder{Dir: "."}); n != 5 || err != nil {
		t.Errorf("Count = %d, %v; want 5", n, err)
	}
	got, wrong := collect(t, m.Messages(MaildirFolder{Dir: "."}))
	all := mailbox.Flagged | mailbox.Answered | mailbox.Seen | mailbox.Deleted | mailbox.Draft
	want := []read{
		{text: "A: 1\r\n\r\nx\r\n", flags: mailbox.Seen, keywords: []string{"$Forwarded"}, date: "2001-09-09 01:46:41"},
		{text: "B: 1\r\n", flags: all, keywords: []string{"work", "$Label1"}, date: "1999-01-02 03:04:05"},
		{text: "C: 1\r\n", date: "2001-09-09 01:46:42"},
		{text: "D: 1\r\n", date: "1999-01-02 03:04:05"},
	}
	if !slices.EqualFunc(got, want, equalRead) || len(wrong) != 1 || !strings.HasPrefix(wrong[0], "cur/sub: ") {
		t.Errorf("got  %+v\nwant %+v\nwrong %q", got, want, wrong)
	}
}

// TestMaildirOutside: what symbolic links out of the tree lead to is not read,
// and named; what lies in it is read.
func TestMaildirOutside(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("A: secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"cur/1.a": "A: 1\n", "new/": "", ".Sent/cur/": ""})
	for _, l := range []struct{ to, at string }{{secret, "cur/2.absolute"}, {"../../../../../../../etc/passwd", "cur/3.relative"}, {"1.a", "cur/4.inside"}, {"nowhere", "cur/5.dangling"}, {"/etc", ".Etc"}} {
		if err := os.Symlink(l.to, filepath.Join(dir, l.at)); err != nil {
			t.Fatal(err)
		}
	}
	m := openMaildir(t, dir)
	got, wrong := collect(t, m.Messages(MaildirFolder{Dir: "."}))
	for _, r := range got {
		if r.text != "A: 1\r\n" {
			t.Errorf("read %q", r.text)
		}
	}
	if len(got) != 2 || len(wrong) != 3 {
		t.Errorf("%d were read, wrong: %q", len(got), wrong)
	}
	if names, bad := foldersOf(t, m); !slices.Equal(names, []string{".=", ".Sent=Sent"}) || len(bad) != 1 {
		t.Errorf("folders %q, bad %q", names, bad)
	}
}

// FuzzMaildirNames: names of files and of the lists beside them come from
// anybody.
func FuzzMaildirNames(f *testing.F) {
	f.Add("1000000000.M1P2.host,S=3:2,RSab", "0 work\n1 x\n", "3 V1\n1 W5 :1000000000.M1P2.host,S=3\n")
	f.Add(":2,", "\x00", "1 :")
	dir := f.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "cur"), 0o700); err != nil {
		f.Fatal(err)
	}
	root, err := OpenMaildir(dir, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, keywords, uids string) {
		for file, text := range map[string]string{"dovecot-keywords": keywords, "dovecot-uidlist": uids} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		names, err := root.keywordsOf(".")
		if err != nil || len(names) > maxKeyword {
			t.Fatalf("keywords %q, %v", names, err)
		}
		base, letters := splitMaildirName(name)
		if !strings.HasPrefix(name, base) {
			t.Errorf("the base of %q is %q", name, base)
		}
		if _, words := flagsOf(letters, names); slices.Contains(words, "") {
			t.Errorf("an empty keyword in %q", words)
		}
		list := []maildirFile{{name: name, sub: "cur"}, {name: "other", sub: "new"}}
		if err := root.order(".", list); err != nil || len(list) != 2 {
			t.Errorf("order: %v, %v", list, err)
		}
	})
}
