package backup

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// freeRoom is how many octets can be written to the disk of a folder.
func freeRoom(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("room on the disk of %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}
