package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// openingMark is the name of a file beside a database while it is being
// opened. bbolt walks the pages of a file in a goroutine of its own when it
// opens one, and panics there if they are torn: nobody can recover from that.
// A mark that is there at start says which database ended the process.
const openingMark = ".opening"

// mmapSize of a database, in address space only: growing beyond it waits for
// readers.
const mmapSize = 64 << 20

// open opens the database; o.mu is held.
func (o *owner) open() error {
	created := !o.there
	if created {
		if err := os.MkdirAll(o.dir(), 0o700); err != nil {
			return o.e.storageError(err)
		}
	}
	mark := o.file() + openingMark
	if _, err := os.Stat(mark); err == nil {
		return o.putAside(errors.New("the process ended while opening it"))
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return o.e.storageError(err)
	}
	db, err := bolt.Open(o.file(), 0o600, &bolt.Options{
		Timeout: time.Second, FreelistType: bolt.FreelistMapType, NoFreelistSync: true,
		InitialMmapSize: mmapSize, NoSync: o.e.opts.noSync,
	})
	os.Remove(mark)
	if err != nil {
		if damaged(err) {
			return o.putAside(err)
		}
		return fmt.Errorf("open database of owner %d: %w", o.id, err)
	}
	if created {
		if err := errors.Join(o.e.log.syncDir(o.dir()), o.e.log.syncDir(filepath.Dir(o.dir()))); err != nil {
			db.Close()
			return o.e.fail(err)
		}
	}
	o.there, o.db = true, db
	return nil
}

// damaged reports whether an error of opening says that the file is broken,
// and not that the system would not open it.
func damaged(err error) bool {
	for _, e := range []error{bolt.ErrInvalid, bolt.ErrVersionMismatch, bolt.ErrChecksum} {
		if errors.Is(err, e) {
			return true
		}
	}
	return strings.Contains(err.Error(), "file size too small")
}

// isDatabasePanic reports whether a panic comes from bbolt's own checks or
// from a fault on reading its map, and not from a mistake of a caller.
func isDatabasePanic(p any) bool {
	if fault, ok := p.(interface{ Addr() uintptr }); ok {
		return fault.Addr() != 0
	}
	text := fmt.Sprint(p)
	for _, sign := range []string{"page", "freelist", "freepages", "invalid freelist", "assertion failed", "cursor", "branch", "leaf"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// setAside takes a database that broke in use out of use until restart.
func (o *owner) setAside(cause error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.aside == nil {
		o.aside = fmt.Errorf("%w (%w)", ErrSetAside, cause)
		o.e.opts.Logger.Error("a database is damaged and set aside; its mail waits in the log", "owner", o.id, "err", cause)
		// It may be mapped by others, so it is renamed at the next start.
		if err := os.WriteFile(o.file()+openingMark, nil, 0o600); err != nil {
			o.e.opts.Logger.Error("mark damaged database", "owner", o.id, "err", err)
		}
	}
	return o.aside
}

// putAside renames a database that cannot be opened; o.mu is held.
func (o *owner) putAside(cause error) error {
	name := fmt.Sprintf("%s.damaged-%d", o.file(), o.e.opts.Now().Unix())
	o.aside = fmt.Errorf("%w (%w)", ErrSetAside, cause)
	o.e.opts.Logger.Error("a database is damaged and set aside; its mail waits in the log. Put a good copy in its place and restart",
		"owner", o.id, "renamed", name, "err", cause)
	if err := os.Rename(o.file(), name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(o.aside, err)
	}
	o.there = false
	if err := errors.Join(os.Remove(o.file()+openingMark), o.e.log.syncDir(o.dir())); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(o.aside, err)
	}
	return o.aside
}
