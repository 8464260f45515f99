package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The soak: a server works for its clients while everything that an admin or a
// timer may do to it is done over and over. Nobody may notice, and nothing may
// grow. In short it takes a few seconds; with MAILBENCH, the load tool, and
// MAILSTEAD_SOAK, a duration, it runs as long as that.

// soakRounds is how many times the load comes and goes in a soak.
const soakRounds = 6

// TestSoak: reloads, renewals, backups and compaction under load.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := startSoak(t)
	s.warmUp()
	before := s.rest(nil)
	s.row("at rest before", before)
	if tool := os.Getenv("MAILBENCH"); tool != "" && os.Getenv("MAILSTEAD_LONG") != "" {
		long, err := time.ParseDuration(os.Getenv("MAILSTEAD_SOAK"))
		if err != nil {
			t.Fatalf("MAILSTEAD_SOAK: %v", err)
		}
		for n := range soakRounds {
			now := s.round(fmt.Sprintf("round %d", n+1), before, func(stop func()) { s.mailbench(tool, long/soakRounds); stop() })
			if n == 0 { // caches and databases are open from now on
				before = now
			}
			before.memory = min(before.memory, now.memory) // Go may not have collected before
		}
	} else {
		s.round("round", before, s.briefly)
	}
	t.Logf("\n| | operations | p50 / p95 of the slowest kind | reloads | renewals | backups | compactions, MB given back | goroutines | descriptors | own memory at rest, MB | at most, MB |\n|---|---|---|---|---|---|---|---|---|---|---|\n%s", strings.Join(s.rows, "\n"))
}

// soak is a server with a load, and what is done to it.
type soak struct {
	*acmeSite
	i    *instance
	rows []string

	mu        sync.Mutex
	done      map[string]int // what was done to it
	compacted int64          // octets that were given back
	times     string         // of the slowest kind of operation
	ops       int
}

// compactor is whose mail is deleted while compact waits.
const compactor = "carol@example.test"

func startSoak(t *testing.T) *soak {
	t.Helper()
	var senders strings.Builder // of the load tool
	for n := range 64 {
		fmt.Fprintf(&senders, "sender%d.example. 300 IN MX 10 sender%[1]d.example.\nsender%[1]d.example. 300 IN A 127.0.0.1\nsender%[1]d.example. 300 IN TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\n", n)
	}
	site := startACMESite(t, senders.String())
	at := func(service string) string { return fmt.Sprintf("127.0.0.1:%d", site.ports[service]) }
	s := &soak{acmeSite: site, done: map[string]int{}, i: &instance{tryInfo: tryInfo{
		Data: site.data, SMTP: at(portSMTP), Submission: at(portSubmission), IMAP: at(portIMAP), IMAPS: at(portIMAPS), HTTPS: at(portHTTPS),
		Accounts: []tryAccount{{"alice@example.test", password}, {"bob@example.test", password}}}}}
	s.must("domain", "add", "example.test")
	for _, address := range []string{s.i.Accounts[0].Address, s.i.Accounts[1].Address, compactor} {
		s.mustSay(password+"\n", "account", "add", address, "--password-stdin")
	}
	for _, limit := range []string{"inbound.connections-per-minute", "inbound.connections-per-minute-net", "inbound.messages-per-minute", "inbound.messages-per-minute-net"} {
		s.must("settings", "set", limit, "0")
	}
	s.must("settings", "set", "backup.target", filepath.Join(t.TempDir(), "backups"))
	return s
}

func (s *soak) must(args ...string) string { s.t.Helper(); return s.mustSay("", args...) }

func (s *soak) mustSay(in string, args ...string) string {
	s.t.Helper()
	out, err := s.command(s.t.Context(), in, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *soak) command(ctx context.Context, in string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.program, append(args, "--data", s.data)...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return string(out), nil
}

// disturbances are what is done under load, in turn.
var disturbances = []struct {
	name string
	do   func(s *soak, ctx context.Context, n int) error
}{
	{"reload", (*soak).reload},
	{"renewal", func(s *soak, ctx context.Context, _ int) error {
		_, err := s.command(ctx, "", "cert", "renew", s.host, "--force")
		return err
	}},
	{"reload", (*soak).reload},
	{"backup", func(s *soak, ctx context.Context, _ int) error {
		out, err := s.command(ctx, "", "backup", "run")
		if err == nil && !strings.Contains(out, "proved: it can be restored") {
			err = fmt.Errorf("backup run says %s", out)
		}
		return err
	}},
	{"compaction", (*soak).compact},
}

// reload switches a proxy and the level of the log on and off.
func (s *soak) reload(ctx context.Context, n int) error {
	const proxies, level = "[listen]\nproxies = [\"192.0.2.0/24\"]\n", "[log]\nlevel = \"warn\"\n"
	b, err := os.ReadFile(s.config)
	if err != nil {
		return err
	}
	text := string(b)
	if strings.Contains(text, proxies) {
		text = strings.Replace(strings.Replace(text, proxies, "[listen]\n", 1), level, "", 1)
	} else {
		text = strings.Replace(text, "[listen]\n", proxies, 1) + level
	}
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		return err
	}
	out, err := s.command(ctx, "", "reload", "-o", "json")
	if err == nil && !strings.Contains(out, "proxies") {
		err = fmt.Errorf("reload %d says %s", n, out)
	}
	return err
}

// disturb does things to the server until ctx is done: all of them once at
// least, and then one every pause.
func (s *soak) disturb(ctx context.Context, pause time.Duration) error {
	for n := 0; n < len(disturbances) || ctx.Err() == nil; n++ {
		d := disturbances[n%len(disturbances)]
		if err := d.do(s, context.WithoutCancel(ctx), n); err != nil {
			return err
		}
		s.mu.Lock()
		s.done[d.name]++
		s.mu.Unlock()
		if n < len(disturbances)-1 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// round has load work on the server while it is disturbed: until load says
// stop, or with a load that waits for it, until all was done once. Then
// everything has to be as it was at rest before.
func (s *soak) round(name string, before *atRest, load func(stop func())) (now *atRest) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	most := watchAnonymousOf(s.pid)
	failed := make(chan error, 1)
	go func() { failed <- s.disturb(ctx, 10*time.Second) }()
	load(stop)
	if err := <-failed; err != nil {
		s.t.Errorf("%s: %v", name, err)
	}
	peak := most()
	now = s.rest(before)
	now.peak = peak
	s.row(name, now)
	return now
}

// warmUp opens what is opened once.
func (s *soak) warmUp() {
	s.t.Helper()
	for _, a := range s.i.Accounts {
		s.i.inboxOf(s.t, a)
	}
}

// atRest is what a server holds without clients.
type atRest struct {
	goroutines, descriptors int
	memory, peak            int64 // of its own, in octets
}

// restMost is how long a server may take to come to rest: Go collects what
// nobody uses any more after two minutes at the latest.
const restMost = 3 * time.Minute

// rest waits until the server holds no more than before, but for a few that
// come and go by themselves, and a quarter of the memory.
func (s *soak) rest(before *atRest) *atRest {
	s.t.Helper()
	const slack = 8
	var now *atRest
	until := time.Now().Add(restMost)
	for {
		now = s.holds()
		if before == nil || now.goroutines <= before.goroutines+slack && now.descriptors <= before.descriptors+slack && now.memory <= before.memory*5/4+16<<20 {
			return now
		}
		if time.Now().After(until) {
			s.t.Errorf("a leak: %d goroutines, %d descriptors and %d MB before, %d, %d and %d MB after", before.goroutines, before.descriptors, before.memory>>20,
				now.goroutines, now.descriptors, now.memory>>20)
			return now
		}
		time.Sleep(50 * time.Millisecond)
	}
}

var goroutinesLine = regexp.MustCompile(`(?m)^mailstead_goroutines (\d+)`)

func (s *soak) holds() *atRest {
	s.t.Helper()
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Get("https://" + s.i.HTTPS + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	m := goroutinesLine.FindSubmatch(b)
	if m == nil {
		s.t.Fatalf("/metrics (%s) does not tell goroutines: %.300s", resp.Status, b)
	}
	proc := fmt.Sprintf("/proc/%d", s.pid)
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		s.t.Fatal(err)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return &atRest{goroutines: n, descriptors: s.descriptors(), memory: kilobytes(s.t, status, "RssAnon")}
}

// descriptors counts those that are open, but for segments of the store's log:
// there are more of them with more mail, and it keeps up to 256 for reading.
func (s *soak) descriptors() int {
	s.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	n, segments := 0, filepath.Join(s.data, "store", "log")
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && filepath.Dir(to) != segments {
			n++
		}
	}
	return n
}

// row writes down a step.
func (s *soak) row(name string, a *atRest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, fmt.Sprintf("| %s | %d | %s | %d | %d | %d | %d, %d | %d | %d | %d | %d |", name, s.ops, s.times,
		s.done["reload"], s.done["renewal"], s.done["backup"], s.done["compaction"], s.compacted>>20, a.goroutines, a.descriptors, a.memory>>20, a.peak>>20))
	clear(s.done)
	s.ops, s.times, s.compacted = 0, "", 0
}
