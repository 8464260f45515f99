package mailbox_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// incoming is a message of another server, with a key.
func (f *fixture) incoming(key string, flags mailbox.Flags, keywords ...string) *mailbox.Incoming {
	m := *newMessage(f.text())
	m.InternalDate = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	m.Flags, m.Keywords = flags, keywords
	return &mailbox.Incoming{NewMessage: m, Key: []byte(key), Hash: mailbox.Hash{1, 2}, Mark: 9}
}

// imported lists what is remembered of keys that begin with prefix.
func (f *fixture) imported(prefix string) (list []mailbox.Imported) {
	f.t.Helper()
	err := f.View(ctx, func(v *mailbox.View) error {
		for m, err := range v.AllImported([]byte(prefix), nil) {
			if err != nil {
				return err
			}
			m.Key = slices.Clone(m.Key)
			list = append(list, m)
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// remove expunges a message of INBOX.
func (f *fixture) remove(uid mailbox.UID) {
	f.t.Helper()
	set := mailbox.NewUIDSet(uid)
	_, err := f.StoreFlags(ctx, mailbox.Inbox, set, mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Deleted}, ^mailbox.ModSeq(0))
	if err == nil {
		_, err = f.Expunge(ctx, mailbox.Inbox, set)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) exists(box mailbox.ID) (n uint32) {
	f.t.Helper()
	err := f.View(ctx, func(v *mailbox.View) error {
		m, err := v.Mailbox(box)
		n = m.Exists
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// TestImport: a message of a key comes once, with its date, flags and
// keywords, even if it was expunged since.
func TestImport(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		batch := func() []*mailbox.Incoming {
			return []*mailbox.Incoming{f.incoming("a1", mailbox.Seen, "work"), f.incoming("a2", 0), f.incoming("a2", 0), f.incoming("b1", mailbox.Flagged)}
		}
		for range 2 {
			if err := f.Import(ctx, mailbox.Inbox, batch()); err != nil {
				t.Fatal(err)
			}
			if n := f.exists(mailbox.Inbox); n != 3 {
				t.Fatalf("INBOX has %d messages, want 3", n)
			}
		}
		err := f.View(ctx, func(v *mailbox.View) error {
			m, err := v.Message(mailbox.Inbox, 1)
			if err != nil {
				return err
			}
			date, err := m.InternalDate()
			if names := v.KeywordNames(m.Keywords); m.Flags != mailbox.Seen || !slices.Equal(names, []string{"work"}) || date.Year() != 2001 {
				t.Errorf("flags %v, keywords %v, date %v", m.Flags, names, date)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		f.remove(1)
		if err := f.Import(ctx, mailbox.Inbox, batch()); err != nil {
			t.Fatal(err)
		}
		if n := f.exists(mailbox.Inbox); n != 2 {
			t.Errorf("INBOX has %d messages after an expunge, want 2", n)
		}
		got := f.imported("a")
		want := []mailbox.Imported{{Key: []byte("a1"), Mailbox: 1, UID: 1, Hash: mailbox.Hash{1, 2}, Mark: 9}, {Key: []byte("a2"), Mailbox: 1, UID: 2, Hash: mailbox.Hash{1, 2}, Mark: 9}}
		if !slices.EqualFunc(got, want, func(a, b mailbox.Imported) bool {
			return string(a.Key) == string(b.Key) && a.Mailbox == b.Mailbox && a.UID == b.UID && a.Hash == b.Hash && a.Mark == b.Mark
		}) {
			t.Errorf("remembered is %v, want %v", got, want)
		}
	})
}

// TestImportRefused: nothing comes in over the quota, nor without a key, nor
// into a mailbox that is gone, which leaves no trace.
func TestImportRefused(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		box, err := f.CreateMailbox(ctx, "Gone", mailbox.NoRole)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.DeleteMailbox(ctx, "Gone"); err != nil {
			t.Fatal(err)
		}
		if err := f.Import(ctx, box.ID, []*mailbox.Incoming{f.incoming("a", 0)}); err != nil {
			t.Error(err)
		}
		if list := f.imported(""); len(list) > 0 {
			t.Errorf("remembered is %v, want nothing", list)
		}
		if err := f.Import(ctx, mailbox.Inbox, []*mailbox.Incoming{f.incoming("", 0)}); err == nil {
			t.Error("a message without a key was taken")
		}
		if err := f.SetQuota(ctx, 0, 1); err != nil {
			t.Fatal(err)
		}
		if err := f.Import(ctx, mailbox.Inbox, []*mailbox.Incoming{f.incoming("a", 0), f.incoming("b", 0)}); !errors.Is(err, mailbox.ErrOverQuota) {
			t.Errorf("over quota: %v", err)
		}
		if n := f.exists(mailbox.Inbox); n != 0 {
			t.Errorf("INBOX has %d messages, want none", n)
		}
	})
}

// TestChangeImported: flags that changed at the source change here; what is
// gone there goes, and may come again.
func TestChangeImported(t *testing.T) {
	engines(t, func(t *testing.T, f *fixture) {
		if err := f.Import(ctx, mailbox.Inbox, []*mailbox.Incoming{f.incoming("a", 0), f.incoming("b", 0), f.incoming("c", 0)}); err != nil {
			t.Fatal(err)
		}
		f.remove(3)
		n, err := f.ChangeImported(ctx, []mailbox.ImportedChange{
			{Key: []byte("a"), Flags: mailbox.Seen, Keywords: []string{"x"}, Mark: 5}, {Key: []byte("b"), Gone: true},
			{Key: []byte("c"), Flags: mailbox.Seen, Mark: 5}, {Key: []byte("unknown"), Gone: true},
		})
		if err != nil || n != 2 {
			t.Errorf("ChangeImported = %d, %v; want 2", n, err)
		}
		if got := f.imported(""); len(got) != 2 || got[0].Mark != 5 || string(got[1].Key) != "c" {
			t.Errorf("remembered is %v", got)
		}
		err = f.View(ctx, func(v *mailbox.View) error {
			m, err := v.Message(mailbox.Inbox, 1)
			if err == nil && (m.Flags != mailbox.Seen || !slices.Equal(v.KeywordNames(m.Keywords), []string{"x"})) {
				t.Errorf("flags %v, keywords %v", m.Flags, v.KeywordNames(m.Keywords))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Import(ctx, mailbox.Inbox, []*mailbox.Incoming{f.incoming("b", 0), f.incoming("c", 0)}); err != nil {
			t.Fatal(err)
		}
		if n := f.exists(mailbox.Inbox); n != 2 {
			t.Errorf("INBOX has %d messages, want 2", n)
		}
	})
}
