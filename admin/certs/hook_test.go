package certs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"github.com/mailstead/mailstead/admin/dnsprovider"
	"github.com/mailstead/mailstead/mail/dns"
)

// hookServer is the variable that makes the program of these tests what an
// administrator writes for `exec`: it has the address of a name server that
// takes updates.
const hookServer = "DNS_HOOK_SERVER"

// runHook changes a zone as it is told: add or remove ZONE NAME TYPE TTL VALUE.
func runHook(server string, args []string) int {
	fail := func(problem any) int {
		fmt.Fprintln(os.Stderr, "hook:", problem)
		return 1
	}
	if len(args) == 2 && args[0] == "list" {
		return 3
	}
	if len(args) != 6 {
		return fail(fmt.Sprintf("%d arguments", len(args)))
	}
	rr, err := mdns.NewRR(fmt.Sprintf("%s. %s IN %s %s", args[2], args[4], args[3], args[5]))
	if err != nil {
		return fail(err)
	}
	update := new(mdns.Msg).SetUpdate(mdns.Fqdn(args[1]))
	switch args[0] {
	case "add":
		update.Insert([]mdns.RR{rr})
	case "remove":
		update.Remove([]mdns.RR{rr})
	default:
		return fail("what is " + args[0])
	}
	const key = "update-key."
	update.SetTsig(key, mdns.HmacSHA256, 300, time.Now().Unix())
	client := mdns.Client{Net: "tcp", TsigSecret: map[string]string{key: os.Getenv("MAILSTEAD_SECRET")}}
	reply, _, err := client.Exchange(update, server)
	if err != nil {
		return fail(err)
	}
	if reply.Rcode != mdns.RcodeSuccess {
		return fail(mdns.RcodeToString[reply.Rcode])
	}
	return 0
}

// TestDNSHook proves a name by a record that a program of the administrator
// writes. Nobody listens on ports 80 and 443.
func TestDNSHook(t *testing.T) {
	t.Parallel()
	w, zones, server := newWorldOfZones(t)
	tests, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, calls := filepath.Join(t.TempDir(), "hook"), filepath.Join(t.TempDir(), "calls")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> '%s'\n%s='%s' exec '%s' \"$@\"\n", calls, hookServer, server, tests)
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	var secret atomic.Value
	secret.Store(dnsprovider.Secret("d3Jvbmc="))
	w.opts.ACME.CAs, w.opts.ACME.CARoot, w.opts.ACME.Challenge = []string{w.ca.directory}, w.ca.roots, ChallengeDNS
	w.opts.ACME.DNS = &dnsprovider.Zones{
		Authority: dns.NewAuthority(dns.AuthorityOptions{Finder: zones, Dial: zones.Dial}),
		Specs: func() map[string]dnsprovider.Spec {
			return map[string]dnsprovider.Spec{"host.test": {Kind: dnsprovider.Exec, Server: program, Secret: secret.Load().(dnsprovider.Secret)}}
		},
	}
	w.host.http.Close()
	w.host.tls.Close()
	m := w.run(t)
	s := until(t, m, w.name, func(s Status) bool { return s.State == StateFailing })
	if !strings.Contains(s.Problem, "hook add failed") || strings.Contains(s.Problem, "d3Jvbmc=") || !strings.Contains(s.Advice, "dns-provider test") {
		t.Errorf("with a wrong secret: %+v", s)
	}
	secret.Store(dnsprovider.Secret("c2VjcmV0"))
	if s, err := m.Renew(t.Context(), Renewal{Name: w.name}); err != nil || s.State != StateGood || s.Challenge != "dns-01" {
		t.Fatalf("with the right secret: %+v, %v", s, err)
	}
	if texts, _, err := zones.TXT(t.Context(), "_acme-challenge."+w.name); err == nil {
		t.Errorf("the record is left behind: %q", texts)
	}
	said, err := os.ReadFile(calls)
	if err != nil || !strings.Contains(string(said), "remove host.test _acme-challenge."+w.name+" TXT 60 ") {
		t.Errorf("the hook was called with %q, %v", said, err)
	}
}
