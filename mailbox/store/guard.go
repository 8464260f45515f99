package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// openingMark is the name of a file beside a database while it is being
// opened. bbolt walks the pages of a file in a goroutine of its own when it
// opens one, and panics there if they are torn: nobody can recover from that.
// A mark that is there before an opening says that the process ended in the
// last one. It has an octet for each such attempt.
const openingMark = ".opening"

// maxAttempts is how often opening a database may end the process although
// its pages look right.
const maxAttempts = 3

// mmapSize of a database, in address space only: growing beyond it waits for
// readers.
const mmapSize = 64 << 20

// growSize is by how much a database's file grows: bbolt's own 16 MiB would
// make small files look large.
const growSize = 256 << 10

// openDB opens the database; o.mu is held.
func (o *owner) openDB() error {
	if !o.there {
		if err := o.create(); err != nil {
			return err
		}
	}
	_, err := os.Lstat(o.file() + openingMark)
	again := err == nil
	broken, err := o.mark()
	if err != nil {
		return o.e.passingError(err)
	}
	if broken == nil {
		broken = checkScanned(o.file())
	}
	if broken != nil {
		return o.putAside(broken)
	}
	db, err := openBolt(o.file(), o.e.opts.noSync)
	if errors.Is(err, unix.EROFS) { // what is there can be read
		db, err = openBoltWith(o.file(), bolt.Options{ReadOnly: true})
	}
	o.unmark(again)
	if err != nil {
		if damaged(err) {
			return o.putAside(err)
		}
		return o.e.passingError(fmt.Errorf("open database of owner %d: %w", o.id, err))
	}
	o.there, o.db = true, db
	return nil
}

// create makes an empty database.
func (o *owner) create() error {
	if err := os.MkdirAll(o.dir(), 0o700); err != nil {
		return o.e.passingError(err)
	}
	if err := createBolt(o.file(), o.e.opts.noSync); err != nil {
		return o.e.passingError(err)
	}
	if err := errors.Join(o.e.log.syncDir(o.dir()), o.e.log.syncDir(filepath.Dir(o.dir()))); err != nil {
		return o.e.fail(err)
	}
	o.there = true
	return nil
}

// createBolt makes an empty database under another name first, so that a crash
// leaves a whole one or none. The caller syncs the folder.
func createBolt(name string, noSync bool) error {
	unfinished := name + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := openBolt(unfinished, noSync)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	return os.Rename(unfinished, name)
}

// errTorn wraps what bbolt says of a torn file by a panic.
var errTorn = errors.New("torn pages")

func openBolt(name string, noSync bool) (*bolt.DB, error) {
	return openBoltWith(name, bolt.Options{NoSync: noSync})
}

func openBoltWith(name string, o bolt.Options) (db *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errTorn, p)
		}
	}()
	o.Timeout, o.FreelistType, o.NoFreelistSync, o.InitialMmapSize = time.Second, bolt.FreelistMapType, true, mmapSize
	db, err = bolt.Open(name, 0o600, &o)
	if err == nil {
		db.AllocSize = growSize
	}
	return db, err
}

// checkScanned looks through the pages of a database that was not closed, for
// bbolt does so too when it opens one, and ends the process if they are torn.
// A large one is read in one go before: from the system's memory the walk takes
// a fraction of the time that it takes page by page from the disk. Other errors
// are told by opening.
func checkScanned(name string) (broken error) {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	w := pageWalk{f: f, seen: map[uint64]struct{}{}}
	root, err := w.meta()
	if err != nil || w.freelist != noFreelist {
		return nil
	}
	if s, err := f.Stat(); err == nil && s.Size() > scanSize {
		io.Copy(io.Discard, f)
	}
	return w.tree(root, 0)
}

// mark writes the mark of opening. If there is one it looks at the pages: the
// process may have ended for another reason while the database was opened. So
// it does if the disk takes no mark.
func (o *owner) mark() (broken, err error) {
	broken, err = o.tryMark()
	if noRoom(err) || errors.Is(err, unix.EROFS) {
		return checkPages(o.file()), nil
	}
	return broken, err
}

// unmark removes the mark: for good if it was there before, or it would come
// back with each loss of power until the database looks as if nobody can open
// it. An error means no more than that it is there next time.
func (o *owner) unmark(again bool) {
	if os.Remove(o.file()+openingMark) == nil && again {
		o.e.log.syncDir(filepath.Dir(o.file()))
	}
}

func (o *owner) tryMark() (broken, err error) {
	f, err := os.OpenFile(o.file()+openingMark, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		if broken := checkPages(o.file()); broken != nil {
			return broken, nil
		}
		f, err = os.OpenFile(o.file()+openingMark, os.O_WRONLY|os.O_APPEND, 0o600)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if s.Size() >= maxAttempts {
		return errors.New("opening it has ended the process again and again"), nil
	}
	_, err = f.Write([]byte{'o'})
	return nil, err
}

// damaged reports whether an error of opening says that the file is broken,
// and not that the system would not open it.
func damaged(err error) bool {
	for _, e := range []error{bolterrors.ErrInvalid, bolterrors.ErrVersionMismatch, bolterrors.ErrChecksum, errTorn, io.ErrUnexpectedEOF} {
		if errors.Is(err, e) {
			return true
		}
	}
	return strings.Contains(err.Error(), "file size too small")
}

// databasePanic is a panic of bbolt that was caught once already.
type databasePanic struct{ cause any }

// isDatabasePanic reports whether the panic that is being recovered was raised
// by bbolt, or is a fault on reading its memory map, and not a mistake of
// whoever works with rows.
func isDatabasePanic(p any) bool {
	if _, ok := p.(databasePanic); ok {
		return true
	}
	if fault, ok := p.(interface{ Addr() uintptr }); ok { // only real memory has an address: not a nil pointer
		return fault.Addr() != 0
	}
	return strings.HasPrefix(raisedBy(), "go.etcd.io/bbolt")
}

// raisedBy returns the function that raised the panic being recovered, or
// whose use of the basic packages did.
func raisedBy() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !isBasic(f.Function):
			return f.Function
		}
		if !more {
			return ""
		}
	}
}

func isBasic(function string) bool {
	for _, pkg := range []string{"runtime.", "internal/", "bytes.", "sort.", "slices.", "sync."} {
		if strings.HasPrefix(function, pkg) {
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
		// It may be mapped by others, so it is looked at, and renamed if it is
		// torn, at the next start.
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
