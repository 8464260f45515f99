package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// sink is the mail server of everybody else: it takes mail, or not, or breaks
// off where that hurts most, and remembers what it took. Recipients say by the
// first letters of their address what becomes of them:
//
//	ok.…      taken, after at most three failures for now
//	no.…      refused at RCPT
//	wait.…    refused for now, always
//	never.…   refused after the final dot
type sink struct {
	addr string
	life *atomic.Int32 // which of the server's processes runs now

	mu       sync.Mutex
	failed   map[string]int // failures for now, by recipient
	took     map[string][]taking
	refused  map[string]bool
	count    map[string]int
	problems []string
}

// taking is one time that the sink took a message for a recipient.
type taking struct {
	life     int32 // the server's process that handed it over
	answered bool  // it was sent a 250
}

// startSink runs a sink until the test ends.
func startSink(t *testing.T, life *atomic.Int32) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{addr: l.Addr().String(), life: life, failed: map[string]int{}, took: map[string][]taking{}, refused: map[string]bool{}, count: map[string]int{}}
	var wg sync.WaitGroup
	var conns sync.Map
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(conn, true)
			wg.Go(func() {
				defer conns.Delete(conn)
				defer conn.Close()
				(&sinkConn{s: s, life: life.Load(), conn: conn, r: bufio.NewReader(conn)}).serve()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		wg.Wait()
	})
	return s
}

// stumble reports whether something goes wrong for now, which it does for each
// recipient a few times at most.
func (s *sink) stumble(what string, percent int, rcpts ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rcpts {
		if s.failed[r] >= 3 {
			return false
		}
	}
	if len(rcpts) == 0 || rand.IntN(100) >= percent {
		return false
	}
	for _, r := range rcpts {
		s.failed[r]++
	}
	s.count[what]++
	return true
}

// decided is how many recipients nothing more is to come for.
func (s *sink) decided() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.took) + len(s.refused)
}

func (s *sink) refuse(rcpts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rcpts {
		s.refused[r] = true
	}
}

// sinkConn is one connection, of one transaction after the other.
type sinkConn struct {
	s     *sink
	life  int32
	conn  net.Conn
	r     *bufio.Reader
	rcpts []string
}

func (c *sinkConn) say(line string) bool {
	_, err := c.conn.Write([]byte(line + "\r\n"))
	return err == nil
}

func (c *sinkConn) serve() {
	for ok := c.say("220 sink.test ready"); ok; {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); strings.ToUpper(verb) {
		case "EHLO":
			ok = c.say("250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME")
		case "MAIL", "RSET":
			c.rcpts = nil
			ok = c.say("250 2.1.0 ok")
		case "RCPT":
			ok = c.rcpt(rest)
		case "DATA":
			ok = c.data()
		case "QUIT":
			c.say("221 2.0.0 bye")
			return
		default:
			ok = c.say("502 5.5.1 no")
		}
	}
}

func (c *sinkConn) rcpt(rest string) bool {
	_, rest, _ = strings.Cut(rest, "<")
	to, _, _ := strings.Cut(rest, ">")
	switch {
	case strings.HasPrefix(to, "no."):
		c.s.refuse(to)
		return c.say("550 5.1.1 nobody has this name")
	case strings.HasPrefix(to, "wait."):
		return c.say("450 4.2.1 never today")
	case c.s.stumble("refused for now at RCPT", 15, to):
		return c.say("450 4.2.1 try again later")
	}
	c.rcpts = append(c.rcpts, to)
	return c.say("250 2.1.5 ok")
}

// data takes one message, for all recipients.
func (c *sinkConn) data() bool {
	if len(c.rcpts) == 0 {
		return c.say("554 5.5.1 no recipients")
	}
	if !c.say("354 go on") {
		return false
	}
	cut := c.s.stumble("broken off within the message", 3, c.rcpts...)
	text, ok := c.read(cut)
	if !ok {
		return false
	}
	if strings.HasPrefix(c.rcpts[0], "never.") {
		c.s.refuse(c.rcpts...)
		return c.say("554 5.6.0 nobody wants to read this")
	}
	if c.s.stumble("refused for now after the dot", 5, c.rcpts...) {
		return c.say("451 4.3.0 try again later")
	}
	if c.s.stumble("taken and broken off without an answer", 2, c.rcpts...) {
		c.take(text, false)
		return false
	}
	c.take(text, true)
	return c.say("250 2.0.0 taken") && rand.IntN(100) >= 3
}

// read reads up to the final dot; it stops somewhere before if cut.
func (c *sinkConn) read(cut bool) (text []byte, ok bool) {
	for n := 0; !cut || n < 3; n++ {
		line, err := c.r.ReadBytes('\n')
		if err != nil {
			return nil, false
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			return text, true
		}
		text = append(text, bytes.TrimPrefix(line, []byte("."))...)
	}
	return nil, false
}

// take remembers the message before the answer is sent.
func (c *sinkConn) take(text []byte, answered bool) {
	name := nameOf(text)
	problem := textProblem(name, text)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if problem != "" {
		c.s.problems = append(c.s.problems, fmt.Sprintf("the sink got %q, which %s", name, problem))
	}
	for _, r := range c.rcpts {
		if recipientOf(r) != name {
			c.s.problems = append(c.s.problems, fmt.Sprintf("the sink got %q for %s", name, r))
		}
		c.s.took[r] = append(c.s.took[r], taking{c.life, answered})
	}
}
