package main

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/disk"
)

// openDisk begins to guard the disk of the data; all that is opened later asks.
func (n *node) openDisk() {
	n.disk = disk.New(n.cfg.DataDir, disk.Options{
		Reserve: func() int64 { return n.directory.Int(directory.StoreReserve) }, Ballast: n.path("ballast"), Logger: n.cfg.Log,
		Changed: func(disk.Stage, disk.Stage) {
			select {
			case n.diskChanged <- struct{}{}:
			default:
			}
		},
	})
}

// hasSpareRoom reports whether what can be done without may be written.
func (n *node) hasSpareRoom() bool { return n.disk.Stage() < disk.Low }

// watchDisk looks at the disk, and tells operators what stops and goes on,
// until ctx is done.
func (n *node) watchDisk(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.disk.Run(ctx) })
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-n.diskChanged:
				n.admin.DiskChanged(ctx)
			}
		}
	})
	return g.Wait()
}
