package trace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

// fill writes n traces, one a second, as a server of 10 domains with 50 users
// each may have them: one in 3 is refused, one in 1,000 bounces.
func fill(t testing.TB, l *Log, n int) []ID {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	random := rand.NewChaCha8([32]byte{3})
	ids := make([]ID, n)
	for i := range n {
		when := day0.Add(time.Duration(i) * time.Second)
		ids[i] = NewID(when, random)
		s := Summary{ID: ids[i], Start: when, Last: when, Direction: "in", Outcome: "accepted", RemoteIP: fmt.Sprintf("192.0.2.%d", r.IntN(250)),
			ReversePath: mail.Path{Local: fmt.Sprint("s", r.IntN(500)), Domain: mail.Domain(fmt.Sprintf("r%d.example", r.IntN(300)))},
			Recipients:  []mail.Path{{Local: fmt.Sprint("u", r.IntN(50)), Domain: mail.Domain(fmt.Sprintf("d%d.example", r.IntN(10)))}},
			MessageID:   fmt.Sprintf("<%d@x.example>", i), SubjectHash: SubjectHash(fmt.Sprint("subject ", i))}
		switch {
		case i%3 == 0:
			s.Outcome, s.Cause = "refused", fmt.Sprint("5.1.1 ", s.RemoteIP)
		case i%1000 == 1:
			s.Direction, s.Outcome, s.Cause = "out", "bounced", "bigmail.example: 550"
		}
		l.Append(s, Event{Time: when, Kind: Done, Text: "done"})
		if i%1_000 == 999 { // a run can only begin between two groups
			if err := l.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if l.Dropped() > 0 {
		t.Fatalf("%d entries were dropped", l.Dropped())
	}
	return ids
}

// TestPagesJoin reads queries page by page, and compares them with what a look
// at every trace finds.
func TestPagesJoin(t *testing.T) {
	for _, runKeys := range []int{runKeysDefault, 500, 1} {
		t.Run(fmt.Sprint(runKeys), func(t *testing.T) { testPagesJoin(t, runKeys) })
	}
}

func testPagesJoin(t *testing.T, runKeys int) {
	l := openRuns(t, at(day0), runKeys)
	fill(t, l, 5_000)
	all, err := l.Find(context.Background(), Query{Limit: findMax})
	if err != nil || len(all) != 5_000 {
		t.Fatalf("%d traces, %v", len(all), err)
	}
	for name, tt := range map[string]struct {
		q    Query
		want func(s *Summary) bool
	}{
		"all":      {Query{}, func(*Summary) bool { return true }},
		"refusals": {Query{Refusals: true}, func(s *Summary) bool { return s.Outcome == "refused" }},
		"bounced":  {Query{Outcome: "bounced"}, func(s *Summary) bool { return s.Outcome == "bounced" }},
		"one recipient, refused": {Query{Address: "u7@d3.example", Outcome: "refused"}, func(s *Summary) bool {
			return s.Recipients[0].Key() == "u7@d3.example" && s.Outcome == "refused"
		}},
		"two domains at one hour": {
			Query{Domains: []mail.Domain{"d1.example", "d2.example"}, After: day0.Add(20 * time.Minute), Before: day0.Add(40 * time.Minute)},
			func(s *Summary) bool {
				d := s.Recipients[0].Domain
				return (d == "d1.example" || d == "d2.example") && !s.Start.Before(day0.Add(20*time.Minute)) && s.Start.Before(day0.Add(40*time.Minute))
			}},
		"sender and IP": {Query{Text: "@r17.example", IP: "192.0.2.9"}, func(s *Summary) bool {
			return s.ReversePath.Domain == "r17.example" && s.RemoteIP == "192.0.2.9"
		}},
	} {
		var want, got []ID
		for i := range all {
			if tt.want(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		tt.q.Limit = 37
		for pages := 0; ; pages++ {
			p, err := l.Page(context.Background(), tt.q)
			if err != nil || pages > 5_000 {
				t.Fatalf("%s: page %d: %v", name, pages, err)
			}
			for _, s := range p.Items {
				got = append(got, s.ID)
			}
			if tt.q.Cursor = p.Next; p.Next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: pages give %d traces, want %d", name, len(got), len(want))
		}
	}
}

// TestPageIsBounded asks for two conditions that many traces meet, and no
// trace both.
func TestPageIsBounded(t *testing.T) {
	l := openLog(t, at(day0))
	for i := range maxLooks * 5 / 4 {
		when := day0.Add(time.Duration(i) * time.Second)
		for behind(l) > bufferEntries/2 {
			if err := l.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		l.Append(Summary{ID: ID(after(when)), Start: when, Last: when, RemoteIP: []string{"192.0.2.1", "192.0.2.2"}[i%2], MessageID: []string{"<a@x>", "<b@x>"}[i%2]})
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	q := Query{IP: "192.0.2.1", MessageID: "b@x"}
	p, err := l.Page(context.Background(), q)
	if err != nil || len(p.Items) != 0 || p.Next == "" {
		t.Fatalf("a page of what is nowhere: %d items, next %q, %v", len(p.Items), p.Next, err)
	}
	pages := 1
	for p.Next != "" && pages < 20 {
		if q.Cursor == p.Next {
			t.Fatalf("page %d stays at %q", pages, p.Next)
		}
		q.Cursor = p.Next
		if p, err = l.Page(context.Background(), q); err != nil || len(p.Items) != 0 {
			t.Fatalf("page %d: %d items, %v", pages, len(p.Items), err)
		}
		pages++
	}
	if p.Next != "" {
		t.Errorf("not at the end after %d pages", pages)
	}
	if _, more, err := l.Count(context.Background(), Query{IP: "192.0.2.1", MessageID: "b@x"}, 10); !more || err != nil {
		t.Errorf("Count gave up without saying so: %v", err)
	}
}

func TestCursorMustBeOurs(t *testing.T) {
	l := openLog(t, at(day0))
	for _, cursor := range []string{"x", "=", "\x00", "06h0tvat0000000=", "06H0TVAT00000000"} {
		if _, err := l.Page(context.Background(), Query{Cursor: cursor}); !errors.Is(err, ErrCursor) {
			t.Errorf("cursor %q: %v, want ErrCursor", cursor, err)
		}
	}
}

func TestWatchTellsWhatChanges(t *testing.T) {
	l := openLog(t, at(day0))
	w := l.Watch()
	slow := l.Watch()
	ids := fill(t, l, watchBuffer)
	l.Append(Summary{ID: ids[0], Outcome: "delivered"})
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if slow.Missed() != 1 || w.Missed() != 1 {
		t.Errorf("missed %d and %d, want 1", slow.Missed(), w.Missed())
	}
	for range watchBuffer {
		<-w.C
	}
	l.Append(Summary{ID: ids[0], Outcome: "bounced"})
	if got := <-w.C; got.ID != ids[0] || got.Outcome != "bounced" || got.RemoteIP == "" {
		t.Errorf("told %+v, want the whole summary", got)
	}
	slow.Close()
	w.Close()
	w.Close()
	if _, ok := <-w.C; ok {
		t.Error("C is open after Close")
	}
	l.Append(Summary{ID: ids[1], Outcome: "bounced"}) // to nobody
}

// TestOldIndexIsMadeAnew opens a file of an older version, whose index knows
// other terms and whose rows are JSON, and goes on to write while the new one
// is made.
func TestOldIndexIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.db")
	l, err := open(path, Options{Now: at(day0)}, 1_000)
	if err != nil {
		t.Fatal(err)
	}
	ids := fill(t, l, reindexGroup+10)
	err = l.db.Update(func(tx *bolt.Tx) error {
		for _, id := range ids {
			s, err := getSummary(tx, id)
			if err != nil {
				return err
			}
			row, err := json.Marshal(&s)
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketSummary).Put([]byte(id), row); err != nil {
				return err
			}
			events, err := json.Marshal([]Event{{Kind: Done, Text: "as it was", Time: day0}})
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketEvents).Put(eventKey(id, 0), events); err != nil {
				return err
			}
		}
		for _, name := range [][]byte{bucketIndex, bucketRuns} {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucket(bucketIndex)
		if err != nil {
			return err
		}
		if err := b.Put([]byte("zzz\x00nothing"), nil); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(keyIndexVersion, []byte{2})
	})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	if l, err = open(path, Options{Now: at(day0)}, 1_000); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Append(Summary{ID: ids[1], Direction: "out", Outcome: "delivered"}) // it had bounced
	later := NewID(day0.Add(24*time.Hour), rand.NewChaCha8([32]byte{4}))
	l.Append(Summary{ID: later, Direction: "out", Outcome: "bounced"})
	for !indexed(l) {
		if err := l.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	n, _, err := l.Count(context.Background(), Query{Outcome: "bounced"}, 100)
	m, _, err2 := l.Count(context.Background(), Query{Outcome: "refused"}, findMax)
	if n != 2 || m != (reindexGroup+10+2)/3 || err != nil || err2 != nil {
		t.Errorf("%d bounced, %d refused, %v, %v", n, m, err, err2)
	}
	if tr, err := l.Show(context.Background(), ids[7]); err != nil || len(tr.Events) != 1 || tr.Events[0].Text != "as it was" || tr.RemoteIP == "" {
		t.Errorf("a trace of an older version: %+v, %v", tr, err)
	}
	keys := 0
	l.db.View(func(tx *bolt.Tx) error {
		if k, _ := tx.Bucket(bucketIndex).Cursor().Seek([]byte("zzz")); k != nil {
			t.Errorf("the old index is still there: %q", k)
		}
		if n := tx.Bucket(bucketRuns).Stats().KeyN; n < 5 {
			t.Errorf("%d runs, want several", n)
		}
		keys = tx.Bucket(bucketIndex).Stats().KeyN
		return nil
	})
	want := 0
	l.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketSummary).ForEach(func(k, v []byte) error {
			s, err := decodeSummary(v)
			want += len(terms(&s))
			return err
		})
	})
	if keys != want {
		t.Errorf("the index has %d keys; the traces have %d terms", keys, want)
	}
}

func indexed(l *Log) bool { return newReindex(l.db, 1) == nil }

// BenchmarkWrite is what a delivered message costs the writer.
func BenchmarkWrite(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "trace.db"), Options{Now: at(day0)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	fill(b, l, b.N)
}

// BenchmarkFirstPage is the first page of searches among 100,000 traces.
func BenchmarkFirstPage(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "trace.db"), Options{Now: at(day0)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ids := fill(b, l, 100_000)
	for name, q := range map[string]Query{
		"all": {}, "address": {Text: "u7@d3.example"}, "domain": {Text: "@d3.example"}, "message-id": {Text: "<77@x.example>"},
		"id": {Text: string(ids[500])}, "ip": {Text: "192.0.2.7"}, "subject": {Text: "subject 4711"}, "nothing": {Text: "nobody@nowhere.example"},
		"refusals": {Refusals: true}, "bounced": {Outcome: "bounced"}, "bounced-of-a-user": {Outcome: "bounced", Text: "u7@d3.example"},
		"refusals-of-domains": {Refusals: true, Domains: []mail.Domain{"d3.example", "d4.example"}}, "similar": {Similar: ids[3]},
		"never-both": {Text: "@d3.example", Address: "@d4.example"}, "similar-bounces": {Similar: ids[1]},
	} {
		b.Run(name, func(b *testing.B) {
			q.Limit = 50
			for b.Loop() {
				if _, err := l.Page(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
