package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mailbox/store"
)

// writer turns the files of a backup into chunks. It is the store.BackupSink.
type writer struct {
	ctx     context.Context
	p       *packer
	scratch string      // folder for copies of bbolt files
	disk    *disk.Guard // as of the repository
	root    string      // of the store, for stamps
	old     map[string]*File
	now     func() time.Time
	seen    func(octets int64)

	files []File
}

var (
	_ store.BackupSink    = (*writer)(nil)
	_ store.BackupSkipper = (*writer)(nil)
)

// storePrefix is before the names of files of the store.
const storePrefix = "store/"

// isDatabase reports whether a file is a bbolt file, by its name.
func isDatabase(name string) bool { return strings.HasSuffix(name, ".db") }

// Create implements store.BackupSink.
func (w *writer) Create(name string) (io.WriteCloser, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, context.Cause(w.ctx)
	}
	if isDatabase(name) {
		return w.database(storePrefix + name)
	}
	stamp := stampOf(filepath.Join(w.root, filepath.FromSlash(name)), w.now()) // before it is read
	return w.create(storePrefix+name, logChunk, stamp), nil
}

// Skip implements store.BackupSkipper: a file that is as it was in the last
// backup is not read.
func (w *writer) Skip(name string) bool {
	old := w.old[storePrefix+name]
	if old == nil || old.Stamp == nil || isDatabase(name) {
		return false
	}
	now := stampOf(filepath.Join(w.root, filepath.FromSlash(name)), w.now())
	if now == nil || *now != *old.Stamp || !w.stored(old) {
		return false
	}
	w.files = append(w.files, *old)
	w.seen(old.Size)
	return true
}

// stored reports whether all chunks of a file are there.
func (w *writer) stored(f *File) bool {
	return f.each(func(_ int, id chunkID) error {
		if !w.p.r.have(id) {
			return io.EOF
		}
		return nil
	}) == nil
}

// create begins a file.
func (w *writer) create(name string, chunk int, stamp *Stamp) *fileWriter {
	return &fileWriter{w: w, file: File{Name: name, ChunkSize: chunk, Stamp: stamp}, buf: make([]byte, 0, chunk)}
}

// fileWriter is a file on its way.
type fileWriter struct {
	w    *writer
	file File
	buf  []byte
}

func (f *fileWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		k := min(len(b), f.file.ChunkSize-len(f.buf))
		f.buf = append(f.buf, b[:k]...)
		b, n = b[k:], n+k
		if len(f.buf) == f.file.ChunkSize {
			if err := f.chunk(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (f *fileWriter) chunk() error {
	id, err := f.w.p.add(f.buf)
	if err != nil {
		return err
	}
	f.file.Size += int64(len(f.buf))
	f.file.Chunks = append(f.file.Chunks, id[:]...)
	f.w.seen(int64(len(f.buf)))
	f.buf = f.buf[:0]
	return nil
}

func (f *fileWriter) Close() error {
	if len(f.buf) > 0 {
		if err := f.chunk(); err != nil {
			return err
		}
	}
	f.w.files = append(f.w.files, f.file)
	return nil
}

// database begins the copy of a bbolt file: on the disk first, so that no
// transaction is open while a target takes octets.
func (w *writer) database(name string) (io.WriteCloser, error) {
	f, err := os.CreateTemp(w.scratch, "copy-*")
	if err != nil {
		return nil, err
	}
	return &copyWriter{f, w, name}, nil
}

type copyWriter struct {
	*os.File
	w    *writer
	name string
}

// Write writes while there is room for more than mail.
func (c *copyWriter) Write(p []byte) (int, error) {
	if err := c.w.disk.Check(disk.Bulk, int64(len(p))); err != nil {
		return 0, fmt.Errorf("copy of %s in the scratch folder; set backup.scratch to a folder on another disk: %w", c.name, err)
	}
	return c.File.Write(p)
}

// ReadFrom keeps io.Copy from writing past Write.
func (c *copyWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// Close takes the copy apart, and removes it.
func (c *copyWriter) Close() (err error) {
	defer func() {
		c.File.Close()
		if rerr := os.Remove(c.File.Name()); err == nil {
			err = rerr
		}
	}()
	if _, err := c.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to := c.w.create(c.name, dbChunk, nil)
	if _, err := io.Copy(to, struct{ io.Reader }{c.File}); err != nil {
		return err
	}
	return to.Close()
}

// dump writes a file by a function, such as the copy of a database that is in
// use.
func (w *writer) dump(name string, write func(io.Writer) error) error {
	f, err := w.database(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		c := f.(*copyWriter)
		c.File.Close()
		os.Remove(c.File.Name())
		if errors.Is(err, ErrNoFile) {
			return nil
		}
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return f.Close()
}

// content writes a small file that is in memory.
func (w *writer) content(name string, b []byte) error {
	f := w.create(name, logChunk, nil)
	if _, err := io.Copy(f, bytes.NewReader(b)); err != nil {
		return err
	}
	return f.Close()
}

// maxSmall bounds a file of folder.
const maxSmall = 16 << 20

// folder writes the small files below a folder: certificates and their keys.
func (w *writer) folder(name, dir string) error {
	return w.small(name, dir, func(string, os.DirEntry) bool { return true })
}

// records copies the small files of a folder that are records in JSON, and
// nothing of the folders below it.
func (w *writer) records(name, dir string) error {
	return w.small(name, dir, func(path string, d os.DirEntry) bool {
		return path == dir || !d.IsDir() && filepath.Ext(path) == ".json"
	})
}

// small copies the small files of a folder that want says.
func (w *writer) small(name, dir string, want func(path string, d os.DirEntry) bool) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !want(path, d) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if os.IsNotExist(err) {
			return nil // replaced meanwhile, or there is none
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) || err == nil && len(b) > maxSmall {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return w.content(name+"/"+filepath.ToSlash(rel), b)
	})
}
