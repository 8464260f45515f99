package webadmin

import (
	"compress/gzip"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

var entries = []string{"admin", "account", "setup"}

// TestEntriesAreWhole looks at what a browser loads first: every file an entry names is there, and nothing is inline,
// which the content security policy would stop.
func TestEntriesAreWhole(t *testing.T) {
	for _, entry := range entries {
		t.Run(entry, func(t *testing.T) {
			page := read(t, entry+"/index.html")
			for _, name := range links(page) {
				if _, err := fs.Stat(pages(t), strings.TrimPrefix(name, "/")); err != nil {
					t.Errorf("%s names %s: %v", entry, name, err)
				}
			}
			if m := inline.FindString(page); m != "" {
				t.Errorf("%s has inline code or style: %s", entry, m)
			}
		})
	}
}

// TestFirstLoadIsSmall keeps what the console loads before it shows anything, and its first page, within 90 KB.
func TestFirstLoadIsSmall(t *testing.T) {
	const limit = 90 << 10
	for _, entry := range entries {
		t.Run(entry, func(t *testing.T) {
			total := 0
			for _, name := range links(read(t, entry+"/index.html")) {
				if strings.HasSuffix(name, ".js") {
					total += gzipped(t, read(t, strings.TrimPrefix(name, "/")))
				}
			}
			if total == 0 || total > limit {
				t.Errorf("%s loads %d bytes of JavaScript at first, limit %d", entry, total, limit)
			}
			t.Logf("%s: %d bytes", entry, total)
		})
	}
}

var (
	link   = regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`)
	inline = regexp.MustCompile(`(?i)<style|\sstyle=|<script(?:[^>]*)>[^<]+|\son[a-z]+=`)
)

func links(page string) []string {
	var names []string
	for _, m := range link.FindAllStringSubmatch(page, -1) {
		names = append(names, m[1])
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := fs.ReadFile(pages(t), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func gzipped(t *testing.T, text string) int {
	t.Helper()
	var n counter
	w := gzip.NewWriter(&n)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return int(n)
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func pages(t *testing.T) fs.FS {
	t.Helper()
	dist, err := Dist()
	if err != nil {
		t.Fatal(err)
	}
	return dist
}
