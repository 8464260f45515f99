package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// ofTheTestCA are findings of testssl.sh that the authority of the test causes,
// and not the server.
var ofTheTestCA = []string{
	"cert_chain_of_trust", // its root is in no store
	"cert_trust",          // the same, beside the match of the name
	"cert_revocation",     // its certificates name neither CRL nor OCSP; nothing is ever taken back
	"cert_extlifeSpan",    // its certificates live longer than browsers allow
	"cert_validityPeriod", // the same
	"DNS_CAArecord",       // the zone of the test has no CAA record, and testssl.sh is told to ask no DNS
}

// severe are the severities above LOW.
var severe = []string{"MEDIUM", "HIGH", "CRITICAL", "FATAL"}

// checkWithTestSSL has testssl.sh look at the ports: at the protocol versions
// of one, or with MAILSTEAD_LONG=1 for every weakness it knows, at all.
func checkWithTestSSL(t *testing.T, ports map[string]int, host string) {
	t.Helper()
	program, err := exec.LookPath("testssl")
	if err != nil {
		if os.Getenv("MAILSTEAD_PEERS") == "required" {
			t.Error("testssl.sh is not installed")
		}
		t.Log("testssl.sh is not installed")
		return
	}
	for _, p := range tlsPorts {
		var args []string
		switch {
		case os.Getenv("MAILSTEAD_LONG") == "" && p.service != portIMAPS:
			continue
		case os.Getenv("MAILSTEAD_LONG") == "":
			args = []string{"-p"}
		}
		if p.start != "" {
			args = append(args, "-t", p.start)
		}
		testSSL(t, program, p.service, host, ports[p.service], args)
	}
}

// testSSL runs testssl.sh on one port and wants nothing above LOW.
func testSSL(t *testing.T, program, service, host string, port int, args []string) {
	t.Helper()
	began := time.Now()
	file := filepath.Join(t.TempDir(), "findings.json")
	args = append([]string{"--warnings", "batch", "--color", "0", "--ip", "127.0.0.1", "--nodns", "min", "--openssl-timeout", "10", "--jsonfile", file}, args...)
	out, _ := exec.Command(program, append(args, fmt.Sprintf("%s:%d", host, port))...).CombinedOutput() // its status counts findings
	b, err := os.ReadFile(file)
	var findings []struct{ ID, Severity, Finding string }
	if err == nil {
		err = json.Unmarshal(b, &findings)
	}
	if err != nil {
		t.Errorf("testssl.sh on %s: %v\n%s", service, err, tail(string(out), 2000))
		return
	}
	seen, count := false, map[string]int{}
	for _, f := range findings {
		count[f.Severity]++
		if f.Severity == "LOW" || slices.Contains(severe, f.Severity) {
			t.Logf("testssl.sh on %s: %s: %s: %s", service, f.Severity, f.ID, f.Finding)
		}
		seen = seen || f.ID == "TLS1_3" && f.Severity == "OK"
		if slices.Contains(severe, f.Severity) && !slices.Contains(ofTheTestCA, f.ID) {
			t.Errorf("testssl.sh on %s: %s: %s: %s", service, f.Severity, f.ID, f.Finding)
		}
	}
	if !seen {
		t.Errorf("testssl.sh on %s did not see TLS 1.3, so that it saw nothing:\n%s", service, tail(string(out), 2000))
	}
	t.Logf("testssl.sh on %s: %d findings in %s: %v", service, len(findings), time.Since(began).Round(time.Second), count)
}
