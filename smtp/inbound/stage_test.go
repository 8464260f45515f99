package inbound

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/mailstead/mailstead/mail/dns"
)

// TestStageWithoutWaiting: one goroutine runs the checks, in their order.
func TestStageWithoutWaiting(t *testing.T) {
	var order []string // without a lock: the race detector sees a second goroutine
	var checks []Check
	for i := range 4 {
		name := strconv.Itoa(i)
		checks = append(checks, Check{name, func(context.Context, *Mail) Finding {
			order = append(order, name)
			return Finding{Reason: name}
		}})
	}
	m := &Mail{}
	new(Service).runStage(t.Context(), &stage{checks, len(checks), 0}, m)
	if want := []string{"0", "1", "2", "3"}; !slices.Equal(order, want) {
		t.Errorf("ran in order %v, want %v", order, want)
	}
	for i, f := range m.Findings {
		if f.Check != strconv.Itoa(i) || f.Reason != f.Check {
			t.Errorf("finding %d is that of %q: %q", i, f.Check, f.Reason)
		}
	}
}

// TestStageHandsOn: a check that waits does not keep the others waiting, also
// when they wait one after the other, and checks that do not tell when they
// wait have begun before.
func TestStageHandsOn(t *testing.T) {
	reached := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})}
	waitFor := func(next int) func(context.Context, *Mail) Finding {
		return func(ctx context.Context, _ *Mail) Finding {
			close(reached[next-1])
			dns.Waiting(ctx)
			dns.Waiting(ctx) // a second lookup
			<-reached[next]
			return Finding{Reason: strconv.Itoa(next)}
		}
	}
	last := func(context.Context, *Mail) Finding { close(reached[3]); return Finding{Reason: "4"} }
	silent := func(context.Context, *Mail) Finding { <-reached[3]; return Finding{Reason: "5"} }
	m := &Mail{}
	new(Service).runStage(t.Context(), &stage{[]Check{{"1", waitFor(1)}, {"2", waitFor(2)}, {"3", waitFor(3)}, {"4", last}, {"5", silent}}, 4, 0}, m)
	for i, f := range m.Findings {
		if f.Reason != strconv.Itoa(i+1) {
			t.Errorf("finding %d is %q", i, f.Reason)
		}
	}
}
