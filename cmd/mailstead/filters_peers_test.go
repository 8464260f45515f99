package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startPeer starts a program that ends with the test, and waits until it is
// ready.
func startPeer(t *testing.T, ready func() bool, name string, args ...string) {
	t.Helper()
	startProgram(t, nil, name, args...)
	eventually(t, filepath.Base(name)+" to be ready", ready)
}

// listens reports whether somebody listens there.
func listens(network, addr string) func() bool {
	return func() bool {
		c, err := net.Dial(network, addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
}

// shortDir is a folder whose name leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ms")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func writeFile(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// testMalware is what the signature of the tests finds.
const testMalware = "MAILSTEAD-STANDARD-ANTIVIRUS-TEST"

// TestClamAV has mail looked at by the real clamd, which knows one signature.
func TestClamAV(t *testing.T) {
	t.Parallel()
	clamd := need(t, "clamd")
	dir := shortDir(t)
	socket := dir + "/clamd.sock"
	writeFile(t, dir+"/test.ndb", "Mailstead.Test:0:*:"+hex.EncodeToString([]byte(testMalware))+"\n")
	config := writeFile(t, dir+"/clamd.conf", fmt.Sprintf("Foreground yes\nDatabaseDirectory %s\nLocalSocket %s\nTemporaryDirectory %s\nStreamMaxLength 1M\n", dir, socket, dir))
	startPeer(t, listens("unix", socket), clamd, "-c", config)
	i := startTry(t)
	bob := i.Accounts[1]
	i.set(t, "filter.clamd", "unix:"+socket)
	if got := i.receive(t, "one@slow.test", bob.Address, letter("one@slow.test", "hello", "text")); got != "" {
		t.Error(got)
	}
	attached := base64.StdEncoding.EncodeToString([]byte("some text " + testMalware))
	text := letter("two@slow.test", "look", "")
	text = strings.Replace(text, "X-Remove: me\n", "MIME-Version: 1.0\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n", 1) + attached + "\n"
	if got := i.receive(t, "two@slow.test", bob.Address, text); !strings.Contains(got, "5.7.1") || !strings.Contains(got, "malware (Mailstead.Test.UNOFFICIAL)") {
		t.Errorf("malware in an attachment: %q", got)
	}
	large := letter("three@slow.test", "large", strings.Repeat(strings.Repeat("x", 76)+"\n", 2<<20/77))
	if got := i.receive(t, "three@slow.test", bob.Address, large); !strings.Contains(got, "4.7.0") {
		t.Errorf("more than clamd takes: %q", got)
	}
	i.set(t, "filter.max-size", "1 MiB")
	if got := i.receive(t, "four@slow.test", bob.Address, strings.ReplaceAll(large, "three@", "four@")); got != "" {
		t.Errorf("the beginning of it: %q", got)
	}
	i.waitMessages(t, bob, "INBOX", 2)
	if state, saw := i.checked(t); state != "ok" {
		t.Errorf("check: %s, %s", state, saw)
	}
}

const rspamdConfig = `options {
	pidfile = "%[1]s/pid"; filters = ""; temp_dir = "%[1]s"; control_socket = "%[1]s/control mode=0600";
	url_tld = "/usr/share/rspamd/effective_tld_names.dat";
	dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "console"; level = "notice"; }
worker "normal" { bind_socket = "127.0.0.1:%[2]d"; count = 1; }
actions { reject = 15; "add header" = 6; greylist = 4; }
lua = "%[1]s/rules.lua";
`

// rspamdRules are symbols by what stands in the subject, and a proof of what
// rspamd was told.
const rspamdRules = `
local function symbol(name, score, word)
  rspamd_config:register_symbol{name = name, score = score, callback = function(task)
    return (task:get_header('Subject') or ''):find(word) ~= nil
  end}
end
symbol('TEST_SPAM', 7.0, 'cheap')
symbol('TEST_WORSE', 20.0, 'cheapest')
rspamd_config:register_symbol{name = 'TEST_TOLD', score = 0.0, type = 'postfilter', callback = function(task)
  local from, rcpt = task:get_from('smtp'), task:get_recipients('smtp')
  task:set_milter_reply({add_headers = {['X-Told'] = string.format('%s %s %s %s %d', from[1].addr, rcpt[1].addr,
    task:get_helo(), tostring(task:get_ip()), #task:get_content())}})
end}
`

// TestRspamd has mail scored by the real rspamd, with rules of the test alone.
func TestRspamd(t *testing.T) {
	t.Parallel()
	rspamd := need(t, "rspamd")
	dir, port := shortDir(t), freePort(t)
	writeFile(t, dir+"/rules.lua", rspamdRules)
	config := writeFile(t, dir+"/rspamd.conf", fmt.Sprintf(rspamdConfig, dir, port))
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	startPeer(t, func() bool {
		resp, err := http.Get(url + "/ping")
		if err != nil {
			return false
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		return err == nil && strings.HasPrefix(string(b), "pong")
	}, rspamd, "-f", "-i", "-c", config)
	i := startTry(t)
	bob := i.Accounts[1]
	i.set(t, "filter.rspamd", url, "filter.rspamd-fail", "tempfail", "filter.rspamd-weight", "80")
	if got := i.receive(t, "one@slow.test", bob.Address, letter("one@slow.test", "hello", "text")); got != "" {
		t.Fatal(got)
	}
	got := i.waitMessages(t, bob, "INBOX", 1)[0]
	if !strings.Contains(got, "\r\nX-Told: one@slow.test bob@example.test client.test 127.0.0.1 ") {
		t.Errorf("rspamd was told something else:\n%s", got)
	}
	if got := i.receive(t, "two@slow.test", bob.Address, letter("two@slow.test", "cheap", "text")); got != "" {
		t.Fatal(got)
	}
	if got := i.waitMessages(t, bob, "Junk", 1)[0]; !strings.Contains(got, "rspamd=+5.6") {
		t.Errorf("the score of rspamd is not in the verdict:\n%s", got)
	}
	if got := i.receive(t, "three@slow.test", bob.Address, letter("three@slow.test", "cheapest", "text")); !strings.Contains(got, "5.7.1") {
		t.Errorf("spam: %q", got)
	}
	if _, story := i.story(t, "three@slow.test"); !strings.Contains(story, "27.0 points of 15.0") {
		t.Errorf("the story:\n%s", story)
	}
	if state, saw := i.checked(t); state != "ok" {
		t.Errorf("check: %s, %s", state, saw)
	}
}

const pythonMilter = `
import sys, Milter
class Test(Milter.Base):
    def connect(self, name, family, addr):
        self.client = addr
        return Milter.CONTINUE
    def hello(self, name):
        self.helo = name
        return Milter.CONTINUE
    def header(self, name, value):
        if name == "Subject":
            self.subject = value
        return Milter.CONTINUE
    def body(self, chunk):
        self.size = getattr(self, "size", 0) + len(chunk)
        return Milter.CONTINUE
    def eom(self):
        if "quarantine" in self.subject:
            self.quarantine("it looks odd")
        if "discard" in self.subject:
            return Milter.DISCARD
        if "reply" in self.subject:
            self.setreply("550", "5.7.9", "not here, 100%% not")
            return Milter.REJECT
        if "later" in self.subject:
            return Milter.TEMPFAIL
        self.addheader("X-Told", "%s %s %s %s\n\t%d" % (self.client[0], self.helo, self.getsymval("i"), self.getsymval("j"), self.size))
        self.chgheader("X-Remove", 1, "")
        self.chgheader("Subject", 1, "changed")
        self.chgfrom("<changed@slow.test>")
        self.addrcpt("<alice@example.test>")
        return Milter.ACCEPT
Milter.factory = Test
Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGFROM | Milter.QUARANTINE | Milter.ADDRCPT)
Milter.runmilter("test", sys.argv[1], 10)
`

// TestLibmilter has mail looked at by a milter that libmilter serves.
func TestLibmilter(t *testing.T) {
	t.Parallel()
	python := need(t, "/usr/bin/python3")
	if out, err := tryOutput(t, "", python, "-c", "import Milter"); err != nil {
		if os.Getenv("MAILSTEAD_PEERS") == "required" {
			t.Fatalf("python3-milter is not installed; `make tools` installs it: %s", out)
		}
		t.Skip("python3-milter is not installed")
	}
	socket := shortDir(t) + "/milter.sock"
	startPeer(t, listens("unix", socket), python, "-c", pythonMilter, socket)
	i := startTry(t)
	alice, bob := i.Accounts[0], i.Accounts[1]
	i.set(t, "filter.milters", "unix:"+socket)
	body := strings.Repeat("a line of the text\n", 10_000)
	if got := i.receive(t, "one@slow.test", bob.Address, letter("one@slow.test", "hello", body)); got != "" {
		t.Fatal(got)
	}
	got := i.waitMessages(t, bob, "INBOX", 1)[0]
	size := len(body) + strings.Count(body, "\n") + len("\r\n")
	if !strings.Contains(got, "\r\nX-Told: 127.0.0.1 client.test ") || !strings.Contains(got, fmt.Sprintf(" %s\r\n\t%d\r\n", i.Hostname, size)) {
		t.Errorf("the milter was told something else than %d octets:\n%.3000s", size, got)
	}
	for _, want := range []string{"\r\nSubject: changed\r\n", "Return-Path: <changed@slow.test>\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the message lacks %q:\n%.3000s", want, got)
		}
	}
	if strings.Contains(got, "X-Remove") || strings.Contains(got, "Subject: hello") {
		t.Errorf("fields were not changed:\n%.3000s", got)
	}
	if _, story := i.story(t, "one@slow.test"); !strings.Contains(story, "asks to add a recipient, which this server does not do") {
		t.Errorf("the story:\n%s", story)
	}
	for subject, want := range map[string]string{"reply": "5.7.9 not here, 100% not", "later": "4.7.1 "} {
		if got := i.receive(t, subject+"@slow.test", bob.Address, letter(subject+"@slow.test", subject, "text")); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", subject, got, want)
		}
	}
	for _, subject := range []string{"quarantine", "discard"} {
		from := subject + "@slow.test"
		if got := i.receive(t, from, bob.Address, letter(from, subject, "text")); got != "" {
			t.Errorf("%s: %q", subject, got)
		}
		if _, story := i.story(t, from); !strings.Contains(story, "filed to quarantine") {
			t.Errorf("%s: the story:\n%s", subject, story)
		}
	}
	i.waitMessages(t, bob, "INBOX", 1)
	i.waitMessages(t, alice, "INBOX", 0)
	if state, saw := i.checked(t); state != "ok" {
		t.Errorf("check: %s, %s", state, saw)
	}
}

const dkimSign = `
import dkim, sys
msg = sys.stdin.buffer.read().replace(b"\n", b"\r\n")
sys.stdout.buffer.write(dkim.sign(msg, b"s", b"slow.test", open(sys.argv[1], "rb").read(), canonicalize=(b"simple", b"simple"),
    include_headers=[b"from", b"to", b"subject", b"date", b"x-folded"]).replace(b"\r\n", b"\n"))
`

// TestOpenDKIM has a signature of the strictest form verified by opendkim as a
// milter: it fails if one octet of header or body comes in another way.
func TestOpenDKIM(t *testing.T) {
	t.Parallel()
	opendkim, python := need(t, "opendkim"), need(t, "/usr/bin/python3")
	dir, port := shortDir(t), freePort(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	private := writeFile(t, dir+"/key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	keys := writeFile(t, dir+"/keys", "s._domainkey.slow.test v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(public)+"\n")
	config := writeFile(t, dir+"/opendkim.conf", "Mode v\nAuthservID opendkim.test\nAlwaysAddARHeader yes\nTestPublicKeys "+keys+"\n")
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	startPeer(t, listens("tcp", addr), opendkim, "-f", "-x", config, "-p", fmt.Sprintf("inet:%d@127.0.0.1", port))
	i := startTry(t)
	bob := i.Accounts[1]
	i.set(t, "filter.milters", addr)
	text := strings.Replace(letter("one@slow.test", "signed", "  text \twith spaces  \n.dot\n\n\nend\n\n"), "X-Remove: me\n", "X-Folded:  two spaces,\n  folded\n\tonce more  \n", 1)
	signature := output(t, text, python, "-c", dkimSign, private)
	for n, tt := range []struct{ from, text, want string }{
		{"one@slow.test", signature + text, "dkim=pass"},
		{"two@slow.test", signature + strings.Replace(text, "once more  ", "once more ", 1), "dkim=fail"},
		{"three@slow.test", text, "dkim=none"},
	} {
		if got := i.receive(t, tt.from, bob.Address, tt.text); got != "" {
			t.Fatal(got)
		}
		got := i.waitMessages(t, bob, "INBOX", n+1)[n]
		_, ours, _ := strings.Cut(got, "Authentication-Results: opendkim.test;")
		if result, _, _ := strings.Cut(strings.TrimSpace(ours), " "); strings.TrimSuffix(result, ";") != tt.want {
			t.Errorf("%s: opendkim says %q, want %s:\n%s", tt.from, result, tt.want, got)
		}
	}
}
