package signin

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tickets := newTickets[int](ticketLife, time.Now, rand.Reader)
		var unused []int
		tickets.unused = func(n int) { unused = append(unused, n) }
		add := func(owner string, value int) string {
			text, err := tickets.add(owner, value)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		a := add("ana", 1)
		for i := range ticketTries {
			if n, ok := tickets.try(a); !ok || n != 1 {
				t.Errorf("try %d: %d, %v", i, n, ok)
			}
		}
		if _, ok := tickets.try(a); ok {
			t.Error("one try too many")
		}
		a = add("ana", 2)
		if n, ok := tickets.take(a); !ok || n != 2 {
			t.Errorf("take: %d, %v", n, ok)
		}
		if _, ok := tickets.take(a); ok {
			t.Error("taken twice")
		}
		tried, left := add("ana", 3), add("bo", 4)
		tickets.try(tried)
		time.Sleep(ticketLife - time.Nanosecond)
		if _, ok := tickets.try(left); !ok {
			t.Error("too early")
		}
		add("bo", 5)
		time.Sleep(time.Nanosecond)
		if _, ok := tickets.try(tried); ok {
			t.Error("too late")
		}
		time.Sleep(ticketLife)
		add("bo", 6)
		if fmt.Sprint(unused) != "[5]" || tickets.order.Len() != 1 || len(tickets.byHash) != 1 || len(tickets.owners) != 1 {
			t.Errorf("unused %v; left %d, %d, %v", unused, tickets.order.Len(), len(tickets.byHash), tickets.owners)
		}
	})
}

// TestTicketsAreBounded: one owner crowds out only tickets of its own.
func TestTicketsAreBounded(t *testing.T) {
	tickets := newTickets[string](ticketLife, time.Now, rand.Reader)
	put := func(owner, text string) { tickets.put(owner, text, owner) }
	put("ana", "ana's")
	for i := range 3 * ticketsOfOwner {
		put("mallory", fmt.Sprint("m", i))
	}
	if tickets.owners["mallory"] != ticketsOfOwner {
		t.Errorf("mallory has %d", tickets.owners["mallory"])
	}
	if _, ok := tickets.try("m0"); ok {
		t.Error("not the oldest has gone")
	}
	if owner, ok := tickets.try("ana's"); !ok || owner != "ana" {
		t.Error("ana's is gone")
	}
	for i := range ticketsMost {
		put(fmt.Sprint("net", i), fmt.Sprint("n", i))
	}
	if n := tickets.order.Len(); n != ticketsMost || len(tickets.byHash) != n || len(tickets.owners) != n {
		t.Errorf("%d tickets, %d, %d owners", n, len(tickets.byHash), len(tickets.owners))
	}
	put("net0", "n0") // in place of itself
	if n := tickets.owners["net0"]; n != 1 {
		t.Errorf("net0 has %d", n)
	}
}

// TestTicketOnce: of many who take a ticket at a time, one gets it.
func TestTicketOnce(t *testing.T) {
	tickets := newTickets[int](ticketLife, time.Now, rand.Reader)
	text, err := tickets.add("ana", 1)
	if err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int32
	var g sync.WaitGroup
	for range 16 {
		g.Go(func() {
			if _, ok := tickets.take(text); ok {
				taken.Add(1)
			}
		})
	}
	g.Wait()
	if n := taken.Load(); n != 1 {
		t.Errorf("taken %d times", n)
	}
}

func TestNoRandomNumbers(t *testing.T) {
	tickets := newTickets[int](ticketLife, time.Now, strings.NewReader("too short"))
	if text, err := tickets.add("ana", 1); err == nil {
		t.Errorf("ticket %q without random numbers", text)
	}
}
