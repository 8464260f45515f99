package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// fill puts n small messages into a mailbox.
func (i *instance) fill(t *testing.T, who tryAccount, mailbox string, n int) {
	t.Helper()
	c := i.dialIMAP(t, who, nil)
	defer c.Close()
	for k := range n {
		text := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: number %d\r\nMessage-ID: <%s-%d@fill.test>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\nbody %d\r\n",
			who.Address, who.Address, k, mailbox, k, k)
		w := c.Append(mailbox, int64(len(text)), nil)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCurlIMAPS(t *testing.T) {
	t.Parallel()
	curl := need(t, "curl")
	i := startTry(t)
	alice := i.Accounts[0]
	i.fill(t, alice, "INBOX", 3)
	_, port, err := net.SplitHostPort(i.IMAPS)
	if err != nil {
		t.Fatal(err)
	}
	base := "imaps://" + i.Hostname + ":" + port
	args := []string{"-sS", "--cacert", i.CA, "--resolve", i.Hostname + ":" + port + ":127.0.0.1", "--user", alice.Address + ":" + alice.Password}
	run := func(more ...string) string { return output(t, "", curl, append(args, more...)...) }
	if got := run(base + "/INBOX;UID=2"); !strings.Contains(got, "Subject: number 1\r\n") || !strings.HasSuffix(got, "body 1\r\n") {
		t.Errorf("UID 2 = %q", got)
	}
	if got := run(base+"/INBOX", "-X", "SEARCH SUBJECT \"number 2\""); !strings.Contains(got, "SEARCH 3") {
		t.Errorf("SEARCH = %q", got)
	}
	if got := run(base+"/", "-X", `LIST "" "*" RETURN (SPECIAL-USE)`); !strings.Contains(got, `\Junk`) || !strings.Contains(got, `\Sent`) {
		t.Errorf("LIST = %q", got)
	}
	mail := filepath.Join(t.TempDir(), "mail")
	if err := os.WriteFile(mail, []byte("Subject: by curl\r\n\r\nx\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(base+"/Drafts", "-T", mail)
	if got := i.waitMessages(t, alice, "Drafts", 1)[0]; got != "Subject: by curl\r\n\r\nx\r\n" {
		t.Errorf("appended message = %q", got)
	}
}

const imaplibScript = `
import imaplib, ssl, sys
host, port, ca, user, password = sys.argv[1:]
ctx = ssl.create_default_context(cafile=ca)
ctx.check_hostname = False
m = imaplib.IMAP4_SSL(host, int(port), ssl_context=ctx)
m.login(user, password)
assert m.create("\"Work/D&AOk-j&AOA-\"")[0] == "OK"
typ, boxes = m.list()
assert any(b'Work/D&AOk-j&AOA-' in b for b in boxes), boxes
assert m.append("INBOX", "(\\Flagged custom)", imaplib.Time2Internaldate(0), b"Subject: py\r\n\r\nhi\r\n")[0] == "OK"
typ, n = m.select("INBOX")
assert typ == "OK" and int(n[0]) == 1, n
typ, data = m.fetch("1", "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY[])")
assert b"custom" in data[0][0] and b" 1-Jan-1970" in data[0][0], data
assert data[0][1] == b"Subject: py\r\n\r\nhi\r\n", data
assert m.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
assert m.uid("COPY", "1", '"Work/D&AOk-j&AOA-"')[0] == "OK"
assert m.expunge()[1] == [b"1"]
assert m.select('"Work/D&AOk-j&AOA-"')[1] == [b"1"]
assert m.search(None, "FLAGGED", "KEYWORD", "custom")[1] == [b"1"]
m.close(); m.logout()
print("imaplib ok")
`

func TestPythonImaplib(t *testing.T) {
	t.Parallel()
	python := need(t, "python3")
	i := startTry(t)
	host, port, err := net.SplitHostPort(i.IMAPS)
	if err != nil {
		t.Fatal(err)
	}
	a := i.Accounts[0]
	if out := output(t, "", python, "-c", imaplibScript, host, port, i.CA, a.Address, a.Password); !strings.Contains(out, "imaplib ok") {
		t.Error(out)
	}
}

// TestIdlePush sees a message that came in over SMTP pushed to a client in
// IDLE. The goal is under 100 ms; the time is logged, not asserted, because
// the machine may be busy.
func TestIdlePush(t *testing.T) {
	t.Parallel()
	swaks := need(t, "swaks")
	i := startTry(t)
	bob := i.Accounts[1]
	pushed := make(chan time.Time, 16)
	c := i.dialIMAP(t, bob, &imapclient.UnilateralDataHandler{Mailbox: func(m *imapclient.UnilateralDataMailbox) {
		if m.NumMessages != nil && *m.NumMessages > 0 {
			pushed <- time.Now()
		}
	}})
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	i.dialIMAP(t, bob, nil) // the second client that makes the change
	output(t, "", swaks, "--server", i.SMTP, "--from", "x@slow.test", "--to", bob.Address)
	sent := time.Now()
	select {
	case when := <-pushed:
		t.Logf("pushed %v after swaks had ended", when.Sub(sent))
	case <-time.After(deadline):
		t.Fatal("nothing was pushed")
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Search(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}}, nil).Wait(); err != nil {
		t.Error(err)
	}
}

// mbsyncConfig syncs all of bob both ways.
func mbsyncConfig(i *instance, who tryAccount, dir string) string {
	_, port, _ := net.SplitHostPort(i.IMAPS)
	return fmt.Sprintf(`IMAPAccount try
Host localhost
Port %s
User %s
Pass %s
SSLType IMAPS
CertificateFile %s

IMAPStore remote
Account try

MaildirStore local
Path %s/mail/
Inbox %s/mail/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns *
Create Both
Expunge Both
SyncState %s/state/
`, port, who.Address, who.Password, i.CA, dir, dir, dir)
}

// TestMbsync syncs 2,000 messages both ways. The first run is killed again
// and again; in the end nothing is lost or doubled on either side.
func TestMbsync(t *testing.T) {
	t.Parallel()
	mbsync := need(t, "mbsync")
	i := startTry(t, "--no-limits")
	alice := i.Accounts[0]
	const each = 1000
	i.fill(t, alice, "INBOX", each)
	dir := t.TempDir()
	for _, d := range []string{"mail/INBOX/cur", "mail/INBOX/new", "mail/INBOX/tmp", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for k := range each {
		text := fmt.Sprintf("Subject: local %d\nMessage-ID: <local-%d@fill.test>\n\nlocal body %d\n", k, k, k)
		if err := os.WriteFile(filepath.Join(dir, "mail/INBOX/cur", fmt.Sprintf("%d.%d.local:2,S", k, k)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "mbsyncrc")
	if err := os.WriteFile(config, []byte(mbsyncConfig(i, alice, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, after := range []time.Duration{150 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond, time.Second} {
		cmd := exec.Command(mbsync, "-c", config, "-a")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		// What it had sent before counts; the next one must not look before all of it is done.
		eventually(t, "the server has done what the killed mbsync asked for", func() bool { return held(t, i.IMAPS) == 0 })
	}
	t.Logf("mbsync was killed %d times", killed)
	output(t, "", mbsync, "-c", config, "-a")
	output(t, "", mbsync, "-c", config, "-a")
	ids := map[string]int{}
	for _, m := range i.waitMessages(t, alice, "INBOX", 2*each) {
		ids[messageID(m)]++
	}
	if len(ids) != 2*each {
		t.Errorf("the server has %d different messages, want %d", len(ids), 2*each)
	}
	// In tmp is what a killed mbsync has left half written: no message.
	files, err := filepath.Glob(filepath.Join(dir, "mail/INBOX/[cn]*/*"))
	if err != nil || len(files) != 2*each {
		t.Errorf("the Maildir has %d messages (%v), want %d", len(files), err, 2*each)
	}
}

func messageID(m string) string {
	for line := range strings.SplitSeq(m, "\r\n") {
		if id, ok := strings.CutPrefix(line, "Message-ID: "); ok {
			return id
		}
	}
	return ""
}

func TestOfflineimap(t *testing.T) {
	t.Parallel()
	offlineimap := need(t, "offlineimap")
	i := startTry(t, "--no-limits")
	alice := i.Accounts[0]
	i.fill(t, alice, "INBOX", 20)
	i.fill(t, alice, "Archive", 5)
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(i.IMAPS)
	config := filepath.Join(dir, "rc")
	text := fmt.Sprintf(`[general]
accounts = try
metadata = %[1]s/meta
[Account try]
localrepository = local
remoterepository = remote
[Repository local]
type = Maildir
localfolders = %[1]s/mail
[Repository remote]
type = IMAP
remotehost = localhost
remoteport = %[2]s
remoteuser = %[3]s
remotepass = %[4]s
ssl = yes
sslcacertfile = %[5]s
`, dir, port, alice.Address, alice.Password, i.CA)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output(t, "", offlineimap, "-c", config, "-o", "-u", "basic")
	for folder, want := range map[string]int{"INBOX": 20, "Archive": 5} {
		if files, _ := filepath.Glob(filepath.Join(dir, "mail", folder, "*/*")); len(files) != want {
			t.Errorf("%s has %d messages after the sync, want %d", folder, len(files), want)
		}
	}
	// A message and a flag go back.
	c := i.dialIMAP(t, alice, nil)
	if err := os.WriteFile(filepath.Join(dir, "mail/INBOX/cur/1.2.x:2,F"), []byte("Subject: from offlineimap\n\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	output(t, "", offlineimap, "-c", config, "-o", "-u", "basic")
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	found, err := c.Search(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagFlagged}}, nil).Wait()
	if err != nil || len(found.AllSeqNums()) != 1 {
		t.Errorf("flagged messages = %v, %v; want 1", found.AllSeqNums(), err)
	}
}

// TestNeomutt opens INBOX, shows the list and reads the first message in a
// terminal, driven by expect.
func TestNeomutt(t *testing.T) {
	t.Parallel()
	neomutt, expect := need(t, "neomutt"), need(t, "expect")
	i := startTry(t)
	alice := i.Accounts[0]
	i.fill(t, alice, "INBOX", 3)
	dir := t.TempDir()
	config := filepath.Join(dir, "muttrc")
	text := fmt.Sprintf("set imap_user=%q\nset imap_pass=%q\nset folder=imaps://%s/\nset spoolfile=+INBOX\nset certificate_file=%q\nset ssl_ca_certificates_file=%q\nset ssl_verify_host=no\nset header_cache=\"\"\nset sort=date\nset pager_stop\n",
		alice.Address, alice.Password, i.IMAPS, i.CA, i.CA)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`
set timeout 50
set env(TERM) xterm
spawn -noecho %s -n -F %s
expect {
  "number 2" {}
  timeout { puts "NO LIST"; exit 1 }
  eof { puts "ENDED"; exit 1 }
}
send "\r"
expect {
  -re "body \[0-9\]" {}
  timeout { puts "NO BODY"; exit 1 }
}
send "q"
send "q"
expect { "uit" { send "y"; exp_continue } eof {} timeout {} }
puts "NEOMUTT OK"
`, neomutt, config)
	if out := output(t, script, expect, "-f", "-"); !strings.Contains(out, "NEOMUTT OK") {
		t.Error(out)
	}
	c := i.dialIMAP(t, alice, nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	seen, err := c.Search(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagSeen}}, nil).Wait()
	if err != nil || len(seen.AllSeqNums()) != 1 {
		t.Errorf("messages read in neomutt = %v, %v; want 1", seen.AllSeqNums(), err)
	}
}
