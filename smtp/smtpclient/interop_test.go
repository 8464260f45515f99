package smtpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailstead/mailstead/mail"
)

// other is a server that somebody else wrote, with all extensions on.
type other struct {
	mu       sync.Mutex
	messages []string
}

func (o *other) NewSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	_, secure := c.TLSConnectionState()
	return &otherSession{o: o, secure: secure}, nil
}

type otherSession struct {
	o      *other
	secure bool
	said   string
}

func (s *otherSession) Reset()        { s.said = "" }
func (s *otherSession) Logout() error { return nil }

func (s *otherSession) Mail(from string, o *gosmtp.MailOptions) error {
	s.said = fmt.Sprintf("%s body=%s size=%d tls=%v requiretls=%v utf8=%v ret=%s envid=%s", from, o.Body, o.Size, s.secure, o.RequireTLS, o.UTF8, o.Return, o.EnvelopeID)
	return nil
}

func (s *otherSession) Rcpt(to string, o *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "no@") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.said += fmt.Sprintf("\n%s notify=%v orcpt=%s;%s", to, o.Notify, o.OriginalRecipientType, o.OriginalRecipient)
	return nil
}

func (s *otherSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	s.o.messages = append(s.o.messages, s.said+"\n\n"+string(body))
	return nil
}

// Several messages over one connection to an implementation of others.
func TestOtherServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &other{}
	srv := gosmtp.NewServer(o)
	srv.Domain, srv.TLSConfig = "mx.example.net", &tls.Config{Certificates: []tls.Certificate{certificate}}
	srv.EnableSMTPUTF8, srv.EnableREQUIRETLS, srv.EnableBINARYMIME, srv.EnableDSN = true, true, true, true
	srv.MaxLineLength = 1 << 20
	done := make(chan error)
	go func() { done <- srv.Serve(l) }()
	defer func() {
		srv.Close()
		if err := <-done; err != nil && !errors.Is(err, gosmtp.ErrServerClosed) {
			t.Error(err)
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := New(ctx, conn, Options{Hostname: "me.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	if err := c.StartTLS(ctx, TLSOptions{Config: &tls.Config{ServerName: "mx.example.net", RootCAs: roots}, Required: true}); err != nil {
		t.Fatal(err)
	}
	if !c.Verified() || !strings.HasPrefix(c.TLS(), "TLS1.3 ") || !strings.HasSuffix(c.TLS(), " verified") {
		t.Errorf("TLS %q", c.TLS())
	}
	big := "Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n.\r\n", 30_000)
	for _, tt := range []struct {
		name string
		env  mail.Envelope
		body string
		want string // what the server heard; the body is compared with mended line ends
	}{
		{"all parameters", mail.Envelope{ReversePath: mail.Path{Local: "ana b", Domain: "example.org"}, RequireTLS: true, Ret: mail.RetFull, EnvID: "a+b=c",
			Recipients: []mail.Recipient{{Path: mail.Path{Local: "bo", Domain: "example.net"}, Notify: mail.NotifySuccess | mail.NotifyFailure, ORcpt: "rfc822;x+y@example.com"}}},
			"Subject: x\r\n\r\n\xc3\xbc\r\n", "body=8BITMIME size=18 tls=true requiretls=true utf8=false ret=FULL envid=a+b=c\nbo@example.net notify=[SUCCESS FAILURE] orcpt=RFC822;x+y@example.com"},
		{"UTF-8", mail.Envelope{ReversePath: mail.Path{Local: "ren\u00e9", Domain: "example.org"}, UTF8: true,
			Recipients: []mail.Recipient{{Path: mail.Path{Local: "b\u00f6", Domain: "example.net"}, Notify: mail.NotifyNever, ORcpt: "utf-8;\u00fc@example.com"}}},
			"Subject: \u00fc\r\n\r\n", "utf8=true ret= envid=\nb\u00f6@example.net notify=[NEVER] orcpt=UTF-8;\u00fc@example.com"},
		{"binary", mail.Envelope{Body: mail.BodyBinaryMIME, Recipients: []mail.Recipient{{Path: mail.Path{Local: "bo", Domain: "example.net"}}}},
			"Subject: x\r\n\r\n\x00\n\r.\n", "body=BINARYMIME"},
		{"mended line ends", mail.Envelope{Recipients: []mail.Recipient{{Path: mail.Path{Local: "no", Domain: "example.net"}}, {Path: mail.Path{Local: "bo", Domain: "example.net"}}}},
			"Subject: x\n\n.\na\n..\n", "\nbo@example.net"},
		{"large", mail.Envelope{Recipients: []mail.Recipient{{Path: mail.Path{Local: "bo", Domain: "example.net"}}}}, big, "bo@example.net"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &Message{Envelope: tt.env, Size: int64(len(tt.body)), Body: strings.NewReader(tt.body), Traits: traitsOf(tt.body)}
			for i, r := range c.Send(ctx, m) {
				if refused := tt.env.Recipients[i].Path.Local == "no"; (r.Err != nil) != refused {
					t.Errorf("%v: %v", tt.env.Recipients[i].Path, r.Err)
				}
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			if len(o.messages) == 0 {
				t.Fatal("no message")
			}
			said, body, _ := strings.Cut(o.messages[len(o.messages)-1], "\n\n")
			if !strings.Contains(said, tt.want) {
				t.Errorf("server heard\n%s", said)
			}
			want := tt.body
			if tt.env.Body != mail.BodyBinaryMIME {
				want = strings.ReplaceAll(strings.ReplaceAll(want, "\r\n", "\n"), "\n", "\r\n")
			}
			if body != want {
				t.Errorf("server got %d octets of %d", len(body), len(want))
			}
			o.messages = nil
		})
	}
	for _, e := range c.Dialogue() {
		t.Log(e.Text)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
}
