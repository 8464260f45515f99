package imapserver

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailstead/mailstead/mailbox"
)

// TestSeqs compares the runs with a plain list through many random changes.
func TestSeqs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var q seqs
	var model []mailbox.UID
	next := mailbox.UID(1)
	for range 2000 {
		switch rnd.IntN(4) {
		case 0, 1:
			next += mailbox.UID(rnd.IntN(3))
			for range rnd.IntN(5) {
				q.add(next)
				model = append(model, next)
				next++
			}
		case 2:
			gone := &mailbox.UIDSet{}
			for range rnd.IntN(4) {
				from := mailbox.UID(rnd.IntN(int(next)) + 1)
				gone.AddRange(from, from+mailbox.UID(rnd.IntN(6)))
			}
			var want []uint32
			model = slices.DeleteFunc(model, func(u mailbox.UID) bool { return gone.Contains(u) })
			before := q
			for _, r := range q.remove(gone) {
				for n := r.first; n <= r.last; n++ {
					want = append(want, n)
				}
			}
			for _, n := range want {
				set := &mailbox.UIDSet{}
				before.uids(n, n, set)
				for r := range set.Ranges() {
					if !gone.Contains(r.First) || r.First != r.Last {
						t.Fatalf("number %d was removed, but is UID %v", n, r)
					}
				}
			}
		}
		if int(q.len()) != len(model) {
			t.Fatalf("len = %d, want %d", q.len(), len(model))
		}
	}
	for i, u := range model {
		if got := q.seq(u); got != uint32(i+1) {
			t.Fatalf("seq(%d) = %d, want %d", u, got, i+1)
		}
	}
	for range 500 {
		a, b := rnd.IntN(len(model))+1, rnd.IntN(len(model))+1
		first, last := min(a, b), max(a, b)
		set := &mailbox.UIDSet{}
		q.uids(uint32(first), uint32(last), set)
		if want := mailbox.NewUIDSet(model[first-1 : last]...); uidText(set) != uidText(want) {
			t.Fatalf("uids(%d, %d) = %s, want %s", first, last, uidText(set), uidText(want))
		}
		if q.count(set) != last-first+1 {
			t.Fatalf("count = %d, want %d", q.count(set), last-first+1)
		}
		n := 0
		for part := range chunks(&q, set, 7) {
			n += q.count(part)
			if q.count(part) > 7 {
				t.Fatal("chunk is too large")
			}
		}
		if n != last-first+1 {
			t.Fatalf("chunks have %d messages, want %d", n, last-first+1)
		}
	}
}

func TestSeqsAtTheEnds(t *testing.T) {
	var q seqs
	q.addRange(1, 2)
	q.addRange(^mailbox.UID(0)-1, ^mailbox.UID(0))
	if got := q.remove(mailbox.NewUIDSet(1, ^mailbox.UID(0))); !slices.Equal(got, []seqRange{{1, 1}, {4, 4}}) {
		t.Errorf("removed %v", got)
	}
	if q.len() != 2 || q.seq(2) != 1 || q.seq(^mailbox.UID(0)-1) != 2 || q.seq(3) != 0 {
		t.Errorf("left: %v", q.runs)
	}
}

func TestResolve(t *testing.T) {
	var q seqs
	for _, u := range []mailbox.UID{2, 3, 5, 9} {
		q.add(u)
	}
	saved := mailbox.NewUIDSet(3, 9)
	for _, tt := range []struct {
		name string
		set  imap.NumSet
		want string
		bad  bool
	}{
		{"numbers", imap.SeqSet{{Start: 1, Stop: 2}, {Start: 4, Stop: 4}}, "2:3,9", false},
		{"last", imap.SeqSet{{}}, "9", false},
		{"backwards", imap.SeqSet{{Start: 3, Stop: 1}}, "2:3,5", false},
		{"open", imap.SeqSet{{Start: 3}}, "5,9", false},
		{"beyond", imap.SeqSet{{Start: 3, Stop: 5}}, "", true},
		{"UIDs that are not there", imap.UIDSet{{Start: 4, Stop: 4}}, "4", false},
		{"UIDs beyond the last", imap.UIDSet{{Start: 100}}, "9", false},
		{"unsorted", imap.UIDSet{{Start: 9, Stop: 5}, {Start: 2, Stop: 3}}, "2:3,5:9", false},
		{"saved", imap.SearchRes(), "3,9", false},
	} {
		got, err := q.resolve(tt.set, saved)
		if (err != nil) != tt.bad || err == nil && uidText(got) != tt.want {
			t.Errorf("%s: %v, %v; want %s", tt.name, got, err, tt.want)
		}
	}
	var none seqs
	for _, set := range []imap.NumSet{imap.SeqSet{{Start: 1}}, imap.UIDSet{{Start: 1, Stop: 9}}, imap.SearchRes()} {
		if got, err := none.resolve(set, nil); err != nil || !got.Empty() {
			t.Errorf("empty mailbox: %v = %v, %v", set, got, err)
		}
	}
	if _, err := none.resolve(imap.SeqSet{{Start: 1, Stop: 1}}, nil); err == nil {
		t.Error("message 1 of none was found")
	}
}

// TestOverlappingRanges: a line can name all messages thousands of times, which
// must not cost thousands of times as much.
func TestOverlappingRanges(t *testing.T) {
	set := slices.Repeat(imap.UIDSet{{Start: 7, Stop: 5}, {Start: 1}, {Start: 3, Stop: 9}, {Start: 200, Stop: 201}}, 4000)
	got := ascending(set, func(r imap.UIDRange) (uint32, uint32) { return uint32(r.Start), uint32(r.Stop) }, 100)
	if want := []seqRange{{1, 100}, {200, 201}}; !slices.Equal(got, want) {
		t.Errorf("%d ranges, %v …; want %v", len(got), got[:min(len(got), 3)], want)
	}
}

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true},
		{"%", "a/b", false},
		{"%", "a", true},
		{"%/%", "a/b", true},
		{"a*c", "abbc", true},
		{"a*c", "abcd", false},
		{"a%c", "a/c", false},
		{"a%*c", "a/c", true},
		{"inbox", "INBOX", true},
		{"InBo%", "INBOX", true},
		{"inbox/x", "INBOX/x", true},
		{"inbox/x", "INBOX/X", false},
		{"archive", "Archive", false},
		{"ä*", "ä/ö", true},
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
	} {
		if got := newPattern("", tt.pattern).matches(tt.name); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
	if !newPattern("a/", "%").matches("a/b") {
		t.Error("the reference does not count")
	}
}

// TestPatternIsCheap matches what takes others forever. It ends, or the test
// does not.
func TestPatternIsCheap(t *testing.T) {
	name := strings.Repeat("a", 1000)
	start := time.Now()
	for _, p := range []string{strings.Repeat("a%", 60) + "b", strings.Repeat("*a", 100) + "b", strings.Repeat("%*", 30_000)} {
		newPattern("", p).matches(name)
	}
	t.Log(time.Since(start))
}
