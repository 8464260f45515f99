package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/target/s3/s3test"
	"github.com/mailstead/mailstead/admin/backup/target/sftp/sftptest"
)

// keyFile writes the key of the backups to a file, as people are told to.
func keyFile(t *testing.T, data string) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "key"), mustMailstead(t, "backup", "key", "--data", data))
}

// TestRestoreFromElsewhere backs a server up to an SFTP server and to S3, and
// restores from there on the command line, as on a new machine: mail, webhooks
// and imports are there.
func TestRestoreFromElsewhere(t *testing.T) {
	t.Parallel()
	sftp, s3 := sftptest.Start(t), s3test.Start(t)
	place := filepath.Join(t.TempDir(), "place")
	for _, tt := range []struct {
		name     string
		settings [][2]string
		restore  []string
		wrong    []string // flags instead of the last two, and what is said then
		says     string
	}{
		{"SFTP", [][2]string{{"backup.target", "sftp://u@" + sftp.Addr + place}, {"backup.sftp-password", sftp.Password}},
			[]string{"--sftp-password", sftp.Password, "--sftp-host-key", sftp.HostKey},
			[]string{"--sftp-host-key", "SHA256:another"}, "the SFTP server has the key"},
		{"SFTP with a key", [][2]string{{"backup.target", "sftp://u@" + sftp.Addr + place + "2"}, {"backup.sftp-password", sftp.Password}},
			[]string{"--sftp-host-key", sftp.HostKey, "--sftp-key-file", writeFile(t, filepath.Join(t.TempDir(), "id"), string(sftp.Key))},
			[]string{"--sftp-password", "wrong"}, "log in as u"},
		{"S3", [][2]string{{"backup.target", "s3+http://" + s3.Addr + "/" + s3.Bucket + "/a?region=eu-1"}, {"backup.s3-key-id", "id"}, {"backup.s3-secret", "secret"}},
			[]string{"--s3-key-id", "id", "--s3-secret", "secret"}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			i := startTry(t, "--dir", dir)
			i.fill(t, i.Accounts[0], "INBOX", 5)
			mustMailstead(t, "webhook", "add", "https://far.example/hook", "message.received", "--data", dir)
			mustMailstead(t, "import", "mbox", writeFile(t, filepath.Join(t.TempDir(), "mbox"), "From x@far.example Mon Nov  2 12:05:09 2026\nSubject: imported\n\nx\n"), "--account", i.Accounts[0].Address, "--mailbox", "Old", "--data", dir)
			for _, s := range tt.settings {
				mustMailstead(t, "settings", "set", s[0], s[1], "--data", dir)
			}
			if out := mustMailstead(t, "backup", "run", "--data", dir); !strings.Contains(out, "proved: it can be restored") {
				t.Errorf("backup run says %s", out)
			}
			was := i.allMail(t, i.Accounts[0])
			key := keyFile(t, dir)
			passwords, err := os.ReadFile(filepath.Join(dir, "try.json"))
			if err != nil {
				t.Fatal(err)
			}
			i.stop(t)
			to := filepath.Join(t.TempDir(), "new")
			args := append([]string{"restore", "all", "--from", tt.settings[0][1], "--key-file", key, "--data", to}, tt.restore...)
			if tt.wrong != nil {
				if code, out := mailstead(t, append(slices.Clone(args[:len(args)-2]), tt.wrong...)...); code != exitFailed || !strings.Contains(out, tt.says) {
					t.Errorf("with %v: %d %s", tt.wrong, code, out)
				}
			}
			mustMailstead(t, args...)
			writeFile(t, filepath.Join(to, "try.json"), string(passwords))
			again := startTry(t, "--dir", to)
			sameMail(t, "restored", again.allMail(t, again.Accounts[0]), was)
			if out := mustMailstead(t, "webhook", "list", "--data", to); !strings.Contains(out, "https://far.example/hook") {
				t.Errorf("webhooks: %s", out)
			}
			if out := mustMailstead(t, "import", "list", "--data", to); !strings.Contains(out, "done") {
				t.Errorf("imports: %s", out)
			}
		})
	}
}

// TestBringBackAccount removes an account of a running server and brings it
// back with its mail: its password is as it was.
func TestBringBackAccount(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := startTry(t, "--dir", dir, "--no-limits")
	bob := i.Accounts[1]
	fillForExport(t, i, bob)
	was := i.allMail(t, bob)
	mustMailstead(t, "account", "set", bob.Address, "--name", "Bob B.", "--quota", "1GiB", "--data", dir)
	mustMailstead(t, "alias", "add", "sales@example.test", bob.Address, "--data", dir)
	mustMailstead(t, "backup", "run", "--data", dir)
	mustMailstead(t, "account", "remove", bob.Address, "--yes", "--data", dir)
	restore := []string{"restore", "account", bob.Address, "--data", dir}
	if code, out := mailstead(t, restore...); code != exitFailed || !strings.Contains(out, "--add-account") {
		t.Errorf("without --add-account: %d %s", code, out)
	}
	restore = append(restore, "--add-account")
	if out := mustMailstead(t, restore...); !strings.Contains(out, "it would be added, as it was") || !strings.Contains(out, "54 messages") ||
		!strings.Contains(out, "with its password\n") || !strings.Contains(out, "with aliases: sales@example.test\n") || !strings.Contains(out, "Say --yes") {
		t.Errorf("dry run: %s", out)
	}
	if code, out := mailstead(t, "account", "show", bob.Address, "--data", dir); code != exitFailed {
		t.Errorf("after a dry run there is %s", out)
	}
	if out := mustMailstead(t, append(restore, "--yes")...); !strings.Contains(out, "it was added, as it was") || !strings.Contains(out, "54 messages") {
		t.Errorf("restore: %s", out)
	}
	for name, list := range was {
		if len(list) == 0 && name == "Nothing" {
			delete(was, name) // a mailbox without messages does not come back
		}
	}
	sameMail(t, "brought back", i.allMail(t, bob), was) // logs in with the password of before
	if out := mustMailstead(t, "account", "show", bob.Address, "--data", dir); !strings.Contains(out, "Bob B.") || !strings.Contains(out, "1.0 GiB") {
		t.Errorf("account show: %s", out)
	}
	if out := mustMailstead(t, "alias", "list", "--data", dir); !strings.Contains(out, "sales@example.test") {
		t.Errorf("alias list: %s", out)
	}
	if out := mustMailstead(t, append(restore, "--yes")...); !strings.Contains(out, "54 are there already") {
		t.Errorf("again: %s", out)
	}
}
