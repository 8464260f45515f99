package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// ofTheTestCA are findings of testssl.sh about certificates of a CA for tests:
// nobody trusts it, it takes nothing back, and has no DNS.
var ofTheTestCA = []string{"cert_chain_of_trust", "cert_revocation", "cert_trust", "cert_extlifeSpan", "cert_validityPeriod", "DNS_CAArecord"}

// severe are the severities above LOW.
var severe = []string{"MEDIUM", "HIGH", "CRITICAL", "FATAL"}

// checkWithTestSSL has testssl.sh look at the ports: at the protocol versions
// of one, or with MAILSTEAD_LONG=1 for every weakness it knows, at all.
func checkWithTestSSL(t *testing.T, ports map[string]int) {
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
		testSSL(t, program, p.service, ports[p.service], args)
	}
}

// testSSL runs testssl.sh on one port and wants nothing above LOW.
func testSSL(t *testing.T, program, service string, port int, args []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "findings.json")
	args = append([]string{"--warnings", "batch", "--color", "0", "--ip", "127.0.0.1", "--nodns", "none", "--openssl-timeout", "10", "--jsonfile", file}, args...)
	out, _ := exec.Command(program, append(args, fmt.Sprintf("localhost:%d", port))...).CombinedOutput() // its status counts findings
	b, err := os.ReadFile(file)
	var findings []struct{ ID, Severity, Finding string }
	if err == nil {
		err = json.Unmarshal(b, &findings)
	}
	if err != nil {
		t.Errorf("testssl.sh on %s: %v\n%s", service, err, tail(string(out), 2000))
		return
	}
	seen := false
	for _, f := range findings {
		seen = seen || f.ID == "TLS1_3" && f.Severity == "OK"
		if slices.Contains(severe, f.Severity) && !slices.Contains(ofTheTestCA, f.ID) {
			t.Errorf("testssl.sh on %s: %s: %s: %s", service, f.Severity, f.ID, f.Finding)
		}
	}
	if !seen {
		t.Errorf("testssl.sh on %s did not see TLS 1.3, so that it saw nothing:\n%s", service, tail(string(out), 2000))
	}
}
