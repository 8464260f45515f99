package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// Backup implements Store. The copy is a store folder: put it in place and
// open it, and recovery closes what lies between the snapshots of the owners
// and the end of the log. Nothing is given back meanwhile.
func (e *Engine) Backup(ctx context.Context, to BackupSink) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := e.reclaiming.Take(ctx); err != nil {
		return err
	}
	defer e.reclaiming.Give()
	if err := e.usable(); err != nil {
		return err
	}
	// The low-water mark comes first: all that is copied later is newer.
	if err := snapshot(e.sys.db, to, "sys.db"); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	for _, o := range e.allOwners() {
		if err := e.going(ctx); err != nil {
			return err
		}
		if err := o.backup(to); err != nil {
			return fmt.Errorf("backup of owner %d: %w", o.id, err)
		}
	}
	end := e.log.position()
	if err := e.backupLog(ctx, to, end); err != nil {
		return fmt.Errorf("backup of the log: %w", err)
	}
	if err := e.backupBig(ctx, to); err != nil {
		return fmt.Errorf("backup of large bodies: %w", err)
	}
	return nil
}

func snapshot(db *bolt.DB, to BackupSink, name string) error {
	w, err := to.Create(name)
	if err != nil {
		return err
	}
	err = db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
	return closeAfter(w, err)
}

func closeAfter(w io.Closer, err error) error {
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

// backup copies an owner's database; one that is set aside is not copied, its
// mail in the log is.
func (o *owner) backup(to BackupSink) error {
	db, err := o.acquire(false)
	if errors.Is(err, ErrSetAside) {
		return nil
	}
	if err != nil || db == nil {
		return err
	}
	defer o.release()
	name := "queue.db"
	if o.id != Queue {
		name = "acct/" + strconv.FormatUint(uint64(o.id), 10) + "/mail.db"
	}
	return o.guarded(func() error { return snapshot(db, to, name) })
}

func (e *Engine) backupLog(ctx context.Context, to BackupSink, end lsn) error {
	segs, err := e.log.segments()
	if err != nil {
		return err
	}
	for _, seg := range segs {
		if seg > end.seg() {
			continue
		}
		if err := e.going(ctx); err != nil {
			return err
		}
		name := fmt.Sprintf("log/%08x.log", seg)
		if seg < end.seg() && skips(to, name) {
			continue
		}
		s, err := e.log.acquire(seg)
		if err != nil {
			return err
		}
		size, err := s.Size()
		if seg == end.seg() {
			size = end.off()
		}
		if err == nil {
			err = copyTo(to, name, s, size)
		}
		e.log.release(s)
		if err != nil {
			return err
		}
	}
	return nil
}

// skips reports whether a sink has a file already.
func skips(to BackupSink, name string) bool {
	s, ok := to.(BackupSkipper)
	return ok && s.Skip(name)
}

func copyTo(to BackupSink, name string, r io.ReaderAt, size int64) error {
	w, err := to.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, io.NewSectionReader(r, 0, size))
	return closeAfter(w, err)
}

func (e *Engine) backupBig(ctx context.Context, to BackupSink) error {
	names, err := filepath.Glob(filepath.Join(e.big.dir, "??", "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := e.going(ctx); err != nil {
			return err
		}
		short := "big/" + filepath.Base(filepath.Dir(name)) + "/" + filepath.Base(name)
		if skips(to, short) {
			continue
		}
		f, err := e.opts.fs.Open(name)
		if os.IsNotExist(err) {
			continue // abandoned meanwhile
		}
		if err != nil {
			return err
		}
		size, err := f.Size()
		if err == nil {
			err = copyTo(to, short, f, size)
		}
		if err := closeAfter(f, err); err != nil {
			return err
		}
	}
	return nil
}
