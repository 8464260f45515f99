package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"github.com/mailstead/mailstead/admin/upgrade"
	"github.com/mailstead/mailstead/mail/schema"
	"github.com/mailstead/mailstead/smtp/smtpclient"
)

// nextBinary is the program of the future: its data has another schema.
var nextBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mailstead-next")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "mailstead")
	out, err := exec.Command("go", "build", "-tags", "schematest", "-o", file, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return file, nil
})

// site is a server that runs as a service, from a data folder of schema 1.
type site struct {
	tryInfo
	t         *testing.T
	dir       string
	installed string
	control   string
	config    string
	sink      *sink
	ana, bo   tryAccount
}

// newSite installs the program of today, and starts it.
func newSite(t *testing.T) *site {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: t.TempDir(), ana: tryAccount{fixtureAna, password}, bo: tryAccount{"bo@" + fixtureDomain, password}, sink: startSink(t, &atomic.Int32{})}
	s.Data = filepath.Join(s.dir, "data")
	if err := unpack("testdata/schema-1-no-number.tar.gz", s.Data); err != nil {
		t.Fatal(err)
	}
	s.installed, s.control, s.config = filepath.Join(s.dir, "mailstead"), filepath.Join(s.dir, "control"), filepath.Join(s.dir, "mailstead.toml")
	if err := os.Link(file, s.installed); err != nil {
		s.copyProgram(file)
	}
	s.SMTP, s.Submissions, s.IMAPS = s.addr(), s.addr(), s.addr()
	s.write(s.config, 0o600, fmt.Sprintf("hostname = \"mail.%s\"\ndata = %q\n[listen]\nsmtp = [%q]\nsubmissions = [%q]\nimaps = [%q]\nsubmission = []\nimap = []\nhttp = []\nhttps = []\n[dns]\nservers = [%q]\n",
		fixtureDomain, s.Data, s.SMTP, s.Submissions, s.IMAPS, serveDNS(t, "")))
	s.write(s.control, 0o700, strings.NewReplacer("PROGRAM", s.installed, "CONFIG", s.config, "DIR", s.dir).Replace(`#!/bin/sh
gone() { [ ! -e /proc/$1 ] || grep -q '^State:.Z' /proc/$1/status; }
case $1 in
start) PROGRAM serve --config CONFIG >>DIR/log 2>&1 & echo $! >DIR/pid ;;
stop)  p=$(cat DIR/pid); kill -TERM $p 2>/dev/null; until gone $p; do sleep 0.05; done ;;
esac
`))
	t.Cleanup(func() {
		exec.Command(s.control, "stop").Run()
		if log, err := os.ReadFile(filepath.Join(s.dir, "log")); err == nil && t.Failed() {
			t.Logf("log of the server:\n%s", tail(string(log), 6000))
		}
	})
	for _, args := range [][]string{
		{"settings", "set", "relay.host", s.sink.addr}, {"settings", "set", "relay.tls", "opportunistic"}, {"queue", "hold", "fixture-1"},
	} {
		s.must(args...)
	}
	for _, to := range []string{fixtureQueued.String(), "ok.since@elsewhere.test"} {
		s.sink.failed[to] = 3 // it does not stumble any more
	}
	s.start()
	return s
}

// start starts the service and waits until it answers.
func (s *site) start() {
	s.t.Helper()
	if err := exec.Command(s.control, "start").Run(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the server answers", s.answers)
}

func (s *site) answers() bool {
	c, err := net.Dial("unix", adminSocket(s.Data))
	if err == nil {
		c.Close()
	}
	return err == nil
}

func (s *site) addr() string { return fmt.Sprintf("127.0.0.1:%d", freePort(s.t)) }

func (s *site) write(name string, mode os.FileMode, text string) {
	s.t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) copyProgram(from string) {
	s.t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(s.installed, b, 0o755)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// command is one of the installed program.
func (s *site) command(args ...string) *exec.Cmd {
	return exec.Command(s.installed, append(args, "--config", s.config)...)
}

func (s *site) must(args ...string) string {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// upgradeTo upgrades with a short look at the new program.
func (s *site) upgradeTo(next string, more ...string) (string, error) {
	args := append([]string{"upgrade", "--binary", next, "--control", s.control, "--watch", "1s", "--patience", "2s"}, more...)
	out, err := s.command(args...).CombinedOutput()
	return string(out), err
}

func (s *site) state() *upgrade.State {
	s.t.Helper()
	st, err := upgrade.Load(s.Data)
	if err != nil || st == nil {
		s.t.Fatal("no state", err)
	}
	return st
}

// submit sends mail as bo.
func (s *site) submit(to, words string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := net.Dial("tcp", s.Submissions)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "client.test", TLS: &smtpclient.TLSOptions{Config: &tls.Config{InsecureSkipVerify: true}}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(c.Auth(ctx, s.bo.Address, s.bo.Password), sendText(ctx, c, s.bo.Address, []string{to}, []byte(fixtureText(words, 0)))); err != nil {
		s.t.Fatal(err)
	}
}

// since is what happens after the switch: mail comes in, is filed by a client,
// goes out, and waits.
func (s *site) since() {
	s.t.Helper()
	s.submit(fixtureAna, "since the switch")
	i := &instance{tryInfo: s.tryInfo}
	c := i.dialIMAP(s.t, s.ana, nil)
	defer c.Close()
	if err := c.Create("Since", nil).Wait(); err != nil {
		s.t.Fatal(err)
	}
	text := fixtureText("filed since", 0)
	a := c.Append("Since", int64(len(text)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen, "fresh"}})
	if _, err := a.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := a.Wait(); err != nil {
		s.t.Fatal(err)
	}
	s.submit("ok.since@elsewhere.test", "goes out since")
	s.submit("wait.since@elsewhere.test", "waits since")
	s.must("queue", "release", "fixture-1")
	eventually(s.t, "the sink has what goes out", func() bool { return s.took(fixtureQueued.String()) == 1 && s.took("ok.since@elsewhere.test") == 1 })
}

func (s *site) took(to string) int {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	return len(s.sink.took[to])
}

// subjects lists a mailbox of ana.
func (s *site) subjects(box string) []string {
	s.t.Helper()
	c := (&instance{tryInfo: s.tryInfo}).dialIMAP(s.t, s.ana, nil)
	defer c.Close()
	var list []string
	for _, text := range messages(s.t, c, box) {
		_, text, _ = strings.Cut(text, "Subject: ")
		text, _, _ = strings.Cut(text, "\r\n")
		list = append(list, text)
	}
	return list
}

func (s *site) expect(box string, want ...string) {
	s.t.Helper()
	if got := s.subjects(box); strings.Join(got, "|") != strings.Join(want, "|") {
		s.t.Errorf("%s has %q, want %q", box, got, want)
	}
}

func (s *site) validity() uint32 {
	s.t.Helper()
	c := (&instance{tryInfo: s.tryInfo}).dialIMAP(s.t, s.ana, nil)
	defer c.Close()
	sel, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		s.t.Fatal(err)
	}
	return sel.UIDValidity
}

func (s *site) schema() int {
	s.t.Helper()
	f, err := schema.Read(s.Data)
	if err != nil {
		s.t.Fatal(err)
	}
	return f.Schema
}

// TestUpgrade: data goes to the schema of the next program, and back by hand;
// what came in between is there, and nothing goes out twice.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	next, err := nextBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	validity := s.validity()
	if out, err := s.upgradeTo(next); err != nil || !strings.Contains(out, "a message went from SMTP to IMAP") {
		t.Fatalf("upgrade: %v\n%s", err, out)
	}
	if st := s.state(); st.Phase != upgrade.Done || !st.Data || s.schema() != 2 || !upgrade.Keeps(s.Data) {
		t.Fatalf("after the upgrade: schema %d, %+v", s.schema(), st)
	}
	s.expect("INBOX", "first", "second", "large one")
	s.since()
	s.expect("INBOX", "first", "second", "large one", "since the switch")

	if out := s.must("upgrade", "back", "--control", s.control); !strings.Contains(out, "2 messages in mailboxes") {
		t.Errorf("going back: %s", out)
	}
	if st := s.state(); st.Phase != upgrade.Back || s.schema() != 1 || st.Carried == nil || st.Carried.Queued != 1 || st.Carried.Struck != 1 {
		t.Fatalf("after going back: schema %d, %+v %+v", s.schema(), st, st.Carried)
	}
	s.expect("INBOX", "first", "second", "large one", "since the switch")
	s.expect("Since", "filed since")
	if now := s.validity(); now == validity {
		t.Error("clients are told that they know the UIDs of INBOX")
	}
	if list := s.must("queue", "list", "-o", "json"); !strings.Contains(list, "wait.since@elsewhere.test") || strings.Contains(list, fixtureQueued.String()) {
		t.Errorf("the queue: %s", list)
	}
	s.submit(fixtureAna, "after all")
	if a, b := s.took(fixtureQueued.String()), s.took("ok.since@elsewhere.test"); a != 1 || b != 1 {
		t.Errorf("the sink has %d and %d copies", a, b)
	}
}

// TestUpgradeFails: a new program that ends while it is watched is replaced by
// the one from before, though it can say nothing about its data any more.
func TestUpgradeFails(t *testing.T) {
	t.Parallel()
	next, err := nextBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	stone, broken := filepath.Join(s.dir, "stone"), filepath.Join(s.dir, "broken")
	s.write(broken, 0o755, strings.NewReplacer("REAL", next, "STONE", stone).Replace(`#!/bin/sh
[ "$1 $2" = "upgrade leave" ] && exit 1
[ "$1" = serve ] || exec REAL "$@"
REAL "$@" & p=$!
trap 'kill -TERM $p; wait $p; exit' TERM
while [ ! -e STONE ]; do sleep 0.05; done
kill -KILL $p
wait $p
exit 1
`))
	ended := make(chan error, 1)
	var out string
	go func() {
		var err error
		out, err = s.upgradeTo(broken, "--watch", "50m")
		ended <- err
	}()
	eventually(t, "the new program serves", func() bool {
		st, err := upgrade.Load(s.Data)
		return err == nil && st != nil && st.Phase == upgrade.Watching && s.schema() == 2 && s.answers()
	})
	s.submit(fixtureAna, "since the switch")
	s.submit("ok.since@elsewhere.test", "goes out since")
	s.write(stone, 0o600, "")
	if err := <-ended; err == nil || !strings.Contains(out, "all is as before") || !strings.Contains(out, "its log is read instead") {
		t.Fatalf("upgrade: %v\n%s", err, out)
	}
	if st := s.state(); st.Phase != upgrade.Back || s.schema() != 1 || st.Cause == "" || len(st.Carried.Notes) == 0 {
		t.Fatalf("afterwards: schema %d, %+v", s.schema(), st)
	}
	s.expect("INBOX", "first", "second", "large one", "since the switch")
	if n := s.took("ok.since@elsewhere.test"); n == 0 {
		t.Error("what was to go out did not")
	}
}

// TestUpgradeRefused: when the copy cannot be brought over nothing changes, and
// a program with the same schema changes no data.
func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	next, err := nextBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.write(filepath.Join(s.Data, "stone.db"), 0o600, "")
	out, err := s.upgradeTo(next)
	if err == nil || !strings.Contains(out, "nothing was changed") || !strings.Contains(out, "schema 1 to 2") {
		t.Fatalf("upgrade: %v\n%s", err, out)
	}
	if st := s.state(); st.Phase != upgrade.Refused || s.schema() != 1 {
		t.Errorf("afterwards: schema %d, %+v", s.schema(), st)
	}
	s.expect("INBOX", "first", "second", "large one")
	if out, err := s.upgradeTo(filepath.Join(s.dir, "mailstead.toml")); err == nil || !strings.Contains(out, "no program of Mailstead") {
		t.Errorf("upgrade to a text: %v\n%s", err, out)
	}
	same, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.upgradeTo(same); err != nil {
		t.Fatalf("upgrade to the same schema: %v\n%s", err, out)
	}
	if st := s.state(); st.Phase != upgrade.Done || st.Data || upgrade.Keeps(s.Data) {
		t.Errorf("afterwards: %+v", st)
	}
	s.expect("INBOX", "first", "second", "large one")
}

// TestBringOver: a program that was put in the place of an older one brings the
// data over when it starts; the older one then says why it will not.
func TestBringOver(t *testing.T) {
	t.Parallel()
	next, err := nextBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	if out, err := exec.Command(s.control, "stop").CombinedOutput(); err != nil {
		t.Fatalf("stop: %v %s", err, out)
	}
	if err := os.Rename(s.installed, s.installed+".before"); err != nil {
		t.Fatal(err)
	}
	s.copyProgram(next)
	s.start()
	if st := s.state(); st.Phase != upgrade.Done || s.schema() != 2 || !upgrade.Keeps(s.Data) {
		t.Errorf("afterwards: schema %d, %+v", s.schema(), st)
	}
	s.expect("INBOX", "first", "second", "large one")
	exec.Command(s.control, "stop").Run()
	out, err := exec.Command(s.installed+".before", "serve", "--config", s.config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "schema 2") || !strings.Contains(string(out), "upgrade back") {
		t.Errorf("the program from before: %v\n%s", err, out)
	}
}

// TestUpgradeByPackage: a package has put the new program in its place already;
// the one that it has set aside makes the upgrade, and comes back when the new
// one is of no use. What was refused leaves the way back from before it.
func TestUpgradeByPackage(t *testing.T) {
	t.Parallel()
	next, err := nextBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	aside := s.installed + ".aside"
	unpacks := func(program string) (string, error) {
		t.Helper()
		s.must("upgrade", "set-aside", "--to", aside)
		if err := os.Rename(program, s.installed); err != nil { // as dpkg does
			t.Fatal(err)
		}
		out, err := exec.Command(aside, "upgrade", "--previous", aside, "--installed", s.installed, "--config", s.config, "--control", s.control, "--watch", "1s", "--patience", "2s").CombinedOutput()
		return string(out), err
	}
	unpacked := func(from string) string {
		t.Helper()
		name := filepath.Join(s.dir, "unpacked")
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(name, b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	useless := filepath.Join(s.dir, "useless")
	s.write(useless, 0o755, "#!/bin/sh\nexit 127\n")

	if out, err := unpacks(unpacked(useless)); err == nil || !strings.Contains(out, "nothing was changed") {
		t.Fatalf("a useless program: %v\n%s", err, out)
	}
	if st := s.state(); st.Phase != upgrade.Refused || st.From.Version != version() {
		t.Errorf("after a useless program: %+v", st)
	}
	s.expect("INBOX", "first", "second", "large one")

	if out, err := unpacks(unpacked(next)); err != nil {
		t.Fatalf("the next program: %v\n%s", err, out)
	}
	if st := s.state(); st.Phase != upgrade.Done || s.schema() != 2 || st.Before != s.installed+".before" {
		t.Fatalf("after the next program: schema %d, %+v", s.schema(), st)
	}
	today, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := unpacks(unpacked(today)); err == nil || !strings.Contains(out, "is older than the data") {
		t.Fatalf("an older program: %v\n%s", err, out)
	}
	if st := s.state(); st.Phase != upgrade.Done || st.Since == nil || !st.CanGoBack(s.Data) {
		t.Errorf("after an older program: %+v", st)
	}
	if out := s.must("upgrade", "status"); !strings.Contains(out, "was refused at") {
		t.Errorf("status: %s", out)
	}
	s.submit(fixtureAna, "since the switch")
	s.must("upgrade", "back", "--control", s.control)
	if st := s.state(); st.Phase != upgrade.Back || s.schema() != 1 {
		t.Errorf("after going back: schema %d, %+v", s.schema(), st)
	}
	s.expect("INBOX", "first", "second", "large one", "since the switch")
}
