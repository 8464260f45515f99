package junk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// TestClass is the table of state.go.
func TestClass(t *testing.T) {
	for _, tt := range []struct {
		name   string
		s      state
		before Class
		want   Class
	}{
		{"we filed it", state{verdict: "junk", in: inJunk, junk: true}, None, None},
		{"taken out and put back", state{verdict: "junk", in: inJunk}, Good, None},
		{"moved to Junk", state{verdict: "inbox", in: inJunk}, Kept, Junk},
		{"appended to Junk", state{in: inJunk}, None, Junk},
		{"taken out of Junk", state{verdict: "junk", in: inInbox, junk: true}, None, Good},
		{"moved back", state{verdict: "inbox", in: inInbox}, Junk, None},
		{"released", state{verdict: "quarantine", in: inInbox}, None, Good},
		{"released to Junk", state{verdict: "quarantine", in: inJunk}, None, Junk},
		{"still in quarantine", state{verdict: "quarantine", in: inAside}, None, None},
		{"keyword", state{verdict: "inbox", in: inInbox, junk: true}, None, Junk},
		{"keyword of good", state{verdict: "inbox", in: inInbox, notJunk: true}, None, Good},
		{"our keyword of good", state{verdict: "inbox", in: inInbox, notJunk: true, known: true}, None, None},
		{"answered", state{verdict: "inbox", in: inInbox, flags: mailbox.Answered}, None, Good},
		{"filed", state{verdict: "inbox", in: inOther}, None, Good},
		{"imported", state{in: inOther, flags: mailbox.Seen}, None, None},
		{"read", state{verdict: "inbox", in: inInbox, flags: mailbox.Seen}, None, Kept},
		{"not read", state{verdict: "inbox", in: inInbox}, None, None},
		{"read and deleted", state{verdict: "inbox", in: inAside, flags: mailbox.Seen}, Kept, None},
		{"junk that is deleted", state{verdict: "inbox", in: inAside}, Junk, Junk},
		{"answered and deleted", state{verdict: "inbox", in: inAside}, Good, Good},
		{"copied to Junk", state{verdict: "inbox", in: inJunk | inAside}, None, Junk},
		{"sent", state{in: inSent}, None, Sent},
		{"delivered, and moved to Sent", state{verdict: "inbox", in: inSent}, None, None},
		{"draft", state{in: inAside}, None, None},
	} {
		if got := tt.s.class(tt.before); got != tt.want {
			t.Errorf("%s: class %d, want %d", tt.name, got, tt.want)
		}
	}
}

const offer = "Subject: cheap pills offer\nMessage-ID: <1@spam.com>\nDate: Sat, 28 Nov 2026 11:00:00 +0000\n\nbuy cheap pills at https://pills.example/now\n"

// dump is everything in the file but when it was learned.
func (w *world) dump() string {
	w.t.Helper()
	var b strings.Builder
	err := w.db.View(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketTotals, bucketWords, bucketSenders} {
			err := tx.Bucket(name).ForEach(func(k, v []byte) error {
				if bytes.Count(v, []byte{0}) < len(v) {
					fmt.Fprintf(&b, "%s %x %x\n", name, k, v)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

// TestLearnAndUndo: each way to move there and back leaves nothing behind, and
// the layers in memory are what the file says.
func TestLearnAndUndo(t *testing.T) {
	for _, tt := range []struct {
		name    string
		verdict string
		there   func(*world, mailbox.EmailID)
		class   Class
		back    func(*world, mailbox.EmailID)
	}{
		{"to Junk and back", "inbox; score=0.5",
			func(w *world, id mailbox.EmailID) { w.move(me, id, mailbox.RoleJunk) }, Junk,
			func(w *world, id mailbox.EmailID) { w.move(me, id, mailbox.RoleInbox) }},
		{"out of Junk and back", "junk; score=6.1",
			func(w *world, id mailbox.EmailID) { w.move(me, id, mailbox.RoleInbox) }, Good,
			func(w *world, id mailbox.EmailID) { w.move(me, id, mailbox.RoleJunk) }},
		{"archived and back", "inbox; score=0",
			func(w *world, id mailbox.EmailID) { w.move(me, id, mailbox.RoleArchive) }, Good,
			func(w *world, id mailbox.EmailID) { w.move(me, id, mailbox.RoleInbox) }},
		{"read and deleted", "inbox; score=0",
			func(w *world, id mailbox.EmailID) { w.flag(me, id, mailbox.Seen) }, Kept,
			func(w *world, id mailbox.EmailID) { w.move(me, id, mailbox.RoleTrash) }},
		{"told by hand", "inbox; score=0",
			func(w *world, id mailbox.EmailID) {
				if err := w.Learn(w.t.Context(), me, id, Junk); err != nil {
					w.t.Error(err)
				}
			}, Junk,
			func(w *world, id mailbox.EmailID) {
				if err := w.Forget(w.t.Context(), me, id); err != nil {
					w.t.Error(err)
				}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.score(me, good("eve@spam.com", offer)) // has the layers in memory
			id := w.deliver(me, good("eve@spam.com", offer), tt.verdict)
			w.flush()
			before := w.dump()
			tt.there(w, id)
			if got := w.class(me, id); got != tt.class {
				t.Fatalf("learned as %d, want %d", got, tt.class)
			}
			if w.dump() == before {
				t.Error("nothing was counted")
			}
			w.sameInMemory()
			tt.back(w, id)
			if got := w.class(me, id); got != None {
				t.Errorf("afterwards it is %d", got)
			}
			if got := w.dump(); got != before {
				t.Errorf("left behind:\n%s", got)
			}
			w.sameInMemory()
		})
	}
}

// sameInMemory compares the layers in memory with those of the file.
func (w *world) sameInMemory() {
	w.t.Helper()
	for _, id := range []mailbox.AccountID{shared, me} {
		want, err := w.layers.fromFile(id)
		if err != nil {
			w.t.Fatal(err)
		}
		w.layers.read(me, func(base, own *layer) {
			got := own
			if id == shared {
				got = base
			}
			if fmt.Sprint(got.words) != fmt.Sprint(want.words) || got.totals != want.totals {
				w.t.Errorf("layer %d in memory: %v %v, in the file %v %v", id, got.totals, got.words, want.totals, want.words)
			}
		})
	}
}

// TestSameTokensWhenLearned: what is learned of a stored message is what was
// looked up when it came, and whom it came from.
func TestSameTokensWhenLearned(t *testing.T) {
	w := newWorld(t)
	m := good("eve@spam.com", offer)
	m.dkim = append(m.dkim, "esp.net")
	l := readLetter(w.key, m.evidence(t), clock)
	tokens, senders := l.tokens.tokens(), l.identities()
	l.release()
	id := w.deliver(me, m, "inbox; score=0.5;\r\n\treasons=dmarc.pass=-0.5")
	w.move(me, id, mailbox.RoleJunk)
	w.flush()
	n, err := w.lesson(me, id)
	if err != nil || fmt.Sprint(n.tokens) != fmt.Sprint(tokens) {
		t.Errorf("%d tokens were learned, %d were looked up, %v", len(n.tokens), len(tokens), err)
	}
	if fmt.Sprint(n.senders) != fmt.Sprint(senders) || len(senders) != 5 {
		t.Errorf("senders %x, want %x", n.senders, senders)
	}
}

// TestToldStays: what was told by hand is not undone by the next look at the
// mailbox, but by the next move.
func TestToldStays(t *testing.T) {
	w := newWorld(t)
	id := w.deliver(me, good("eve@spam.com", offer), "inbox")
	if err := w.Learn(t.Context(), me, id, Junk); err != nil {
		t.Fatal(err)
	}
	w.flag(me, id, mailbox.Flagged)
	if got := w.class(me, id); got != Junk {
		t.Errorf("after a flag it is %d", got)
	}
	w.move(me, id, mailbox.RoleArchive)
	if got := w.class(me, id); got != Good {
		t.Errorf("after it was archived it is %d", got)
	}
	if err := w.Learn(t.Context(), me, id+1, Junk); !errors.Is(err, mailbox.ErrNoMessage) {
		t.Errorf("an email that is not there: %v", err)
	}
	if err := w.Learn(t.Context(), me, id, Kept); !errors.Is(err, errNotLearned) {
		t.Errorf("a class that cannot be told: %v", err)
	}
}

// TestCrash: whatever was committed when the process ended, nothing is counted
// twice or lost afterwards.
func TestCrash(t *testing.T) {
	w := newWorld(t)
	id := w.deliver(me, good("eve@spam.com", offer), "inbox")
	w.move(me, id, mailbox.RoleJunk)
	w.flush()
	want := w.dump()
	// The cursor is lost, as if the file were older than the mailbox.
	err := w.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketCursor).Delete(accountKey(me)) })
	if err != nil {
		t.Fatal(err)
	}
	w.close()
	w.open()
	w.Touched(me)
	w.flush()
	if got := w.dump(); got != want {
		t.Errorf("after it was read again:\n%swant\n%s", got, want)
	}
	// The process ends after the move and before it was learned.
	w.close()
	w.boxes.Account(me) // the store stays
	w.Classifier = nil
	w.move(me, id, mailbox.RoleInbox)
	w.open()
	w.Touched(me)
	if got := w.class(me, id); got != None {
		t.Errorf("after the restart it is %d", got)
	}
}

// TestEndBeforeItWasLearned: an account that waits when the server ends is
// looked at after the next start.
func TestEndBeforeItWasLearned(t *testing.T) {
	w := newWorld(t)
	id := w.deliver(me, good("eve@spam.com", offer), "inbox")
	w.stop()
	w.move(me, id, mailbox.RoleJunk)
	w.close()
	w.open()
	if got := w.class(me, id); got != Junk {
		t.Errorf("after the restart it is %d", got)
	}
}

// TestDamagedFile: it is put aside, and what mailboxes tell is learned again.
func TestDamagedFile(t *testing.T) {
	w := newWorld(t)
	id := w.deliver(me, good("eve@spam.com", offer), "inbox")
	w.move(me, id, mailbox.RoleJunk)
	w.flush()
	w.close()
	if err := os.WriteFile(w.path, bytes.Repeat([]byte("no database "), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := os.Stat(w.path + ".damaged"); err != nil {
		t.Error(err)
	}
	w.Touched(me)
	if got := w.class(me, id); got != Junk {
		t.Errorf("it is %d", got)
	}
}

// TestManyChanges: a feed longer than one step is read to its end, in whole
// mod-sequences.
func TestManyChanges(t *testing.T) {
	w := newWorld(t)
	var msgs []*mailbox.NewMessage
	for i := range 3*stepChanges + 7 {
		raw := fmt.Sprintf("From: bo@example.org\r\nTo: friend%d@there.com\r\n\r\nhi\r\n", i)
		ix, err := message.Parse(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, &mailbox.NewMessage{Body: strings.NewReader(raw), Size: int64(len(raw)), Index: ix})
	}
	if _, err := w.boxes.Account(me).Append(t.Context(), w.box(me, mailbox.RoleSent), msgs...); err != nil {
		t.Fatal(err)
	}
	w.flush()
	for _, i := range []int{0, stepChanges, len(msgs) - 1} {
		o := w.score(me, good(fmt.Sprintf("friend%d@there.com", i), plain))
		if !o.Known || !strings.Contains(o.names(), "sender.written-to") {
			t.Errorf("friend %d: %+v", i, o)
		}
	}
}
