package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/mailbox/store/memstore"
)

var ctx = context.Background()

// engines are what the tests run on.
func engines(t *testing.T, run func(t *testing.T, b *fixture)) {
	t.Run("memory", func(t *testing.T) {
		run(t, newFixture(t, memstore.New(mailbox.Apply)))
	})
	t.Run("disk", func(t *testing.T) {
		s, err := store.Open(t.TempDir(), store.Options{Apply: mailbox.Apply, SegmentSize: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		run(t, newFixture(t, s))
	})
}

// fixture is an account on an engine; it is checked when the test ends.
type fixture struct {
	*mailbox.Boxes
	*mailbox.Account
	t   *testing.T
	now time.Time
	n   int
}

const me mailbox.AccountID = 7

func newFixture(t *testing.T, s store.Store) *fixture {
	f := &fixture{t: t, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	f.Boxes = mailbox.Open(s, mailbox.Options{Now: func() time.Time { return f.now }})
	f.Account = f.Boxes.Account(me)
	if err := f.CreateAccount(ctx, me); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.check()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) check() {
	f.t.Helper()
	problems, err := f.Check(ctx, me)
	if err != nil || len(problems) > 0 {
		f.t.Errorf("Check: %v, %v", problems, err)
	}
}

func newMessage(text string) *mailbox.NewMessage {
	ix, err := message.Parse(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	return &mailbox.NewMessage{Body: strings.NewReader(text), Size: int64(len(text)), Index: ix}
}

func (f *fixture) text() string {
	f.n++
	return fmt.Sprintf("From: a@example.org\r\nSubject: number %d\r\nMessage-ID: <%d@example.org>\r\n\r\nbody %d\r\n", f.n, f.n, f.n)
}

func (f *fixture) deliver(to ...mailbox.Target) string {
	f.t.Helper()
	text := f.text()
	if len(to) == 0 {
		to = []mailbox.Target{{Account: me}}
	}
	if err := f.Deliver(ctx, newMessage(text), to); err != nil {
		f.t.Fatal(err)
	}
	return text
}

func (f *fixture) box(name string) mailbox.Mailbox {
	f.t.Helper()
	var m mailbox.Mailbox
	err := f.View(ctx, func(v *mailbox.View) (err error) {
		m, err = v.MailboxByName(name)
		return err
	})
	if err != nil {
		f.t.Fatalf("%s: %v", name, err)
	}
	return m
}

// list shows a mailbox as "uid:subject flags keywords".
func (f *fixture) list(box mailbox.ID) []string {
	f.t.Helper()
	var out []string
	err := f.View(ctx, func(v *mailbox.View) error {
		out = nil
		for m, err := range v.Messages(box, nil, 1) {
			if err != nil {
				return err
			}
			env, err := m.Envelope()
			if err != nil {
				return err
			}
			out = append(out, strings.TrimSpace(fmt.Sprintf("%d:%s %d %s", m.UID, strings.TrimPrefix(env.Subject, "number "), m.Flags, strings.Join(v.KeywordNames(m.Keywords), ","))))
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *fixture) want(box mailbox.ID, want ...string) {
	f.t.Helper()
	if got := f.list(box); !slices.Equal(got, want) {
		f.t.Errorf("mailbox %d has %q, want %q", box, got, want)
	}
}

func set(uids ...mailbox.UID) *mailbox.UIDSet { return mailbox.NewUIDSet(uids...) }

func TestAccountBeginsWithSpecialUse(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		if err := f.CreateAccount(ctx, me); err != nil {
			t.Fatal(err)
		}
		var names []string
		f.View(ctx, func(v *mailbox.View) error {
			all, err := v.Mailboxes()
			for _, m := range all {
				names = append(names, fmt.Sprint(m.Name, m.Role, m.Subscribed))
			}
			return err
		})
		want := []string{"INBOX1 true", "Archive2 true", "Drafts3 true", "Junk4 true", "Sent5 true", "Trash6 true"}
		if !slices.Equal(names, want) {
			t.Errorf("mailboxes = %v, want %v", names, want)
		}
		if f.box("inbox").ID != mailbox.Inbox {
			t.Error("INBOX is not found in lower case")
		}
	})
}

func TestDeliver(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		junk, drafts := f.box("Junk"), f.box("Drafts")
		first := f.deliver(mailbox.Target{Account: me, Header: []byte("Delivered-To: me\r\n")}, mailbox.Target{Account: 8}, mailbox.Target{Account: me, Role: mailbox.RoleJunk})
		f.deliver(mailbox.Target{Account: me, Role: mailbox.RoleJunk, Flags: mailbox.Seen, Keywords: []string{"$Junk"}})
		f.deliver(mailbox.Target{Account: me, Mailbox: drafts.ID})
		f.deliver(mailbox.Target{Account: me, Mailbox: 999})
		f.want(mailbox.Inbox, "1:1 0", "2:4 0")
		f.want(junk.ID, "1:2 1 $Junk")
		f.want(drafts.ID, "1:3 0")
		if m := f.box("INBOX"); m.Exists != 2 || m.Unseen != 2 || m.UIDNext != 3 {
			t.Errorf("INBOX = %+v", m)
		}
		var ref mailbox.BodyRef
		f.View(ctx, func(v *mailbox.View) error {
			m, err := v.Message(mailbox.Inbox, 1)
			if err != nil {
				return err
			}
			ref, err = m.Body()
			ix, err2 := m.Index()
			size, err3 := m.Size()
			if want := int64(len("Delivered-To: me\r\n" + first)); size != want || ix.Size != want || ix.Root.BodyEnd != want {
				t.Errorf("size %d, index %d, body ends at %d; want %d", size, ix.Size, ix.Root.BodyEnd, want)
			}
			return errors.Join(err, err2, err3)
		})
		body, err := f.OpenBody(ctx, ref)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		got, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		if err != nil || string(got) != "Delivered-To: me\r\n"+first {
			t.Errorf("body = %q, %v", got, err)
		}
		other := f.Boxes.Account(8)
		other.View(ctx, func(v *mailbox.View) error {
			if m, err := v.Message(mailbox.Inbox, 1); err != nil {
				t.Errorf("the other account: %v", err)
			} else if n, _ := m.Size(); n != int64(len(first)) {
				t.Errorf("the other account sees %d octets", n)
			}
			return nil
		})
	})
}

func TestAppend(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		drafts := f.box("Drafts").ID
		one, two := newMessage(f.text()), newMessage(f.text())
		one.Flags, one.Keywords, two.InternalDate = mailbox.Draft|mailbox.Seen, []string{"a", "b"}, time.Unix(1000, 0)
		res, err := f.Append(ctx, drafts, one, two)
		if err != nil || !slices.Equal(res.UIDs, []mailbox.UID{1, 2}) || res.UIDValidity != f.box("Drafts").UIDValidity {
			t.Fatalf("%+v, %v", res, err)
		}
		f.want(drafts, "1:1 17 a,b", "2:2 0")
		if _, err := f.Append(ctx, 99, newMessage(f.text())); !errors.Is(err, mailbox.ErrNotFound) {
			t.Errorf("append to no mailbox: %v", err)
		}
		if err := f.SetQuota(ctx, 0, 3); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Append(ctx, drafts, newMessage(f.text()), newMessage(f.text())); !errors.Is(err, mailbox.ErrOverQuota) {
			t.Errorf("append over quota: %v", err)
		}
		f.want(drafts, "1:1 17 a,b", "2:2 0")
		f.View(ctx, func(v *mailbox.View) error {
			m, err := v.Message(drafts, 2)
			if err != nil {
				return err
			}
			if d, _ := m.InternalDate(); d.Unix() != 1000 {
				t.Errorf("internal date %v", d)
			}
			return nil
		})
	})
}

// TestAppendOne: a single message goes the way of a delivery, and keeps what
// the client said of it.
func TestAppendOne(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		drafts := f.box("Drafts")
		for i, keywords := range [][]string{{"a"}, {"a"}, {"a", "b"}, nil} { // known and not
			m := newMessage(f.text())
			m.Flags, m.Keywords, m.InternalDate = mailbox.Draft, keywords, time.Unix(1000, 0)
			res, err := f.Append(ctx, drafts.ID, m)
			if err != nil || !slices.Equal(res.UIDs, []mailbox.UID{mailbox.UID(i + 1)}) || res.UIDValidity != drafts.UIDValidity {
				t.Fatalf("append %d: %+v, %v", i, res, err)
			}
		}
		f.want(drafts.ID, "1:1 16 a", "2:2 16 a", "3:3 16 a,b", "4:4 16")
		f.View(ctx, func(v *mailbox.View) error {
			m, err := v.Message(drafts.ID, 2)
			if err != nil {
				return err
			}
			internal, _ := m.InternalDate()
			if saved, _ := m.SaveDate(); internal.Unix() != 1000 || saved.Unix() != f.now.Unix() {
				t.Errorf("internal date %v, save date %v; want those of the client and of now", internal, saved)
			}
			return nil
		})
		if err := f.SetQuota(ctx, 0, 5); err != nil {
			t.Fatal(err)
		}
		for i, want := range []error{nil, mailbox.ErrOverQuota} {
			if _, err := f.Append(ctx, drafts.ID, newMessage(f.text())); !errors.Is(err, want) {
				t.Errorf("append %d of what the quota allows: %v, want %v", i, err, want)
			}
		}
	})
}

// TestAppendToDeleted: a message for a mailbox that goes while it comes in is
// nowhere.
func TestAppendToDeleted(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		box, err := f.CreateMailbox(ctx, "short-lived", mailbox.NoRole)
		if err != nil {
			t.Fatal(err)
		}
		m := newMessage(f.text())
		m.Body = &readBefore{Reader: m.Body, first: func() {
			if err := f.DeleteMailbox(ctx, "short-lived"); err != nil {
				t.Error(err)
			}
		}}
		if res, err := f.Append(ctx, box.ID, m); !errors.Is(err, mailbox.ErrNotFound) {
			t.Errorf("Append = %+v, %v", res, err)
		}
		f.want(mailbox.Inbox)
		f.View(ctx, func(v *mailbox.View) error {
			if u := v.Usage(); u.Bytes != 0 || u.Messages != 0 {
				t.Errorf("usage %+v", u)
			}
			return nil
		})
	})
}

// TestAppendOldMailBeside: an Append of old mail is not taken for one that was
// left over long ago while another one ends.
func TestAppendOldMailBeside(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		other := func() {
			if _, err := f.Append(ctx, mailbox.Inbox, newMessage(f.text())); err != nil {
				t.Error(err)
			}
		}
		var msgs []*mailbox.NewMessage
		for range 3 {
			m := newMessage(f.text())
			m.InternalDate = f.now.AddDate(-10, 0, 0)
			msgs = append(msgs, m)
		}
		msgs[2].Body = &readBefore{Reader: msgs[2].Body, first: other}
		res, err := f.Append(ctx, mailbox.Inbox, msgs...)
		if err != nil || !slices.Equal(res.UIDs, []mailbox.UID{2, 3, 4}) {
			t.Errorf("Append = %v, %v; want UIDs 2 to 4", res.UIDs, err)
		}
	})
}

// readBefore calls first when it is read from.
type readBefore struct {
	io.Reader
	first func()
}

func (r *readBefore) Read(p []byte) (int, error) {
	if first := r.first; first != nil {
		r.first = nil
		first()
	}
	return r.Reader.Read(p)
}

func TestFlagsAndFeed(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		for range 4 {
			f.deliver()
		}
		before := f.box("INBOX").HighestModSeq
		res, err := f.StoreFlags(ctx, mailbox.Inbox, set(1, 3, 9), mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Seen, Keywords: []string{"Work"}}, mailbox.AnyModSeq)
		if err != nil || !res.Modified.Empty() {
			t.Fatal(res, err)
		}
		f.want(mailbox.Inbox, "1:1 1 Work", "2:2 0", "3:3 1 Work", "4:4 0")
		res, err = f.StoreFlags(ctx, mailbox.Inbox, nil, mailbox.FlagChange{Op: mailbox.SetFlags, Flags: mailbox.Deleted}, before)
		if err != nil || !res.Modified.Contains(1) || !res.Modified.Contains(3) || res.Modified.Len() != 2 {
			t.Errorf("UNCHANGEDSINCE %d: %+v, %v", before, res, err)
		}
		f.want(mailbox.Inbox, "1:1 1 Work", "2:2 8", "3:3 1 Work", "4:4 8")
		if _, err := f.StoreFlags(ctx, mailbox.Inbox, set(1), mailbox.FlagChange{Op: mailbox.RemoveFlags, Flags: mailbox.Seen, Keywords: []string{"WORK", "none"}}, mailbox.AnyModSeq); err != nil {
			t.Fatal(err)
		}
		ex, err := f.Expunge(ctx, mailbox.Inbox, set(1, 2))
		if err != nil || ex.UIDs.Len() != 1 || !ex.UIDs.Contains(2) {
			t.Errorf("expunge: %+v, %v", ex, err)
		}
		var feed []string
		f.View(ctx, func(v *mailbox.View) error {
			for c, err := range v.Changes(mailbox.Inbox, before) {
				if err != nil {
					return err
				}
				feed = append(feed, fmt.Sprint(c.UID, c.Kind))
			}
			return nil
		})
		if want := []string{"3 1", "4 1", "1 1", "2 2"}; !slices.Equal(feed, want) {
			t.Errorf("feed = %v, want %v", feed, want)
		}
		if m := f.box("INBOX"); m.Exists != 3 || m.Unseen != 2 || m.Deleted != 1 {
			t.Errorf("INBOX = %+v", m)
		}
	})
}

func TestCopyMoveExpunge(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		for range 3 {
			f.deliver()
		}
		archive := f.box("Archive").ID
		res, err := f.Copy(ctx, mailbox.Inbox, set(1, 3), archive)
		if err != nil || !slices.Equal(res.Source, []mailbox.UID{1, 3}) || !slices.Equal(res.Dest, []mailbox.UID{1, 2}) {
			t.Fatalf("%+v, %v", res, err)
		}
		if res, err = f.Move(ctx, mailbox.Inbox, set(2), archive); err != nil || !slices.Equal(res.Dest, []mailbox.UID{3}) {
			t.Fatalf("%+v, %v", res, err)
		}
		if res, err = f.Copy(ctx, archive, nil, archive); err != nil || len(res.Dest) != 3 {
			t.Fatalf("%+v, %v", res, err)
		}
		f.want(mailbox.Inbox, "1:1 0", "3:3 0")
		f.want(archive, "1:1 0", "2:3 0", "3:2 0", "4:1 0", "5:3 0", "6:2 0")
		for _, box := range []mailbox.ID{mailbox.Inbox, archive} {
			if _, err := f.StoreFlags(ctx, box, nil, mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Deleted}, mailbox.AnyModSeq); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Expunge(ctx, box, nil); err != nil {
				t.Fatal(err)
			}
		}
		f.View(ctx, func(v *mailbox.View) error {
			if u := v.Usage(); u.Bytes != 0 || u.Messages != 0 {
				t.Errorf("used = %+v", u)
			}
			return nil
		})
	})
}

func TestManage(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		work, err := f.CreateMailbox(ctx, "Work/2026/Nov", mailbox.NoRole)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]error{
			"Work": mailbox.ErrExists, "INBOX": mailbox.ErrExists, "inbox": mailbox.ErrExists, "": mailbox.ErrName, "a//b": mailbox.ErrName, "/a": mailbox.ErrName,
			"a/": mailbox.ErrName, "a\x00": mailbox.ErrName, "\xff": mailbox.ErrName, strings.Repeat("x", 256): mailbox.ErrName, strings.Repeat("a/", 33) + "a": mailbox.ErrName,
		} {
			if _, err := f.CreateMailbox(ctx, name, mailbox.NoRole); !errors.Is(err, want) {
				t.Errorf("create %q = %v, want %v", name, err, want)
			}
		}
		if err := f.DeleteMailbox(ctx, "Work"); !errors.Is(err, mailbox.ErrHasChildren) {
			t.Errorf("delete a parent: %v", err)
		}
		if err := f.SetSubscribed(ctx, "Work/2026", true); err != nil {
			t.Fatal(err)
		}
		f.deliver(mailbox.Target{Account: me, Mailbox: work.ID})
		if err := f.RenameMailbox(ctx, "Work", "Old/Work"); err != nil {
			t.Fatal(err)
		}
		if m := f.box("Old/Work/2026/Nov"); m.ID != work.ID || m.UIDValidity != work.UIDValidity || m.Exists != 1 {
			t.Errorf("renamed: %+v", m)
		}
		if !f.box("Old/Work/2026").Subscribed {
			t.Error("the subscription did not move along")
		}
		if err := f.RenameMailbox(ctx, "Old", "Old/Work/x"); !errors.Is(err, mailbox.ErrName) {
			t.Errorf("rename below itself: %v", err)
		}
		if err := f.DeleteMailbox(ctx, "Old/Work/2026/Nov"); err != nil {
			t.Fatal(err)
		}
		again, err := f.CreateMailbox(ctx, "Old/Work/2026/Nov", mailbox.NoRole)
		if err != nil || again.UIDValidity <= work.UIDValidity || again.ID == work.ID {
			t.Errorf("made again: %+v, %v", again, err)
		}
		f.deliver()
		if err := f.RenameMailbox(ctx, "INBOX", "Saved"); err != nil {
			t.Fatal(err)
		}
		if f.box("INBOX").Exists != 0 || f.box("Saved").Exists != 1 {
			t.Error("renaming INBOX did not move its messages")
		}
		if err := f.DeleteMailbox(ctx, "INBOX"); !errors.Is(err, mailbox.ErrName) {
			t.Errorf("delete INBOX: %v", err)
		}
	})
}

func TestQuota(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		if err := f.SetQuota(ctx, 1000, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.CheckQuota(ctx, me, 1001); !errors.Is(err, mailbox.ErrOverQuota) {
			t.Errorf("a message over the quota: %v", err)
		}
		n := 0
		for ; n < 100; n++ {
			text := f.text()
			if err := f.CheckQuota(ctx, me, int64(len(text))); err != nil {
				if !errors.Is(err, mailbox.ErrOverQuota) {
					t.Fatal(err)
				}
				break
			}
			f.deliver()
		}
		if n == 0 || n == 100 {
			t.Errorf("%d messages fit", n)
		}
	})
}

func TestKeywordsAreBounded(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		f.deliver()
		var many []string
		for i := range 65 {
			many = append(many, fmt.Sprint("k", i))
		}
		if _, err := f.StoreFlags(ctx, mailbox.Inbox, nil, mailbox.FlagChange{Op: mailbox.AddFlags, Keywords: many}, mailbox.AnyModSeq); !errors.Is(err, mailbox.ErrTooManyKeywords) {
			t.Errorf("65 keywords: %v", err)
		}
		if _, err := f.StoreFlags(ctx, mailbox.Inbox, nil, mailbox.FlagChange{Op: mailbox.AddFlags, Keywords: many[:64]}, mailbox.AnyModSeq); err != nil {
			t.Error(err)
		}
		f.deliver(mailbox.Target{Account: me, Keywords: []string{"one more"}})
		if got := len(f.list(mailbox.Inbox)); got != 2 {
			t.Errorf("%d messages; a delivery must not fail for a keyword", got)
		}
	})
}

func TestThreads(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		for _, text := range []string{
			"Message-ID: <a@x>\r\n\r\n1", "Message-ID: <b@x>\r\nIn-Reply-To: <a@x>\r\n\r\n2", "Message-ID: <z@x>\r\n\r\n3",
			"Message-ID: <d@x>\r\nReferences: <a@x> <c@x>\r\n\r\n4", "Message-ID: <c@x>\r\nIn-Reply-To: <b@x>\r\n\r\n5",
		} {
			if err := f.Deliver(ctx, newMessage(text), []mailbox.Target{{Account: me}}); err != nil {
				t.Fatal(err)
			}
		}
		var threads []mailbox.ThreadID
		f.View(ctx, func(v *mailbox.View) error {
			for m, err := range v.Messages(mailbox.Inbox, nil, 1) {
				if err != nil {
					return err
				}
				id, err := m.Thread()
				if err != nil {
					return err
				}
				threads = append(threads, id)
			}
			return nil
		})
		if want := []mailbox.ThreadID{1, 1, 3, 1, 1}; !slices.Equal(threads, want) {
			t.Errorf("threads = %v, want %v", threads, want)
		}
	})
}

// TestLongThread: the messages of a long conversation find each other, whatever
// the order they come in, also where most of those between them are missing.
func TestLongThread(t *testing.T) {
	for name, order := range map[string][]int{
		"as written": {0, 1, 2, 3, 4, 20, 21, 22, 23, 40, 41}, "newest first": {41, 40, 39, 38, 20, 19, 18, 1, 0}, "scattered": {30, 5, 17, 40, 2, 39, 29},
	} {
		t.Run(name, func(t *testing.T) {
			engines(t, func(t *testing.T, f *fixture) {
				for _, n := range order {
					var refs strings.Builder
					for i := range n {
						fmt.Fprintf(&refs, " <%d@x>", i)
					}
					text := fmt.Sprintf("Message-ID: <%d@x>\r\nReferences:%s\r\n\r\n", n, refs.String())
					if err := f.Deliver(ctx, newMessage(text), []mailbox.Target{{Account: me}}); err != nil {
						t.Fatal(err)
					}
				}
				err := f.View(ctx, func(v *mailbox.View) error {
					for m, err := range v.Messages(mailbox.Inbox, nil, 1) {
						if err != nil {
							return err
						}
						if id, err := m.Thread(); err != nil || id != 1 {
							t.Errorf("message %d is in thread %d, %v; want 1", order[m.UID-1], id, err)
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestExpungedIsForgottenInTime(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		for range 3 {
			f.deliver()
		}
		expunge := func(uid mailbox.UID) {
			t.Helper()
			if _, err := f.StoreFlags(ctx, mailbox.Inbox, set(uid), mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Deleted}, mailbox.AnyModSeq); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Expunge(ctx, mailbox.Inbox, set(uid)); err != nil {
				t.Fatal(err)
			}
		}
		expunge(1)
		f.now = f.now.Add(31 * 24 * time.Hour)
		expunge(2)
		expunge(3)
		var uids []mailbox.UID
		var floor mailbox.ModSeq
		f.View(ctx, func(v *mailbox.View) error {
			floor = v.Floor()
			for c, err := range v.Changes(mailbox.Inbox, 0) {
				if err != nil {
					return err
				}
				uids = append(uids, c.UID)
			}
			return nil
		})
		if !slices.Equal(uids, []mailbox.UID{2, 3}) || floor == 0 {
			t.Errorf("feed = %v, floor %d", uids, floor)
		}
	})
}

func TestWatch(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		changed, stop := f.Watch()
		defer stop()
		f.deliver()
		select {
		case <-changed:
		case <-time.After(30 * time.Second):
			t.Fatal("nobody was told of a delivery")
		}
	})
}

// TestSubscriptionsAreBounded: they outlive mailboxes, so that the bound of
// these is none of theirs.
func TestSubscriptionsAreBounded(t *testing.T) {
	f := newFixture(t, memstore.New(mailbox.Apply))
	const bound = 10_000
	refused := 0
	for i := range bound + 10 {
		name := fmt.Sprintf("box%d", i)
		if _, err := f.CreateMailbox(ctx, name, mailbox.NoRole); err != nil {
			t.Fatal(err)
		}
		switch err := f.SetSubscribed(ctx, name, true); {
		case errors.Is(err, mailbox.ErrTooManyBoxes):
			refused++
		case err != nil || refused > 0:
			t.Fatalf("subscription %d after %d that were refused: %v", i, refused, err)
		}
		if err := f.DeleteMailbox(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	if refused < 10 {
		t.Errorf("%d of %d subscriptions were refused", refused, bound+10)
	}
	for _, s := range []struct {
		name string
		on   bool
	}{{"box1", false}, {"INBOX", false}, {"INBOX", true}, {"INBOX", true}} {
		if err := f.SetSubscribed(ctx, s.name, s.on); err != nil {
			t.Errorf("with room again: %s: %v", s.name, err)
		}
	}
}

// TestNamesAreBounded: LIST reads all names, so that long ones count for more;
// those that grow with the name above them count too.
func TestNamesAreBounded(t *testing.T) {
	f := newFixture(t, memstore.New(mailbox.Apply))
	long := strings.Repeat(strings.Repeat("n", 200)+"/", 4)
	made := 0
	var err error
	for ; err == nil && made < 2000; made++ {
		_, err = f.CreateMailbox(ctx, fmt.Sprintf("%s%03d", long, made), mailbox.NoRole)
	}
	if !errors.Is(err, mailbox.ErrTooManyBoxes) || made < 1200 || made > 1400 {
		t.Fatalf("%d names of 800 octets: %v", made, err)
	}
	for i := range 900 {
		if _, err := f.CreateMailbox(ctx, fmt.Sprintf("a/%d", i), mailbox.NoRole); err != nil {
			t.Fatal(err)
		}
		if err := f.DeleteMailbox(ctx, fmt.Sprintf("%s%03d", long, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.RenameMailbox(ctx, "a", strings.TrimSuffix(strings.Repeat(strings.Repeat("m", 240)+"/", 4), "/")); !errors.Is(err, mailbox.ErrTooManyBoxes) {
		t.Errorf("rename to a long name: %v", err)
	}
	if err := f.RenameMailbox(ctx, "a", "b"); err != nil {
		t.Errorf("rename to a short name: %v", err)
	}
}

// TestTouched: clients' changes are told, deliveries are not, nor what changed
// nothing.
func TestTouched(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{Apply: mailbox.Apply})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	touched := 0
	boxes := mailbox.Open(s, mailbox.Options{Touched: func(id mailbox.AccountID) {
		if id == me {
			touched++
		}
	}})
	a := boxes.Account(me)
	step := func(name string, want int, fn func() error) {
		t.Helper()
		touched = 0
		if err := fn(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if touched != want {
			t.Errorf("%s: told %d times, want %d", name, touched, want)
		}
	}
	seen := mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Seen}
	step("create", 0, func() error { return boxes.CreateAccount(ctx, me) })
	step("deliver", 0, func() error { return boxes.Deliver(ctx, newMessage("a: b\r\n\r\n"), []mailbox.Target{{Account: me}}) })
	step("append", 1, func() error { _, err := a.Append(ctx, mailbox.Inbox, newMessage("a: c\r\n\r\n")); return err })
	step("flags", 1, func() error { _, err := a.StoreFlags(ctx, mailbox.Inbox, set(1), seen, mailbox.AnyModSeq); return err })
	step("the same flags", 0, func() error { _, err := a.StoreFlags(ctx, mailbox.Inbox, set(1), seen, mailbox.AnyModSeq); return err })
	step("copy", 1, func() error { _, err := a.Copy(ctx, mailbox.Inbox, set(1), mailbox.Inbox); return err })
	step("move", 1, func() error { _, err := a.Move(ctx, mailbox.Inbox, set(1), mailbox.Inbox); return err })
	step("move nothing", 0, func() error { _, err := a.Move(ctx, mailbox.Inbox, set(99), mailbox.Inbox); return err })
}
