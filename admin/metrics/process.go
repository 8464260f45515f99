package metrics

import (
	"bytes"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// addProcess defines what is known of this process.
func addProcess(r *Registry) {
	r.GaugeFunc("memory.rss", "Octets of memory that the process has in use.", residentMemory)
	r.GaugeFunc("goroutines", "Goroutines of the process.", func() (float64, bool) { return float64(runtime.NumGoroutine()), true })
}

// residentMemory reads the second number of /proc/self/statm, in pages.
func residentMemory() (float64, bool) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return float64(pages) * float64(os.Getpagesize()), err == nil
}

// Disk returns the octets that are used and free for us on the disk of path;
// ok is false where that cannot be found out.
func Disk(path string) (used, free float64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, false
	}
	block := float64(s.Bsize)
	return float64(s.Blocks-s.Bfree) * block, float64(s.Bavail) * block, true
}

// AddDisk defines disk.used and disk.free for the disk of path.
func (r *Registry) AddDisk(path string) {
	r.GaugeFunc("disk.used", "Octets used on the disk that has the data.", func() (float64, bool) {
		used, _, ok := Disk(path)
		return used, ok
	})
	r.GaugeFunc("disk.free", "Octets free on the disk that has the data.", func() (float64, bool) {
		_, free, ok := Disk(path)
		return free, ok
	})
}
