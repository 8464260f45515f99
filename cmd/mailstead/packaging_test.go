package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/config"
)

// packaging is a file of packaging/.
func packaging(parts ...string) string {
	return filepath.Join(append([]string{"..", "..", "packaging"}, parts...)...)
}

// maxExposure is the most that systemd may find exposed, of 10.
const maxExposure = 2.0

// TestUnitIsHardened asks systemd what the unit leaves open.
func TestUnitIsHardened(t *testing.T) {
	t.Parallel()
	out := output(t, "", need(t, "systemd-analyze"), "security", "--offline=true", "--no-pager", packaging("systemd", "mailstead.service"))
	m := regexp.MustCompile(`Overall exposure level for mailstead.service: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("systemd-analyze says no level:\n%s", out)
	}
	t.Log(m[0])
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > maxExposure {
		t.Errorf("%s, more than %.1f:\n%s", m[0], maxExposure, out)
	}
}

// TestSocketUnits: there is a unit for each service, with the port that it has
// without a configuration and the name that the server looks for.
func TestSocketUnits(t *testing.T) {
	listen := config.Default().Listen
	services := map[string][]string{portSMTP: listen.SMTP, portSubmission: listen.Submission, portSubmissions: listen.Submissions,
		portIMAP: listen.IMAP, portIMAPS: listen.IMAPS, portHTTP: listen.HTTP, portHTTPS: listen.HTTPS}
	files, err := filepath.Glob(packaging("systemd", "*.socket"))
	if err != nil || len(files) != len(services) {
		t.Errorf("%d units for %d services, %v", len(files), len(services), err)
	}
	for name, addrs := range services {
		_, port, err := net.SplitHostPort(addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		unit, err := os.ReadFile(packaging("systemd", "mailstead-"+name+".socket"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, line := range []string{"ListenStream=" + port, "FileDescriptorName=" + name, "Service=mailstead.service", "ConditionPathExists=" + config.Path} {
			if !strings.Contains(string(unit), line+"\n") {
				t.Errorf("mailstead-%s.socket does not have the line %s", name, line)
			}
		}
	}
}

// TestScripts lets the shells read what packages run, and what builds them.
func TestScripts(t *testing.T) {
	t.Parallel()
	for shell, patterns := range map[string][]string{"sh": {"scripts/*"}, "bash": {"release", "reproducible", "test/run", "test/inside", "test/image", "oci/build"}} {
		for _, p := range patterns {
			files, err := filepath.Glob(packaging(filepath.FromSlash(p)))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s: no files, %v", p, err)
			}
			for _, f := range files {
				if out, err := exec.Command(shell, "-n", f).CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", f, err, out)
				}
			}
		}
	}
}
