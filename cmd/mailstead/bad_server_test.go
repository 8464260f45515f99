package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestInjectedReplies: somebody on the way to the next server adds replies
// behind its answer to STARTTLS. They were not said under TLS, so what they
// promise is not believed, and they answer nothing (RFC 3207 section 6).
func TestInjectedReplies(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	i := startTry(t, "--relay-to", l.Addr().String())
	cert, err := tls.LoadX509KeyPair(certificateFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	a := (&probed{instance: i}).ports()[1]
	c := a.start(t)
	if err := c.ask("MAIL FROM:<"+a.from+">", "250", "RCPT TO:<friend@elsewhere.test>", "250", "DATA", "354",
		"From: "+a.from+"\r\nSubject: through\r\n\r\ntext\r\n.", "250"); err != nil {
		t.Fatal(err)
	}
	got, err := serveInjected(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got, "Subject: through\r\n") {
		t.Errorf("the message is %q", got)
	}
}

// serveInjected is a server for one message that keeps to the dialogue of a
// server without extensions, whatever was promised in plain text.
func serveInjected(l net.Listener, config *tls.Config) (message string, err error) {
	conn, err := l.Accept()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(deadline))
	r := bufio.NewReader(conn)
	step := func(want, answer string) error {
		line, err := r.ReadString('\n')
		if err == nil && !strings.HasPrefix(line, want) {
			err = fmt.Errorf("the client says %q, want %s", line, want)
		}
		if err == nil {
			_, err = io.WriteString(conn, answer)
		}
		return err
	}
	io.WriteString(conn, "220 there\r\n")
	if err := step("EHLO", "250-there\r\n250 STARTTLS\r\n"); err != nil {
		return "", err
	}
	const injected = "250-evil\r\n250-PIPELINING\r\n250 CHUNKING\r\n250 injected\r\n550 injected\r\n354 injected\r\n250 injected\r\n"
	if err := step("STARTTLS", "220 go ahead\r\n"+injected); err != nil {
		return "", err
	}
	under := tls.Server(conn, config)
	if err := under.Handshake(); err != nil {
		return "", fmt.Errorf("handshake: %w", err)
	}
	conn, r = under, bufio.NewReader(under)
	for _, s := range [][2]string{{"EHLO", "250 there\r\n"}, {"MAIL", "250 ok\r\n"}, {"RCPT", "250 ok\r\n"}, {"DATA", "354 go on\r\n"}} {
		if err := step(s[0], s[1]); err != nil {
			return "", err
		}
		if r.Buffered() > 0 {
			return "", fmt.Errorf("the client goes on after %s without an answer", s[0])
		}
	}
	for !strings.HasSuffix(message, "\r\n.\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		message += line
	}
	_, err = io.WriteString(conn, "250 taken\r\n")
	return message, err
}
