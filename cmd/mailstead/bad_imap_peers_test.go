package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// together does something n times, some of them at a time.
func together(t *testing.T, n, parallel int, do func(k int) error) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(parallel)
	for k := range n {
		g.Go(func() error { return do(k) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// badCuts: connections that end, half end or are reset at each stage.
func badCuts(t *testing.T, p *probed) {
	who := p.Accounts[1]
	stages := []struct {
		name  string
		login bool
		send  string
	}{
		{"after the greeting", false, ""},
		{"in a tag", false, "x"},
		{"in a command", false, "x LOGIN"},
		{"after a literal was announced", false, "x LOGIN {5+}\r\n"},
		{"in a literal", false, "x LOGIN {500+}\r\nabc"},
		{"in a literal that is refused", false, "x LOGIN {500000+}\r\nabc"},
		{"in AUTHENTICATE", true, "x AUTHENTICATE PLAIN\r\n"},
		{"in a line that is too long", false, strings.Repeat("a", 20_000)},
		{"after STARTTLS", false, "x STARTTLS\r\n"},
		{"in the handshake", false, "x STARTTLS\r\n\x16\x03\x01\x02\x00\x01"},
		{"after the login", true, ""},
		{"in IDLE", true, "x IDLE\r\n"},
		{"in DONE", true, "x IDLE\r\nDO"},
		{"in APPEND", true, "x APPEND INBOX {100000+}\r\nSubject: half"},
		{"in MULTIAPPEND", true, "x APPEND INBOX {1+}\r\nx {100+}\r\nSubject: half"},
		{"at the last octet of APPEND", true, "x APPEND INBOX {1+}\r\nx\r"},
		{"in FETCH", true, "x SELECT cuts\r\nx FETCH 1:* BODY[]\r\nx FETCH 1:* BODY[]\r\n"},
		{"in SEARCH", true, "x SELECT cuts\r\nx SEARCH TEXT nothing\r\n"},
		{"after LOGOUT", true, "x LOGOUT\r\n"},
	}
	c := p.raw(t, who)
	if err := c.ok("CREATE cuts"); err != nil {
		t.Fatal(err)
	}
	big := "Subject: big\r\n\r\n" + strings.Repeat("a line of a long message\r\n", 40_000)
	for range 4 {
		if err := c.ok("APPEND cuts %s", nonSync(big)); err != nil {
			t.Fatal(err)
		}
	}
	inbox, err := c.exists("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	n := times(2, 20)
	for _, stage := range stages {
		together(t, 3*n, 6, func(k int) error { return p.cut(stage.send, stage.login, k%3) })
	}
	if after, err := c.exists("INBOX"); err != nil || after != inbox {
		t.Errorf("INBOX had %d messages, and after messages that were cut off %d, %v", inbox, after, err)
	}
	p.tell(3*n*len(stages), "nothing is kept of what was not whole")
}

// cut sends something and ends: with FIN, with FIN of one half, or with RST.
func (p *probed) cut(send string, login bool, how int) error {
	dial := func() (*rawIMAP, error) { return p.rawPlain(nil) }
	if login {
		dial = func() (*rawIMAP, error) { return p.rawLogin(nil, p.Accounts[1]) }
	}
	if strings.HasPrefix(send, "x AUTHENTICATE") {
		dial = func() (*rawIMAP, error) { return p.rawTLS(nil) }
	}
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.conn.Close()
	if err := c.send(send); err != nil {
		return err
	}
	switch how {
	case 1: // the server sees the end, and ends too
		if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
		io.Copy(io.Discard, c.conn)
	case 2:
		return reset(c.conn)
	}
	return nil
}

// reset ends a connection with RST.
func reset(c net.Conn) error {
	if under, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = under.NetConn()
	}
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return c.Close()
}

// badFlood: more connections than an address, or a net, may have. Those above
// the bound are told so; the others are served.
func badFlood(t *testing.T, p *probed) {
	for _, tt := range []struct {
		name  string
		from  func(k int) net.IP
		bound int
	}{
		{"an address", func(int) net.IP { return net.IPv4(127, 20, 0, 1) }, 50},
		{"a net", func(k int) net.IP { return net.IPv4(127, 21, 0, byte(1+k%200)) }, 200},
	} {
		var taken []*rawIMAP
		refused := 0
		for k := range times(300, 2000) {
			c, err := p.rawPlain(tt.from(k))
			switch {
			case err == nil:
				taken = append(taken, c)
			case strings.Contains(err.Error(), "BYE [UNAVAILABLE] Too many connections"):
				refused++
			default:
				t.Fatal(err)
			}
		}
		if len(taken) != tt.bound {
			t.Errorf("%s got %d connections, want %d", tt.name, len(taken), tt.bound)
		}
		for _, c := range taken {
			if err := c.inStep(); err != nil {
				t.Error(err)
			}
			c.conn.Close()
		}
		eventually(t, "room again for "+tt.name, func() bool {
			c, err := p.rawPlain(tt.from(0))
			if err == nil {
				c.conn.Close()
			}
			return err == nil
		})
		p.tell(len(taken)+refused, "BYE [UNAVAILABLE] above %d", tt.bound)
	}
}

// badSlowness: clients that send an octet a second, from many nets, on both
// ports. Before the login that goes on for three minutes, at most.
func badSlowness(t *testing.T, p *probed) {
	const hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	n := times(100, 1000)
	conns := make([]net.Conn, 2*n)
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	})
	together(t, 2*n, 20, func(k int) (err error) {
		addr := p.IMAP
		if k >= n {
			addr = p.IMAPS
		}
		conns[k], err = dialRaw(addr, spread(k/40))
		return err
	})
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for k := range times(2, 240) {
		<-tick.C
		open := 0
		for i, c := range conns {
			b := byte('x')
			if i >= n {
				b = hello[k%len(hello)]
			}
			if _, err := c.Write([]byte{b}); err == nil {
				open++
			}
		}
		if open == 0 {
			break
		}
	}
	ended := 0
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, os.ErrDeadlineExceeded) {
			ended++
		}
	}
	if os.Getenv("MAILSTEAD_LONG") != "" && ended != len(conns) {
		t.Errorf("after %v %d of %d connections are still there", time.Since(start), len(conns)-ended, len(conns))
	}
	p.tell(len(conns), "%d cut off in %v", ended, time.Since(start).Round(time.Second))
}

// badHalfCommands: commands of strangers that come nearly to their ends, so
// that all of them are kept.
func badHalfCommands(t *testing.T, p *probed) {
	n := times(200, 2000)
	conns := make([]*rawIMAP, n)
	together(t, n, 20, func(k int) (err error) {
		if conns[k], err = p.rawPlain(spread(k / 40)); err != nil {
			return err
		}
		if err := conns[k].send("x LOGIN {4000}\r\n"); err != nil {
			return err
		}
		if r, err := conns[k].response(); err != nil || r.tag != "+" {
			return fmt.Errorf("4,000 octets: %+v, %w", r, err)
		}
		if err := conns[k].send(strings.Repeat("a", 4000) + " {90}\r\n"); err != nil {
			return err
		}
		if r, err := conns[k].response(); err != nil || r.tag != "+" { // it has the others
			return fmt.Errorf("90 octets: %+v, %w", r, err)
		}
		return conns[k].send(strings.Repeat("b", 90) + strings.Repeat(" ", 4000))
	})
	for _, c := range conns {
		c.conn.Close()
	}
	p.tell(n, "waited for")
}

// badAnnounced: messages of 10 MB that are announced, begun and never sent,
// until the client is gone.
func badAnnounced(t *testing.T, p *probed) {
	n := times(150, 1000)
	c := p.raw(t, p.Accounts[1])
	inbox, err := c.exists("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	begins := []string{
		"Subject: half\r\n\r\n" + strings.Repeat("a line\r\n", 25_000),
		"Subject: half\r\n" + strings.Repeat("X-Filler: in a header without an end\r\n", 26_000), // 1 MB
	}
	conns := make([]*rawIMAP, n)
	limited := make(chan struct{}, n)
	together(t, n, 8, func(k int) (err error) {
		c, err := p.rawTLS(spread(k / 40))
		if err != nil {
			return err
		}
		conns[k] = c
		a, err := c.do("LOGIN %s %s", p.Accounts[1].Address, p.Accounts[1].Password)
		if err != nil {
			return err
		}
		if a.kind == "NO" && strings.Contains(a.text, "LIMIT") { // of one account
			limited <- struct{}{}
			return nil
		}
		if a.kind != "OK" {
			return fmt.Errorf("login: %s %s", a.kind, a.text)
		}
		return c.send("x APPEND INBOX {10000000+}\r\n" + begins[k%2])
	})
	for k, c := range conns {
		if k%2 == 0 {
			reset(c.conn)
		}
		c.conn.Close()
	}
	if after, err := c.exists("INBOX"); err != nil || after != inbox {
		t.Errorf("INBOX had %d messages, and after messages that were cut off %d, %v", inbox, after, err)
	}
	p.tell(n, "%d NO [LIMIT] to more connections of the account; nothing stored", len(limited))
}

// badIndexes: one command with messages that are small, but have as many parts
// and addresses as may be kept of a message.
func badIndexes(t *testing.T, p *probed) {
	n := times(200, 900)
	parts := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 10_000)
	addresses := "To: " + strings.Repeat("a <a@b.test>,\r\n ", 10_000) + "z@b.test\r\n\r\ntext\r\n"
	for _, message := range []string{parts, addresses} {
		c := p.raw(t, p.Accounts[1])
		sent := c.sendSoon("x APPEND INBOX" + strings.Repeat(" "+nonSync(message), n) + "\r\n")
		if a, err := c.next(); err != nil || a.kind != "NO" || !strings.Contains(a.text, "TOOBIG") {
			t.Fatalf("APPEND: %s %s, %v", a.kind, a.text, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if err := c.inStep(); err != nil {
			t.Error(err)
		}
	}
	p.tell(2*n, "NO [TOOBIG] to too many in one command")
}

// badReader: a client that asks for 1 GB and reads nothing. Others of the same
// account go on, and the database does not keep what is old for its sake.
func badReader(t *testing.T, p *probed) {
	who := p.Accounts[1]
	c := p.raw(t, who)
	if err := c.ok("CREATE reader"); err != nil {
		t.Fatal(err)
	}
	big := "Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("z", 998)+"\r\n", 10_000)
	if err := c.ok("APPEND reader %s", nonSync(big)); err != nil {
		t.Fatal(err)
	}
	if err := c.ok("SELECT reader"); err != nil {
		t.Fatal(err)
	}
	messages := times(20, 100)
	for range messages - 1 {
		if err := c.ok("UID COPY 1 reader"); err != nil {
			t.Fatal(err)
		}
	}
	deaf := make([]*rawIMAP, times(5, 20))
	for i := range deaf {
		deaf[i] = p.raw(t, who)
		if err := deaf[i].ok("SELECT reader"); err != nil {
			t.Fatal(err)
		}
		if err := deaf[i].send(strings.Repeat("x FETCH 1:* (FLAGS BODY[])\r\nx FETCH 1:* (ENVELOPE)\r\n", 10)); err != nil {
			t.Fatal(err)
		}
		if r, err := deaf[i].line(); err != nil || !strings.HasPrefix(r, "* 1 FETCH (") { // it has begun
			t.Fatalf("FETCH: %q, %v", r, err)
		}
	}
	before := databases(t, p.Data)
	for k := range times(1500, 5000) {
		op := "+"
		if k%2 == 1 {
			op = "-"
		}
		if err := c.ok("STORE 1:* %sFLAGS.SILENT (\\Flagged)", op); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.ok("UID FETCH 1:* (FLAGS BODY.PEEK[]<0.100>)"); err != nil {
		t.Error(err)
	}
	// Files grow by doubling, and some do so for the traffic beside. If what is
	// old were kept, each STORE would add three pages at least: 18 MB.
	if grown := databases(t, p.Data) - before; grown > 12<<20 {
		t.Errorf("the databases have grown by %d MB", grown>>20)
	}
	for _, d := range deaf { // what came before the end is whole
		d.conn.Close()
	}
	p.tell(len(deaf), "%d MB asked for by each, others of the account served, databases +%d KB", messages*10*10, (databases(t, p.Data)-before)>>10)
}

// badLister: clients that ask for all names, the longest there can be, and read
// none of them.
func badLister(t *testing.T, p *probed) {
	who := p.Accounts[1]
	c := p.raw(t, who)
	above := strings.Repeat(strings.Repeat("n", 250)+"/", 3)
	n := times(200, 5000)
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "x CREATE %s%s%d\r\n", above, strings.Repeat("m", 200), i)
	}
	sent := c.sendSoon(b.String())
	made := 0
	for range n {
		a, err := c.next()
		if err != nil || a.kind != "OK" && !strings.Contains(a.text, "LIMIT") {
			t.Fatalf("CREATE: %s %s, %v", a.kind, a.text, err)
		}
		if a.kind == "OK" {
			made++
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	deaf := make([]*rawIMAP, times(20, 45))
	for i := range deaf {
		deaf[i] = p.raw(t, who)
		if err := deaf[i].send(strings.Repeat("x LIST \"\" *\r\n", 100)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := c.ok(`LIST "" *`); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range deaf {
		d.conn.Close()
	}
	p.tell(len(deaf), "%d names of 950 octets, 100 times, asked for by each; NO [LIMIT] to more; others of the account served", made)
}

// databases returns the octets of all databases.
func databases(t *testing.T, dir string) int64 {
	t.Helper()
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".db") {
			return nil // files come and go
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum == 0 {
		t.Fatal("there are no databases")
	}
	return sum
}
