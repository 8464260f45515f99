package inbound_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// unsigned has what canonical forms differ in.
const unsigned = "From: Ana <ana@example.test>\r\nTo: bo@example.org\r\nSubject: a \t test\r\n of   folding\r\n" +
	"Date: Sat, 28 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nHello,  world \t\r\n\r\n.dot\r\n \r\n\r\n\r\n"

// need returns the path of a program of another project, or skips the test.
func need(t *testing.T, program string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program, "/usr/bin/" + program} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	if os.Getenv("MAILSTEAD_PEERS") == "required" {
		t.Fatalf("%s is not installed; `make tools` installs it", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

// signKey is a private key as programs want it.
type signKey struct{ selector, private string }

// rsaKey makes a key and publishes it with tags.
func rsaKey(t *testing.T, z *dnstest.Zones, selector string, bits int, tags string) signKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	publish(t, z, selector, "v=DKIM1; k=rsa; "+tags+"p="+base64.StdEncoding.EncodeToString(public))
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return signKey{selector, string(pem.EncodeToMemory(block))}
}

func ed25519Key(t *testing.T, z *dnstest.Zones, selector string) signKey {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, z, selector, "v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(public))
	return signKey{selector, base64.StdEncoding.EncodeToString(key.Seed())}
}

func publish(t *testing.T, z *dnstest.Zones, selector, record string) {
	t.Helper()
	half := len(record) / 2
	if err := z.Add(fmt.Sprintf("%s._domainkey.example.test. TXT %q %q", selector, record[:half], record[half:])); err != nil {
		t.Fatal(err)
	}
}

// pySignature is one signature to be made by testdata/sign.py.
type pySignature struct {
	Selector  string   `json:"selector"`
	Key       string   `json:"key"`
	Algorithm string   `json:"algorithm"`
	Header    string   `json:"header"`
	Body      string   `json:"body"`
	Length    bool     `json:"length"`
	Headers   []string `json:"headers,omitempty"`
}

func by(k signKey) pySignature {
	s := pySignature{Selector: k.selector, Key: k.private, Algorithm: "rsa-sha256", Header: "relaxed", Body: "relaxed"}
	if !strings.Contains(k.private, "RSA") {
		s.Algorithm = "ed25519-sha256"
	}
	return s
}

// row is one message of the matrix.
type row struct {
	name    string
	signed  []pySignature
	change  [2]string // of the signed message
	results string    // of its signatures, from the top
	comment string    // of one of them
	reason  string    // name and score in the verdict
}

// forms are all pairs of canonical forms.
var forms = [][2]string{{"simple", "simple"}, {"simple", "relaxed"}, {"relaxed", "simple"}, {"relaxed", "relaxed"}}

// rows is the matrix of dkimpy.
func rows(t *testing.T, z *dnstest.Zones) []row {
	t.Setenv("GODEBUG", "rsa1024min=0") // or Go makes no key that is too short
	good, ed := rsaKey(t, z, "good", 2048, ""), ed25519Key(t, z, "ed")
	wrong := rsaKey(t, z, "wrong", 2048, "")
	z.Remove("wrong._domainkey.example.test")
	publish(t, z, "wrong", "v=DKIM1; p="+otherKey)
	absent := rsaKey(t, z, "absent", 2048, "")
	z.Remove("absent._domainkey.example.test")
	slow := rsaKey(t, z, "slow", 2048, "")
	z.SetFault("slow._domainkey.example.test", dnstest.ServFail)
	few := by(good)
	few.Headers = []string{"From", "To"}
	length := by(good)
	length.Length = true
	var list []row
	for _, f := range forms {
		for _, k := range []signKey{good, ed} {
			s := by(k)
			s.Header, s.Body = f[0], f[1]
			name := s.Algorithm + " " + f[0] + "/" + f[1]
			list = append(list, row{name: name, signed: []pySignature{s}, results: "pass", comment: s.Algorithm},
				row{name: name + ", body changed", signed: []pySignature{s}, change: [2]string{"Hello", "Hallo"}, results: "fail", comment: "body was changed"},
				row{name: name + ", header changed", signed: []pySignature{s}, change: [2]string{"Subject: a", "Subject: b"}, results: "fail", comment: "signature did not verify"})
		}
	}
	many := make([]pySignature, 9)
	for i := range many {
		many[i] = by(ed)
	}
	return append(list,
		row{name: "white space at line ends, simple", signed: []pySignature{withForms(by(good), "simple", "simple")}, change: [2]string{"world \t", "world"}, results: "fail"},
		row{name: "white space at line ends, relaxed", signed: []pySignature{by(good)}, change: [2]string{"world \t", "world"}, results: "pass"},
		row{name: "two signatures", signed: []pySignature{by(good), by(ed)}, results: "pass pass"},
		row{name: "two, the older one broken", signed: []pySignature{by(wrong), by(ed)}, results: "pass fail"},
		row{name: "nine signatures", signed: many, results: "pass pass pass pass pass pass pass pass policy", comment: "1 more signatures were not checked"},
		row{name: "another key is published", signed: []pySignature{by(wrong)}, results: "fail", comment: "signature did not verify"},
		row{name: "no key is published", signed: []pySignature{by(absent)}, results: "permerror", comment: "there is no key at absent._domainkey.example.test"},
		row{name: "name server has trouble", signed: []pySignature{by(slow)}, results: "temperror", comment: "temporary DNS trouble"},
		row{name: "512 bits", signed: []pySignature{by(rsaKey(t, z, "tiny", 512, ""))}, results: "policy", comment: "weak key: RSA of 512 bits is not accepted", reason: "dkim.weak-key=+0.5"},
		row{name: "768 bits", signed: []pySignature{by(rsaKey(t, z, "small", 768, ""))}, results: "policy", comment: "weak key: RSA of 768 bits is not accepted", reason: "dkim.weak-key=+0.5"},
		row{name: "1,024 bits", signed: []pySignature{by(rsaKey(t, z, "usual", 1024, ""))}, results: "pass", comment: "weak key of 1024 bits"},
		row{name: "4,096 bits", signed: []pySignature{by(rsaKey(t, z, "large", 4096, ""))}, results: "pass"},
		row{name: "test mode", signed: []pySignature{by(rsaKey(t, z, "trying", 2048, "t=y; "))}, results: "pass", comment: "key is in test mode"},
		row{name: "key for something else", signed: []pySignature{by(rsaKey(t, z, "other", 2048, "s=tlsrpt; "))}, results: "permerror", comment: "key is not for mail"},
		row{name: "key for another hash", signed: []pySignature{by(rsaKey(t, z, "hash", 2048, "h=sha1; "))}, results: "permerror", comment: "key may not be used with sha256"},
		row{name: "l= of the whole body", signed: []pySignature{length}, results: "pass", comment: "l= covers the whole body"},
		row{name: "l=, text added inside", signed: []pySignature{length}, change: [2]string{"Hello", "Hello there"}, results: "fail", comment: "body was changed"},
		row{name: "l=, text added at the end", signed: []pySignature{length}, change: [2]string{".dot\r\n \r\n\r\n\r\n", ".dot\r\nbuy this\r\n"}, results: "policy", comment: "l= covers only the first 22 octets of the body", reason: "dkim.partial=+1.0"},
		row{name: "second From, signed against", signed: []pySignature{by(good)}, change: [2]string{"From: Ana", "From: eve@evil.test\r\nFrom: Ana"}, results: "fail"},
		row{name: "second From on top", signed: []pySignature{few}, change: [2]string{"From: Ana", "From: eve@evil.test\r\nFrom: Ana"}, results: "policy", comment: "there are From fields that are not signed"},
		row{name: "field added that is not signed", signed: []pySignature{few}, change: [2]string{"Subject:", "X-New: y\r\nSubject:"}, results: "pass"},
	)
}

// otherKey is somebody else's public key.
const otherKey = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"

func withForms(s pySignature, header, body string) pySignature {
	s.Header, s.Body = header, body
	return s
}

// TestDkimpySignatures sends what dkimpy signed to port 25 and reads the results
// where people do.
func TestDkimpySignatures(t *testing.T) {
	python := need(t, "/usr/bin/python3")
	z := dnstest.New("")
	matrix := rows(t, z)
	jobs := make([]map[string]any, len(matrix))
	for i, r := range matrix {
		jobs[i] = map[string]any{"message": unsigned, "signatures": r.signed}
	}
	in, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/sign.py")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var signed []string
	if err := json.Unmarshal(out, &signed); err != nil || len(signed) != len(matrix) {
		t.Fatal(len(signed), err)
	}
	port := newPort25(t, z)
	for i, r := range matrix {
		t.Run(r.name, func(t *testing.T) {
			msg := signed[i]
			if r.change[0] != "" {
				if msg = strings.Replace(msg, r.change[0], r.change[1], 1); msg == signed[i] {
					t.Fatalf("%q is not in the message", r.change[0])
				}
			}
			port.expectDKIM(t, msg, r)
		})
	}
}

// expectDKIM sends a message and compares the results of its signatures.
func (p *port25) expectDKIM(t *testing.T, msg string, want row) {
	t.Helper()
	c := p.dial(t, "192.0.2.1")
	c.command("EHLO mail.example.test", "250")
	header := c.transfer("ana@example.test", msg)
	var got []string
	for _, r := range authResults(t, header) {
		if r.Method != "dkim" {
			continue
		}
		got = append(got, r.Result)
		if r.Result == "pass" && (r.Prop("header", "d") != "example.test" || r.Prop("header", "s") == "" || r.Prop("header", "a") == "" || len(r.Prop("header", "b")) != 8) {
			t.Errorf("properties %v", r.Props)
		}
	}
	if strings.Join(got, " ") != want.results || !strings.Contains(header, want.comment) {
		t.Errorf("got %v, want %s (%s) in\n%s", got, want.results, want.comment, header)
	}
	if verdict := p.mda.verdict(); !strings.Contains(verdict, want.reason) {
		t.Errorf("%q is missing in %q", want.reason, verdict)
	}
}

// authResults reads our Authentication-Results.
func authResults(t *testing.T, header string) []mail.AuthResult {
	t.Helper()
	for value := range message.FieldValues([]byte(header), "Authentication-Results") {
		_, results, err := mail.ParseAuthResults(value)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		return results
	}
	t.Fatalf("no Authentication-Results in\n%s", header)
	return nil
}

// verdict returns the field that tells it for the last message.
func (d *mda) verdict() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.delivered.String()
	return all[max(strings.LastIndex(all, "X-Mailstead-Verdict:"), 0):]
}

var inserted = regexp.MustCompile(`(?s)hname='DKIM-Signature' hvalue='(.*?)'\n`)

// TestOpendkimSignatures does the same with OpenDKIM, which adds when a
// signature expires.
func TestOpendkimSignatures(t *testing.T) {
	program := need(t, "opendkim")
	z := dnstest.New("")
	key := rsaKey(t, z, "good", 2048, "")
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	keyFile, msgFile := write("key", key.private), write("message", unsigned)
	var later atomic.Bool
	port := newPort25(t, z, func(o *inbound.Options) {
		o.Now = func() time.Time {
			if later.Load() {
				return time.Now().Add(2 * time.Hour)
			}
			return time.Now()
		}
	})
	for _, f := range forms {
		conf := write("conf", fmt.Sprintf("Mode s\nDomain example.test\nSelector good\nKeyFile %s\nCanonicalization %s/%s\n"+
			"SignatureTTL 3600\nInternalHosts 0.0.0.0/0\nRequireSafeKeys no\nOversignHeaders From\n", keyFile, f[0], f[1]))
		out, err := exec.Command(program, "-x", conf, "-vv", "-t", msgFile).Output()
		m := inserted.FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("%v\n%s", err, out)
		}
		msg := "DKIM-Signature: " + strings.ReplaceAll(string(m[1]), "\n", "\r\n") + "\r\n" + unsigned
		for _, r := range []row{
			{name: "good", results: "pass"},
			{name: "body changed", change: [2]string{"Hello", "Hallo"}, results: "fail", comment: "body was changed"},
			{name: "header changed", change: [2]string{"Subject: a", "Subject: b"}, results: "fail", comment: "signature did not verify"},
			{name: "From added", change: [2]string{"From: Ana", "From: eve@evil.test\r\nFrom: Ana"}, results: "fail", comment: "signature did not verify"},
			{name: "expired", results: "fail", comment: "signature expired on"},
		} {
			t.Run(f[0]+"/"+f[1]+" "+r.name, func(t *testing.T) {
				later.Store(r.name == "expired")
				port.expectDKIM(t, strings.Replace(msg, r.change[0], r.change[1], 1), r)
			})
		}
	}
}
