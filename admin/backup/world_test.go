package backup

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/plan"
	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/admin/backup/target/folder"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// world is the data of a server with an account, and a Service for it.
type world struct {
	t       *testing.T
	data    string
	place   string // the target
	dir     *directory.Directory
	eng     *store.Engine
	boxes   *mailbox.Boxes
	ana     mailbox.AccountID
	set     Settings
	service *Service
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, data: t.TempDir(), place: filepath.Join(t.TempDir(), "place")}
	var err error
	w.dir, err = directory.Open(filepath.Join(w.data, "system.db"), directory.Options{Cost: directory.Cost{Time: 1, MemoryKiB: 8}})
	w.must(err)
	t.Cleanup(func() { w.dir.Close() })
	// Small segments, so that there are several.
	w.eng, err = store.Open(filepath.Join(w.data, "store"), store.Options{Apply: apply, SegmentSize: 2 << 20, Grace: 1, Reserve: -1})
	w.must(err)
	t.Cleanup(func() { w.eng.Close() })
	w.boxes = mailbox.Open(w.eng, mailbox.Options{})
	_, err = w.dir.AddDomain(t.Context(), "test", directory.NewDomain{Name: "example.org"})
	w.must(err)
	w.ana = w.account("ana@example.org")
	w.set = Settings{Target: w.place, Keep: plan.Retention{Last: 3}}
	w.service = New(Options{
		Source:   Source{DataDir: w.data, Directory: w.dir, Boxes: w.boxes, Store: w.eng},
		Settings: func() Settings { return w.set }, State: w.dir,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) account(address string) mailbox.AccountID {
	w.t.Helper()
	p, err := mail.ParseAddress(address)
	w.must(err)
	a, err := w.dir.AddAccount(w.t.Context(), "test", directory.NewAccount{Address: p})
	w.must(err)
	w.must(w.boxes.CreateAccount(w.t.Context(), mailbox.AccountID(a.ID)))
	return mailbox.AccountID(a.ID)
}

// text is a message that cannot be compressed much.
func text(n, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: <bo@example.net>\r\nSubject: number %d\r\nMessage-ID: <%d@example.net>\r\n\r\n", n, n)
	for x := uint32(n)*2654435761 + 1; b.Len() < size; x = x*1664525 + 1013904223 {
		fmt.Fprintf(&b, "%08x", x)
		if b.Len()%72 < 8 {
			b.WriteString("\r\n")
		}
	}
	return b.String() + "\r\n"
}

// deliver files a message.
func (w *world) deliver(id mailbox.AccountID, body string, flags mailbox.Flags) {
	w.t.Helper()
	ix, err := message.Parse(strings.NewReader(body))
	w.must(err)
	w.must(w.boxes.Deliver(w.t.Context(), &mailbox.NewMessage{Body: strings.NewReader(body), Size: int64(len(body)), Index: ix},
		[]mailbox.Target{{Account: id, Flags: flags}}))
}

// run makes a backup that must go well.
func (w *world) run() Run {
	w.t.Helper()
	r, err := w.service.Run(w.t.Context(), func(string, int64, int64) {})
	w.must(err)
	return r
}

// restore restores a backup into a new folder.
func (w *world) restore(id string) (string, Restored, error) {
	w.t.Helper()
	k, err := w.service.Key(w.t.Context())
	w.must(err)
	dir := filepath.Join(w.t.TempDir(), "data")
	res, err := RestoreAll(w.t.Context(), w.target(), k, id, dir, func(int64, int64) {})
	return dir, res, err
}

func (w *world) target() target.Target {
	w.t.Helper()
	f, err := folder.Open(w.place)
	w.must(err)
	return f
}

// mailOf lists what an account has: mailbox, UID, flags and hash of each
// message.
func mailOf(t *testing.T, boxes *mailbox.Boxes, id mailbox.AccountID) (list []string) {
	t.Helper()
	type found struct {
		line string
		body mailbox.BodyRef
	}
	var all []found
	err := boxes.Account(id).View(t.Context(), func(v *mailbox.View) error {
		all = nil
		names, err := v.Mailboxes()
		if err != nil {
			return err
		}
		for _, m := range names {
			for msg, err := range v.Messages(m.ID, nil, 1) {
				if err != nil {
					return err
				}
				body, err := msg.Body()
				if err != nil {
					return err
				}
				date, err := msg.InternalDate()
				if err != nil {
					return err
				}
				all = append(all, found{fmt.Sprint(m.Name, m.UIDValidity, msg.UID, msg.Flags, v.KeywordNames(msg.Keywords), date.Unix()), body})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		sum, err := hashBody(context.Background(), boxes, f.body)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %x", f.line, sum))
	}
	return list
}
