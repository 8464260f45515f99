package outbound

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mailbox/store/memstore"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Queue and transport together: a greylisting host, one that refuses, and the
// report of that to a sender whose host is down for an hour.
func TestThroughQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		grey := &mx{tls: true, ext: []string{"PIPELINING"}, rcpt: func(int, string) string {
			if time.Since(start) < 4*time.Minute {
				return "451 4.7.1 come back later"
			}
			return "250 ok"
		}}
		strict := &mx{rcpt: func(int, string) string { return "550 5.7.1 not you" }}
		home := &mx{ext: []string{"PIPELINING"}}
		w := newWorld(t, oneMX+"example.com. MX 10 mx.example.com.\nmx.example.com. A 192.0.2.2\nexample.org. MX 10 mx.example.org.\nmx.example.org. A 192.0.2.3\n",
			map[string]*mx{"192.0.2.1:25": grey, "192.0.2.2:25": strict})
		tr := w.transport(Options{})
		q := queue.New(memstore.New(queue.Apply), tr, queue.Options{Hostname: "me.example.org"})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- q.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		env := deliveryTo("bo@example.net", "cy@example.com").Envelope
		body := "Subject: hi\r\n\r\nHello\r\n"
		if err := q.Enqueue(ctx, "0123456789abcdef", env, nil, strings.NewReader(body), int64(len(body))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		items, err := q.List(ctx, queue.Filter{})
		if err != nil || len(items) != 2 { // the message, and the report
			t.Fatalf("%+v, %v", items, err)
		}
		for i, want := range []string{"example.net: 451 4.7.1 come back later", "example.org: 4.4.1 no connection to mx.example.org #"} {
			if r := items[i].Recipients; len(r) != 1 || r[0].State != queue.Retry || r[0].Cause != want {
				t.Errorf("%+v", r)
			}
		}
		time.Sleep(10 * time.Minute)
		if got := grey.received(); len(got) != 1 || got[0] != "ana@example.org bo@example.net tls: "+body {
			t.Errorf("%q", got)
		}
		w.mu.Lock()
		w.mxs["192.0.2.3:25"] = home
		w.mu.Unlock()
		time.Sleep(time.Hour)
		if got := home.received(); len(got) != 1 || !strings.HasPrefix(got[0], " ana@example.org plain: ") {
			t.Errorf("%q", got)
		}
		if items, err := q.List(ctx, queue.Filter{}); err != nil || len(items) != 0 {
			t.Errorf("%+v, %v", items, err)
		}
	})
}
