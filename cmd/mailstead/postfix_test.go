package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/queue
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = %[1]s/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.postfix.test
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_tls_security_level = may
smtpd_tls_security_level = none
virtual_mailbox_domains = postfix.test
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = static:box/
virtual_minimum_uid = 1
virtual_uid_maps = static:%[3]d
virtual_gid_maps = static:%[3]d
relayhost = [127.0.0.1]:%[2]s
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
`

const postfixMaster = `127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// postfix is a Postfix of our own on loopback. It takes mail for postfix.test
// into a Maildir and sends all other mail to one host.
type postfix struct{ addr, dir string }

func startPostfix(t *testing.T, port int, relayTo string) *postfix {
	t.Helper()
	program := need(t, "postfix")
	if os.Getuid() != 0 {
		t.Skip("Postfix starts as root only")
	}
	dir, err := os.MkdirTemp("", "mailstead-postfix")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	_, relayPort, _ := net.SplitHostPort(relayTo)
	const nobody = 65534
	for _, step := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(dir+"/conf", 0o755), os.Mkdir(dir+"/queue", 0o755), os.Mkdir(dir+"/data", 0o755), os.Mkdir(dir+"/mail", 0o755),
		os.Chown(dir+"/data", uid, -1), os.Chown(dir+"/mail", nobody, nobody),
		os.WriteFile(dir+"/conf/main.cf", fmt.Appendf(nil, postfixMain, dir, relayPort, nobody), 0o644),
		os.WriteFile(dir+"/conf/master.cf", fmt.Appendf(nil, postfixMaster, port), 0o644),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	p := &postfix{addr: fmt.Sprintf("127.0.0.1:%d", port), dir: dir}
	cmd := exec.Command(program, "-c", dir+"/conf", "start-fg")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command(program, "-c", dir+"/conf", "stop").Run()
		cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(dir + "/log")
			t.Logf("Postfix:\n%s", tail(string(log), 6000))
		}
	})
	eventually(t, "Postfix listens", func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return p
}

// waitMail waits until Postfix has filed n messages and returns them.
func (p *postfix) waitMail(t *testing.T, n int) []string {
	t.Helper()
	var files []string
	eventually(t, "mail in the Maildir of Postfix", func() bool {
		files, _ = filepath.Glob(p.dir + "/mail/box/new/*")
		return len(files) >= n
	})
	var texts []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

const dkimScript = `
import dkim, sys
records = dict(line.rstrip("\n").split("\t", 1) for line in open(sys.argv[2]))
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    r = records.get(name.rstrip("."))
    return r.encode() if r else None
msg = open(sys.argv[1], "rb").read()
n = msg.count(b"DKIM-Signature:")
ok = [dkim.DKIM(msg).verify(idx=k, dnsfunc=txt) for k in range(n)]
print("signatures", n, "verified", ok)
assert n == 2 and all(ok)
`

// TestPostfix exchanges mail with Postfix both ways and has our signatures
// verified by python3-dkim and opendkim.
func TestPostfix(t *testing.T) {
	t.Parallel()
	swaks, python, opendkim := need(t, "swaks"), need(t, "/usr/bin/python3"), need(t, "opendkim")
	port := freePort(t)
	i := startTry(t, "--relay-to", fmt.Sprintf("127.0.0.1:%d", port))
	p := startPostfix(t, port, i.SMTP)
	alice, bob := i.Accounts[0], i.Accounts[1]

	output(t, "", swaks, "--server", p.addr, "--from", "carol@slow.test", "--to", bob.Address, "--h-Subject", "through Postfix")
	in := i.waitMessages(t, bob, "INBOX", 1)[0]
	for _, want := range []string{"Subject: through Postfix", "Authentication-Results: " + i.Hostname, "Received-SPF: ", "Delivered-To: " + bob.Address, "with ESMTPS"} {
		if !strings.Contains(in, want) {
			t.Errorf("what came through Postfix lacks %q:\n%s", want, in)
		}
	}

	output(t, "", swaks, "--server", i.Submissions, "-tlsc", "--auth", "PLAIN", "--auth-user", alice.Address, "--auth-password", alice.Password,
		"--from", alice.Address, "--to", "one@postfix.test,two@postfix.test", "--h-Subject", "to Postfix", "--body", "line one\n..dot\n")
	out := p.waitMail(t, 1)[0]
	message, keys := filepath.Join(t.TempDir(), "message"), filepath.Join(t.TempDir(), "keys")
	// Postfix puts its own lines before ours; line ends become CRLF again.
	_, signed, ok := strings.Cut(out, "DKIM-Signature:")
	if !ok {
		t.Fatalf("no signature:\n%s", out)
	}
	signed = strings.ReplaceAll("DKIM-Signature:"+signed, "\n", "\r\n")
	if err := os.WriteFile(message, []byte(signed), 0o644); err != nil {
		t.Fatal(err)
	}
	var tabbed, spaced strings.Builder
	for name, record := range i.dkimRecords(t, "example.test") {
		fmt.Fprintf(&tabbed, "%s\t%s\n", name, record)
		fmt.Fprintf(&spaced, "%s %s\n", name, record)
	}
	if err := os.WriteFile(keys, []byte(tabbed.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Log(output(t, "", python, "-c", dkimScript, message, keys))

	config := filepath.Join(t.TempDir(), "opendkim.conf")
	if err := os.WriteFile(keys, []byte(spaced.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("Mode v\nTestPublicKeys "+keys+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// opendkim 2.11 knows rsa-sha256 alone, so the first signature it can read
	// is the one it judges.
	rsa := signed
	for strings.Contains(firstField(rsa), "a=ed25519-sha256") {
		rsa = rsa[len(firstField(rsa)):]
	}
	if err := os.WriteFile(message, []byte(rsa), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := output(t, "", opendkim, "-x", config, "-t", message, "-v", "-v"); !strings.Contains(got, "verification (s=") || !strings.Contains(got, "succeeded") {
		t.Errorf("opendkim: %s", got)
	}
}

// firstField returns the first header field of a message with its folding.
func firstField(m string) string {
	end := 0
	for {
		n := strings.Index(m[end:], "\r\n")
		if n < 0 {
			return m
		}
		end += n + 2
		if end >= len(m) || m[end] != ' ' && m[end] != '\t' {
			return m[:end]
		}
	}
}

// dkimRecords asks the command line for the DNS records of a domain's keys.
func (i *instance) dkimRecords(t *testing.T, domain string) map[string]string {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var records []struct{ Name, Record string }
	out := output(t, "", file, "dkim", "show", domain, "--data", i.Data, "-o", "json")
	if err := json.Unmarshal([]byte(out), &records); err != nil || len(records) == 0 {
		t.Fatalf("dkim show: %v\n%s", err, out)
	}
	found := map[string]string{}
	for _, r := range records {
		found[r.Name] = r.Record
	}
	return found
}
