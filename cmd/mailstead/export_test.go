package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailstead/mailstead/admin"
)

// exportNames are mailboxes of the account that is exported; the last stays
// empty.
var exportNames = []string{"INBOX", "Archive", "Work", "Work/2026/v1.2", "Arbeit/Pläne", `back\slash`, "R&D", "日本語", "INBOX/Sub", "Nothing"}

// exportDate is when a message came.
func exportDate(n int) time.Time {
	return time.Date(2011, 2, 3, 4, 5, 6, 0, time.UTC).Add(time.Duration(n) * time.Hour)
}

// fillForExport appends messages with flags, keywords and dates.
func fillForExport(t *testing.T, i *instance, who tryAccount) {
	t.Helper()
	c := i.dialIMAP(t, who, nil)
	flags := [][]imap.Flag{nil, {imap.FlagSeen}, {imap.FlagFlagged, imap.FlagAnswered, "$Forwarded"}, {imap.FlagDraft, "$Label1", "work"}, {imap.FlagDeleted, imap.FlagSeen, "zzz"}}
	n := 0
	for k, name := range exportNames {
		if name != "INBOX" && name != "Archive" {
			if err := c.Create(name, nil).Wait(); err != nil {
				t.Fatal(err)
			}
		}
		if k == len(exportNames)-1 {
			break
		}
		for range 6 {
			n++
			text := fmt.Sprintf("From: <x@far.example>\r\nSubject: number %d\r\nMessage-ID: <%d@export.test>\r\n\r\nFrom the first\r\n>From the second ü\r\n\r\n.\r\n%s", n, n, strings.Repeat("text\r\n", n*37%900))
			app := c.Append(name, int64(len(text)), &imap.AppendOptions{Flags: flags[n%len(flags)], Time: exportDate(n)})
			if _, err := app.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := app.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := app.Wait(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// allMail is all mail of an account as IMAP shows it, by mailbox, in order.
func (i *instance) allMail(t *testing.T, who tryAccount) map[string][]string {
	t.Helper()
	c := i.dialIMAP(t, who, nil)
	defer c.Close()
	return mailOver(t, c)
}

// mailOver is all mail that a client sees: UID, octets, date and flags.
func mailOver(t *testing.T, c *imapclient.Client) map[string][]string {
	t.Helper()
	list, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	section := &imap.FetchItemBodySection{Peek: true}
	all := map[string][]string{}
	for _, box := range list {
		sel, err := c.Select(box.Mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
		if err != nil {
			t.Fatalf("%s: %v", box.Mailbox, err)
		}
		all[box.Mailbox] = []string{}
		if sel.NumMessages == 0 {
			continue
		}
		found, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range found {
			flags := withoutRecent(m.Flags)
			slices.Sort(flags)
			all[box.Mailbox] = append(all[box.Mailbox], fmt.Sprintf("%d %x %d %v", m.UID, sha256.Sum256(m.FindBodySection(section)), m.InternalDate.Unix(), flags))
		}
	}
	return all
}

func sameMail(t *testing.T, what string, got, want map[string][]string) {
	t.Helper()
	for name, list := range want {
		if !slices.Equal(got[name], list) {
			t.Errorf("%s: %s has\n%v\nwant\n%v", what, name, got[name], list)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: mailboxes %q, want %q", what, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// TestExport writes an account out of a running server in both formats, looks
// at that with Python, and brings it into another server, which then has the
// same mailboxes and messages, in the same order.
func TestExport(t *testing.T) {
	t.Parallel()
	here, there := startTry(t, "--no-limits", "--dir", filepath.Join(t.TempDir(), "data")), startTry(t, "--no-limits")
	alice := here.Accounts[0]
	fillForExport(t, here, alice)
	want := here.allMail(t, alice)
	for k, format := range []string{"maildir", "mbox"} {
		dir := filepath.Join(t.TempDir(), "out")
		out := mustMailstead(t, "export", "--account", alice.Address, "--format", format, "--dir", dir, "--data", here.Data)
		if !strings.Contains(out, " 54 ") {
			t.Errorf("export says %s", out)
		}
		place := filepath.Join(dir, alice.Address)
		onlyOwner(t, dir)
		readByPython(t, format, place)
		mustMailstead(t, "import", format, place, "--account", there.Accounts[k].Address, "--data", there.Data)
		sameMail(t, format, there.allMail(t, there.Accounts[k]), want)

		if code, out := mailstead(t, "export", "--account", alice.Address, "--dir", dir, "--data", here.Data); code != exitFailed || !strings.Contains(out, "is there already, and nothing is written over") {
			t.Errorf("over what is there: %d %s", code, out)
		}
		out = mustMailstead(t, "export", "--all", "--format", format, "--dir", dir, "--data", here.Data)
		if !strings.Contains(out, "is there already") || !strings.Contains(out, here.Accounts[1].Address) {
			t.Errorf("export --all says %s", out)
		}
	}
	if code, out := mailstead(t, "export", "--account", "nobody@example.test", "--dir", t.TempDir(), "--data", here.Data); code != exitFailed || !strings.Contains(out, "there is no account nobody@example.test") {
		t.Errorf("of nobody: %d %s", code, out)
	}
	for _, args := range [][]string{{}, {"--all"}, {"--all", "--account", "x@y.example", "--dir", "z"}} {
		if code, out := mailstead(t, append([]string{"export", "--data", here.Data}, args...)...); code != exitUsage {
			t.Errorf("export %v: %d %s", args, code, out)
		}
	}
	here.stop(t) // without a server the same comes out
	dir := filepath.Join(t.TempDir(), "out")
	mustMailstead(t, "export", "--account", alice.Address, "--dir", dir, "--data", here.Data)
	readByPython(t, "maildir", filepath.Join(dir, alice.Address))
}

// TestExportDovecot lets a Dovecot serve what was written, as it is: it has the
// same messages with the same UIDs, flags, keywords and dates.
func TestExportDovecot(t *testing.T) {
	t.Parallel()
	d := startDovecot(t)
	here := startTry(t, "--no-limits")
	alice := here.Accounts[0]
	fillForExport(t, here, alice)
	want, wantSubscribed := here.allMail(t, alice), []string{"Archive", "Drafts", "INBOX", "INBOX/Sub", "Junk", "Sent", "Trash", `Work/2026/v1\2e2`, "日本語"}
	subscriber := here.dialIMAP(t, alice, nil)
	for _, name := range []string{"INBOX/Sub", "Work/2026/v1.2", "日本語"} {
		if err := subscriber.Subscribe(name).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(d.home, "export")
	mustMailstead(t, "export", "--account", alice.Address, "--dir", dir, "--data", here.Data)
	mail := filepath.Join(d.home, "Maildir")
	if err := errors.Join(os.RemoveAll(mail), os.Rename(filepath.Join(dir, alice.Address), mail)); err != nil {
		t.Fatal(err)
	}
	d.own(t)
	c, err := imapclient.DialTLS(net.JoinHostPort("127.0.0.1", fmt.Sprint(d.port)), &imapclient.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(dovecotUser, dovecotPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	// A Dovecot without listescape shows escapes as they are.
	shown := map[string][]string{}
	for name, list := range want {
		shown[strings.NewReplacer(`\`, `\5c`, ".", `\2e`).Replace(name)] = list
	}
	want = shown
	sameMail(t, "Dovecot", mailOver(t, c), want)
	subscribed, err := c.List("", "*", &imap.ListOptions{SelectSubscribed: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, box := range subscribed {
		names = append(names, box.Mailbox)
	}
	slices.Sort(names)
	if !slices.Equal(names, wantSubscribed) {
		t.Errorf("%q are subscribed, want %q", names, wantSubscribed)
	}
}

// onlyOwner fails for what others of the machine may read.
func onlyOwner(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pythonReads prints how many messages a Maildir or mbox has, by folder, and
// what of it is seen, flagged, answered, a draft or deleted.
const pythonReads = `
import mailbox, json, os, sys
kind, place = sys.argv[1:]
def look(box):
    subjects, flags = [], {}
    for m in box:
        subjects.append(m["Subject"])
        for f in m.get_flags():
            if f in "SRFTDA":
                flags[f] = flags.get(f, 0) + 1
        assert b"\nFrom the first\n" in m.as_bytes() or kind == "mbox", m.as_bytes()
    return {"subjects": sorted(subjects), "flags": flags}
out = {}
if kind == "maildir":
    root = mailbox.Maildir(place, create=False)
    out["INBOX"] = look(root)
    for name in root.list_folders():
        out[name] = look(root.get_folder(name))
else:
    for dir, _, files in os.walk(place):
        for f in files:
            out[os.path.relpath(os.path.join(dir, f), place)] = look(mailbox.mbox(os.path.join(dir, f), create=False))
print(json.dumps(out))
`

// readByPython lets the mailbox module of Python read what was written.
func readByPython(t *testing.T, format, place string) {
	t.Helper()
	type box struct {
		Subjects []string       `json:"subjects"`
		Flags    map[string]int `json:"flags"`
	}
	var got map[string]box
	out := output(t, "", need(t, "python3"), "-c", pythonReads, format, place)
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err, tail(out, 1000))
	}
	messages, flags := map[string]bool{}, map[string]int{}
	for _, b := range got {
		for _, s := range b.Subjects {
			messages[s] = true
		}
		for f, n := range b.Flags {
			if format == "mbox" { // there they are R, A, F, T (draft) and D
				f = map[string]string{"R": "S", "A": "R", "F": "F", "T": "D", "D": "T"}[f]
			}
			flags[f] += n
		}
	}
	if len(messages) != 54 {
		t.Errorf("Python finds %d messages in the %s: %v", len(messages), format, got)
	}
	want := map[string]int{}
	for n := 1; n <= 54; n++ {
		for _, f := range []string{"", "S", "FR", "D", "TS"}[n%5] {
			want[string(f)]++
		}
	}
	if !maps.Equal(flags, want) {
		t.Errorf("Python finds the flags %v in the %s, want %v", flags, format, want)
	}
}

// TestExportSettings takes what a server is set up with to another one.
func TestExportSettings(t *testing.T) {
	t.Parallel()
	here, there := t.TempDir(), t.TempDir()
	for _, args := range [][]string{
		{"domain", "add", "one.example"}, {"domain", "add", "two.example"},
		{"account", "add", "ana@one.example", "--name", "Ana \"A.\" Ünal", "--quota", "2GiB", "--generate"},
		{"account", "add", "bo@two.example", "--generate"},
		{"account", "suspend", "bo@two.example"},
		{"alias", "add", "info@one.example", "ana@one.example", "x@far.example"},
		{"settings", "set", "queue.expire", "3d"},
		{"settings", "set", "backup.s3-secret", "hidden-secret"},
	} {
		mustMailstead(t, append(args, "--data", here)...)
	}
	file := filepath.Join(t.TempDir(), "setup.toml")
	mustMailstead(t, "export", "--settings", file, "--data", here)
	b, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(b), "hidden-secret") {
		t.Fatalf("%v\n%s", err, b)
	}
	if code, out := mailstead(t, "export", "--settings", file, "--data", here); code != exitFailed || !strings.Contains(out, "is there already") {
		t.Errorf("over what is there: %d %s", code, out)
	}
	if out := mustMailstead(t, "import", "people", "--domains", "--dry-run", file, "--data", there); !strings.Contains(out, "5 made, 0 here before, 0 refused") {
		t.Errorf("dry run: %s", out)
	}
	if out := mustMailstead(t, "import", "people", "--domains", file, "--data", there); !strings.Contains(out, "5 made, 0 here before, 0 refused") {
		t.Errorf("import people: %s", out)
	}
	if out := mustMailstead(t, "settings", "import", file, "--data", there); !strings.Contains(out, "queue.expire") {
		t.Errorf("settings import: %s", out)
	}
	mustMailstead(t, "settings", "set", "backup.s3-secret", "another", "--data", there)
	again := filepath.Join(t.TempDir(), "again.toml")
	mustMailstead(t, "export", "--settings", again, "--data", there)
	if a, err := os.ReadFile(again); err != nil || string(a) != string(b) {
		t.Errorf("%v: the other server has\n%s\nwant\n%s", err, a, b)
	}
	if out := mustMailstead(t, "import", "people", "--domains", file, "--data", there); !strings.Contains(out, "0 made, 5 here before, 0 refused") {
		t.Errorf("import people again: %s", out)
	}
	var ana admin.Account
	if err := json.Unmarshal([]byte(mustMailstead(t, "account", "show", "ana@one.example", "-o", "json", "--data", there)), &ana); err != nil || ana.QuotaBytes != 2<<30 {
		t.Errorf("%+v, %v", ana, err)
	}
}
