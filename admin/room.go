package admin

import (
	"context"
	"errors"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/disk"
)

// ErrNoRoom means that the disk has too little room for what was asked for.
var ErrNoRoom = errors.New("the disk has too little room")

// roomFor refuses what would put n octets on a disk that is nearly full.
func (a *Admin) roomFor(what string, n int64) error {
	return ofDisk(what, a.opts.Disk.Fits(disk.Bulk, n))
}

// ofDisk says to people why something has to wait.
func ofDisk(what string, err error) error {
	var full *disk.Error
	if !errors.As(err, &full) {
		return err
	}
	return &directory.Problem{Kind: ErrNoRoom, Text: what + ": " + full.Error() + ". Whoever runs the server can make room; the page Storage shows what takes it"}
}

// diskCheckTimeout bounds the check after the disk has changed.
const diskCheckTimeout = 10 * time.Second

// DiskChanged is told that the disk has another stage: the check of the disk
// runs at once, and alerts look at it.
func (a *Admin) DiskChanged(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, diskCheckTimeout)
	defer cancel()
	if err := a.recheck(ctx, []string{"disk"}); err != nil && ctx.Err() == nil {
		a.opts.Logger.Warn("check of the disk", "err", err)
	}
	a.alerts.Look()
}
