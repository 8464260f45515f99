package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// crashRounds is how often the crash tests kill; `make crash` asks for more.
func crashRounds(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("MAILSTEAD_CRASH_ROUNDS"))
	if err != nil {
		return 3
	}
	return n
}

// TestKillServer kills the whole server with SIGKILL at random moments while
// many clients send. Whatever was answered with 250 is there exactly once
// afterwards, also what was refused before and sent again; nothing is there
// that was never sent.
func TestKillServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	var acked sync.Map // Message-ID → true
	sent := map[string]bool{}
	var mu sync.Mutex
	for round := range crashRounds(t) {
		i := startTry(t, "--dir", dir, "--no-limits")
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				send(ctx, i, fmt.Sprintf("r%d-w%d", round, w), func(id string) {
					mu.Lock()
					sent[id] = true
					mu.Unlock()
				}, func(id string) { acked.Store(id, true) })
			})
		}
		// The moment is random on purpose: each run tries others.
		time.Sleep(time.Duration(100+rand.IntN(500)) * time.Millisecond)
		i.kill(t)
		cancel()
		wg.Wait()
	}
	i := startTry(t, "--dir", dir, "--no-limits")
	n := 0
	acked.Range(func(any, any) bool { n++; return true })
	for _, who := range i.Accounts {
		c := i.dialIMAP(t, who, nil)
		have := map[string]int{}
		for _, m := range messages(t, c, "INBOX") {
			id := messageID(m)
			have[id]++
			if !sent[id] || !strings.HasSuffix(m, "\r\n\r\n"+bodyOf(id)) {
				t.Errorf("%s has a message that was never sent so: %q", who.Address, tail(m, 300))
			}
		}
		for id, times := range have {
			if times != 1 {
				t.Errorf("%s has %s %d times", who.Address, id, times)
			}
		}
		acked.Range(func(id, _ any) bool {
			if have[id.(string)] != 1 {
				t.Errorf("%s: %s was acknowledged and is lost", who.Address, id)
			}
			return true
		})
	}
	t.Logf("%d messages to two people each were acknowledged", n)
	if n == 0 {
		t.Error("nothing was acknowledged: the test has not tested anything")
	}
}

// bodyOf is the body of the message with an ID; some are large.
func bodyOf(id string) string {
	lines := 20
	if strings.HasSuffix(id, "7@kill.test>") {
		lines = 6000
	}
	return strings.Repeat(id+" and so on\r\n", lines)
}

// send sends messages to both accounts until the connection breaks.
func send(ctx context.Context, i *instance, name string, began, done func(id string)) {
	conn, err := net.Dial("tcp", i.SMTP)
	if err != nil {
		return
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "client.test"})
	if err != nil {
		conn.Close()
		return
	}
	defer c.Close()
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("<%s-%d@kill.test>", name, n)
		text := "From: x@slow.test\r\nMessage-ID: " + id + "\r\n\r\n" + bodyOf(id)
		env := mail.Envelope{ReversePath: mail.Path{Local: "x", Domain: "slow.test"}}
		for _, a := range i.Accounts {
			p, _ := mail.ParseAddress(a.Address)
			env.Recipients = append(env.Recipients, mail.Recipient{Path: p})
		}
		began(id)
		res := c.Send(ctx, &smtpclient.Message{Envelope: env, Size: int64(len(text)), Body: strings.NewReader(text)})
		for _, r := range res {
			if r.Err != nil {
				return
			}
		}
		done(id)
	}
}
