package smtp

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

func TestParseMail(t *testing.T) {
	ana := mail.Path{Local: "ana", Domain: "example.org"}
	for _, tt := range []struct {
		name, in string
		want     mail.Envelope
		code     int
	}{
		{"plain", "FROM:<ana@example.org>", mail.Envelope{ReversePath: ana}, 0},
		{"null", "from:<>", mail.Envelope{}, 0},
		{"space after the colon", "FROM: <ana@example.org>", mail.Envelope{ReversePath: ana}, 0},
		{"all parameters", "FROM:<ana@example.org> SIZE=123 BODY=8bitmime SMTPUTF8 REQUIRETLS RET=hdrs ENVID=a+2Bb AUTH=<>",
			mail.Envelope{ReversePath: ana, Size: 123, Body: mail.Body8BitMIME, UTF8: true, RequireTLS: true, Ret: mail.RetHeaders, EnvID: "a+b", Auth: "<>"}, 0},
		{"bracket in quotes", `FROM:<"a>b"@example.org> SIZE=1`, mail.Envelope{ReversePath: mail.Path{Local: "a>b", Domain: "example.org"}, Size: 1}, 0},
		{"UTF-8", "FROM:<é@example.org> SMTPUTF8", mail.Envelope{ReversePath: mail.Path{Local: "é", Domain: "example.org"}, UTF8: true}, 0},
		{"UTF-8 unannounced", "FROM:<é@example.org>", mail.Envelope{}, 553},
		{"no brackets", "FROM:ana@example.org", mail.Envelope{}, 501},
		{"no colon", "<ana@example.org>", mail.Envelope{}, 501},
		{"postmaster alone", "FROM:<postmaster>", mail.Envelope{}, 501},
		{"two dots", "FROM:<a..b@example.org>", mail.Envelope{}, 501},
		{"no space before a parameter", "FROM:<ana@example.org>SIZE=1", mail.Envelope{}, 501},
		{"a parameter twice", "FROM:<> SIZE=1 SIZE=2", mail.Envelope{}, 501},
		{"unknown parameter", "FROM:<> FOO=1", mail.Envelope{}, 555},
		{"negative size", "FROM:<> SIZE=-1", mail.Envelope{}, 501},
		{"body of nothing", "FROM:<> BODY=9BIT", mail.Envelope{}, 501},
		{"utf8 with value", "FROM:<> SMTPUTF8=1", mail.Envelope{}, 501},
		{"envid beyond ASCII", "FROM:<> ENVID=+00", mail.Envelope{}, 501},
		{"envid in small hex", "FROM:<> ENVID=+2b", mail.Envelope{}, 501},
		{"long envid", "FROM:<> ENVID=" + strings.Repeat("x", 101), mail.Envelope{}, 501},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseMail(tt.in)
			if code := codeOf(err); code != tt.code {
				t.Fatalf("code %d (%v), want %d", code, err, tt.code)
			}
			if err == nil && (got.ReversePath != tt.want.ReversePath || got.Size != tt.want.Size || got.Body != tt.want.Body || got.UTF8 != tt.want.UTF8 ||
				got.RequireTLS != tt.want.RequireTLS || got.Ret != tt.want.Ret || got.EnvID != tt.want.EnvID || got.Auth != tt.want.Auth) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func codeOf(err error) int {
	if err == nil {
		return 0
	}
	return ReplyFor(err).Code
}

func TestParseRcpt(t *testing.T) {
	bo := mail.Path{Local: "bo", Domain: "b.example"}
	for _, tt := range []struct {
		in   string
		utf8 bool
		want mail.Recipient
		code int
	}{
		{"TO:<bo@b.example>", false, mail.Recipient{Path: bo}, 0},
		{"TO:<Postmaster>", false, mail.Recipient{Path: mail.Path{Local: "Postmaster"}}, 0},
		{"to:<bo@b.example> NOTIFY=success,FAILURE ORCPT=rfc822;Bo+2Bx@b.example", false,
			mail.Recipient{Path: bo, Notify: mail.NotifySuccess | mail.NotifyFailure, ORcpt: "rfc822;Bo+x@b.example"}, 0},
		{`TO:<bo@b.example> ORCPT=UTF-8;\x{E9}@b.example`, false, mail.Recipient{Path: bo, ORcpt: "utf-8;é@b.example"}, 0},
		{"TO:<bo@b.example> NOTIFY=NEVER", false, mail.Recipient{Path: bo, Notify: mail.NotifyNever}, 0},
		{"TO:<bo@b.example> NOTIFY=NEVER,DELAY", false, mail.Recipient{}, 501},
		{"TO:<bo@b.example> NOTIFY=", false, mail.Recipient{}, 501},
		{"TO:<bo@b.example> ORCPT=bo@b.example", false, mail.Recipient{}, 501},
		{"TO:<>", false, mail.Recipient{}, 501},
		{"TO:<é@b.example>", false, mail.Recipient{}, 553},
		{"TO:<bo@b.example> SIZE=1", false, mail.Recipient{}, 555},
	} {
		got, err := ParseRcpt(tt.in, tt.utf8)
		if code := codeOf(err); code != tt.code || err == nil && got != tt.want {
			t.Errorf("ParseRcpt(%q) = %+v, %v; want %+v, %d", tt.in, got, err, tt.want, tt.code)
		}
	}
}

func TestReply(t *testing.T) {
	for _, tt := range []struct {
		r    Reply
		want string
	}{
		{Reply{Code: 250, Text: "mx.example.org\nPIPELINING\nSIZE 1"}, "250-mx.example.org\r\n250-PIPELINING\r\n250 SIZE 1\r\n"},
		{Reply{550, mail.StatusPolicy, "no\nway"}, "550-5.7.1 no\r\n550 5.7.1 way\r\n"},
		{Reply{550, mail.StatusPolicy, "é\r\x00"}, "550 5.7.1 ???\r\n"},
		{ReplyFor(errors.New("secret path /var/x")), "451 4.3.0 something went wrong here, try again later\r\n"},
		{ReplyFor(mail.Errorf(mail.StatusNoSuchMailbox, "no such user")), "550 5.1.1 no such user\r\n"},
		{ReplyFor(mail.Errorf(mail.StatusMailboxFull, "full")), "452 4.2.2 full\r\n"},
		{ReplyFor(&mail.Error{Status: mail.StatusPolicy, Code: 553, Text: "x"}), "553 5.7.1 x\r\n"},
	} {
		if got := tt.r.String(); got != tt.want {
			t.Errorf("%+v = %q, want %q", tt.r, got, tt.want)
		}
	}
}

func TestParseHello(t *testing.T) {
	for in, ok := range map[string]bool{"mx.example.org": true, "[192.0.2.1]": true, "my_pc": true, "mx.example.org extra": true, "": false, "a\x00b": false, "é": false, "<x>": false, strings.Repeat("a", 256): false} {
		if _, err := ParseHello(in); (err == nil) != ok {
			t.Errorf("ParseHello(%q) = %v", in, err)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("FROM:<ana@example.org> SIZE=123 BODY=8BITMIME RET=HDRS ENVID=a+2Bb AUTH=<>")
	f.Add("TO:<bo@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;\\x{E9}@b.example")
	f.Fuzz(func(t *testing.T, s string) {
		if env, err := ParseMail(s); err == nil && strings.ContainsAny(env.ReversePath.Wire()+env.EnvID, "\r\n\x00") {
			t.Fatalf("control characters in %+v", env)
		}
		if r, err := ParseRcpt(s, true); err == nil && strings.ContainsAny(r.Path.Wire()+r.ORcpt, "\r\n\x00") {
			t.Fatalf("control characters in %+v", r)
		}
		if v, ok := DecodeXText(s); ok {
			if again, ok := DecodeXText(EncodeXText(v)); !ok || again != v {
				t.Fatalf("xtext %q", v)
			}
		}
		ParseHello(s)
	})
}
