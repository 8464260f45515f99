package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
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

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
)

// dovecot is a Dovecot with one account, whose Maildir tests write themselves.
type dovecot struct {
	port        int
	fingerprint string
	home        string
	folders     map[string]string // of the Maildir, by name in IMAP
	n           int               // messages made so far
}

const (
	dovecotUser     = "alice"
	dovecotPassword = "a \"quoted\" password"
	dovecotUID      = 5000 // owns the mail; needs no account
)

// startDovecot starts one on a free port, with TLS.
func startDovecot(t *testing.T) *dovecot {
	t.Helper()
	program := need(t, "dovecot")
	if os.Geteuid() != 0 {
		t.Skip("Dovecot starts as root only")
	}
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &dovecot{port: freePort(t), home: filepath.Join(dir, "home"), folders: map[string]string{
		"INBOX": ".", "Sent": ".Sent", "Papierkorb": ".Papierkorb", "Arbeit/Pläne": ".Arbeit.Pl&AOQ-ne", "Lists/2001": ".Lists.2001"}}
	cert, key := certificateFiles(t)
	d.fingerprint = fingerprintOf(t, cert)
	writeFile(t, filepath.Join(dir, "users"), fmt.Sprintf("%s:{PLAIN}%s\n", dovecotUser, dovecotPassword))
	if err := os.Chmod(filepath.Join(dir, "users"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := writeFile(t, filepath.Join(dir, "dovecot.conf"), fmt.Sprintf(`
base_dir = %[1]s/run
log_path = %[1]s/log
listen = 127.0.0.1
protocols = imap
ssl = required
ssl_cert = <%[4]s
ssl_key = <%[5]s
first_valid_uid = %[2]d
mail_location = maildir:~/Maildir
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    special_use = \Sent
  }
}
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = static
  args = uid=%[2]d gid=%[2]d home=%[1]s/home
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = %[3]d
    ssl = yes
  }
}
`, dir, dovecotUID, d.port, cert, key))
	for _, folder := range d.folders {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(d.home, "Maildir", folder, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.own(t)
	startPeer(t, listens("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(d.port))), program, "-F", "-c", config)
	return d
}

// fingerprintOf returns the fingerprint of the certificate in a file.
func fingerprintOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return fmt.Sprintf("%x", sha256.Sum256(block.Bytes))
}

// own gives the mail to the user of Dovecot.
func (d *dovecot) own(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(d.home, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(name, dovecotUID, dovecotUID)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// foreign is a message at Dovecot, and how it has to arrive.
type foreign struct {
	file string // without flags
	text string
	want string
}

// fill makes n messages in all folders.
func (d *dovecot) fill(t *testing.T, n int) (made map[string][]foreign) {
	t.Helper()
	made = map[string][]foreign{}
	names := slices.Sorted(maps.Keys(d.folders))
	for range n {
		d.n++
		box := names[d.n%len(names)]
		text := fmt.Sprintf("From: x@far.example\r\nSubject: number %d\r\nMessage-ID: <%d@dovecot.test>\r\n\r\n%s\r\n", d.n, d.n, strings.Repeat("text ", d.n*7919%4000))
		if d.n%97 == 0 {
			text = fmt.Sprintf("no header at all \xff\xfe %d\r\n", d.n)
		}
		m := foreign{file: fmt.Sprintf("%d.M%d.dovecot", 1_100_000_000+d.n, d.n), text: text}
		d.put(t, box, &m, []string{"", "S", "FS", "RS"}[d.n%4])
		made[box] = append(made[box], m)
	}
	d.own(t)
	return made
}

// put writes a message with flags, in place of what there is of it.
func (d *dovecot) put(t *testing.T, box string, m *foreign, letters string) {
	t.Helper()
	dir := filepath.Join(d.home, "Maildir", d.folders[box], "cur")
	old, err := filepath.Glob(filepath.Join(dir, m.file) + ":2,*")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, m.file+":2,"+letters)
	if len(old) == 1 {
		if err := os.Rename(old[0], name); err != nil {
			t.Fatal(err)
		}
	} else {
		writeFile(t, name, m.text)
	}
	date := time.Date(2004, 5, 6, 7, 8, 9, 0, time.UTC)
	if err := os.Chtimes(name, date, date); err != nil {
		t.Fatal(err)
	}
	var flags []string
	for letter, flag := range map[rune]string{'S': `\Seen`, 'F': `\Flagged`, 'R': `\Answered`} {
		if strings.ContainsRune(letters, letter) {
			flags = append(flags, flag)
		}
	}
	slices.Sort(flags)
	m.want = fmt.Sprintf("%x %s %v", sha256.Sum256([]byte(m.text)), date.Format(time.DateTime), flags)
}

// remove removes a message.
func (d *dovecot) remove(t *testing.T, box string, m *foreign) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(d.home, "Maildir", d.folders[box], "cur", m.file) + ":2,*")
	if err != nil || len(old) != 1 {
		t.Fatalf("%v, %v", old, err)
	}
	if err := os.Remove(old[0]); err != nil {
		t.Fatal(err)
	}
}

// compare reads all mail here over IMAP, and holds it against what was made.
func compareImported(t *testing.T, i *instance, who tryAccount, want map[string][]foreign) {
	t.Helper()
	c := i.dialIMAP(t, who, nil)
	defer c.Close()
	section := &imap.FetchItemBodySection{Peek: true}
	for there, list := range want {
		box := there
		if box == "Papierkorb" {
			box = "Trash"
		}
		var hashes []string
		for _, m := range list {
			hashes = append(hashes, m.want)
		}
		selected, err := c.Select(box, &imap.SelectOptions{ReadOnly: true}).Wait()
		if err != nil {
			t.Fatalf("%s: %v", box, err)
		}
		var got []string
		if selected.NumMessages > 0 {
			found, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: selected.NumMessages}}, &imap.FetchOptions{Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
			if err != nil {
				t.Fatalf("%s: %v", box, err)
			}
			for _, m := range found {
				flags := slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return f == `\Recent` })
				slices.Sort(flags)
				got = append(got, fmt.Sprintf("%x %s %v", sha256.Sum256(m.FindBodySection(section)), m.InternalDate.UTC().Format(time.DateTime), flags))
			}
		}
		slices.Sort(got)
		slices.Sort(hashes)
		if !slices.Equal(got, hashes) {
			t.Errorf("%s has %d messages, want %d with the same octets, dates and flags\n%.300q\n%.300q", box, len(got), len(hashes), got, hashes)
		}
	}
}

// importClient is for asking a server about imports.
func importClient(t *testing.T, i *instance) *api.Client {
	t.Helper()
	c, err := api.Dial(t.Context(), adminSocket(i.Data), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// importState says how far an import is.
func importState(t *testing.T, c *api.Client, id string) admin.Import {
	t.Helper()
	m, err := c.Import(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// underWay waits until some messages are here, or all.
func underWay(t *testing.T, i *instance, id string, some int64) (m admin.Import) {
	t.Helper()
	c := importClient(t, i)
	for m = importState(t, c, id); m.Progress.Added+m.Progress.Known <= some && m.State != admin.ImportDone; m = importState(t, c, id) {
		if m.State == admin.ImportFailed {
			t.Fatalf("the import failed: %s", m.Error)
		}
	}
	return m
}

// ended waits for an import that must not fail.
func ended(t *testing.T, i *instance, id string) (m admin.Import) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := importClient(t, i)
	for m = importState(t, c, id); m.State == admin.ImportRunning || m.State == admin.ImportWaiting; m = importState(t, c, id) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the import does not end: %+v", m)
		}
	}
	if m.State != admin.ImportDone {
		t.Fatalf("the import is %s: %s", m.State, m.Error)
	}
	return m
}

// TestImportDovecot moves an account of Dovecot here: the server is killed
// again and again while it does, and goes on by itself; then further runs bring
// what has changed, until both have the same.
func TestImportDovecot(t *testing.T) {
	t.Parallel()
	d := startDovecot(t)
	n := scaled(300, 5000)
	want := d.fill(t, n)
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir)
	alice := i.Accounts[0]
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"import", "imap", "--data", i.Data, "--host", "127.0.0.1", "--port", fmt.Sprint(d.port), "--fingerprint", d.fingerprint, "--user", dovecotUser,
		"--password-stdin", "--account", alice.Address, "--connections", "2", "--sync-flags", "--sync-deletions", "-o", "json"}
	var m admin.Import
	if err := json.Unmarshal([]byte(output(t, dovecotPassword+"\n", file, append(args, "--detach")...)), &m); err != nil {
		t.Fatal(err)
	}
	for k := range scaled(2, 3) {
		before := underWay(t, i, m.ID, int64(k*n/4))
		i.kill(t)
		t.Logf("killed for the time %d: %s, %d of %d here", k+1, before.State, before.Progress.Added+before.Progress.Known, n)
		i = startTry(t, "--dir", dir)
	}
	m = ended(t, i, m.ID)
	compareImported(t, i, alice, want)

	for box, list := range d.fill(t, n/10) {
		want[box] = append(want[box], list...)
	}
	d.put(t, "INBOX", &want["INBOX"][3], "FRS")
	d.remove(t, "Sent", &want["Sent"][2])
	want["Sent"] = slices.Delete(want["Sent"], 2, 3)
	output(t, "", file, "import", "resume", m.ID, "--data", i.Data)
	m = ended(t, i, m.ID)
	if p := m.Progress; p.Added != int64(n/10) || p.Changed != 1 || p.Removed != 1 || p.Verified != int64(n+n/10-1) {
		t.Errorf("the second run: %+v", p)
	}
	compareImported(t, i, alice, want)
	out := output(t, dovecotPassword+"\n", file, args...)
	if err := json.Unmarshal([]byte(out), &m); err != nil || m.Progress.Added != 0 || m.Progress.Known != int64(n+n/10-1) || m.Runs < 3 {
		t.Errorf("the third run: %s, %v", tail(out, 1000), err)
	}
	wrong := slices.Clone(args)
	wrong[slices.Index(wrong, "--fingerprint")+1] = strings.Repeat("00", 32)
	if out, err := tryOutput(t, dovecotPassword+"\n", file, wrong...); err == nil || !strings.Contains(out, "certificate") {
		t.Errorf("with another fingerprint: %v, %s", err, tail(out, 500))
	}
	if out, err := tryOutput(t, "wrong\n", file, args...); err == nil || !strings.Contains(out, "does not get in") || strings.Contains(out, "wrong\\n") {
		t.Errorf("with a wrong password: %v, %s", err, tail(out, 500))
	}
}
