package logs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func TestRingKeepsTheLastLines(t *testing.T) {
	r := NewRing(slog.DiscardHandler)
	log := slog.New(r)
	for i := range maxLines + 7 {
		log.Info("line", "n", i)
	}
	all, more := r.Find(Query{Limit: 2 * maxLines})
	if len(all) != maxLines || more || all[0].Fields != fmt.Sprintf("n=%d", maxLines+6) || all[maxLines-1].Fields != "n=7" {
		t.Fatalf("%d lines, more %v, from %+v to %+v", len(all), more, all[0], all[len(all)-1])
	}
	for i := 1; i < len(all); i++ {
		if all[i].ID != all[i-1].ID-1 {
			t.Fatalf("line %d comes after %d", all[i].ID, all[i-1].ID)
		}
	}
	page, more := r.Find(Query{Limit: 3, Before: all[9].ID})
	if len(page) != 3 || !more || page[0].ID != all[10].ID {
		t.Errorf("page before line %d: %+v, %v", all[9].ID, page, more)
	}
	if news, _ := r.Find(Query{Limit: 100, After: all[2].ID}); len(news) != 2 || news[1].ID != all[1].ID {
		t.Errorf("after line %d: %+v", all[2].ID, news)
	}
}

func TestRingFinds(t *testing.T) {
	r := NewRing(slog.DiscardHandler)
	log := slog.New(r).With("conn", 7).WithGroup("peer")
	log.Debug("not kept, as nobody writes it down")
	log.Info("Connected", "addr", "192.0.2.1")
	log.Warn("slow")
	log.Error("broken", "err", errors.New("disk is gone"))
	for _, tt := range []struct {
		name string
		q    Query
		want string // messages
	}{
		{"all", Query{}, "broken slow Connected"},
		{"warnings and errors", Query{Level: slog.LevelWarn}, "broken slow"},
		{"part of the message, in any case", Query{Text: "conNECTed"}, "Connected"},
		{"part of a field", Query{Text: "disk is"}, "broken"},
		{"field of a group", Query{Text: "peer.addr=192.0.2.1"}, "Connected"},
		{"field of all lines", Query{Text: "conn=7"}, "broken slow Connected"},
		{"nothing", Query{Text: "moon"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.Limit = 10
			found, _ := r.Find(tt.q)
			var got []string
			for _, l := range found {
				got = append(got, l.Message)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// The ring stands between the log and who writes it down; it changes nothing.
func TestRingPassesOn(t *testing.T) {
	var out bytes.Buffer
	next := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})
	r := NewRing(next)
	log := slog.New(r).With("a", 1)
	log.Info("quiet")
	log.Warn("loud", "b", 2)
	if got := out.String(); !strings.Contains(got, `msg=loud a=1 b=2`) || strings.Contains(got, "quiet") {
		t.Errorf("written down: %s", got)
	}
	if all, _ := r.Find(Query{Limit: 10}); len(all) != 2 {
		t.Errorf("kept: %+v", all)
	}
}

func TestRingRedacts(t *testing.T) {
	r := NewRing(slog.DiscardHandler)
	log := slog.New(r)
	const hush = "hunter2hunter2"
	log.Info("key mailstead_abc_"+hush, "password", hush, slog.Group("http", "Set-Cookie", hush, "authToken", hush))
	log.Info("x", "err", fmt.Errorf("get https://ana:%s@relay.example/: 401", hush), "header", "Authorization: Bearer "+hush)
	log.Info("C: AUTH PLAIN "+hush, "link", "https://mail.example/setup/#"+hush)
	log.Info("plain", "address", "ana@example.org", "url", "https://mail.example:8443/x@y")
	all, _ := r.Find(Query{Limit: 10})
	for _, l := range all {
		if strings.Contains(l.Message+l.Fields, hush) {
			t.Errorf("a secret is kept: %+v", l)
		}
	}
	if found, _ := r.Find(Query{Limit: 10, Text: hush[:6]}); len(found) != 0 {
		t.Errorf("a secret can be guessed: %+v", found)
	}
	if want := "address=ana@example.org url=https://mail.example:8443/x@y"; all[0].Fields != want {
		t.Errorf("%q, want %q", all[0].Fields, want)
	}
}

func TestRingBounds(t *testing.T) {
	r := NewRing(slog.DiscardHandler)
	slog.New(r).Info(strings.Repeat("ä", maxMessage), "long", strings.Repeat("x", 2*maxFields))
	all, _ := r.Find(Query{Limit: 1})
	if len(all[0].Message) > maxMessage+len("…") || len(all[0].Fields) > maxFields+len("…") || !strings.HasSuffix(all[0].Message, "ä…") {
		t.Errorf("%d and %d octets are kept: %q", len(all[0].Message), len(all[0].Fields), all[0].Message[len(all[0].Message)-8:])
	}
}

func TestRingAtOnce(t *testing.T) {
	r := NewRing(slog.DiscardHandler)
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			log := slog.New(r).With("who", "x")
			for range 1000 {
				log.Info("line")
				r.Find(Query{Limit: 1})
			}
		})
	}
	g.Wait()
	if all, _ := r.Find(Query{Limit: maxLines}); len(all) != maxLines || all[0].ID != 8000 {
		t.Errorf("%d lines, the last is %d", len(all), all[0].ID)
	}
}

func BenchmarkRing(b *testing.B) {
	log := slog.New(NewRing(slog.DiscardHandler))
	for b.Loop() {
		log.Info("accepted", "conn", 12345, "remote", "192.0.2.1", "mail_from", "ana@example.org", "rcpt_to", "bo@example.org", "size", 4711, "queue_id", "01HXYZABCDEF")
	}
}
