package outbound

import (
	"context"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

const (
	maxUses  = 100              // transactions on one connection; some servers allow no more
	slotWait = time.Minute      // for a connection to a host that has enough of them
	quitWait = 10 * time.Second // for the good-byes of Close
)

// connection is an open session with a host.
type connection struct {
	*smtpclient.Client
	key  string // of the pool
	addr string
	uses int
	idle *time.Timer
}

// pool limits the connections at once to a host and keeps idle ones for a
// short while. Keys are host and policy: a connection is only used again for
// mail that would have got the same one.
type pool struct {
	perHost     int
	idleTimeout time.Duration

	mu      sync.Mutex
	hosts   map[string]*hostPool // by key
	closed  bool
	closing sync.WaitGroup // good-byes under way
}

// hostPool is what there is of one key. slots has one value for each
// connection in use; users counts those, the idle ones, and those who wait.
type hostPool struct {
	slots chan struct{}
	users int
	idle  []*connection
}

func (p *pool) init(perHost int, idleTimeout time.Duration) {
	p.perHost, p.idleTimeout = perHost, idleTimeout
	p.hosts = map[string]*hostPool{}
}

// acquire waits for a slot and returns an idle connection if there is one.
// The slot is given back with put or release.
func (p *pool) acquire(ctx context.Context, key string) (*connection, *mail.Error) {
	p.mu.Lock()
	h := p.hosts[key]
	if h == nil {
		h = &hostPool{slots: make(chan struct{}, p.perHost)}
		p.hosts[key] = h
	}
	h.users++
	p.mu.Unlock()
	wait := time.NewTimer(slotWait)
	defer wait.Stop()
	var err *mail.Error
	select {
	case h.slots <- struct{}{}:
		return p.take(h), nil
	case <-wait.C:
		err = mail.Errorf(statusBusy, "there are too many connections to this server already")
	case <-ctx.Done():
		err = &mail.Error{Status: statusBusy, Text: "the attempt was interrupted", Err: ctx.Err()}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(key, h)
	return nil, err
}

// take removes the newest idle connection.
func (p *pool) take(h *hostPool) *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(h.idle)
	if n == 0 {
		return nil
	}
	c := h.idle[n-1]
	h.idle = h.idle[:n-1]
	h.users--
	c.idle.Stop()
	return c
}

// leave ends one use; p.mu is held.
func (p *pool) leave(key string, h *hostPool) {
	if h.users--; h.users == 0 {
		delete(p.hosts, key)
	}
}

// release gives a slot back.
func (p *pool) release(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[key]
	<-h.slots
	p.leave(key, h)
}

// put keeps a connection for the next one who needs it, and gives its slot
// back. One that is dead or has been used often ends here.
func (p *pool) put(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[c.key]
	switch {
	case !c.Alive():
		c.Close()
	case p.closed || c.uses >= maxUses:
		p.quit(c)
	default:
		h.users++
		h.idle = append(h.idle, c)
		c.idle = time.AfterFunc(p.idleTimeout, func() { p.expire(c) })
	}
	<-h.slots
	p.leave(c.key, h)
}

// expire ends a connection that nobody needed.
func (p *pool) expire(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[c.key]
	if h == nil {
		return
	}
	for i, other := range h.idle {
		if other == c {
			h.idle = append(h.idle[:i], h.idle[i+1:]...)
			p.quit(c)
			p.leave(c.key, h)
			return
		}
	}
}

// quit says good-bye in the background; p.mu is held.
func (p *pool) quit(c *connection) {
	p.closing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), quitWait)
		defer cancel()
		c.Quit(ctx)
	})
}

// close ends all idle connections and waits for that.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for key, h := range p.hosts {
		idle := h.idle
		h.idle = nil
		for _, c := range idle {
			c.idle.Stop()
			p.quit(c)
			p.leave(key, h)
		}
	}
	p.mu.Unlock()
	p.closing.Wait()
}
