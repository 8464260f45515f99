package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
)

// TestMemoryLimit asks more of a server than fits into its memory: connections
// with large messages that stop in the middle, people who log in at once, and
// read all of their mail at once. It refuses what is too much for the time
// being, loses nothing that it took, and stays under its limit.
func TestMemoryLimit(t *testing.T) {
	w := crowd{senders: scaled(150, 800), people: scaled(12, 60), readers: scaled(2, 4), size: scaled(300_000, 500_000)}
	limit := int64(scaled(96, 128))
	limited := w.run(t, limit)
	t.Logf("under %d MB: %v", limit, limited)
	if limited.refused == 0 {
		t.Error("nothing was too much: the load is too small")
	}
	// The limit is of all memory of the process, without a margin: what the plan
	// leaves beside the heap is for sockets and threads.
	if most := limit << 20; limited.own > most {
		t.Errorf("the server had %d MB of its own, more than %d", limited.own>>20, limit)
	}
	if os.Getenv("MAILSTEAD_LONG") == "" {
		return
	}
	free := w.run(t, 0)
	t.Logf("without a limit: %v", free)
	if free.own < limit<<20 {
		t.Errorf("without a limit the server had %d MB of its own: the load does not show anything", free.own>>20)
	}
}

// crowd is a load.
type crowd struct {
	senders int // connections to port 25 at once
	people  int // who log in at once
	readers int // connections with which each of them reads all at once
	size    int // octets of a message
}

// crowded is what a load came to.
type crowded struct {
	own                    int64 // octets that the server had of its own at most
	taken, refused, logins int
	took                   time.Duration
}

func (c crowded) String() string {
	return fmt.Sprintf("%d MB of its own at most; %d messages were taken and %d put off, %d logins put off; %v", c.own>>20, c.taken, c.refused, c.logins, rounded(c.took))
}

// run starts a server with a limit in MB, 0 for none, and puts it under the load.
func (w crowd) run(t *testing.T, limit int64) (found crowded) {
	t.Helper()
	p := startProbed(t, "--plain-auth")
	p.command(t, "list", "allow", "127.0.0.0/8") // what they send is read, not kept in quarantine
	op, err := api.Dial(t.Context(), adminSocket(p.Data), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	people := w.addPeople(t, op)
	if limit > 0 {
		if _, err := op.SetSetting(t.Context(), "memory.limit", fmt.Sprintf("%d MiB", limit)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the limit counts", func() bool {
			return strings.Contains(p.log.String(), fmt.Sprintf("msg=memory limit=%d from=", limit<<20))
		})
	}
	p.free(t)
	own, start := watchAnonymous(p), time.Now()
	taken := w.send(t, p, people, &found)
	w.read(t, p, people, taken, &found)
	found.own, found.took = own(), time.Since(start)
	p.stop(t)
	return found
}

// addPeople makes accounts, whose passwords nobody has checked yet.
func (w crowd) addPeople(t *testing.T, op *api.Client) []tryAccount {
	t.Helper()
	people := make([]tryAccount, w.people)
	together(t, w.people, 4, func(k int) error {
		people[k] = tryAccount{Address: accountName(k), Password: fmt.Sprintf("passing-word-%d", k)}
		_, err := op.AddAccount(t.Context(), admin.NewAccount{Address: people[k].Address, Password: people[k].Password})
		return err
	})
	return people
}

// send has all senders send half of a message and wait for each other, and then
// the rest. It returns how many messages of each person were taken.
func (w crowd) send(t *testing.T, p *probed, people []tryAccount, found *crowded) []int {
	t.Helper()
	taken := make([]int, len(people))
	var mu sync.Mutex
	var halfway sync.WaitGroup
	halfway.Add(w.senders)
	together(t, w.senders, w.senders, func(k int) error {
		ok, err := w.sendOne(p, k, people[k%len(people)].Address, func() { halfway.Done(); halfway.Wait() })
		mu.Lock()
		defer mu.Unlock()
		if ok {
			taken[k%len(people)]++
			found.taken++
		} else {
			found.refused++
		}
		return err
	})
	return taken
}

// sendOne sends one message and reports whether it was taken. That it was put
// off is no error, that it was refused is. It calls wait in the middle, once.
func (w crowd) sendOne(p *probed, k int, to string, wait func()) (ok bool, err error) {
	waited := sync.OnceFunc(wait)
	defer waited()
	c, err := dialPeer(p.SMTP, spread(k/20))
	if err != nil {
		return false, err
	}
	defer c.raw.Close()
	if err := c.SetDeadline(time.Now().Add(5 * deadline)); err != nil { // all wait for the slowest
		return false, err
	}
	text := scaleMessage(nil, k, w.size)
	half := len(text) / 2
	say := func(text []byte, want string) (ok bool, err error) {
		if _, err := c.Write(text); err != nil {
			return false, err
		}
		if want == "" {
			return true, nil
		}
		got, err := c.reply()
		if strings.HasPrefix(got, "4") {
			return false, nil
		}
		if err == nil && !strings.HasPrefix(got, want) {
			err = fmt.Errorf("sender %d is told %q, want %q", k, got, want)
		}
		return err == nil, err
	}
	for _, turn := range []struct {
		say  []byte
		want string
	}{
		{nil, "220"}, {[]byte("EHLO client.test\r\n"), "250"}, {[]byte("MAIL FROM:<friend@slow.test>\r\n"), "250"}, {[]byte("RCPT TO:<" + to + ">\r\n"), "250"}, {[]byte("DATA\r\n"), "354"},
		{text[:half], ""},
	} {
		if ok, err := say(turn.say, turn.want); !ok {
			return false, err
		}
	}
	waited()
	return say(append(bytes.Clone(text[half:]), "\r\n.\r\n"...), "250")
}

// read has all people log in at once and read all of their mail with several
// connections at once, of which each must find what was taken.
func (w crowd) read(t *testing.T, p *probed, people []tryAccount, taken []int, found *crowded) {
	t.Helper()
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(t.Context())
	for k, who := range people {
		for range w.readers {
			g.Go(func() error {
				putOff, err := w.readOne(ctx, p, k, who, taken[k])
				mu.Lock()
				defer mu.Unlock()
				found.logins += putOff
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// readOne logs in, trying again while it is put off, and reads INBOX.
func (w crowd) readOne(ctx context.Context, p *probed, k int, who tryAccount, want int) (putOff int, err error) {
	var c *imapConn
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		if c, err = p.connectFastFrom(spread(k), who, 16<<10); err == nil {
			break
		}
		if !unavailable.MatchString(err.Error()) {
			return putOff, err
		}
		putOff++
		select {
		case <-again.C:
		case <-ctx.Done():
			return putOff, ctx.Err()
		}
	}
	defer c.conn.Close()
	if err := c.run("SELECT INBOX", nil); err != nil {
		return putOff, err
	}
	messages, octets := 0, 0
	err = c.run("FETCH 1:* BODY.PEEK[]", func(line []byte) {
		if bytes.Contains(line, []byte(" FETCH (")) {
			messages++
			return
		}
		octets += len(line) + len("\r\n")
	})
	if want == 0 { // an empty mailbox: there is nothing to fetch
		return putOff, nil
	}
	if err != nil || messages != want || octets < want*w.size {
		return putOff, fmt.Errorf("%s has %d messages with %d octets, want %d with %d each: %v", who.Address, messages, octets, want, w.size, err)
	}
	return putOff, nil
}

// unavailable is how IMAP puts somebody off (RFC 5530).
var unavailable = regexp.MustCompile(`\[(UNAVAILABLE|LIMIT)\]`)
