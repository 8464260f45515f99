package dkim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// zones has the keys of the messages in testdata.
func zones(t testing.TB) *dnstest.Zones {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "keys.zone"))
	if err != nil {
		t.Fatal(err)
	}
	z := dnstest.New(string(text))
	z.SetFault("slow._domainkey.example.test", dnstest.ServFail)
	return z
}

func message(t testing.TB, name string) []byte {
	t.Helper()
	msg, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// split cuts a message after its header's empty line.
func split(msg []byte) (header, body []byte) {
	if bytes.HasPrefix(msg, []byte("\r\n")) {
		return msg[:2], msg[2:]
	}
	i := bytes.Index(msg, []byte("\r\n\r\n"))
	if i < 0 {
		return msg, nil
	}
	return msg[:i+4], msg[i+4:]
}

func verify(ctx context.Context, z *dnstest.Zones, msg []byte) []Result {
	header, body := split(msg)
	return Verify(ctx, z, signature.NewMessage(header, func() io.Reader { return bytes.NewReader(body) }), now)
}

// now is when the messages of testdata were signed, more or less.
var now = time.Unix(1795519700, 0)

func TestVerifyMessagesOfDkimpy(t *testing.T) {
	z := zones(t)
	for _, tt := range []struct{ file, want string }{
		{"relaxed", "pass"}, {"simple", "pass"}, {"mixed", "pass"}, {"ed25519", "pass"},
		{"both", "pass pass"},
		{"empty-body", "pass"}, {"empty-body-simple", "pass"}, {"no-final-line-end", "pass"},
		{"trying", "pass"}, {"strict", "pass"},
		{"strict-subdomain", "permerror"},
		{"length", "pass"},
		{"sha1", "policy"}, {"weak", "policy"}, {"revoked", "permerror"}, {"two", "permerror"},
		{"huge", "permerror"}, {"absent", "permerror"},
		{"slow", "temperror"},
		{"body-changed", "fail"}, {"header-changed", "fail"}, {"from-added", "fail"},
		{"from-not-signed", "permerror"},
		{"nonsense", "permerror"},
		{"nine", "pass pass pass pass pass pass pass pass policy"},
		{"unsigned", "none"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var got []string
			for _, r := range verify(t.Context(), z, message(t, tt.file)) {
				got = append(got, r.Result)
				if r.Pass() && (r.Domain != "example.test" || r.Selector == "") {
					t.Errorf("passed for %q, selector %q", r.Domain, r.Selector)
				}
				t.Logf("%s (%s)", r.Result, r.Comment)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}

func TestResultNamesTheSignature(t *testing.T) {
	results := verify(t.Context(), zones(t), message(t, "both"))
	s := mail.AuthResults{ServID: "mx.example.org", Results: []mail.AuthResult{results[0].AuthResult, results[1].AuthResult}}.String()
	for _, want := range []string{
		"header.d=example.test", "header.s=ed header.a=ed25519-sha256", "header.s=rsa header.a=rsa-sha256",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("%q is missing in\n%s", want, s)
		}
	}
	if r := verify(t.Context(), zones(t), message(t, "trying"))[0]; !r.Testing || !strings.Contains(r.Comment, "test mode") {
		t.Errorf("test mode is not told: %+v", r)
	}
}

func TestVerifyReadsTheBodyOnlyForASignature(t *testing.T) {
	header, _ := split(message(t, "unsigned"))
	unread := func(header []byte) *signature.Message {
		return signature.NewMessage(header, func() io.Reader { return iotest.ErrReader(errors.New("was read")) })
	}
	if r := Verify(t.Context(), zones(t), unread(header), now); r[0].Result != "none" {
		t.Errorf("result = %v", r)
	}
	for _, file := range []string{"relaxed", "both"} {
		header, _ := split(message(t, file))
		for _, r := range Verify(t.Context(), zones(t), unread(header), now) {
			if r.Result != "temperror" {
				t.Errorf("%s: unreadable message: %s, want temperror", file, r.Result)
			}
		}
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	z := zones(t)
	z.SetFault("rsa._domainkey.example.test", dnstest.Timeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, file := range []string{"relaxed", "both"} {
		for _, r := range verify(ctx, z, message(t, file)) {
			if r.Result != "temperror" {
				t.Errorf("%s: %s, want temperror", file, r.Result)
			}
		}
	}
}

func TestVerifyBounds(t *testing.T) {
	signed := "DKIM-Signature: v=1; a=rsa-sha256; d=example.test; s=rsa; h=from; bh=AA==; b=AA==\r\n"
	for _, tt := range []struct{ name, header, want string }{
		{"fields", strings.Repeat("a: b\r\n", 100_000) + signed, "fail"},
		{"folding", "a:\r\n" + strings.Repeat(" b\r\n", 100_000) + signed, "fail"},
		{"size", "a: " + strings.Repeat("b", signature.MaxHeader-len(signed)-6) + "\r\n" + signed, "fail"},
		{"size, one more", "a: " + strings.Repeat("b", signature.MaxHeader-len(signed)-5) + "\r\n" + signed, "permerror"},
		{"names", "DKIM-Signature: v=1; a=rsa-sha256; d=example.test; s=rsa; bh=AA==; b=AA==; h=from" + strings.Repeat(":a", signature.MaxNames) + "\r\n", "permerror"},
		{"tag list", "DKIM-Signature: " + strings.Repeat("x=y; ", signature.MaxTagList/5) + "\r\n", "permerror"},
		{"no empty line", signed, "fail"},
		{"nothing after the name", "DKIM-Signature:", "permerror"},
		{"another field", "DKIM-Signature-X: v=1\r\n", "none"},
		{"in the body", "\r\n" + signed, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := signature.NewMessage([]byte(tt.header), func() io.Reader { return strings.NewReader("body\r\n") })
			r := Verify(t.Context(), zones(t), m, now)
			if len(r) != 1 || r[0].Result != tt.want {
				t.Errorf("got %+v, want %s", r, tt.want)
			}
		})
	}
}

// FuzzVerify feeds messages and key records of strangers: it ends, and every
// result is one of RFC 8601 section 2.7.1.
func FuzzVerify(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no messages", err)
	}
	for _, file := range files {
		f.Add(message(f, strings.TrimSuffix(filepath.Base(file), ".eml")), "v=DKIM1; k=rsa; t=y:s; p=AA==")
	}
	keys := zones(f)
	f.Fuzz(func(t *testing.T, msg []byte, record string) {
		z := keys
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(record)
		if len(quoted) < 255 {
			own := dnstest.New("")
			if own.Add(`rsa._domainkey.example.test. TXT "`+quoted+`"`) == nil {
				z = own
			}
		}
		for _, zones := range []*dnstest.Zones{keys, z} {
			for _, r := range verify(t.Context(), zones, msg) {
				if !strings.Contains(" none pass fail policy neutral temperror permerror ", " "+r.Result+" ") {
					t.Errorf("result = %q", r.Result)
				}
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	z := zones(b)
	header, body := split(message(b, "relaxed"))
	for b.Loop() {
		m := signature.NewMessage(header, func() io.Reader { return bytes.NewReader(body) })
		if r := Verify(b.Context(), z, m, now); !r[0].Pass() {
			b.Fatal(r)
		}
	}
}

func TestSlowSignerLeavesOthersTheirTime(t *testing.T) {
	z := zones(t)
	z.SetFault("rsa._domainkey.example.test", dnstest.Timeout)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	results := verify(ctx, z, message(t, "both"))
	if len(results) != 2 || !results[0].Pass() || results[1].Result != "temperror" {
		t.Errorf("got %+v, want pass and temperror", results)
	}
}
