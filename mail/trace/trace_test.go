package trace

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

var day0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func openLog(t *testing.T, now func() time.Time) *Log { return openRuns(t, now, runKeysDefault) }

// openRuns opens a Log whose runs have some keys.
func openRuns(t *testing.T, now func() time.Time, runKeys int) *Log {
	t.Helper()
	l, err := open(filepath.Join(t.TempDir(), "trace.db"), Options{Now: now}, runKeys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// behind is how many entries wait to be written.
func behind(l *Log) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func TestIDsSortByTime(t *testing.T) {
	var ids []ID
	for i := range 50 {
		id := NewID(day0.Add(time.Duration(i)*time.Millisecond), rand.Reader)
		if !id.valid() {
			t.Fatalf("NewID gave %q, which is not valid", id)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Errorf("IDs of ascending times do not ascend: %v", ids)
	}
	if first := after(day0.Add(10 * time.Millisecond)); ids[9] >= first || ids[10] < first {
		t.Errorf("after(10ms) = %s does not lie between %s and %s", first, ids[9], ids[10])
	}
}

func TestAppendMergesIntoOneStory(t *testing.T) {
	l := openLog(t, at(day0))
	id := NewID(day0, rand.Reader)
	ana, bo := mail.Path{Local: "ana", Domain: "example.org"}, mail.Path{Local: "Bo", Domain: "b.example"}
	l.Append(Summary{ID: id, Direction: "in", ReversePath: ana, RemoteIP: "192.0.2.1"}, Event{Time: day0, Kind: Connect, Text: "one"})
	l.Append(Summary{ID: id, Recipients: []mail.Path{bo}, MessageID: "<x@y>", SubjectHash: SubjectHash("Hello  World"), Outcome: "accepted"},
		Event{Time: day0, Kind: Check, Text: "two", Fields: map[string]string{"result": "pass"}}, Event{Time: day0, Kind: Done, Text: "three"})
	l.Append(Summary{ID: id, Recipients: []mail.Path{bo}, Outcome: "delivered", Last: day0.Add(time.Hour)}, Event{Time: day0.Add(time.Hour), Kind: Attempt, Text: "five"})
	l.Append(Summary{ID: id}, Event{Time: day0.Add(time.Minute), Kind: Queued, Text: "four"}) // told late
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	got, err := l.Show(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range got.Events {
		texts = append(texts, e.Text)
	}
	if want := []string{"one", "two", "three", "four", "five"}; !slices.Equal(texts, want) {
		t.Errorf("events = %v, want %v", texts, want)
	}
	if got.ReversePath != ana || !slices.Equal(got.Recipients, []mail.Path{bo}) || got.Outcome != "delivered" || got.RemoteIP != "192.0.2.1" ||
		!got.Start.Equal(day0) || !got.Last.Equal(day0.Add(time.Hour)) {
		t.Errorf("summary = %+v", got.Summary)
	}
}

func TestFind(t *testing.T) {
	l := openLog(t, at(day0))
	ids := make([]ID, 6)
	for i := range ids {
		when := day0.Add(time.Duration(i) * time.Hour)
		ids[i] = NewID(when, rand.Reader)
		l.Append(Summary{ID: ids[i], Start: when, Last: when, ReversePath: mail.Path{Local: fmt.Sprint("s", i%2), Domain: "a.example"},
			Recipients: []mail.Path{{Local: "r", Domain: "b.example"}}, MessageID: fmt.Sprintf("<m%d@x>", i), RemoteIP: "192.0.2.7",
			SubjectHash: SubjectHash("Subject " + fmt.Sprint(i)), Outcome: "aborted", Direction: []string{"in", "out"}[i%2]})
		l.Append(Summary{ID: ids[i], Last: when, Outcome: []string{"accepted", "refused"}[i/3], Cause: []string{"slow", ""}[i%2], Junk: i == 1})
		if i == 2 { // a session that ends late
			l.Append(Summary{ID: ids[i], Last: when, Outcome: "delivered", Cause: "slow"})
			l.Append(Summary{ID: ids[i], Last: when, Outcome: "accepted", Cause: "other"})
		}
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		q    Query
		want []int
	}{
		{"text: an address", Query{Text: " S1@A.example "}, []int{5, 3, 1}},
		{"text: an address in brackets", Query{Text: "<s1@a.example>"}, []int{5, 3, 1}},
		{"text: @domain", Query{Text: "@b.example", Limit: 2}, []int{5, 4}},
		{"text: domain", Query{Text: "B.example", Limit: 2}, []int{5, 4}},
		{"text: a Message-ID", Query{Text: "<m2@x>"}, []int{2}},
		{"text: an ID", Query{Text: strings.ToUpper(string(ids[3]))}, []int{3}},
		{"text: the ID of a second copy", Query{Text: string(ids[3]) + ".2"}, []int{3}},
		{"text: an IP address", Query{Text: "::ffff:192.0.2.7", Limit: 1}, []int{5}},
		{"text: a subject", Query{Text: "subject 4"}, []int{4}},
		{"text: part of a subject", Query{Text: "subject"}, nil},
		{"text that is nothing", Query{Text: "\x00 \xff"}, nil},
		{"direction", Query{Direction: "out"}, []int{5, 3, 1}},
		{"direction and outcome", Query{Direction: "out", Outcome: "refused"}, []int{5, 3}},
		{"an outcome that was", Query{Outcome: "aborted"}, nil},
		{"refusals and junk", Query{Refusals: true}, []int{5, 4, 3, 1}},
		{"refusals to one sender", Query{Refusals: true, Text: "s1@a.example"}, []int{5, 3, 1}},
		{"domains", Query{Domains: []mail.Domain{"none.example", "a.example"}, Limit: 3}, []int{5, 4, 3}},
		{"a domain that is nowhere", Query{Domains: []mail.Domain{"none.example"}}, nil},
		{"no domains at all", Query{Domains: []mail.Domain{}}, nil},
		{"similar", Query{Similar: ids[4]}, []int{2, 0}},
		{"similar to nothing", Query{Similar: ids[5]}, nil},
		{"similar to what is not there", Query{Similar: "nothing"}, nil},
		{"similar and refused", Query{Similar: ids[0], Refusals: true}, []int{4}},
		{"all, newest first", Query{}, []int{5, 4, 3, 2, 1, 0}},
		{"limit", Query{Limit: 2}, []int{5, 4}},
		{"sender", Query{Address: "S1@a.example"}, []int{5, 3, 1}},
		{"recipient and outcome", Query{Address: "r@b.example", Outcome: "refused"}, []int{5, 4, 3}},
		{"domain", Query{Address: "@a.example", Limit: 1}, []int{5}},
		{"message id without brackets", Query{MessageID: "m2@x"}, []int{2}},
		{"subject in another case", Query{Subject: "SUBJECT  4"}, []int{4}},
		{"IP between times", Query{IP: "192.0.2.7", After: day0.Add(time.Hour), Before: day0.Add(3 * time.Hour)}, []int{2, 1}},
		{"two terms that never meet", Query{Address: "s0@a.example", MessageID: "m1@x"}, nil},
		{"id", Query{ID: string(ids[3])}, []int{3}},
		{"unknown", Query{Address: "nobody@a.example"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := l.Find(context.Background(), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			var n []int
			for _, s := range got {
				n = append(n, slices.Index(ids, s.ID))
			}
			if !slices.Equal(n, tt.want) {
				t.Errorf("Find(%+v) = %v, want %v", tt.q, n, tt.want)
			}
			if limit := tt.q.limit(); len(tt.want) < limit { // else there may be more
				count, more, err := l.Count(context.Background(), tt.q, 10)
				if count != len(tt.want) || more || err != nil {
					t.Errorf("Count = %d, %v, %v; want %d", count, more, err, len(tt.want))
				}
			}
		})
	}
}

func TestExpireRemovesEveryRow(t *testing.T) {
	l := openRuns(t, at(day0), 100)
	var ids []ID
	for i := range 1200 {
		when := day0.Add(time.Duration(i) * time.Minute)
		ids = append(ids, NewID(when, rand.Reader))
		l.Append(Summary{ID: ids[i], Last: when, ReversePath: mail.Path{Local: "a", Domain: "a.example"}}, Event{Text: "x"}, Event{Text: "y"})
		if i%60 == 0 {
			if err := l.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	n, err := l.expire(day0.Add(1100 * time.Minute))
	if err != nil || n != 1100 {
		t.Fatalf("expire = %d, %v; want 1100", n, err)
	}
	if _, err := l.Show(context.Background(), ids[1099]); !errors.Is(err, ErrNotFound) {
		t.Errorf("an expired trace is still shown: %v", err)
	}
	if tr, err := l.Show(context.Background(), ids[1100]); err != nil || len(tr.Events) != 2 {
		t.Errorf("Show of a kept trace = %+v, %v", tr, err)
	}
	found, err := l.Find(context.Background(), Query{Address: "@a.example", Limit: 5000})
	if err != nil || len(found) != 100 {
		t.Errorf("Find after expiry gives %d, %v; want 100", len(found), err)
	}
	keys, runs := 0, 0
	l.db.View(func(tx *bolt.Tx) error {
		runs = tx.Bucket(bucketRuns).Stats().KeyN
		return tx.Bucket(bucketIndex).ForEach(func([]byte, []byte) error { keys++; return nil })
	})
	if keys != 200 || runs > 3 {
		t.Errorf("index has %d keys in %d runs after expiry, want 200 in 3 at most", keys, runs)
	}
	// One that is told late of an old message belongs to the oldest run.
	l.Append(Summary{ID: ids[3], ReversePath: mail.Path{Local: "late", Domain: "a.example"}})
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if found, err := l.Find(context.Background(), Query{Address: "late@a.example"}); err != nil || len(found) != 1 {
		t.Errorf("a late one is found %d times, %v", len(found), err)
	}
}

func TestTraceIsBounded(t *testing.T) {
	l := openLog(t, at(day0))
	id := NewID(day0, rand.Reader)
	for range 50 {
		events := make([]Event, 100)
		for i := range events {
			events[i] = Event{Text: string(make([]byte, 5000))}
		}
		l.Append(Summary{ID: id}, events...)
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	got, err := l.Show(context.Background(), id)
	if err != nil || len(got.Events) > maxEvents || len(got.Events[0].Text) > maxText {
		t.Errorf("trace has %d events of %d octets, %v", len(got.Events), len(got.Events[0].Text), err)
	}
}

func TestNilAndClosedLogTakeAppend(t *testing.T) {
	var none *Log
	none.Append(Summary{ID: "x"})
	l := openLog(t, at(day0))
	l.Close()
	l.Append(Summary{ID: NewID(day0, rand.Reader)})
	if err := l.Flush(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestDamagedFile: traces that cannot be read are put aside, and the next ones
// are kept.
func TestDamagedFile(t *testing.T) {
	for what, content := range map[string]string{"garbage": strings.Repeat("no database ", 4096), "zeros": string(make([]byte, 32<<10)), "empty": ""} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trace.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			id := NewID(day0, rand.Reader)
			l.Append(Summary{ID: id}, Event{Text: "here"})
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if kept, err := os.ReadFile(path + ".damaged"); string(kept) != content || content != "" && err != nil {
				t.Errorf("put aside: %q, %v", kept, err)
			}
			if l, err = Open(path, Options{}); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if got, err := l.Show(context.Background(), id); err != nil || len(got.Events) != 1 {
				t.Errorf("trace %+v, %v", got, err)
			}
		})
	}
}
