package arc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/smtp/arc/arctest"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

const plain = "From: ana@author.test\r\nTo: list@one.test\r\nSubject: x\r\n\r\nHello\r\n"

// now is after the messages of testdata were sealed.
var now = time.Unix(1795860100, 0)

func keysOfDkimpy(t testing.TB) *dnstest.Zones {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "keys.zone"))
	if err != nil {
		t.Fatal(err)
	}
	return dnstest.New(string(text))
}

func verify(ctx context.Context, z *dnstest.Zones, msg string) Result {
	return Parse(message(msg)).Verify(ctx, z, now)
}

func message(msg string) *signature.Message {
	header, body := arctest.Split(msg)
	return signature.NewMessage([]byte(header), func() io.Reader { return strings.NewReader(body) })
}

func TestChainsOfDkimpy(t *testing.T) {
	z := keysOfDkimpy(t)
	for _, tt := range []struct{ file, result, comment, oldest string }{
		{"one", "pass", "i=1, sealed by one.test", "0"},
		{"two", "pass", "i=2, sealed by two.test", "0"},
		{"three-changed", "pass", "i=3, sealed by three.test", "3"},
		{"broken-before", "fail", "was broken already in set 3", ""},
	} {
		t.Run(tt.file, func(t *testing.T) {
			msg, err := os.ReadFile(filepath.Join("testdata", tt.file+".eml"))
			if err != nil {
				t.Fatal(err)
			}
			r := verify(t.Context(), z, string(msg))
			if r.Result != tt.result || r.Comment != tt.comment || r.Prop("header", "oldest-pass") != tt.oldest {
				t.Errorf("got %s (%s) %v, want %s (%s) oldest-pass=%s", r.Result, r.Comment, r.Props, tt.result, tt.comment, tt.oldest)
			}
			for _, change := range [][2]string{{"Hello", "Hallo"}, {"a   test", "a best"}, {"spf=pass", "spf=fail"}, {"cv=none", "cv=pass"}} {
				if bad := strings.Replace(string(msg), change[0], change[1], 1); verify(t.Context(), z, bad).Pass() {
					t.Errorf("good although %q is %q now", change[0], change[1])
				}
			}
		})
	}
}

func TestVerify(t *testing.T) {
	z := dnstest.New("")
	a, b := arctest.NewSealer(z, "one.test", 2048), arctest.NewSealer(z, "two.test", 0)
	weak, short := arctest.NewSealer(z, "weak.test", 1024), arctest.NewSealer(z, "short.test", 1024)
	z.Remove("arc._domainkey.short.test")
	if err := z.Add(`arc._domainkey.short.test. TXT "v=DKIM1; p=` + shortKey + `"`); err != nil {
		t.Fatal(err)
	}
	one := a.Seal(plain, 1, arctest.Form{})
	two := b.Seal(one, 2, arctest.Form{})
	without := func(msg, name string) string {
		var kept strings.Builder
		header, body := arctest.Split(msg)
		for f := range signature.Fields([]byte(header)) {
			if !f.Is(name) {
				kept.Write(f)
			}
		}
		return kept.String() + "\r\n" + body
	}
	changed := strings.Replace(one, "Subject: x", "Subject: [list] x", 1)
	for _, tt := range []struct{ name, msg, result, comment string }{
		{"no chain", plain, "none", "no chain"},
		{"one set", one, "pass", "i=1, sealed by one.test"},
		{"two sets, Ed25519", two, "pass", "i=2, sealed by two.test"},
		{"seals taken out", without(two, sealField), "fail", "set 1 is not complete"},
		{"changed and sealed again", b.Seal(changed, 2, arctest.Form{}), "pass", "i=2, sealed by two.test"},
		{"changed after the last seal", strings.Replace(two, "Subject: x", "Subject: y", 1), "fail", "message signature 2: signature did not verify"},
		{"body changed after the last seal", two + "more\r\n", "fail", "message signature 2: body was changed"},
		{"set left out", b.Seal(plain, 2, arctest.Form{}), "fail", "set 1 is not complete"},
		{"first set taken out", strings.Replace(two, "i=1", "i=3", 3), "fail", "set 1 is not complete"},
		{"cv=fail", b.Seal(one, 2, arctest.Form{CV: "fail"}), "fail", "was broken already in set 2"},
		{"cv=none in set 2", b.Seal(one, 2, arctest.Form{CV: "none"}), "fail", "cv= of set 2 is not pass"},
		{"cv=pass in set 1", a.Seal(plain, 1, arctest.Form{CV: "pass"}), "fail", "cv= of set 1 is not none"},
		{"cv= missing", strings.Replace(two, "cv=pass;", "", 1), "fail", "cv= of set 2 is not pass"},
		{"a set twice", one[:strings.Index(one, "From:")] + one, "fail", "a set has two ARC-Seal fields"},
		{"instance 0", a.Seal(plain, 0, arctest.Form{}), "fail", "instance number is not between 1 and 50"},
		{"instance 51", a.Seal(plain, 51, arctest.Form{}), "fail", "instance number is not between 1 and 50"},
		{"no instance", strings.Replace(one, "i=1; ", "", 3), "fail", "instance number is not between 1 and 50"},
		{"results without instance", strings.Replace(one, "ARC-Authentication-Results: i=1;", "ARC-Authentication-Results:", 1), "fail", "instance number is not between 1 and 50"},
		{"seal with h=", a.Seal(plain, 1, arctest.Form{Seal: " h=from;"}), "fail", "seal 1: has a tag h="},
		{"message signature of a seal", b.Seal(one, 2, arctest.Form{Names: "from:arc-seal"}), "fail", "message signature 2: signs a seal"},
		{"From is not signed", a.Seal(plain, 1, arctest.Form{Names: "to"}), "fail", "message signature 1: the From field is not signed"},
		{"part of the body", a.Seal(plain, 1, arctest.Form{Message: " l=1;"}), "fail", "message signature 1: covers only a part of the body (l=)"},
		{"expired", a.Seal(plain, 1, arctest.Form{Message: " x=1;"}), "fail", "message signature 1: signature expired on 1 January 1970"},
		{"tag twice", strings.Replace(one, "cv=none;", "cv=none; cv=none;", 1), "fail", "tag cv= is given twice"},
		{"results of set 1 changed", strings.Replace(two, "i=1; mx.one.test", "i=1; mx.evil.test", 1), "fail", "seal 1: signature did not verify"},
		{"1,024 bits", weak.Seal(plain, 1, arctest.Form{}), "pass", "i=1, sealed by weak.test"},
		{"512 bits", short.Seal(plain, 1, arctest.Form{}), "fail", "message signature 1: weak key: RSA of 512 bits is not accepted"},
		{"no key", strings.ReplaceAll(one, "d=one.test", "d=absent.test"), "fail", "message signature 1: there is no key at arc._domainkey.absent.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := verify(t.Context(), z, tt.msg); r.Result != tt.result || r.Comment != tt.comment {
				t.Errorf("got %s (%s), want %s (%s)", r.Result, r.Comment, tt.result, tt.comment)
			}
		})
	}
}

// shortKey is a public RSA key of 512 bits.
const shortKey = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKfDndhYi/leCzROWJO6NmPxqjO/NpwS3XE5KxDw1O9sTqRBr/KX4JNiD/ydafXBW4MYBMKGnJ2hPShen2WWWcMCAwEAAQ=="

func TestDNSTroubleIsTemporary(t *testing.T) {
	for _, broken := range []string{"one.test", "two.test"} {
		z := dnstest.New("")
		one := arctest.NewSealer(z, "one.test", 0).Seal(plain, 1, arctest.Form{})
		two := arctest.NewSealer(z, "two.test", 0).Seal(one, 2, arctest.Form{})
		z.SetFault("arc._domainkey."+broken, dnstest.ServFail)
		if r := verify(t.Context(), z, two); r.Result != "temperror" {
			t.Errorf("%s broken: got %s (%s), want temperror", broken, r.Result, r.Comment)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r := verify(ctx, z, two); r.Result != "temperror" {
			t.Errorf("no time: got %s (%s), want temperror", r.Result, r.Comment)
		}
	}
}

func TestUnreadableMessageIsTemporary(t *testing.T) {
	z := dnstest.New("")
	header, _ := arctest.Split(arctest.NewSealer(z, "one.test", 0).Seal(plain, 1, arctest.Form{}))
	m := signature.NewMessage([]byte(header), func() io.Reader { return iotest.ErrReader(errors.New("disk is gone")) })
	if r := Parse(m).Verify(t.Context(), z, now); r.Result != "temperror" {
		t.Errorf("got %s (%s), want temperror", r.Result, r.Comment)
	}
}

func TestOldestPass(t *testing.T) {
	z := dnstest.New("")
	s := arctest.NewSealer(z, "one.test", 0)
	for changedBefore := range 4 { // 0: never
		msg := plain
		for i := 1; i <= 3; i++ {
			if i == changedBefore {
				msg += "changed\r\n"
			}
			msg = s.Seal(msg, i, arctest.Form{})
		}
		want := fmt.Sprint(changedBefore)
		if changedBefore == 1 {
			want = "0" // changed before it was sealed at all
		}
		if r := verify(t.Context(), z, msg); r.Prop("header", "oldest-pass") != want {
			t.Errorf("changed before set %d: got %v (%s), want oldest-pass=%s", changedBefore, r.Props, r.Comment, want)
		}
	}
}

func TestVouched(t *testing.T) {
	z := dnstest.New("")
	a, b := arctest.NewSealer(z, "one.test", 0), arctest.NewSealer(z, "Two.test", 0)
	msg := a.Seal(plain, 1, arctest.Form{Results: "dmarc=pass header.from=author.test"})
	msg = b.Seal(msg+"changed\r\n", 2, arctest.Form{Results: "arc=pass; dmarc=fail header.from=author.test"})
	for _, tt := range []struct{ name, msg, trusted, want string }{
		{"both", msg, "one.test two.test", "two.test arc=pass dmarc=fail; one.test dmarc=pass"},
		{"the newest", msg, "two.test", "two.test arc=pass dmarc=fail"},
		{"only an older one", msg, "one.test", ""},
		{"nobody", msg, "", ""},
		{"broken chain", msg + "changed again\r\n", "one.test two.test", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			trusted := func(d mail.Domain) bool { return strings.Contains(" "+tt.trusted+" ", " "+string(d)+" ") }
			for d, results := range verify(t.Context(), z, tt.msg).Vouched(trusted) {
				s := string(d)
				for _, r := range results {
					s += " " + r.Method + "=" + r.Result
				}
				got = append(got, s)
			}
			if strings.Join(got, "; ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestBounds counts what hostile chains cost: lookups, not time.
func TestBounds(t *testing.T) {
	z := dnstest.New("")
	s := arctest.NewSealer(z, "one.test", 0)
	msg := plain
	for i := range MaxSets {
		msg = s.Seal(msg, i+1, arctest.Form{})
	}
	if r := verify(t.Context(), z, msg); !r.Pass() {
		t.Errorf("%d sets: got %s (%s)", MaxSets, r.Result, r.Comment)
	}
	if n := z.Lookups("arc._domainkey.one.test", "TXT"); n != 2 {
		t.Errorf("%d lookups of one key", n)
	}
	var fields strings.Builder
	for i := range 1_000 {
		fmt.Fprintf(&fields, "ARC-Seal: i=%[1]d; a=rsa-sha256; cv=pass; d=s%[1]d.test; s=arc; b=AA==\r\n"+
			"ARC-Message-Signature: i=%[1]d; a=rsa-sha256; d=s%[1]d.test; s=arc; h=from; bh=AA==; b=AA==\r\n"+
			"ARC-Authentication-Results: i=%[1]d; mx.test; none\r\n", i+1)
	}
	if r := verify(t.Context(), z, fields.String()+plain); r.Result != "fail" {
		t.Errorf("1,000 sets: got %s (%s), want fail", r.Result, r.Comment)
	}
	if n := z.Lookups("arc._domainkey.s50.test", "TXT"); n != 0 {
		t.Errorf("%d lookups for a chain that is too long", n)
	}
	large := "X: " + strings.Repeat("x", signature.MaxHeader) + "\r\n" + msg
	if r := verify(t.Context(), z, large); r.Result != "fail" || r.Comment != "header is too large to check" {
		t.Errorf("large header: got %s (%s)", r.Result, r.Comment)
	}
}

// FuzzVerify feeds messages of strangers: it ends, and the result is one of
// those that doc.go lists.
func FuzzVerify(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no messages", err)
	}
	for _, file := range files {
		msg, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(msg))
	}
	z := keysOfDkimpy(f)
	f.Fuzz(func(t *testing.T, msg string) {
		r := verify(t.Context(), z, msg)
		if !strings.Contains(" none pass fail temperror ", " "+r.Result+" ") || r.Pass() && r.Sealer == "" {
			t.Errorf("result = %q, sealer %q", r.Result, r.Sealer)
		}
		for range r.Vouched(func(mail.Domain) bool { return true }) {
		}
	})
}
