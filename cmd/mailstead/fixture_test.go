package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/schema"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/queue"
)

// makeFixture writes testdata/schema-N-NAME.tar.gz, with the data that this
// program writes. It is used once for each schema, before its first release, and
// again when records or files within it have changed: what is there stays as it
// is.
var makeFixture = flag.String("fixture", "", "write the data folder of this schema to testdata, as schema-N-`NAME`")

// What is in a fixture.
const (
	fixtureDomain = "example.org"
	fixtureAna    = "ana@" + fixtureDomain
	fixtureLarge  = 300_000 // octets, more than the log takes
)

var fixtureQueued = mail.Path{Local: "far", Domain: "elsewhere.test"}

// openFixture opens a data folder without running anything.
func openFixture(dir string) (*node, error) {
	return openNode(nodeConfig{Hostname: "mail." + fixtureDomain, DataDir: dir, Resolver: dnstest.New(""), Certs: certs.Options{Mode: certs.SelfSigned}, Log: slog.New(slog.DiscardHandler)})
}

// fixtureText is a message; words name it.
func fixtureText(words string, octets int) string {
	head := "From: bo@" + fixtureDomain + "\r\nTo: " + fixtureAna + "\r\nSubject: " + words + "\r\nMessage-ID: <" + strings.ReplaceAll(words, " ", "-") + "@" + fixtureDomain + ">\r\n\r\n"
	return head + strings.Repeat("all work and no play\r\n", max(octets-len(head), 0)/22) + words + "\r\n"
}

// fill puts something of everything into an empty data folder.
func fillFixture(ctx context.Context, n *node) error {
	if _, err := n.admin.AddDomain(ctx, admin.NewDomain{Name: fixtureDomain}); err != nil {
		return err
	}
	for _, name := range []string{"ana", "bo"} {
		if _, err := n.admin.AddAccount(ctx, admin.NewAccount{Address: name + "@" + fixtureDomain, Password: password}); err != nil {
			return err
		}
	}
	if _, err := n.admin.AddAlias(ctx, "team@"+fixtureDomain, []string{fixtureAna, "out@elsewhere.test"}); err != nil {
		return err
	}
	if _, err := n.admin.SetSetting(ctx, string(directory.MessageMaxSize), "42 MiB"); err != nil {
		return err
	}
	if err := fillFixtureMail(ctx, n); err != nil {
		return err
	}
	text := fixtureText("to far away", 0)
	env := mail.Envelope{ReversePath: mail.Path{Local: "ana", Domain: fixtureDomain}, Recipients: []mail.Recipient{{Path: fixtureQueued}}}
	return n.queue.Enqueue(ctx, queue.ID("fixture-1"), env, nil, strings.NewReader(text), int64(len(text)))
}

func fillFixtureMail(ctx context.Context, n *node) error {
	ana, err := n.directory.AccountByAddress(mail.Path{Local: "ana", Domain: fixtureDomain})
	if err != nil {
		return err
	}
	acct := n.boxes.Account(mailbox.AccountID(ana.ID))
	if _, err := acct.CreateMailbox(ctx, "Projects", mailbox.NoRole); err != nil {
		return err
	}
	for _, m := range []struct {
		box, words string
		octets     int
		flags      mailbox.Flags
		keywords   []string
	}{
		{"INBOX", "first", 0, mailbox.Seen, nil},
		{"INBOX", "second", 2000, 0, []string{"$Important"}},
		{"INBOX", "large one", fixtureLarge, 0, nil},
		{"Projects", "plan", 500, mailbox.Flagged | mailbox.Answered, []string{"urgent"}},
	} {
		text := fixtureText(m.words, m.octets)
		ix, err := message.Parse(strings.NewReader(text))
		if err != nil {
			return err
		}
		var box mailbox.Mailbox
		if err := acct.View(ctx, func(v *mailbox.View) (err error) { box, err = v.MailboxByName(m.box); return err }); err != nil {
			return err
		}
		if _, err := acct.Append(ctx, box.ID, &mailbox.NewMessage{Body: strings.NewReader(text), Size: int64(len(text)), Index: ix, Flags: m.flags, Keywords: m.keywords,
			InternalDate: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}); err != nil {
			return err
		}
	}
	return nil
}

// TestMakeFixture makes the fixture of this schema, when it is asked to, and
// else shows that it could: what it makes is read as the others are.
func TestMakeFixture(t *testing.T) {
	dir := t.TempDir()
	n, err := openFixture(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx := admin.AsOwner(context.Background(), "test")
	if err := errors.Join(fillFixture(ctx, n), fillFixtureServices(t, ctx, n), n.close()); err != nil {
		t.Fatal(err)
	}
	checkFixture(t, dir, true)
	if *makeFixture != "" {
		name := fmt.Sprintf("testdata/schema-%d-%s.tar.gz", schema.Current, *makeFixture)
		if _, err := os.Stat(name); err == nil {
			t.Fatalf("%s is there already; what a release has written must stay readable", name)
		}
		if err := pack(name, dir); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFixtures: the data of every schema that there was is opened, brought over
// and read.
func TestFixtures(t *testing.T) {
	names, err := filepath.Glob("testdata/schema-*.tar.gz")
	if err != nil || len(names) < schema.First {
		t.Fatal("there are no fixtures", err)
	}
	for _, name := range names {
		base := strings.TrimSuffix(filepath.Base(name), ".tar.gz")
		t.Run(base, func(t *testing.T) {
			services := !slices.Contains(fixturesOfMail, base)
			dir := t.TempDir()
			if err := unpack(name, dir); err != nil {
				t.Fatal(err)
			}
			checkFixture(t, dir, services)
			checkFixture(t, dir, services) // again, with what the first left behind
			if got, err := schema.Read(dir); err != nil || got != (schema.Folder{Schema: schema.Current, Program: version()}) {
				t.Errorf("afterwards the folder says %+v, %v", got, err)
			}
		})
	}
}

// TestNewerData: a program refuses the data of a newer one, before it touches
// anything, and says what to do; so does the command line without a server.
func TestNewerData(t *testing.T) {
	dir := t.TempDir()
	if err := unpack("testdata/schema-1.tar.gz", dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "schema"), fmt.Appendf(nil, `{"schema":%d,"program":"v9.1"}`, schema.Current+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func() error{
		"serve": func() error { _, err := openFixture(dir); return err },
		"cli":   func() error { _, err := admin.Open(dir, admin.Options{}); return err },
	} {
		err := open()
		if newer := new(schema.Newer); !errors.As(err, &newer) || !strings.Contains(err.Error(), "v9.1") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A database alone says it too, whatever the file says.
	if err := os.Remove(filepath.Join(dir, "schema")); err != nil {
		t.Fatal(err)
	}
	if err := directory.SetSchema(filepath.Join(dir, "system.db"), schema.Current+1); err != nil {
		t.Fatal(err)
	}
	if _, err := openFixture(dir); err == nil || !strings.Contains(err.Error(), "system.db") {
		t.Errorf("a newer system.db alone: %v", err)
	}
}

// TestNewerStore: the databases of accounts and the queue have the number of the
// store. When that is newer nothing of them is touched, whatever the file and
// system.db say.
func TestNewerStore(t *testing.T) {
	dir := t.TempDir()
	if err := unpack("testdata/schema-1.tar.gz", dir); err != nil {
		t.Fatal(err)
	}
	if err := store.SetSchema(filepath.Join(dir, "store"), schema.Current+1); err != nil {
		t.Fatal(err)
	}
	before := contents(t, filepath.Join(dir, "store"))
	if len(before) < 5 {
		t.Fatalf("the fixture has %d files in its store", len(before))
	}
	for what, open := range map[string]func() error{
		"serve": func() error { _, err := openFixture(dir); return err },
		"cli":   func() error { _, err := admin.Open(dir, admin.Options{}); return err },
	} {
		err := open()
		if newer := new(schema.Newer); !errors.As(err, &newer) || !strings.Contains(err.Error(), "the store has schema") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after := contents(t, filepath.Join(dir, "store")); !maps.Equal(before, after) {
		t.Error("files of the store have changed")
	}
}

// contents are the files below a folder that belong to accounts and the queue,
// and the log, with what is in them.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "lock" || d.Name() == "sys.db" {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// checkFixture opens a data folder and holds what is in it against fillFixture,
// and fillFixtureServices.
func checkFixture(t *testing.T, dir string, services bool) {
	t.Helper()
	n, err := openFixture(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	ctx := admin.AsOwner(context.Background(), "test")
	if got := n.directory.Int(directory.MessageMaxSize); got != 42<<20 {
		t.Errorf("%s is %d", directory.MessageMaxSize, got)
	}
	if a, err := n.admin.Alias(ctx, "team@"+fixtureDomain); err != nil || len(a.Targets) != 2 {
		t.Errorf("alias: %+v, %v", a, err)
	}
	if keys := n.dkimKeys(fixtureDomain); len(keys) != 2 {
		t.Errorf("%d DKIM keys sign", len(keys))
	}
	if _, err := n.directory.Authenticator(netip.MustParseAddr("127.0.0.1"), "imap").Password(ctx, fixtureAna, password); err != nil {
		t.Errorf("login: %v", err)
	}
	items, err := n.queue.List(ctx, queue.Filter{})
	if err != nil || len(items) != 1 || items[0].ID != "fixture-1" || items[0].Recipients[0].Path != fixtureQueued {
		t.Errorf("queue: %+v, %v", items, err)
	}
	want := []string{
		`INBOX 1 \Seen [] first`, `INBOX 2  [$Important] second`, `INBOX 3  [] large one`, `Projects 1 \Answered \Flagged [urgent] plan`,
	}
	if got := fixtureMail(t, ctx, n); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("mail:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if services {
		checkFixtureServices(t, ctx, n)
	}
}

// fixtureMail lists the mail of ana, and reads it.
func fixtureMail(t *testing.T, ctx context.Context, n *node) (list []string) {
	t.Helper()
	ana, err := n.directory.AccountByAddress(mail.Path{Local: "ana", Domain: fixtureDomain})
	if err != nil {
		t.Fatal(err)
	}
	acct := n.boxes.Account(mailbox.AccountID(ana.ID))
	err = acct.View(ctx, func(v *mailbox.View) error {
		list = nil
		for _, name := range []string{"INBOX", "Projects"} {
			box, err := v.MailboxByName(name)
			if err != nil {
				return err
			}
			for m, err := range v.Messages(box.ID, nil, 1) {
				if err != nil {
					return err
				}
				ref, err := m.Body()
				if err != nil {
					return err
				}
				body, err := n.boxes.OpenBody(ctx, ref)
				if err != nil {
					return err
				}
				text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
				body.Close()
				if err != nil {
					return err
				}
				_, words, _ := strings.Cut(string(text), "Subject: ")
				words, _, _ = strings.Cut(words, "\r\n")
				if !strings.HasSuffix(string(text), words+"\r\n") {
					t.Errorf("%s has another end: %.60q", words, text)
				}
				list = append(list, fmt.Sprintf("%s %d %s %v %s", name, m.UID, flagNames(m.Flags), v.KeywordNames(m.Keywords), words))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func flagNames(f mailbox.Flags) string {
	var names []string
	for _, n := range []struct {
		flag mailbox.Flags
		name string
	}{{mailbox.Answered, `\Answered`}, {mailbox.Flagged, `\Flagged`}, {mailbox.Seen, `\Seen`}} {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// pack writes a folder as name, a tar file.
func pack(name, dir string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z, _ := gzip.NewWriterLevel(f, gzip.BestCompression)
	w := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(rel), Mode: 0o600, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	return errors.Join(err, w.Close(), z.Close())
}

// unpack reads what pack wrote.
func unpack(name, dir string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		content, err := io.ReadAll(r)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			return err
		}
	}
}
