package reports

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/smtp/inbound"
)

// TestRun lets days pass: what is seen on one is told after the next midnight,
// and not before.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.opts.Now = time.Now
		if err := w.zones.Add(asking); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		midnight := dayOf(time.Now()).Add(day)
		time.Sleep(time.Until(midnight.Add(-time.Hour)))
		w.observe(t, "plain.test", "198.51.100.1", true, true, inbound.Accept)
		time.Sleep(time.Until(midnight.Add(sendAfter - time.Second)))
		synctest.Wait()
		if w.delivered() != 0 {
			t.Errorf("%d reports went before half past midnight", w.delivered())
		}
		time.Sleep(sendJitter + 2*flushEvery)
		synctest.Wait()
		if w.delivered() != 1 {
			t.Errorf("%d reports went after midnight", w.delivered())
		}
		time.Sleep(3 * day)
		synctest.Wait()
		if w.delivered() != 1 {
			t.Errorf("%d reports went in all", w.delivered())
		}
		w.observe(t, "plain.test", "198.51.100.1", true, true, inbound.Accept) // not yet written
		today := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if domains, err := w.pending(dayOf(today)); err != nil || len(domains) != 1 {
			t.Errorf("what was counted last is lost: %v, %v", domains, err)
		}
	})
}
