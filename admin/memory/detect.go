package memory

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Limit is how much memory the process may have, and who says so.
type Limit struct {
	Bytes int64 // 0: nobody knows
	From  string
}

// less returns the smaller of two limits.
func less(a, b Limit) Limit {
	if a.Bytes == 0 || b.Bytes != 0 && b.Bytes < a.Bytes {
		return b
	}
	return a
}

// unlimited is where numbers of cgroups mean that there is no limit: version 1
// writes the largest number of pages there can be.
const unlimited = 1 << 60

// maxFile bounds what is read of a file of the kernel, in octets.
const maxFile = 1 << 20

// Detect finds the smallest limit of the memory cgroups that the process is in,
// of version 1 and 2, with those above it; where there is none, or a larger one
// than that, it is half of the computer's memory: the other half is for other
// programs, and for the cache through which mailboxes are read. root is "/" but
// in tests.
func Detect(root string) Limit {
	computer := Limit{}
	if total := parseMemTotal(read(root, "proc/meminfo")); total > 0 {
		computer = Limit{total / 2, "half of the computer's memory"}
	}
	return less(computer, cgroupLimit(root))
}

// read returns the beginning of a file, nothing if it cannot be read.
func read(root string, name ...string) []byte {
	f, err := os.Open(filepath.Join(append([]string{root}, name...)...))
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil
	}
	return b
}

// cgroupLimit is the smallest limit of our cgroups.
func cgroupLimit(root string) (found Limit) {
	groups := parseGroups(read(root, "proc/self/cgroup"))
	for _, m := range parseMounts(read(root, "proc/self/mountinfo")) {
		group, ok := groups[m.version]
		if !ok {
			continue
		}
		for dir := m.below(group); ; dir = path.Dir(dir) {
			for _, name := range limitFiles[m.version] {
				if n, ok := parseLimit(read(root, m.at, dir, name)); ok {
					found = less(found, Limit{n, fmt.Sprintf("%s of cgroup %s", name, dir)})
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return found
}

// limitFiles are those of a cgroup, by version. At memory.high the kernel begins
// to hold the process up, which is as bad.
var limitFiles = map[int][]string{1: {"memory.limit_in_bytes"}, 2: {"memory.max", "memory.high"}}

// parseGroups reads /proc/self/cgroup (cgroups(7)): the group that limits memory,
// by version.
func parseGroups(b []byte) map[int]string {
	groups := map[int]string{}
	for line := range bytes.Lines(b) {
		f := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			groups[2] = path.Clean(f[2])
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			groups[1] = path.Clean(f[2])
		}
	}
	return groups
}

// mount is where cgroups are seen.
type mount struct {
	version int
	root    string // the group that is seen at its top
	at      string
}

// below is the path of a group below the mount. One that is not in it, as in
// containers that see nothing else, is its top.
func (m mount) below(group string) string {
	if m.root == "/" {
		return group
	}
	if rest, ok := strings.CutPrefix(group, m.root); ok && strings.HasPrefix(rest, "/") {
		return path.Clean(rest)
	}
	return "/"
}

// parseMounts reads /proc/self/mountinfo (proc_pid_mountinfo(5)): where groups
// that limit memory are seen.
func parseMounts(b []byte) (mounts []mount) {
	for line := range bytes.Lines(b) {
		of, system, ok := strings.Cut(string(line), " - ")
		f, s := strings.Fields(of), strings.Fields(system)
		if !ok || len(f) < 6 || len(s) < 3 {
			continue
		}
		m := mount{root: path.Clean("/" + unescape(f[3])), at: path.Clean("/" + unescape(f[4]))}
		switch {
		case s[0] == "cgroup2":
			m.version = 2
		case s[0] == "cgroup" && slices.Contains(strings.Split(s[2], ","), "memory"):
			m.version = 1
		default:
			continue
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// unescape reads the four octets that the kernel writes as \ooo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// parseLimit reads a limit of a cgroup; ok is false where there is none.
func parseLimit(b []byte) (n int64, ok bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" is none
	return n, err == nil && n > 0 && n < unlimited
}

// parseMemTotal reads /proc/meminfo (proc_meminfo(5)): the memory of the
// computer in octets, 0 if it is not there.
func parseMemTotal(b []byte) int64 {
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) != 3 || f[0] != "MemTotal:" || f[2] != "kB" {
			continue
		}
		if kb, err := strconv.ParseInt(f[1], 10, 64); err == nil && kb > 0 && kb < unlimited>>10 {
			return kb << 10
		}
	}
	return 0
}
