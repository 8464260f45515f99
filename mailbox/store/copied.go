package store

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// For those who have copies of the files of a store: backups.

// Extent says which octets of which file a body is in, with the header before
// it. The name is relative, as BackupSink has it. n is what has to be there to
// read the body; of a large one it is the whole file.
func (r Ref) Extent() (name string, off, n int64) {
	if num, ok := r.big(); ok {
		return fmt.Sprintf("big/%02x/%d", num&0xff, num), 0, recordLen(r)
	}
	return fmt.Sprintf("log/%08x.log", r.place().seg()), r.place().off(), recordLen(r)
}

// LogBefore returns the name of the first segment of the log that recovery
// reads, for a copy of sys.db: older ones are read for bodies alone.
func LogBefore(sysDB string) (name string, err error) {
	var low lsn
	err = readOnly(sysDB, func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucketMark); b != nil {
			low = lsn(uint64Of(b.Get(keyLow)))
		}
		return nil
	})
	return fmt.Sprintf("log/%08x.log", low.seg()), err
}

// CheckFile looks through all pages of a bbolt file that no process has open,
// any of ours, and says what is wrong with it.
func CheckFile(name string) error {
	if err := checkPages(name); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return readOnly(name, func(tx *bolt.Tx) error {
		var errs []error
		for err := range tx.Check() {
			if len(errs) < maxCheckErrors {
				errs = append(errs, err)
			}
		}
		if len(errs) > 0 {
			return fmt.Errorf("%w: %w", ErrDamaged, errors.Join(errs...))
		}
		return nil
	})
}

// maxCheckErrors bounds what CheckFile says.
const maxCheckErrors = 10

// readOnly runs fn on a file that is not in use.
func readOnly(name string, fn func(*bolt.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil { // bbolt does on torn files
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	db, err := bolt.Open(name, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second, PreLoadFreelist: true})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return errors.Join(db.View(fn), db.Close())
}
