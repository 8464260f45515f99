package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/mailbox/store/memstore"
)

func openEngine(t testing.TB, dir string) *store.Engine {
	t.Helper()
	eng, err := store.Open(dir, store.Options{Apply: Apply})
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

// The same on the real store, which is closed and opened again in between.
func TestRealStore(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Options{})
		f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
			switch {
			case r.Path == cy:
				return Result{Err: errNever}
			case r.Path == di && d.Attempt < 4:
				return Result{Err: errLater}
			}
			return Result{}
		}
		const messages = 100
		bodies := map[ID]store.Ref{}
		for round := range 5 {
			eng := openEngine(t, dir)
			f.eng, f.Queue = eng, nil
			if round == 0 {
				for range messages {
					f.enqueue(ana, bo, cy, di)
				}
				bodies = refs(t, eng)
			}
			f.start()
			time.Sleep(12 * time.Minute)
			f.stop()
			if err := eng.Close(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		counts := map[mail.Path]int{}
		for _, c := range f.remote.all() {
			counts[c.to]++
		}
		if counts[bo] != messages || counts[cy] != messages || counts[di] != 4*messages || counts[ana] != messages {
			t.Errorf("deliveries: %v", counts)
		}
		eng := openEngine(t, dir)
		defer eng.Close()
		f.eng = eng
		f.wantEmpty()
		if len(bodies) != messages {
			t.Errorf("%d bodies", len(bodies))
		}
		time.Sleep(48 * time.Hour) // beyond the grace time of released bodies
		if err := eng.Reclaim(t.Context()); err != nil {
			t.Fatal(err)
		}
		for id, ref := range bodies {
			if _, err := eng.Open(t.Context(), ref); !errors.Is(err, store.ErrNoBody) {
				t.Fatalf("body of %s is still there: %v", id, err)
			}
		}
	})
}

// refs returns the bodies of all items.
func refs(t *testing.T, eng store.Store) map[ID]store.Ref {
	all := map[ID]store.Ref{}
	err := eng.View(t.Context(), store.Queue, func(tx store.Tx) error {
		for k, v := range tx.Scan(bucketItem, nil, nil) {
			it, err := decodeItem(v)
			if err != nil {
				return err
			}
			all[ID(k)] = it.ref
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// countdown is a Transport that takes everything and ends when it has it all.
type countdown struct{ left sync.WaitGroup }

func (c *countdown) Deliver(_ context.Context, d *Delivery) []Result {
	c.left.Done()
	return make([]Result, len(d.Envelope.Recipients))
}

// BenchmarkQueue accepts messages from 16 clients and delivers them to nobody.
func BenchmarkQueue(b *testing.B) {
	for _, engine := range []string{"memory", "disk"} {
		b.Run(engine, func(b *testing.B) {
			var eng store.Store = memstore.New(Apply)
			if engine == "disk" {
				eng = openEngine(b, b.TempDir())
			}
			defer eng.Close()
			next := &countdown{}
			q := New(eng, next, Options{Hostname: "mx.example.org"})
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			go func() { done <- q.Run(ctx) }()
			body := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 64) // 4 KiB
			b.SetParallelism(8)
			next.left.Add(b.N)
			b.RunParallel(func(pb *testing.PB) {
				for n := 0; pb.Next(); n++ {
					id := trace.NewID(time.Now(), q.opts.Random)
					env := mail.Envelope{ReversePath: ana, Recipients: []mail.Recipient{{Path: mail.Path{Local: "x", Domain: mail.Domain(fmt.Sprintf("d%d.example", n%50))}}}}
					if err := q.Enqueue(ctx, id, env, nil, strings.NewReader(body), int64(len(body))); err != nil {
						b.Error(err)
					}
				}
			})
			next.left.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			cancel()
			if err := <-done; err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkBacklog is a pass and an overview over 100,000 messages that wait.
func BenchmarkBacklog(b *testing.B) {
	const backlog = 100_000
	eng := openEngine(b, b.TempDir())
	defer eng.Close()
	q := New(eng, nil, Options{Hostname: "mx.example.org"})
	for range backlog / 1000 { // rows as Apply makes them, without bodies
		err := eng.Update(b.Context(), store.Queue, func(rw store.RW) error {
			for n := range 1000 {
				env := mail.Envelope{ReversePath: ana, Recipients: []mail.Recipient{{Path: mail.Path{Local: "x", Domain: mail.Domain(fmt.Sprintf("d%d.example", n%50))}}}}
				to, err := Entry(trace.NewID(time.Now(), q.opts.Random), env, time.Now())
				if err != nil {
					return err
				}
				if err := Apply(rw, store.Accepted{To: to, Size: 1}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("pass", func(b *testing.B) {
		for b.Loop() {
			q.sched.init(func() (parallel, perDomain int) { return 100, 10 })
			q.sched.rewind()
			if _, err := q.sched.pass(b.Context(), eng, time.Now(), q.current().longest()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stats", func(b *testing.B) {
		for b.Loop() {
			if _, err := q.Stats(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
