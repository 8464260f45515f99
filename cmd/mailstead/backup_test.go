package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// backupLoad sends and appends mail to an account, and remembers what was
// acknowledged: the flags by subject.
type backupLoad struct {
	i    *instance
	mu   sync.Mutex
	got  map[string][]imap.Flag
	errs []error
	stop chan struct{}
	wait sync.WaitGroup
}

func startBackupLoad(t *testing.T, i *instance) *backupLoad {
	t.Helper()
	l := &backupLoad{i: i, got: map[string][]imap.Flag{}, stop: make(chan struct{})}
	for n := range 2 {
		l.wait.Go(func() { l.end(l.send(n)) })
	}
	c := i.dialIMAP(t, i.Accounts[0], nil)
	l.wait.Go(func() { l.end(l.appendAll(c)) })
	return l
}

func (l *backupLoad) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

func (l *backupLoad) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.errs) > 0
}

func (l *backupLoad) ended() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

func (l *backupLoad) acknowledged(subject string, flags ...imap.Flag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[subject] = flags
}

func (l *backupLoad) snapshot() map[string][]imap.Flag {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.got)
}

// backupMail is a message; every eighth has a file of its own in the store.
func backupMail(subject string, n int) string {
	size := 500
	if n%8 == 7 {
		size = 300_000
	}
	return "From: <bob@example.test>\r\nSubject: " + subject + "\r\n\r\n" + strings.Repeat(fmt.Sprintf("line of %s, with more\r\n", subject), size/20)
}

// send brings mail by SMTP until the load is stopped.
func (l *backupLoad) send(who int) error {
	c, err := smtp.Dial(l.i.Submission)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		return err
	}
	bob, host := l.i.Accounts[1], strings.Split(l.i.Submission, ":")[0]
	if err := c.Auth(smtp.PlainAuth("", bob.Address, bob.Password, host)); err != nil {
		return err
	}
	for n := 0; !l.ended(); n++ {
		subject := fmt.Sprintf("smtp-%d-%d", who, n)
		if err := sendOne(c, l.i.Accounts[0].Address, backupMail(subject, n)); err != nil {
			return fmt.Errorf("%s: %w", subject, err)
		}
		l.acknowledged(subject)
	}
	return c.Quit()
}

func sendOne(c *smtp.Client, to, text string) error {
	if err := c.Mail("bob@example.test"); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close()
}

// appendAll appends mail by IMAP, and marks it.
func (l *backupLoad) appendAll(c *imapclient.Client) error {
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		return err
	}
	for n := 0; !l.ended(); n++ {
		subject := fmt.Sprintf("imap-%d", n)
		text := backupMail(subject, n)
		app := c.Append("INBOX", int64(len(text)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagFlagged, "$Label1"}, Time: time.Unix(1_700_000_000+int64(n), 0)})
		if _, err := app.Write([]byte(text)); err != nil {
			return err
		}
		if err := app.Close(); err != nil {
			return err
		}
		data, err := app.Wait()
		if err != nil {
			return err
		}
		l.acknowledged(subject, imap.FlagFlagged, "$Label1")
		store := c.Store(imap.UIDSetNum(data.UID), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagAnswered}, Silent: true}, nil)
		if err := store.Close(); err != nil {
			return err
		}
		l.acknowledged(subject, imap.FlagFlagged, "$Label1", imap.FlagAnswered)
	}
	return nil
}

// seenMail is a message as IMAP shows it.
type seenMail struct {
	uid   imap.UID
	sum   [32]byte
	flags []imap.Flag
	date  time.Time
}

// inboxOf returns the messages of INBOX by subject; two of one subject are an
// error.
func (i *instance) inboxOf(t *testing.T, who tryAccount) map[string]seenMail {
	t.Helper()
	c := i.dialIMAP(t, who, nil)
	sel, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]seenMail{}
	if sel.NumMessages == 0 {
		return all
	}
	var set imap.SeqSet
	set.AddRange(1, 0)
	section := &imap.FetchItemBodySection{Peek: true}
	list, err := c.Fetch(set, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, Envelope: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if _, twice := all[m.Envelope.Subject]; twice {
			t.Errorf("%s is there twice", m.Envelope.Subject)
		}
		all[m.Envelope.Subject] = seenMail{m.UID, sha256.Sum256(m.FindBodySection(section)), m.Flags, m.InternalDate}
	}
	return all
}

// mailstead runs a command in this process.
func mailstead(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

func mustMailstead(t *testing.T, args ...string) string {
	t.Helper()
	code, out := mailstead(t, args...)
	if code != 0 {
		t.Fatalf("mailstead %v: exit status %d: %s", args, code, out)
	}
	return out
}

// TestBackupUnderLoad makes a backup while mail comes in, wipes the disk,
// restores, and looks for everything that was acknowledged before the backup
// began: octets, flags and dates. Then it deletes mail of the running server
// and brings it back.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	dir, place := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "place")
	messages := 30
	if os.Getenv("MAILSTEAD_LONG") != "" {
		messages = 5_000
	}
	i := startTry(t, "--dir", dir, "--no-limits")
	mustMailstead(t, "settings", "set", "backup.target", place, "--data", dir)
	load := startBackupLoad(t, i)
	eventually(t, "mail to back up", func() bool { return len(load.snapshot()) >= messages || load.failed() })
	want := load.snapshot()
	began := time.Now()
	out := mustMailstead(t, "backup", "run", "--data", dir)
	t.Logf("%d messages were acknowledged before the backup, %d more during it and its proof, which took %v", len(want), len(load.snapshot())-len(want), time.Since(began).Round(time.Millisecond))
	close(load.stop)
	load.wait.Wait()
	if len(load.errs) > 0 {
		t.Fatal(load.errs)
	}
	if !strings.Contains(out, "proved: it can be restored") {
		t.Errorf("backup run says %s", out)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(mustMailstead(t, "backup", "key", "--data", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	was := i.inboxOf(t, i.Accounts[0])
	passwords, err := os.ReadFile(filepath.Join(dir, "try.json"))
	if err != nil {
		t.Fatal(err)
	}
	i.stop(t)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	mustMailstead(t, "restore", "all", "--from", place, "--key-file", key, "--data", dir)
	t.Logf("%s\nrestored in %v", out, time.Since(began).Round(time.Millisecond))
	if err := os.WriteFile(filepath.Join(dir, "try.json"), passwords, 0o600); err != nil {
		t.Fatal(err)
	}
	again := startTry(t, "--dir", dir, "--no-limits")
	is := again.inboxOf(t, again.Accounts[0])
	for subject, flags := range want {
		now, ok := is[subject]
		if !ok || now.sum != was[subject].sum || now.uid != was[subject].uid || !now.date.Equal(was[subject].date) {
			t.Errorf("%s was acknowledged before the backup, and is not as it was: %v", subject, ok)
			continue
		}
		for _, f := range flags {
			if !slices.Contains(now.flags, f) {
				t.Errorf("%s has lost %s", subject, f)
			}
		}
	}
	t.Logf("all %d acknowledged before the backup are there; %d were restored of %d that came in all", len(want), len(is), len(was))
	bringBack(t, again, dir)
}

// bringBack deletes three messages of the running server and restores them.
func bringBack(t *testing.T, i *instance, dir string) {
	t.Helper()
	address := i.Accounts[0].Address
	before := i.inboxOf(t, i.Accounts[0])
	watching := i.dialIMAP(t, i.Accounts[0], nil)
	if _, err := watching.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	lost := []string{"imap-0", "smtp-0-0", "smtp-1-7"}
	for _, subject := range lost {
		if err := watching.Store(imap.UIDSetNum(before[subject].uid), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := watching.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	if out := mustMailstead(t, "restore", "account", address, "--mailbox", "INBOX", "--data", dir); !strings.Contains(out, "3 messages") || !strings.Contains(out, "would be added") {
		t.Errorf("dry run: %s", out)
	}
	if now := i.inboxOf(t, i.Accounts[0]); len(now) != len(before)-3 {
		t.Errorf("after the dry run there are %d messages of %d", len(now), len(before))
	}
	if out := mustMailstead(t, "restore", "account", address, "--mailbox", "INBOX", "--subject", "smtp-1-7", "--yes", "--data", dir); !strings.Contains(out, "1 message ") {
		t.Errorf("restore of one message: %s", out)
	}
	if out := mustMailstead(t, "restore", "account", address, "--mailbox", "INBOX", "--yes", "--data", dir); !strings.Contains(out, "2 messages ") {
		t.Errorf("restore of a mailbox: %s", out)
	}
	if err := watching.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	if n := watching.Mailbox().NumMessages; int(n) != len(before) {
		t.Errorf("who has INBOX open sees %d messages, want %d", n, len(before))
	}
	now := i.inboxOf(t, i.Accounts[0])
	for _, subject := range lost {
		a, b := before[subject], now[subject]
		slices.Sort(a.flags)
		slices.Sort(b.flags)
		if a.sum != b.sum || !a.date.Equal(b.date) || !slices.Equal(withoutRecent(a.flags), withoutRecent(b.flags)) {
			t.Errorf("%s was %v and came back as %v", subject, a, b)
		}
	}
	if code, out := mailstead(t, "restore", "account", address, "--message-id", "<nothing@example.org>", "--data", dir); code == 0 || !strings.Contains(out, "no such messages") {
		t.Errorf("restore of what is not there: %d %s", code, out)
	}
}

func withoutRecent(flags []imap.Flag) []imap.Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f imap.Flag) bool { return f == `\Recent` })
}
