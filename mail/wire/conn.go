package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// writeBuffer is how much is collected before it is written without being
// asked for.
const writeBuffer = 32 << 10

var writeBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, writeBuffer)
	return &b
}}

// Conn is a guarded connection. One goroutine reads and writes; Close,
// SetDeadline and Flush may be called from others.
type Conn struct {
	raw    net.Conn
	limits Limits
	born   time.Time // what follows is counted from it, by the monotonic clock
	remote netip.AddrPort
	local  netip.AddrPort

	cur atomic.Pointer[net.Conn] // raw, or TLS over it
	tls atomic.Pointer[tls.ConnectionState]

	idle    atomic.Int64 // time.Duration of a turn
	turn    atomic.Int64 // nanoseconds after born, when it became the peer's turn
	in      atomic.Int64 // octets read in this turn
	read    atomic.Int64 // octets read in all
	written atomic.Int64

	wmu  sync.Mutex
	wbuf *[]byte // what was written and not flushed; nil when empty
	werr error

	deadline    atomic.Int64 // nanoseconds after born of a hard end; 0: none
	interrupted atomic.Bool

	lines transcript
}

// NewConn guards an accepted connection.
func NewConn(raw net.Conn, l Limits) *Conn {
	c := &Conn{raw: raw, limits: l.withDefaults(), born: time.Now()}
	c.begin()
	c.remote, c.local = addrPort(raw.RemoteAddr()), addrPort(raw.LocalAddr())
	c.cur.Store(&raw)
	c.idle.Store(int64(c.limits.Idle))
	return c
}

// begin makes it the peer's turn.
func (c *Conn) begin() {
	c.turn.Store(int64(time.Since(c.born)))
	c.in.Store(0)
}

// addrPort reads an address; one that has no IP (a pipe, a socket) is
// loopback.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
}

// Remote returns the peer's address, as PROXY told it where it was trusted.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// Local returns the address the peer connected to.
func (c *Conn) Local() netip.AddrPort { return c.local }

// RemoteAddr and LocalAddr implement net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }
func (c *Conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }

// SetIdle changes how long a turn of the peer may take before octets come.
func (c *Conn) SetIdle(d time.Duration) { c.idle.Store(int64(d)) }

// Counts returns the octets read and written, without those of TLS.
func (c *Conn) Counts() (read, written int64) { return c.read.Load(), c.written.Load() }

// TLS returns the state of TLS, nil without.
func (c *Conn) TLS() *tls.ConnectionState { return c.tls.Load() }

// exporterLabel and its length are RFC 9266 section 2.
const exporterLabel, exporterLength = "EXPORTER-Channel-Binding", 32

// TLSExporter returns the channel binding of a TLS 1.3 connection, else nil.
func (c *Conn) TLSExporter() []byte {
	s := c.TLS()
	if s == nil || s.Version < tls.VersionTLS13 {
		return nil
	}
	b, err := s.ExportKeyingMaterial(exporterLabel, nil, exporterLength)
	if err != nil {
		return nil
	}
	return b
}

// StartTLS does the handshake as the server. Whoever calls it has flushed the
// answer that announced it and drops what it has read ahead: that came in
// plain text and may be injected (RFC 3207 section 6).
func (c *Conn) StartTLS(ctx context.Context, cfg *tls.Config) error {
	if c.TLS() != nil {
		return errors.New("wire: TLS is on already")
	}
	if err := c.Flush(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.limits.Handshake)
	defer cancel()
	t := tls.Server(c.raw, cfg)
	c.raw.SetDeadline(time.Now().Add(c.limits.Handshake))
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	c.raw.SetDeadline(time.Time{})
	state := t.ConnectionState()
	c.tls.Store(&state)
	conn := net.Conn(t)
	c.cur.Store(&conn)
	c.applyDeadline()
	c.begin()
	return nil
}

func (c *Conn) conn() net.Conn { return *c.cur.Load() }

// Read implements net.Conn. It flushes first: the peer may be waiting for it.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Flush(); err != nil {
		return 0, err
	}
	c.conn().SetReadDeadline(c.clip(c.readUntil(time.Now())))
	if c.interrupted.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.conn().Read(p)
	c.in.Add(int64(n))
	c.read.Add(int64(n))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// readUntil is when the peer's turn ends: idle, and a second for each MinRate
// octets that came.
func (c *Conn) readUntil(now time.Time) time.Time {
	idle := time.Duration(c.idle.Load())
	if c.limits.MinRate <= 0 {
		return now.Add(idle)
	}
	earned := time.Duration(c.in.Load()/int64(c.limits.MinRate)) * time.Second
	until := c.born.Add(time.Duration(c.turn.Load()) + idle + earned)
	if t := now.Add(idle); t.Before(until) {
		return t
	}
	return until
}

// end is the hard end; the zero time is none.
func (c *Conn) end() time.Time {
	if d := c.deadline.Load(); d != 0 {
		return c.born.Add(time.Duration(d))
	}
	return time.Time{}
}

// clip brings a time before the hard end, if there is one.
func (c *Conn) clip(t time.Time) time.Time {
	if end := c.end(); !end.IsZero() && end.Before(t) {
		return end
	}
	return t
}

// Write implements net.Conn: it collects. What does not fit is written.
func (c *Conn) Write(p []byte) (int, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.werr != nil {
		return 0, c.werr
	}
	if c.wbuf == nil {
		c.wbuf = writeBuffers.Get().(*[]byte)
	}
	total := len(p)
	for len(*c.wbuf)+len(p) > writeBuffer {
		n := writeBuffer - len(*c.wbuf)
		*c.wbuf = append(*c.wbuf, p[:n]...)
		p = p[n:]
		if err := c.flush(); err != nil {
			return total - len(p), err
		}
		if c.wbuf == nil {
			c.wbuf = writeBuffers.Get().(*[]byte)
		}
	}
	*c.wbuf = append(*c.wbuf, p...)
	return total, nil
}

// Flush writes what was collected.
func (c *Conn) Flush() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.werr != nil {
		return c.werr
	}
	return c.flush()
}

// flush writes; c.wmu is held. An error stays.
func (c *Conn) flush() error {
	if c.wbuf == nil {
		return nil
	}
	buf := c.wbuf
	c.wbuf = nil
	defer func() {
		*buf = (*buf)[:0]
		writeBuffers.Put(buf)
	}()
	if len(*buf) == 0 {
		return nil
	}
	c.conn().SetWriteDeadline(c.clip(time.Now().Add(c.limits.Write)))
	n, err := c.conn().Write(*buf)
	c.written.Add(int64(n))
	c.werr = err
	c.begin()
	return err
}

// Close flushes for a moment, says good-bye to TLS and closes.
func (c *Conn) Close() error {
	c.Expire(time.Now().Add(closeGrace))
	c.Flush()
	return c.conn().Close()
}

// closeGrace is how long a peer may take to read the last reply.
const closeGrace = 2 * time.Second

// Expire ends the connection at t, whatever goes on; a zero t takes that back.
func (c *Conn) Expire(t time.Time) {
	if t.IsZero() {
		c.deadline.Store(0)
		return
	}
	c.deadline.Store(max(1, int64(t.Sub(c.born))))
	c.applyDeadline()
}

// longAgo, as a deadline, ends a read at once.
var longAgo = time.Unix(1, 0)

// Interrupt makes a Read that waits, and all later ones, fail with
// os.ErrDeadlineExceeded; what is written still goes out.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	c.raw.SetReadDeadline(longAgo)
}

// applyDeadline makes a hard end known to reads and writes under way. It gives
// no time back to a read that was interrupted and has not noticed yet.
func (c *Conn) applyDeadline() {
	end := c.end()
	if end.IsZero() {
		return
	}
	c.raw.SetDeadline(end)
	if c.interrupted.Load() {
		c.raw.SetReadDeadline(longAgo)
	}
}

// SetDeadline and its like implement net.Conn and do nothing: libraries set
// deadlines that do not roll.
func (c *Conn) SetDeadline(time.Time) error      { return nil }
func (c *Conn) SetReadDeadline(time.Time) error  { return nil }
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// PeekEarly waits for d and reports whether the peer has sent something
// already: those who do before the greeting do not wait for replies (RFC 5321
// section 3.1). What it takes is lost; it takes more than an octet because what
// nobody has read makes the system throw away the reply.
func (c *Conn) PeekEarly(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return false
	}
	c.conn().SetReadDeadline(c.clip(time.Now().Add(d)))
	var b [1024]byte
	n, _ := c.conn().Read(b[:])
	return n > 0
}
