package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// forgetStart gives back the pages of the program's own file that are in the
// memory of the process: the start goes through nearly all code once, and needs
// little of it later. They are mapped from the file and were not changed, so
// what is needed again comes back from the file's cache by itself.
func forgetStart() {
	for _, m := range ownPages() {
		// It is an advice: where the kernel does not take it, nothing is lost.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// startSettles is how long after the ports are open the start counts as over:
// the services have had their first turn.
const startSettles = 3 * time.Second

// forgetServicesStart is forgetStart once more, for what the first turn of the
// services has gone through, and gives back what they needed for it.
func forgetServicesStart(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(startSettles):
		debug.FreeOSMemory()
		forgetStart()
	}
	return nil
}

// mapping is a stretch of the memory of this process.
type mapping struct {
	from, to uintptr
	resident int64 // KiB
}

// ownPages returns the mappings of the program's own file that cannot be
// written to and have no page that differs from it, as those have that the
// loader has changed.
func ownPages() (clean []mapping) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	var m mapping
	ours := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		var begun mapping
		var perms string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &begun.from, &begun.to, &perms); n == 3 {
			m = begun
			ours = strings.HasPrefix(perms, "r-") && strings.HasSuffix(line, " "+exe)
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		var kib int64
		fmt.Sscan(value, &kib)
		switch key {
		case "Rss":
			m.resident = kib
		case "Anonymous": // what is no longer that of the file
			if ours && kib == 0 {
				clean = append(clean, m)
			}
		}
	}
	return clean
}
