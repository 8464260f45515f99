package store

import (
	"golang.org/x/sys/unix"

	bolt "go.etcd.io/bbolt"
)

// Trim takes the rows of an owner out of the memory of this process: what was
// read of them stays in the cache of the system, which can let go of it. It is
// for work that has read all rows once, and changes nothing that anybody sees.
func (e *Engine) Trim(id Owner) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	o := e.owner(id)
	db, err := o.acquire(false)
	if db == nil || err != nil {
		return err
	}
	defer o.release()
	// Within a transaction the memory map stays where it is.
	return o.guarded(func() error {
		return db.View(func(tx *bolt.Tx) error {
			_, _, errno := unix.Syscall(unix.SYS_MADVISE, db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
			if errno != 0 {
				return errno
			}
			return nil
		})
	})
}
