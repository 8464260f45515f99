package wire

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func pipe(l Limits) (*Conn, net.Conn) {
	a, b := net.Pipe()
	return NewConn(a, l), b
}

func TestWritesAreCoalesced(t *testing.T) {
	var writes atomic.Int64
	a, b := net.Pipe()
	c := NewConn(countingConn{a, &writes}, Limits{})
	got := make(chan string)
	go func() {
		var out bytes.Buffer
		io.CopyN(&out, b, 3)
		b.Write([]byte("x"))
		got <- out.String()
	}()
	for _, s := range []string{"a", "b", "c"} {
		if _, err := c.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil { // flushes
		t.Fatal(n, err)
	}
	if s := <-got; s != "abc" || writes.Load() != 1 {
		t.Errorf("peer got %q in %d writes, want one", s, writes.Load())
	}
}

type countingConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(p)
}

func TestLargeWritePassesWhole(t *testing.T) {
	c, peer := pipe(Limits{})
	want := bytes.Repeat([]byte("0123456789"), 20_000)
	go func() {
		c.Write(want)
		c.Close()
	}()
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d octets of %d, %v", len(got), len(want), err)
	}
}

func TestEndIsNeverClean(t *testing.T) {
	c, peer := pipe(Limits{})
	go peer.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read = %v", err)
	}
}

// TestSlowPeers: who sends an octet now and then is cut off, who sends at the
// floor is not.
func TestSlowPeers(t *testing.T) {
	limits := Limits{Idle: time.Minute, MinRate: 100}
	for _, tt := range []struct {
		name   string
		octets int
		every  time.Duration
		ok     bool
	}{
		{"an octet every 50 s", 1, 50 * time.Second, false},
		{"99 octets a second", 99, time.Second, false},
		{"200 octets a second", 200, time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipe(limits)
				done := make(chan struct{})
				go func() {
					defer peer.Close()
					for {
						if _, err := peer.Write(make([]byte, tt.octets)); err != nil {
							return
						}
						select {
						case <-done:
							return
						case <-time.After(tt.every):
						}
					}
				}()
				start := time.Now()
				var err error
				for err == nil && time.Since(start) < 3*time.Hour {
					_, err = io.ReadFull(c, make([]byte, tt.octets))
				}
				close(done)
				if (err == nil) != tt.ok {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
				if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("error = %v", err)
				}
				c.Close()
			})
		})
	}
}

func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(Limits{Write: time.Minute})
		defer peer.Close()
		_, err := c.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %v", err)
		}
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("an error of writing does not stay")
		}
		c.Close()
	})
}

// TestInterruptThenExpire: at the stop both come at nearly the same time, and
// the second must not let the read wait on.
func TestInterruptThenExpire(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 500 {
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := NewConn(raw, Limits{})
		read := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		c.Interrupt()
		c.Expire(time.Now().Add(10 * time.Second))
		start := time.Now()
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 5*time.Second {
			t.Fatalf("Read = %v after %v", err, time.Since(start))
		}
		c.Close()
		peer.Close()
	}
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestStartTLS(t *testing.T) {
	c, peer := pipe(Limits{})
	cfg := certificate(t)
	exporter := make(chan []byte, 1)
	go func() {
		line := make([]byte, 3)
		io.ReadFull(peer, line)
		client := tls.Client(peer, &tls.Config{InsecureSkipVerify: true})
		if client.Handshake() != nil {
			return
		}
		state := client.ConnectionState()
		b, _ := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		exporter <- b
		client.Write([]byte("hello"))
		client.Close()
	}()
	c.Write([]byte("220"))
	if err := c.StartTLS(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if b := <-exporter; c.TLS() == nil || !bytes.Equal(b, c.TLSExporter()) || len(b) != 32 {
		t.Errorf("exporters differ: %x, %x", b, c.TLSExporter())
	}
	buf := make([]byte, 5)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "hello" {
		t.Errorf("%q, %v", buf, err)
	}
	if _, err := c.Read(buf); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the end of TLS looks like %v", err)
	}
	if err := c.StartTLS(context.Background(), cfg); err == nil {
		t.Error("TLS in TLS")
	}
}

func TestLimiter(t *testing.T) {
	most := Limits{Total: 6, PerAddr: 2, PerNet: 3}
	l := NewLimiter(func() Limits { return most })
	addr := netip.MustParseAddr
	for i, tt := range []struct {
		a    string
		want bound
	}{
		{"192.0.2.1", none}, {"192.0.2.1", none}, {"192.0.2.1", ofPeer}, {"192.0.2.2", none}, {"192.0.2.3", ofPeer}, {"::ffff:192.0.2.4", ofPeer},
		{"2001:db8::1", none}, {"2001:db8::2", none}, {"2001:db8::3", ofPeer}, {"2001:db8:0:1::1", none}, {"198.51.100.1", ofAll},
	} {
		if got := l.take(addr(tt.a)); got != tt.want {
			t.Errorf("%d: take(%s) = %v", i, tt.a, got)
		}
	}
	l.release(addr("192.0.2.1"))
	if l.take(addr("192.0.2.3")) != none {
		t.Error("a place that was given back is not free")
	}
	if most.Total = 7; l.take(addr("198.51.100.1")) != none {
		t.Error("a limit that was raised counts not at once")
	}
	if n := l.Open(); n != 7 {
		t.Errorf("%d connections are counted, want 7", n)
	}
	unbounded := NewLimiter(NoLimits)
	for range 1000 {
		if unbounded.take(addr("192.0.2.1")) != none {
			t.Fatal("NoLimits limits")
		}
	}
}

func TestReadProxy(t *testing.T) {
	v2 := proxyV2Signature + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\x30\x39\x00\x19"
	for _, tt := range []struct {
		name, in, remote, local string
		ok, fails               bool
	}{
		{"v1", "PROXY TCP4 192.0.2.1 198.51.100.1 12345 25\r\nEHLO", "192.0.2.1:12345", "198.51.100.1:25", true, false},
		{"v1 of IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n", "[2001:db8::1]:1", "[2001:db8::2]:25", true, false},
		{"v1 unknown", "PROXY UNKNOWN whatever\r\n", "", "", false, false},
		{"v2", v2 + "EHLO", "192.0.2.1:12345", "198.51.100.1:25", true, false},
		{"v2 with extensions", strings.Replace(v2, "\x00\x0c", "\x00\x0e", 1) + "xx", "192.0.2.1:12345", "198.51.100.1:25", true, false},
		{"v2 local", proxyV2Signature + "\x20\x00\x00\x00", "", "", false, false},
		{"no header", "EHLO client.example\r\n", "", "", false, true},
		{"v1 without end", "PROXY TCP4 " + strings.Repeat("1", 200), "", "", false, true},
		{"v1 wrong family", "PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n", "", "", false, true},
		{"v1 port too large", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n", "", "", false, true},
		{"v2 of a unix socket", strings.Replace(v2, "\x21\x11", "\x21\x31", 1), "", "", false, true},
		{"v2 too long", proxyV2Signature + "\x21\x11\xff\xff", "", "", false, true},
		{"v2 cut off", v2[:20], "", "", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := strings.NewReader(tt.in)
			remote, local, ok, err := readProxy(r)
			if ok != tt.ok || (err != nil) != tt.fails {
				t.Fatalf("ok %v, %v", ok, err)
			}
			if ok && (remote.String() != tt.remote || local.String() != tt.local) {
				t.Errorf("%v → %v", remote, local)
			}
			if strings.HasSuffix(tt.in, "EHLO") && ok && r.Len() != 4 {
				t.Errorf("%d octets behind the header are left, want 4", r.Len())
			}
		})
	}
}

func FuzzReadProxy(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.1 12345 25\r\n"))
	f.Add([]byte(proxyV2Signature + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\x30\x39\x00\x19"))
	f.Fuzz(func(t *testing.T, b []byte) {
		remote, local, ok, err := readProxy(bytes.NewReader(b))
		if ok && (err != nil || !remote.IsValid() || !local.IsValid()) {
			t.Fatalf("%v %v %v", remote, local, err)
		}
	})
}

// TestServe accepts, tells peers over the limit, trusts a proxy and stops.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	seen := make(chan netip.AddrPort, 2)
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, l, Options{
			Limits: Limits{PerAddr: 1, Grace: time.Millisecond}, Proxies: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, Busy: "421 busy\r\n",
		}, func(ctx context.Context, c *Conn) {
			seen <- c.Remote()
			c.Read(make([]byte, 1)) // until it is cut off
		})
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("PROXY TCP4 192.0.2.1 198.51.100.1 12345 25\r\n"))
		return c
	}
	first := dial()
	defer first.Close()
	if got := <-seen; got.String() != "192.0.2.1:12345" {
		t.Errorf("remote = %v", got)
	}
	second := dial()
	defer second.Close()
	if got, _ := io.ReadAll(second); string(got) != "421 busy\r\n" {
		t.Errorf("a peer over the limit got %q", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("a session goes on after the stop")
	}
}

func TestTranscript(t *testing.T) {
	c, peer := pipe(Limits{})
	defer peer.Close()
	for i := range maxLines + 5 {
		c.Record(i%2 == 0, strings.Repeat("x", i)+"\xff")
	}
	got := c.Transcript(time.Time{})
	if len(got) != maxLines || len(got[0].Text) != 5+3 || len(got[maxLines-1].Text) != maxLines+4+3 {
		t.Errorf("%d lines, the first of %d, the last of %d octets", len(got), len(got[0].Text), len(got[len(got)-1].Text))
	}
}
