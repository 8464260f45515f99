package checks

import (
	"fmt"
	"syscall"
)

// Statfs returns the room on the disk of a folder.
func Statfs(dir string) (Disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Disk{}, fmt.Errorf("room on the disk of %s: %w", dir, err)
	}
	block := int64(s.Bsize)
	return Disk{Total: int64(s.Blocks) * block, Free: int64(s.Bavail) * block, Inodes: int64(s.Files), InodesFree: int64(s.Ffree)}, nil
}
