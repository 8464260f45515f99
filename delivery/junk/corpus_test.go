package junk

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mailbox"
)

const junkFrom = 5 // score from which mail is filed to Junk by default

// tally counts what became of messages of one kind.
type tally struct{ all, filed int }

// judgeAll scores samples for an account, and tells what was filed to Junk by
// kind.
func judgeAll(t *testing.T, w *world, id mailbox.AccountID, samples []sample) map[string]*tally {
	t.Helper()
	kinds := map[string]*tally{}
	for i := range samples {
		s := &samples[i]
		o := w.score(id, s.incoming)
		filed := o.Score >= junkFrom
		k := kinds[s.kind]
		if k == nil {
			k = &tally{}
			kinds[s.kind] = k
		}
		k.all++
		if filed {
			k.filed++
		}
		if filed && s.protected {
			t.Errorf("%s that passes DMARC is filed to Junk, %v for %v:\n%s", s.kind, o.Score, o.Reasons, s.raw)
		}
		if testing.Verbose() && filed != s.spam {
			t.Logf("wrong: %s %v %v", s.kind, o.Score, o.Reasons)
		}
	}
	return kinds
}

// figures are precision and recall of what was filed.
func figures(samples []sample, kinds map[string]*tally) (precision, recall float64) {
	spam := map[string]bool{}
	for _, s := range samples {
		spam[s.kind] = s.spam
	}
	var caught, wrong, all int
	for kind, k := range kinds {
		if spam[kind] {
			caught, all = caught+k.filed, all+k.all
		} else {
			wrong += k.filed
		}
	}
	return float64(caught) / float64(max(caught+wrong, 1)), float64(caught) / float64(all)
}

// train delivers messages to accounts, whose owners move what was not sorted as
// it should be: each sees some of it.
func train(t *testing.T, w *world, to []mailbox.AccountID, samples []sample) {
	t.Helper()
	for i, s := range samples {
		id := to[i%len(to)]
		email := w.deliver(id, s.incoming, "inbox; score=0.0")
		if s.spam {
			w.move(id, email, mailbox.RoleJunk)
		} else {
			w.move(id, email, mailbox.RoleArchive)
		}
	}
	w.flush()
}

func make2(n int, makers ...func() sample) (all []sample) {
	for i := range n {
		all = append(all, makers[i%len(makers)]())
	}
	return all
}

// TestCorpus is the measurement of README.md: what is filed to Junk before
// anything was learned, after people have sorted 200 messages of each class, and
// what 20 corrections of one of them change. Messages of the test have other
// words, patterns, names, domains and networks than those of the training.
func TestCorpus(t *testing.T) {
	w := newWorld(t)
	people := []mailbox.AccountID{11, 12, 13, 14, 15}
	for _, id := range people {
		if err := w.boxes.CreateAccount(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	w.sent(me, "friend@somewhere.com") // so that others are new
	lessons, exam := newCorpus(1, false), newCorpus(2, true)
	samples := make2(800, exam.ham, exam.junk)
	before := judgeAll(t, w, me, samples)
	train(t, w, people, make2(400, lessons.ham, lessons.junk))
	after := judgeAll(t, w, me, samples)

	t.Log("filed to Junk, of messages of each kind: on day one, after training")
	for _, kind := range slices.Sorted(maps.Keys(before)) {
		t.Logf("%-24s %3d   %5.1f %%  %5.1f %%", kind, before[kind].all, before[kind].pct(), after[kind].pct())
	}
	p0, r0 := figures(samples, before)
	p1, r1 := figures(samples, after)
	t.Logf("precision %.3f → %.3f, recall %.3f → %.3f", p0, p1, r0, r1)
	if r1 < 0.95 {
		t.Errorf("%.1f %% of the spam is caught after training, want 95", 100*r1)
	}
	if p1 < 0.98 || p0 < 0.98 {
		t.Errorf("precision %.3f, then %.3f; want 0.98", p0, p1)
	}
	correct(t, w, exam, samples)
}

func (k *tally) pct() float64 { return 100 * float64(k.filed) / float64(k.all) }

// correct lets one account move 20 messages of a kind nobody has seen to Junk.
func correct(t *testing.T, w *world, exam *corpus, samples []sample) {
	t.Helper()
	pitches := make2(60, newCorpus(3, true).outreach)
	old := judgeAll(t, w, me, pitches)["outreach"]
	train(t, w, []mailbox.AccountID{me}, make2(20, newCorpus(4, true).outreach))
	mine, others := judgeAll(t, w, me, pitches)["outreach"], judgeAll(t, w, people0, pitches)["outreach"]
	p, r := figures(samples, judgeAll(t, w, me, samples))
	t.Logf("outreach filed to Junk: %.1f %%; after 20 corrections %.1f %%, for somebody else %.1f %%; precision %.3f, recall %.3f for the corpus",
		old.pct(), mine.pct(), others.pct(), p, r)
	if mine.filed <= old.filed {
		t.Error("20 corrections change nothing")
	}
}

const people0 mailbox.AccountID = 11

// TestCorpusHalves: no word of content of the training occurs in the test.
func TestCorpusHalves(t *testing.T) {
	lists := [][]string{firstNames, lastNames, personalNouns, shopNouns, newsNouns, serviceNouns, pillNouns, moneyNouns, replicaNouns, datingNouns, brands, phishNouns, scamNouns, pitchNouns}
	for i, l := range lists {
		seen := [2]map[string]bool{{}, {}}
		for half := range 2 {
			c := newCorpus(9, half == 1)
			for range 500 {
				seen[half][c.pick(l)] = true
			}
		}
		for word := range seen[0] {
			if seen[1][word] {
				t.Errorf("list %d has %q in both halves", i, word)
			}
		}
		if len(seen[0])+len(seen[1]) != len(l) {
			t.Errorf("list %d: %d of %d words occur", i, len(seen[0])+len(seen[1]), len(l))
		}
	}
	if a, b := fmt.Sprint(newCorpus(1, true).ham().raw), fmt.Sprint(newCorpus(1, true).ham().raw); a != b || strings.Count(a, "\n") < 5 {
		t.Error("the same seed makes other messages")
	}
}
