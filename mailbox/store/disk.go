package store

import (
	"fmt"
	"sync"
	"time"
)

// diskGuard refuses new mail before the disk is full, so that there is room
// left for rows, for deleting and for an orderly end.
type diskGuard struct {
	fs      fsys
	dir     string
	reserve int64

	mu      sync.Mutex
	free    int64 // as last asked, less what was taken since
	checked time.Time
}

// askEvery bounds how old the answer about free room may be.
const askEvery = time.Second

// rowsShare: rows may use this part of the reserve, mail may not.
const rowsShare = 4

// check returns ErrFull if n octets of new mail would break into the reserve.
func (d *diskGuard) check(n int64) error {
	if d.reserve < 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ask(); err != nil {
		return err
	}
	if d.free-n < d.reserve {
		return fmt.Errorf("%w: %d MiB are free and %d MiB are kept in reserve", ErrFull, d.free>>20, d.reserve>>20)
	}
	d.free -= n
	return nil
}

// checkRows returns ErrFull if rows can no longer be changed safely.
func (d *diskGuard) checkRows() error {
	if d.reserve < 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ask(); err != nil {
		return err
	}
	if d.free < d.reserve/rowsShare {
		return fmt.Errorf("%w: %d MiB are free", ErrFull, d.free>>20)
	}
	return nil
}

func (d *diskGuard) ask() error {
	if now := time.Now(); now.Sub(d.checked) >= askEvery {
		free, err := d.fs.Free(d.dir)
		if err != nil {
			return err
		}
		d.free, d.checked = free, now
	}
	return nil
}

// forget makes the next check ask again.
func (d *diskGuard) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checked = time.Time{}
}
