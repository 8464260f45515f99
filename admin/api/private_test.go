package api

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/webadmin"
)

// TestNothingIsPrivate: all that the server answers below /api/v1 is in the
// document, so that console and command line can use nothing that others
// cannot; beside it there are pages and what other programs look for.
func TestNothingIsPrivate(t *testing.T) {
	w := newWorld(t)
	pages, err := webadmin.Dist()
	if err != nil {
		t.Fatal(err)
	}
	s := handler(t, Options{Admin: w.admin, Now: w.now, Pages: pages, Setup: w.wizard, Ready: http.NotFoundHandler(), Metrics: http.NotFoundHandler()})
	documented := map[string]bool{}
	for _, o := range w.operations() {
		path, _ := withVerb(o.path)
		documented[o.method+" "+Prefix+parameter.ReplaceAllString(path, ":$1")] = true
	}
	public := map[string]bool{"/healthz": true, "/readyz": true, "/metrics": true}
	for _, r := range s.echo.Routes() {
		below := strings.HasPrefix(r.Path, Prefix)
		switch {
		case below && documented[r.Method+" "+r.Path]:
			delete(documented, r.Method+" "+r.Path)
		case below:
			t.Errorf("%s %s is not in the document", r.Method, r.Path)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			t.Errorf("%s %s changes something beside the API", r.Method, r.Path)
		case !public[r.Path] && !strings.HasPrefix(r.Path, "/admin") && !strings.HasPrefix(r.Path, "/account") && !strings.HasPrefix(r.Path, "/setup") && !page.MatchString(r.Path):
			t.Errorf("%s is no page that we know", r.Path)
		}
	}
	for o := range documented {
		t.Errorf("%s is in the document, and nobody answers", o)
	}
}

var (
	parameter = regexp.MustCompile(`\{([^}]*)\}`)
	// page are the other pages, and the files that they are made of.
	page = regexp.MustCompile(`^/(\*|assets/\*|robots\.txt|favicon\.[a-z]+|)$`)
)

// TestOneDoorOfTheConsole: the pages speak with the server in two files, which
// put the prefix of the API before every path.
func TestOneDoorOfTheConsole(t *testing.T) {
	doors := map[string]bool{"client.ts": true, "events.svelte.ts": true}
	speaks := regexp.MustCompile(`\b(fetch|EventSource|XMLHttpRequest|WebSocket|sendBeacon)\(`)
	found := 0
	err := filepath.WalkDir("../../webadmin/src", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".test.ts") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !speaks.Match(text) {
			return err
		}
		found++
		if !doors[d.Name()] || !strings.Contains(string(text), "/api/v1") && !strings.Contains(string(text), "base") {
			t.Errorf("%s speaks with the server itself", path)
		}
		return nil
	})
	if err != nil || found != len(doors) {
		t.Errorf("%d files speak with the server, want %d; %v", found, len(doors), err)
	}
}
