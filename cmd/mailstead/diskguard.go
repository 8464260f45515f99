package main

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/disk"
)

// openDisk begins to guard the disk of the data; all that is opened later asks.
func (n *node) openDisk() {
	n.disk = disk.New(n.cfg.DataDir, disk.Options{
		Reserve: func() int64 { return n.directory.Int(directory.StoreReserve) }, Ballast: n.path("ballast"), Logger: n.cfg.Log,
		Changed: func(disk.Stage, disk.Stage) { n.diskChanged.tell() },
	})
}

// hasSpareRoom reports whether what can be done without may be written.
func (n *node) hasSpareRoom() bool { return n.disk.Stage() < disk.Low }

// watchDisk looks at the disk, and tells operators what stops and goes on,
// until ctx is done.
func (n *node) watchDisk(ctx context.Context) error {
	return n.diskChanged.beside(ctx, n.disk.Run, n.admin.DiskChanged)
}
