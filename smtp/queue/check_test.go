package queue

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Each kind of damage is seen, and a queue in order has none.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(rw store.RW) error
		want   string // "" for none
	}{
		{"nothing", func(store.RW) error { return nil }, ""},
		{"job gone", deleteFirst(bucketJob), "counts 1 jobs"},
		{"item gone", deleteFirst(bucketItem), "is missing"},
		{"report gone", deleteFirst(bucketOwed), "counts 1 jobs"},
		{"fresh gone", deleteFirst(bucketFresh), "is not in fresh"},
		{"next gone", deleteFirst(bucketNext), "is not in next"},
		{"fresh too many", copyFirst(bucketFresh, freshKey(99)), "leads to job"},
		{"next too many", copyFirst(bucketNext, nextKey(time.Unix(5, 0), "nothing")), "leads to job"},
		{"sequence set back", func(rw store.RW) error { return rw.Put(bucketState, keyFresh, freshKey(0)) }, "the last is 0"},
		{"job torn", tearFirst(bucketJob), "job "},
		{"item torn", tearFirst(bucketItem), "item "},
		{"report torn", tearFirst(bucketOwed), "owed report "},
		{"body gone", func(rw store.RW) error {
			for k, v := range rw.Scan(bucketItem, nil, nil) {
				it, err := decodeItem(v)
				if err != nil {
					return err
				}
				it.ref = store.Ref{1}
				return rw.Put(bucketItem, append([]byte(nil), k...), it.encode())
			}
			return nil
		}, "cannot be opened"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, Options{})
				fillAllBuckets(f)
				if err := f.eng.Update(t.Context(), store.Queue, tt.damage); err != nil {
					t.Fatal(err)
				}
				problems, err := f.Check(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got := strings.Join(problems, "\n")
				if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
					t.Errorf("problems: %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// fillAllBuckets makes one message that is tried again later, one whose report
// is owed, and one that was never tried.
func fillAllBuckets(f *fixture) {
	f.remote.answer = func(_ *Delivery, r mail.Recipient) Result {
		if r.Path == di {
			return Result{Err: errLater}
		}
		return Result{Err: errNever}
	}
	full := &fullStore{Store: f.eng}
	f.eng = full
	f.enqueue(ana, di)
	f.enqueue(ana, bo)
	full.set(true) // no reports
	f.start()
	time.Sleep(time.Second)
	synctest.Wait()
	f.stop()
	full.set(false)
	f.enqueue(ana, bo, di)
}

func deleteFirst(b store.Bucket) func(store.RW) error {
	return func(rw store.RW) error {
		for k := range rw.Scan(b, nil, nil) {
			return rw.Delete(b, append([]byte(nil), k...))
		}
		return nil
	}
}

func copyFirst(b store.Bucket, to []byte) func(store.RW) error {
	return func(rw store.RW) error {
		for _, v := range rw.Scan(b, nil, nil) {
			return rw.Put(b, to, append([]byte(nil), v...))
		}
		return nil
	}
}

func tearFirst(b store.Bucket) func(store.RW) error {
	return func(rw store.RW) error {
		for k, v := range rw.Scan(b, nil, nil) {
			return rw.Put(b, append([]byte(nil), k...), append([]byte(nil), v[:len(v)/2]...))
		}
		return nil
	}
}
