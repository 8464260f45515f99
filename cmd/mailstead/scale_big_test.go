package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// TestScaleBig works with a mailbox of a million messages, and with an account
// of 200 mailboxes: each step gives the right result in bounded memory, and
// another account is served meanwhile.
func TestScaleBig(t *testing.T) {
	n, part := scaled(24_000, 1_000_000), scaled(12_000, 100_000) // a part is more than one transaction changes
	dir := filepath.Join(t.TempDir(), "data")
	flags := []string{"--dir", dir, "--plain-auth", "--no-limits"}
	p := startProbed(t, flags...)
	l := &ledger{t: t, p: p}
	defer l.print()
	alice, bob := p.Accounts[0], p.Accounts[1]
	carol := addPerson(t, p.instance, "carol")

	l.step("fill a mailbox, 4 clients", n, func() {
		p.fillBox(t, alice, filling{box: "INBOX", n: n, clients: 4, per: 250, size: func(i int) int { return 1000 + i%1000 }})
	})
	boxes := 200
	each := scaled(10, 500)
	l.step("fill 200 mailboxes", boxes*each, func() { fillBoxes(t, p.instance, bob, boxes, each) })

	p = restartCold(t, l, flags)
	c := p.dialFast(t, alice)
	l.step("SELECT, cold", n, func() { wantCount(t, "EXISTS", c.exists(t, "INBOX"), n) })
	l.step("SELECT, warm", n, func() { wantCount(t, "EXISTS", c.exists(t, "INBOX"), n) })
	readBig(t, l, c, n, part)
	readBoxes(t, l, p.dialFast(t, bob), boxes, each)
	changeBig(t, l, alice, carol, n, part)
	p.stop(t)
	giveBack(t, l, dir, part)
}

// addPerson adds an account to a running server.
func addPerson(t *testing.T, i *instance, name string) tryAccount {
	t.Helper()
	op, err := api.Dial(t.Context(), adminSocket(i.Data), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	a := tryAccount{Address: name + "@" + tryDomain, Password: name + "-long-password"}
	if _, err := op.AddAccount(t.Context(), admin.NewAccount{Address: a.Address, Password: a.Password}); err != nil {
		t.Fatal(err)
	}
	return a
}

// restartCold stops the server, lets the system forget the databases, and
// starts it again.
func restartCold(t *testing.T, l *ledger, flags []string) *probed {
	t.Helper()
	start := time.Now()
	l.p.stop(t)
	l.add("stop", 0, &measured{Took: time.Since(start)}, 0)
	files, err := filepath.Glob(filepath.Join(l.p.Data, "store", "acct", "*", "mail.db"))
	if err != nil || len(files) == 0 {
		t.Fatal("no databases", err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	start = time.Now()
	l.p = startProbed(t, flags...)
	m := measured{Took: time.Since(start)}
	m.cost = l.p.cost(t)
	l.add("start, until all ports answer", 0, &m, 0)
	return l.p
}

func wantCount(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// fillBoxes makes mailboxes with messages in each.
func fillBoxes(t *testing.T, i *instance, who tryAccount, boxes, each int) {
	t.Helper()
	c := i.dialFast(t, who)
	var text []byte
	for b := range boxes {
		box := boxName(b)
		c.must(t, "CREATE "+box, "")
		for at := 0; at < each; {
			c.appends(box)
			for range min(250, each-at) {
				text = scaleMessage(text[:0], b*each+at, 1000)
				c.add(fillFlags(at)+" ", text)
				at++
			}
			if err := c.commit(box); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func boxName(i int) string { return fmt.Sprintf("Projects/%02d/%03d", i/20, i) }

// readBig is what clients read of a big mailbox.
func readBig(t *testing.T, l *ledger, c *imapConn, n, part int) {
	l.step("FETCH 1:* FLAGS", n, func() { wantCount(t, "FLAGS", c.must(t, "FETCH 1:* FLAGS", " FETCH (FLAGS"), n) })
	l.step("FETCH ENVELOPE of a part", part, func() {
		wantCount(t, "ENVELOPE", c.must(t, fmt.Sprintf("FETCH %d:* ENVELOPE", n-part+1), "ENVELOPE"), part)
	})
	l.step("SEARCH UNSEEN", n, func() {
		found := 0
		if err := c.run("SEARCH UNSEEN", func(line []byte) { found += bytes.Count(line, []byte(" ")) - 1 }); err != nil {
			t.Fatal(err)
		}
		wantCount(t, "UNSEEN", found, n/2)
	})
	l.step("SEARCH COUNT UNSEEN", n, func() {
		wantCount(t, "UNSEEN", c.number(t, "SEARCH RETURN (COUNT) UNSEEN", "COUNT"), n/2)
	})
	l.step("SEARCH SUBJECT", n, func() {
		wantCount(t, "SUBJECT", c.number(t, `SEARCH RETURN (COUNT) SUBJECT "for part 1"`, "COUNT"), (n+1)/3)
	})
}

// readBoxes asks for the state of all mailboxes of an account.
func readBoxes(t *testing.T, l *ledger, c *imapConn, boxes, each int) {
	const items = "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)"
	messages := fmt.Sprintf("(MESSAGES %d ", each)
	for _, state := range []string{"cold", "warm"} {
		l.step("LIST RETURN STATUS of 200 mailboxes, "+state, boxes, func() {
			wantCount(t, "STATUS", c.must(t, `LIST "" Projects/%/% RETURN (STATUS `+items+")", messages), boxes)
		})
	}
	l.step("STATUS, 200 times", boxes, func() {
		for b := range boxes {
			wantCount(t, "STATUS", c.must(t, "STATUS "+boxName(b)+" "+items, messages), 1)
		}
	})
}

// changeBig changes a big mailbox, by one client, while another idles there and
// a third one is served.
func changeBig(t *testing.T, l *ledger, alice, carol tryAccount, n, part int) {
	c, other := l.p.dialFast(t, alice), l.p.dialFast(t, alice)
	c.exists(t, "INBOX")
	other.exists(t, "INBOX")
	for _, box := range []string{"Copies", "Moved"} {
		c.must(t, "CREATE "+box, "")
	}
	idler := l.p.dialFast(t, alice)
	wantCount(t, "EXISTS", idler.exists(t, "INBOX"), n)
	pushed := idle(t, idler, []byte("FLAGS (\\Answered"))
	l.step("one flag, until another client in IDLE knows", 1, func() {
		c.must(t, "STORE 4 FLAGS.SILENT (\\Answered)", "")
		if err := <-pushed; err != nil {
			t.Error(err)
		}
	})
	idler.conn.Close()

	b := beside(t, l.p.instance, carol)
	l.step("COPY of a part", part, func() { c.must(t, fmt.Sprintf("COPY 1:%d Copies", part), "") })
	l.step("MOVE of a part", part, func() {
		wantCount(t, "EXPUNGE", c.must(t, fmt.Sprintf("MOVE 1:%d Moved", part), " EXPUNGE"), part)
	})
	l.step("STORE \\Deleted of a part", part, func() {
		wantCount(t, "FETCH", c.must(t, fmt.Sprintf("STORE 1:%d +FLAGS (\\Deleted)", part), " FETCH "), part)
	})
	l.step("UID EXPUNGE of a part", part, func() {
		wantCount(t, "EXPUNGE", c.must(t, "UID EXPUNGE 1:*", " EXPUNGE"), min(part, n-part))
	})
	left := max(0, n-2*part)
	l.step("NOOP of another client, told of all this", 2*part, func() {
		wantCount(t, "EXPUNGE", other.must(t, "NOOP", " EXPUNGE"), n-left)
	})
	l.step("DELETE of a mailbox with a part", part, func() { c.must(t, "DELETE Copies", "") })
	b.end(t, patience())

	wantCount(t, "left in INBOX", c.exists(t, "INBOX"), left)
	wantCount(t, "moved", c.exists(t, "Moved"), part)
}

// idle begins to idle and waits for a line.
func idle(t *testing.T, c *imapConn, want []byte) <-chan error {
	t.Helper()
	c.tag++
	fmt.Fprintf(c.w, "a%d IDLE\r\n", c.tag)
	if err := c.w.Flush(); err != nil {
		t.Fatal(err)
	}
	if line, err := c.line(); err != nil || line[0] != '+' {
		t.Fatalf("IDLE: %s, %v", line, err)
	}
	came := make(chan error, 1)
	go func() {
		for {
			line, err := c.line()
			if err != nil || bytes.Contains(line, want) {
				came <- err
				return
			}
		}
	}()
	return came
}

// giveBack opens the store as it will be when the grace time is over: the room
// of deleted messages comes back, and all that is left is in order.
func giveBack(t *testing.T, l *ledger, dir string, part int) {
	t.Helper()
	later := func() time.Time { return time.Now().Add(48 * time.Hour) }
	eng, err := store.Open(filepath.Join(dir, "store"), store.Options{Apply: apply, Now: later})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	before := diskUse(t, dir)
	start := time.Now()
	if err := eng.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := measured{Took: time.Since(start)}
	freed := before - diskUse(t, dir)
	l.add("room of a part given back", part, &m, -freed)
	if freed < int64(part)*1000 {
		t.Errorf("%d octets came back of %d messages", freed, part)
	}
	boxes := mailbox.Open(eng, mailbox.Options{})
	start = time.Now()
	for id := range eng.Owners(t.Context()) {
		problems, err := boxes.Check(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("account %d: %s", id, p)
		}
	}
	l.add("check of all rows and bodies", 0, &measured{Took: time.Since(start)}, 0)
}
