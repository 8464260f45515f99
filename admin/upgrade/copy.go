package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// reserve is the room that a copy leaves on the disk, in octets.
const reserve = 256 << 20

// Copied says what a copy took.
type Copied struct {
	Linked int   `json:"linked"` // files that are the same in both
	Cloned int   `json:"cloned"` // files that share their blocks until one is changed
	Files  int   `json:"files"`  // files that were copied octet by octet
	Bytes  int64 `json:"bytes"`  // of those
}

// isData reports whether an entry of a data folder belongs to what a schema
// describes, and is copied, brought over and switched. All else stays where it
// is and serves both programs: certificates, exports, backups, the socket.
func isData(name string) bool {
	return name == "store" || name == "schema" || strings.HasSuffix(name, ".db")
}

// entries lists what is data in a folder.
func entries(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, d := range list {
		if isData(d.Name()) {
			names = append(names, d.Name())
		}
	}
	return names, err
}

// copyData copies the data of from to the folder to, which it makes. Nobody may
// have it open.
func copyData(ctx context.Context, from, to string) (c Copied, err error) {
	names, err := entries(from)
	if err != nil {
		return c, err
	}
	if err := os.RemoveAll(to); err != nil {
		return c, err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return c, err
	}
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(from, name), func(path string, d fs.DirEntry, err error) error {
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			return c.one(path, filepath.Join(to, rel), filepath.ToSlash(rel), d)
		})
		if err != nil {
			return c, fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return c, syncFileSystem(to)
}

// syncFileSystem makes all that was copied durable.
func syncFileSystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// one copies one file or makes one folder.
func (c *Copied) one(from, to, rel string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return os.MkdirAll(to, 0o700)
	case rel == "store/lock" || !d.Type().IsRegular():
		return nil
	case strings.HasPrefix(rel, "store/log/") || strings.HasPrefix(rel, "store/big/"):
		if err := os.Link(from, to); err == nil {
			c.Linked++
			return nil
		}
	}
	return c.file(from, to)
}

// file copies one file, by sharing its blocks where the file system can.
func (c *Copied) file(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer out.Close()
	keepOwner(out, info)
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		c.Cloned++
		return out.Close()
	}
	n, err := io.Copy(out, in)
	c.Files, c.Bytes = c.Files+1, c.Bytes+n
	return errors.Join(err, out.Close())
}

// checkRoom refuses a copy that the disk has no room for, as if nothing could
// be cloned.
func checkRoom(dir string) error {
	names, err := entries(dir)
	if err != nil {
		return err
	}
	var need int64
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if rel, _ := filepath.Rel(dir, path); d.IsDir() && (rel == "store/log" || rel == "store/big") {
				return filepath.SkipDir
			}
			if info, err := d.Info(); err == nil && d.Type().IsRegular() {
				need += info.Size()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return err
	}
	if free := int64(s.Bavail) * s.Bsize; free < 2*need+reserve {
		return fmt.Errorf("the upgrade is tried on copies of the databases, which take %d MiB, and %d MiB are free: make room first", (2*need+reserve)>>20, free>>20)
	}
	return nil
}
