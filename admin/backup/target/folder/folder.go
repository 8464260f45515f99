// Package folder keeps backups in a folder of this machine: another disk, or a
// network file system that is mounted. An object is written under another
// name, synced and renamed, so that it is there whole or not at all.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/mail/durable"
)

// unfinished ends the names of files that are being written; durable gives
// them.
const unfinished = ".new"

// Folder is a target.Target.
type Folder struct{ dir string }

var _ target.Target = (*Folder)(nil)

// Open uses the folder dir, which is made if it is missing.
func Open(dir string) (*Folder, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("folder for backups: %q is not a whole path; write it as in /mnt/backup", dir)
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for backups: %w%s", err, hint(err))
	}
	return &Folder{dir}, nil
}

// hint says what to do where the server may not write.
func hint(err error) string {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return "; make the folder for the user of the service, let its unit write there (ReadWritePaths=), and restart the server: its sandbox knows the folders that were named when it started"
	}
	return ""
}

func (f *Folder) path(name string) (string, error) {
	if err := target.CheckName(name); err != nil {
		return "", err
	}
	return filepath.Join(f.dir, filepath.FromSlash(name)), nil
}

// Put implements target.Target.
func (f *Folder) Put(ctx context.Context, name string, content []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("%w%s", err, hint(err))
	}
	if err := durable.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("%w%s", err, hint(err))
	}
	return nil
}

// Get implements target.Target.
func (f *Folder) Get(ctx context.Context, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := f.path(name)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", target.ErrNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	b, err := target.ReadAll(file)
	return b, errors.Join(err, file.Close())
}

// List implements target.Target.
func (f *Folder) List(ctx context.Context, folder string) ([]target.Object, error) {
	root, err := f.path(folder)
	if err != nil {
		return nil, err
	}
	var list []target.Object
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || strings.HasSuffix(path, unfinished) {
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(f.dir, path)
		list = append(list, target.Object{Name: filepath.ToSlash(rel), Size: info.Size()})
		return err
	})
	return list, err
}

// Delete implements target.Target.
func (f *Folder) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Close implements target.Target.
func (f *Folder) Close() error { return nil }
