package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/mailstead/mailstead/mail/disk"
)

// fsys is the part of the operating system that the log and the large bodies
// need. Tests put one in its place that records or fails.
type fsys interface {
	Create(name string) (file, error) // fails if it exists
	Open(name string) (file, error)   // for reading and writing
	Remove(name string) error
	SyncDir(name string) error // makes names in the folder durable
	Room(name string) (disk.Room, error)
}

// file is an open file of the log.
type file interface {
	io.ReaderAt
	io.Closer
	WriteVec(off int64, bufs [][]byte) error
	Datasync() error
	Truncate(size int64) error
	Punch(off, n int64) error
	Allocate(off, n int64) error
	Size() (int64, error)
	Blocks() (int64, error) // octets that the file really takes
}

// osFS is the real one.
type osFS struct{}

func (osFS) Create(name string) (file, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Open(name string) (file, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, unix.EROFS) { // what is there can be read
		f, err = os.Open(name)
	}
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osFS) Room(name string) (disk.Room, error) { return disk.Of(name) }

type osFile struct{ *os.File }

// maxVec is what one pwritev takes (IOV_MAX).
const maxVec = 1024

func (f osFile) WriteVec(off int64, bufs [][]byte) error {
	for len(bufs) > 0 {
		n, err := unix.Pwritev(int(f.Fd()), bufs[:min(len(bufs), maxVec)], off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "write", Path: f.Name(), Err: err}
		}
		off += int64(n)
		bufs = skip(bufs, n)
	}
	return nil
}

// skip drops the first n octets of bufs.
func skip(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if len(bufs) > 0 && n > 0 {
		rest := append([][]byte{bufs[0][n:]}, bufs[1:]...)
		return rest
	}
	return bufs
}

func (f osFile) Datasync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
		return nil
	}
}

func (f osFile) Punch(off, n int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return errors.ErrUnsupported
	}
	return err
}

func (f osFile) Allocate(off, n int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, off, n)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return errors.ErrUnsupported
	}
	return err
}

func (f osFile) Size() (int64, error) {
	s, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return s.Size(), nil
}

func (f osFile) Blocks() (int64, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return 0, err
	}
	return s.Blocks * 512, nil
}

// makeDirs makes the folders of a store and makes their names durable.
func makeDirs(fs fsys, dir string) error {
	for _, d := range []string{"", "log", "big", "acct"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	return errors.Join(fs.SyncDir(dir), fs.SyncDir(filepath.Dir(dir)))
}
