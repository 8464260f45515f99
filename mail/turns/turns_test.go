package turns

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestTurns: no more than the limit go at a time, those who wait go in their
// order, and a changed limit counts at once for those who wait, not for those
// who go.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(2)
		began := make(chan int, 10)
		for i := range 6 {
			go func() {
				if turns.Take(t.Context()) == nil {
					began <- i
				}
			}()
			synctest.Wait() // so that they come in this order
		}
		want := func(what string, list ...int) {
			t.Helper()
			synctest.Wait()
			for _, i := range list {
				select {
				case got := <-began:
					if got != i {
						t.Errorf("%s: %d goes, want %d", what, got, i)
					}
				default:
					t.Errorf("%s: %d does not go", what, i)
				}
			}
			if len(began) > 0 {
				t.Errorf("%s: %d goes too", what, <-began)
			}
		}
		want("two turns", 0, 1)
		turns.Give()
		want("one given back", 2)
		turns.Limit(1)
		turns.Give()
		want("one turn, and one has it")
		turns.Give()
		want("it is given back", 3)
		turns.Limit(2)
		want("two turns again", 4)
		turns.Limit(3)
		want("three turns", 5)
		if n := turns.Taken(); n != 3 {
			t.Errorf("%d are taken, want 3", n)
		}
	})
}

// TestGiveUp: who gives up waiting takes no turn along.
func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1)
		if err := turns.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { failed <- turns.Take(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-failed; err != context.Canceled {
			t.Errorf("Take = %v, want canceled", err)
		}
		turns.Give()
		if err := turns.Take(t.Context()); err != nil || turns.Taken() != 1 {
			t.Errorf("Take = %v, %d are taken", err, turns.Taken())
		}
	})
}
