package movein

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// account is an account on a real store, which is checked when the test ends.
type account struct {
	t     *testing.T
	boxes *mailbox.Boxes
	*mailbox.Account
	spool string
}

func newAccount(t *testing.T) *account {
	t.Helper()
	eng, err := store.Open(t.TempDir(), store.Options{Apply: mailbox.Apply})
	if err != nil {
		t.Fatal(err)
	}
	a := &account{t: t, boxes: mailbox.Open(eng, mailbox.Options{}), spool: t.TempDir()}
	a.Account = a.boxes.Account(7)
	if err := a.boxes.CreateAccount(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if problems, err := a.boxes.Check(context.Background(), 7); err != nil || len(problems) > 0 {
			t.Errorf("Check: %v, %v", problems, err)
		}
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *account) options(src Source) Options {
	return Options{Source: src, Account: a.Account, Bodies: a.boxes, Spool: a.spool}
}

// bring runs an import that must not fail, and has to be complete.
func (a *account) bring(o Options) Report {
	a.t.Helper()
	rep := a.bringPart(o)
	if len(rep.Incomplete) > 0 {
		a.t.Errorf("not complete: %v", rep.Incomplete)
	}
	return rep
}

// bringPart runs an import that must not fail.
func (a *account) bringPart(o Options) Report {
	a.t.Helper()
	defer o.Source.Close()
	rep, err := Run(a.t.Context(), o)
	if err != nil {
		a.t.Fatal(err)
	}
	if len(rep.Wrong) > 0 {
		a.t.Errorf("wrong: %v", rep.Wrong)
	}
	return rep
}

// all lists what the account has: mailbox, flags, keywords and text of each
// message.
func (a *account) all() (list []string) {
	a.t.Helper()
	var refs []mailbox.BodyRef
	err := a.View(a.t.Context(), func(v *mailbox.View) error {
		boxes, err := v.Mailboxes()
		if err != nil {
			return err
		}
		for _, box := range boxes {
			for m, err := range v.Messages(box.ID, nil, 1) {
				if err != nil {
					return err
				}
				ref, err := m.Body()
				if err != nil {
					return err
				}
				date, err := m.InternalDate()
				if err != nil {
					return err
				}
				list = append(list, fmt.Sprintf("%s %d %v %s ", box.Name, m.Flags, v.KeywordNames(m.Keywords), date.Format(time.DateOnly)))
				refs = append(refs, ref)
			}
		}
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
	for i, ref := range refs {
		body, err := a.boxes.OpenBody(a.t.Context(), ref)
		if err != nil {
			a.t.Fatal(err)
		}
		text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		if err := errors.Join(err, body.Close()); err != nil {
			a.t.Fatal(err)
		}
		list[i] += string(text)
	}
	return list
}

func openMaildir(t *testing.T, dir string) Source {
	t.Helper()
	s, err := OpenMaildir(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// write makes a file with the folders above it.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dirtyMaildir has everything that a Maildir of twenty years can have, and
// returns how many messages can be read of it.
func dirtyMaildir(t *testing.T) (dir string, good int) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"cur/1000000000.1.h:2,S":             "Subject: one\n\nbody\n",
		"cur/1000000000.2.h:2,":              "Subject: \xe4\xff 8-bit\n\n\x00NUL\x00\n",
		"cur/1000000000.3.h:2,RSFa":          "no header, no line end",
		"cur/1000000000.4.h:2,S":             "Subject: long\n\n" + strings.Repeat("x", 1<<20) + "\n",
		"new/1000000000.1.h":                 "Subject: another of the same name\n\n",
		"new/1000000000.5.h":                 "Subject: one\n\nbody\n", // the same octets as 1
		".Sent/cur/1000000000.6.h:2,S":       "Subject: sent\r\n\r\nCRLF\r\n",
		".Entw&APw-rfe/cur/1000000000.7.h":   "Subject: draft\n\n",
		".Arbeit.Pl\xc3\xa4ne/cur/1.8.h":     "Subject: UTF-8 name\n\n",
		".Bad&name/cur/1.9.h":                "Subject: wrong UTF-7\n\n",
		".INBOX.Deep/cur/1000000000.10.h:2,": "Subject: big\n\n" + strings.Repeat("line of text\n", 40_000),
		"dovecot-keywords":                   "0 work\n",
		"subscriptions":                      "Arbeit.Pl\xc3\xa4ne\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	good = 11
	write(t, filepath.Join(dir, "cur/2.empty"), "")
	if err := os.Mkdir(filepath.Join(dir, "cur/3.folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "cur/4.link")); err != nil {
		t.Fatal(err)
	}
	return dir, good
}

// TestMaildirDirty: what can be read is brought in as it is, the rest is named;
// a second run adds nothing.
func TestMaildirDirty(t *testing.T) {
	dir, good := dirtyMaildir(t)
	a := newAccount(t)
	rep := a.bring(Options{Source: openMaildir(t, dir), Account: a.Account, Bodies: a.boxes, DryRun: true, Spool: a.spool})
	if int(rep.Added) != good || rep.LeftOut != 3 || len(a.all()) != 0 {
		t.Errorf("the dry run says %+v, and there are %d messages", rep.Progress, len(a.all()))
	}
	rep = a.bring(a.options(openMaildir(t, dir)))
	if int(rep.Added) != good || rep.LeftOut != 3 || int(rep.Verified) != good || rep.AllMessages != int64(good)+3 || rep.Messages != rep.AllMessages {
		t.Errorf("report %+v, want %d messages", rep.Progress, good)
	}
	for _, name := range []string{"cur/2.empty", "cur/3.folder", "cur/4.link"} {
		if !hasProblem(rep.Problems, name) {
			t.Errorf("%s is not among the problems %v", name, rep.Problems)
		}
	}
	got := strings.Join(a.all(), "\x01")
	for _, want := range []string{
		"INBOX 1 [] 2001-09-09 Subject: one\r\n\r\nbody\r\n", "Subject: \xe4\xff 8-bit\r\n\r\n\x00NUL\x00\r\n",
		"INBOX 7 [work] 2001-09-09 no header, no line end\r\n", "Sent 1 [] 2001-09-09 Subject: sent\r\n\r\nCRLF\r\n", "Drafts 0 [] 2001-09-09 Subject: draft",
		"Arbeit/Pläne 0", "Bad&name 0", "INBOX/Deep 0", "another of the same name",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
	rep = a.bring(a.options(openMaildir(t, dir)))
	if rep.Added != 0 || int(rep.Known) != good || int(rep.Verified) != good || len(a.all()) != good {
		t.Errorf("the second run says %+v", rep.Progress)
	}
	write(t, filepath.Join(dir, "new/1000000009.1.h"), "Subject: came later\n\n")
	if rep = a.bring(a.options(openMaildir(t, dir))); rep.Added != 1 {
		t.Errorf("the third run says %+v", rep.Progress)
	}
}

func hasProblem(list []Problem, name string) bool {
	for _, p := range list {
		if p.Name == name && p.Error != "" {
			return true
		}
	}
	return false
}

// TestResume: a run that is cut off again and again brings each message once.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	const n = 3*batchMessages + 7
	for i := range n {
		write(t, filepath.Join(dir, "cur", fmt.Sprintf("%d.h", 1000000000+i)), fmt.Sprintf("Subject: %d\n\n", i))
	}
	a := newAccount(t)
	for cut := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		o := a.options(&cutOff{openMaildir(t, dir), (cut + 1) * batchMessages, cancel})
		_, err := Run(ctx, o)
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cut off: %v", err)
		}
		o.Source.Close()
	}
	rep := a.bring(a.options(openMaildir(t, dir)))
	if rep.Added+rep.Known != n || rep.Known < 2*batchMessages || rep.Verified != n || len(a.all()) != n {
		t.Errorf("report %+v", rep.Progress)
	}
}

// TestMbox: an mbox of a file or a folder of them, with dirt between messages.
func TestMbox(t *testing.T) {
	dir := t.TempDir()
	from := "From x@example.org Sat Jan  3 01:05:34 1998\n"
	text := from + "Status: RO\nSubject: 1\n\n>From me\n\n" + from + "Subject: 1\n\n>From me\n\n" + from + "\n\x00\xff\n" + from + "Subject: 3\n\n" + strings.Repeat("x", 1<<20) + "\n\n" + from + "\n\n"
	write(t, filepath.Join(dir, "Inbox"), text)
	write(t, filepath.Join(dir, "Inbox.msf"), "// not mail")
	write(t, filepath.Join(dir, "Work.sbd/Old.mbox"), from+"Subject: old\n\n")
	write(t, filepath.Join(dir, "broken.mbox"), "Subject: x\n\n")
	a := newAccount(t)
	for round := range 2 {
		s, err := OpenMbox(dir)
		if err != nil {
			t.Fatal(err)
		}
		rep := a.bring(a.options(s))
		if added := int64(5 * (1 - round)); rep.Added != added || rep.Verified != 5 || !hasProblem(rep.Problems, "broken.mbox") || rep.Octets == 0 {
			t.Errorf("round %d: %+v, problems %v", round, rep.Progress, rep.Problems)
		}
	}
	got := a.all()
	if len(got) != 5 || got[0] != "INBOX 1 [] 1998-01-03 Subject: 1\r\n\r\nFrom me\r\n" || !strings.HasPrefix(got[4], "Work/Old 0 [] 1998-01-03 Subject: old") {
		t.Errorf("the account has %.100q", got)
	}
	s, err := OpenMbox(filepath.Join(dir, "Inbox"))
	if err != nil {
		t.Fatal(err)
	}
	o := a.options(s)
	o.Into = "Letters"
	if rep := a.bring(o); rep.Added != 4 || rep.Reports[0].Mailbox != "Letters" {
		t.Errorf("into a mailbox: %+v", rep.Reports)
	}
}

// TestQuota: a run ends, with what to do, when the account is full, and goes on
// when it has room.
func TestQuota(t *testing.T) {
	dir, good := dirtyMaildir(t)
	a := newAccount(t)
	if err := a.SetQuota(t.Context(), 1000, 0); err != nil {
		t.Fatal(err)
	}
	src := openMaildir(t, dir)
	defer src.Close()
	if _, err := Run(t.Context(), a.options(src)); !errors.Is(err, ErrOverQuota) {
		t.Errorf("over quota: %v", err)
	}
	if err := a.SetQuota(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
	if rep := a.bring(a.options(openMaildir(t, dir))); int(rep.Verified) != good {
		t.Errorf("with room: %+v", rep.Progress)
	}
}

// TestVerifyFinds: octets that are not what the source gave are told.
func TestVerifyFinds(t *testing.T) {
	a := newAccount(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "cur/1.a"), "Subject: x\n\n")
	a.bring(a.options(openMaildir(t, dir)))
	known := &Known{Account: a.Account, Prefix: prefix("maildir", ".", "")}
	m := &mailbox.Incoming{Key: known.Key([]byte("other")), Hash: mailbox.Hash{1}}
	text := []byte("Subject: other\r\n\r\n")
	m.Index, m.Body, m.Size = indexOf(text), bytes.NewReader(text), int64(len(text))
	if err := a.Import(t.Context(), mailbox.Inbox, []*mailbox.Incoming{m}); err != nil {
		t.Fatal(err)
	}
	src := openMaildir(t, dir)
	defer src.Close()
	rep, err := Run(t.Context(), a.options(src))
	if err != nil || len(rep.Wrong) != 1 || rep.Verified != 1 {
		t.Errorf("wrong: %v, %+v, %v", rep.Wrong, rep.Progress, err)
	}
}
