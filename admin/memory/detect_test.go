package memory

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const mb = 1 << 20

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		computer string // folder in testdata
		bytes    int64
		from     string
	}{
		{"systemd", 512 * mb, "memory.max of cgroup /system.slice/mailstead.service"},
		{"parent", 256 * mb, "memory.high of cgroup /system.slice"},
		{"container", 256 * mb, "memory.max of cgroup /"},
		{"docker-v1", 192 * mb, "memory.limit_in_bytes of cgroup /"},
		{"hybrid", 1009664 << 9, "half of the computer's memory"},
		{"larger", 1009664 << 9, "half of the computer's memory"},
		{"nothing", 0, ""},
		{"not there", 0, ""},
	} {
		t.Run(tt.computer, func(t *testing.T) {
			got := Detect(filepath.Join("testdata", tt.computer))
			if got != (Limit{tt.bytes, tt.from}) {
				t.Errorf("Detect = %+v, want %d, %q", got, tt.bytes, tt.from)
			}
		})
	}
}

// TestDetectHere: this computer has some memory, and this process some of it.
func TestDetectHere(t *testing.T) {
	if got := Detect("/"); got.Bytes < mb || got.From == "" {
		t.Errorf("Detect = %+v", got)
	}
	if n := Resident(); n < mb || n > 1<<40 {
		t.Errorf("this process has %d octets", n)
	}
}

func TestParseGoLimit(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int64 // 0: none
	}{
		{"", 0}, {"off", 0}, {"1000000", 1000000}, {"1000000B", 1000000}, {"100KiB", 100 << 10}, {"400MiB", 400 * mb}, {"2GiB", 2 << 30}, {"1TiB", 1 << 40},
		{"400MB", 0}, {"MiB", 0}, {"iB", 0}, {"-1", 0}, {"0", 0}, {"9223372036854775807", 0}, {"9999999TiB", 0}, {"1XiB", 0}, {"1i", 0},
	} {
		got, ok := parseGoLimit(tt.in)
		if ok != (tt.want != 0) || ok && got != tt.want {
			t.Errorf("parseGoLimit(%q) = %d, %v; want %d", tt.in, got, ok, tt.want)
		}
	}
}

// FuzzParse: what the kernel says, or a container in its name, is read within
// bounds: numbers are positive, paths whole and clean.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/proc/*", "testdata/*/proc/self/*", "testdata/*/sys/fs/cgroup/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil {
				f.Add(b)
			}
		}
	}
	f.Add([]byte("4000 3000 1000 10 0 500 0\n"))
	f.Add([]byte(`1 2 0:3 /a\040b /c\134 rw - cgroup2 x y`))
	f.Fuzz(func(t *testing.T, b []byte) {
		groups := parseGroups(b)
		for version, group := range groups {
			if limitFiles[version] == nil || !path.IsAbs(group) || path.Clean(group) != group {
				t.Errorf("group %d %q", version, group)
			}
		}
		for _, m := range parseMounts(b) {
			if limitFiles[m.version] == nil || !path.IsAbs(m.at) || path.Clean(m.at) != m.at {
				t.Errorf("mount %+v", m)
			}
			for _, group := range groups {
				if below := m.below(group); !path.IsAbs(below) || path.Clean(below) != below {
					t.Errorf("%q below %+v is %q", group, m, below)
				}
			}
		}
		if n, ok := parseLimit(b); ok && (n <= 0 || n >= unlimited) {
			t.Errorf("limit %d", n)
		}
		if n := parseMemTotal(b); n < 0 || n >= math.MaxInt64/2 {
			t.Errorf("memory %d", n)
		}
		if n := parseStatm(b, 4096); n < 0 {
			t.Errorf("resident %d", n)
		}
		if n, ok := parseGoLimit(strings.TrimSpace(string(b))); ok && (n <= 0 || n >= unlimited) {
			t.Errorf("Go's limit %d", n)
		}
	})
}
