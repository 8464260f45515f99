package filter

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

// testHeader and testBody are the message that the tests show.
const (
	testHeader = "Authentication-Results: mx.example.test; spf=pass\r\nFrom: Ana <ana@sender.test>\r\nSubject: hello\r\n folded\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n"
	testBody   = "first line\r\n.\r\nlast line\r\n"
)

func testMessage(t testing.TB) *Message {
	t.Helper()
	var env mail.Envelope
	env.ReversePath = mail.Path{Local: "ana", Domain: "sender.test"}
	for _, local := range []string{"bob", "carol"} {
		env.Recipients = append(env.Recipients, mail.Recipient{Path: mail.Path{Local: local, Domain: "example.test"}})
	}
	env.Size, env.Body = 123, mail.Body8BitMIME
	return &Message{
		ID: "01J0ID", Hostname: "mx.example.test", Envelope: env, Header: []byte(testHeader),
		Client: Client{Addr: netip.MustParseAddr("::ffff:192.0.2.7"), Name: "mail.sender.test", Hello: "helo.sender.test", TLS: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256"},
		Body:   func() io.Reader { return strings.NewReader(testBody) },
		Size:   int64(len(testHeader) + len(testBody)),
	}
}

// large makes a message of n octets of it, which are made as they are read.
func large(m *Message, n int64) *Message {
	m.Size = n
	m.Body = func() io.Reader { return io.LimitReader(endless('x'), n-int64(len(m.Header))) }
	return m
}

// endless is a reader of one octet, again and again.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// fake returns a Dial whose connections serve answers. A test ends when serve
// has come back from all of them.
func fake(t testing.TB, serve func(net.Conn)) Dial {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer theirs.Close()
			serve(theirs)
		}()
		t.Cleanup(func() { ours.Close(); <-done })
		return ours, nil
	}
}

// reasons are the texts of a result's reasons, and its errors.
func reasons(r Result) string {
	var list []string
	for _, reason := range r.Reasons {
		list = append(list, reason.Text)
	}
	return strings.Join(list, "\n")
}
