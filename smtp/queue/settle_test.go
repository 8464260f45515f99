package queue

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/mailbox/store/memstore"
)

// home is a Local whose mailboxes are rows of one owner of the queue's store.
type home struct {
	f      *fixture
	onward mail.Envelope
	deaf   bool // hears that every Accept failed
}

const homeOwner store.Owner = 7

func (h *home) IsLocal(d mail.Domain) bool { return d == ana.Domain }

func (h *home) Deliver(ctx context.Context, d *Delivery) []Result {
	err := h.accept(ctx, d)
	if err == nil && h.deaf {
		err = errLater
	}
	return same(len(d.Envelope.Recipients), err)
}

func (h *home) accept(ctx context.Context, d *Delivery) error {
	settled, err := d.Settle(h.onward)
	if err != nil {
		return err
	}
	body, err := d.Open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = h.f.eng.Accept(ctx, &store.Message{
		To:   []store.Recipient{{Owner: homeOwner}, settled},
		Body: io.NewSectionReader(body, 0, body.Size()), Size: body.Size(),
	})
	return err
}

// applyHome files messages of homeOwner, one row each.
func applyHome(rw store.RW, a store.Accepted) error {
	if a.To.Owner == store.Queue {
		return Apply(rw, a)
	}
	return rw.Put('m', a.Ref[:], nil)
}

// newHomeFixture is a fixture that has mailboxes; filed counts their messages.
func newHomeFixture(t *testing.T, opts Options) (f *fixture, h *home, filed func() int) {
	h = &home{}
	opts.Local = h
	f = newFixture(t, opts)
	disk := memstore.New(applyHome)
	f.eng, h.f = disk, f
	return f, h, func() (n int) {
		err := disk.View(context.Background(), homeOwner, func(tx store.Tx) error {
			n = 0
			for range tx.Scan('m', nil, nil) {
				n++
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return n
	}
}

// The process dies at every write there is while a report goes to one of our
// mailboxes: it is there exactly once.
func TestCrashWhileFiled(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			crashed := false
			t.Run(fmt.Sprintf("write %d after %v", n, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { crashed = crashFiled(t, n, after) })
			})
			if !crashed {
				if n < 5 {
					t.Fatalf("only %d writes", n-1)
				}
				break
			}
			if t.Failed() {
				return
			}
		}
	}
}

// crashFiled plays the scenario and reports whether there was an n-th write.
func crashFiled(t *testing.T, n int, after bool) bool {
	f, _, filed := newHomeFixture(t, Options{Parallel: 1})
	f.remote.answer = func(*Delivery, mail.Recipient) Result { return Result{Err: errNever} }
	f.enqueue(ana, bo) // makes a report
	f.enqueue(ana, ana)
	disk := f.eng
	broken := &crashStore{Store: disk, n: n, after: after}
	f.eng = broken
	f.start()
	time.Sleep(time.Hour)
	f.stop()
	f.eng = disk
	f.start()
	time.Sleep(time.Hour)
	f.stop()
	f.wantEmpty()
	if filed() != 2 {
		t.Errorf("%d messages are filed, want the message and the report", filed())
	}
	return broken.isDead()
}

// A message that was filed is not filed again, though the transport heard that
// it was not, and is not reported as late or failed.
func TestFiledUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h, filed := newHomeFixture(t, Options{})
		h.deaf = true
		f.start()
		f.enqueueEnvelope(mail.Envelope{ReversePath: di, Recipients: []mail.Recipient{{Path: ana, Notify: mail.NotifySuccess | mail.NotifyFailure}}})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if filed() != 1 || f.told.String() != "delivered" {
			t.Errorf("%d are filed, and the sender is told %q", filed(), f.told.String())
		}
		f.wantEmpty()
	})
}

// What an alias sends on is queued by the same Accept.
func TestFiledAndSentOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h, filed := newHomeFixture(t, Options{})
		h.onward = mail.Envelope{ReversePath: di, Recipients: []mail.Recipient{{Path: bo}, {Path: cy}}}
		f.start()
		f.enqueue(di, ana)
		synctest.Wait()
		if filed() != 1 || len(f.remote.to(bo)) != 1 || len(f.remote.to(cy)) != 1 {
			t.Errorf("%d are filed, sent on are %+v", filed(), f.remote.all())
		}
		f.wantEmpty()
	})
}

// A message that was cancelled while it was being filed leaves nothing.
func TestFiledWhenCancelled(t *testing.T) {
	f, _, filed := newHomeFixture(t, Options{})
	id := f.enqueue(di, ana)
	q := New(f.eng, f.remote, f.opts)
	to, err := makeEntry(&entry{id: id, created: time.Now(), settles: subKey(string(id), 0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	m := &store.Message{To: []store.Recipient{{Owner: homeOwner}, to}, Body: strings.NewReader(testBody), Size: int64(len(testBody))}
	if _, err := f.eng.Accept(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if filed() != 1 {
		t.Errorf("%d are filed", filed())
	}
	f.wantEmpty()
}

func TestSettlingEntry(t *testing.T) {
	want := sampleEntry()
	want.reports, want.settles = "", want.reports
	if got, err := decodeEntry(want.encode()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
