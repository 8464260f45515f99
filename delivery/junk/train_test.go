package junk

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mailbox"
)

// TestTrain: messages of a file make words count, each once; forgetting an
// account leaves what it gave to all, forgetting everything leaves nothing.
func TestTrain(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(3, 4))
	raw := func(m incoming) []byte { return []byte(strings.ReplaceAll(m.raw, "\n", "\r\n")) }
	pill := func() incoming {
		m := newsletter(r)
		m.raw = strings.ReplaceAll(m.raw, "the ", "remarkable pills ")
		return m
	}
	for i := range minTrained {
		for _, lesson := range []struct {
			m     incoming
			class Class
		}{{pill(), Junk}, {newsletter(r), Good}} {
			for _, want := range []bool{true, false} { // the second time it is known
				if learned, err := w.Train(t.Context(), me, raw(lesson.m), lesson.class); err != nil || learned != want {
					t.Fatalf("Train %d = %v, %v; want %v", i, learned, err, want)
				}
			}
		}
	}
	if _, err := w.Train(t.Context(), me, nil, Kept); !errors.Is(err, ErrNotTrained) {
		t.Errorf("a class that cannot be told: %v", err)
	}
	m := pill()
	words := func(id mailbox.AccountID) bool {
		return strings.Contains(w.Score(t.Context(), m.evidence(t), []mailbox.AccountID{id})[0].names(), "words")
	}
	check := func(when string, wantMe, wantYou bool, junk int) {
		t.Helper()
		if gotMe, gotYou := words(me), words(you); gotMe != wantMe || gotYou != wantYou {
			t.Errorf("%s: words count for me: %v, for you: %v", when, gotMe, gotYou)
		}
		if s, err := w.Stats(); err != nil || s.Junk != junk {
			t.Errorf("%s: %+v, %v", when, s, err)
		}
	}
	check("trained", true, true, minTrained)
	if err := w.ForgetAccount(me); err != nil {
		t.Fatal(err)
	}
	check("forgotten for me", true, true, minTrained)
	if learned, err := w.Train(t.Context(), me, raw(m), Junk); err != nil || !learned {
		t.Errorf("Train after it = %v, %v", learned, err)
	}
	if err := w.ForgetAll(); err != nil {
		t.Fatal(err)
	}
	check("all forgotten", false, false, 0)
}
