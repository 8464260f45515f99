// Package durable makes small files that a loss of power leaves whole or not
// at all: settings, keys, new databases. Mail has its own ways, in the store.
//
// It knows nothing of mail; directory, traces, certificates and the command
// use it.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Create makes the file name as a whole, in place of one that may be there.
// fill makes it under another name in the same folder; Create syncs it, gives
// it its name and makes that durable.
func Create(name string, fill func(unfinished string) error) error {
	unfinished := name + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fill(unfinished); err != nil {
		return err
	}
	if err := sync(unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, name); err != nil {
		return err
	}
	return sync(filepath.Dir(name))
}

// WriteFile is Create for what is in memory.
func WriteFile(name string, content []byte, mode os.FileMode) error {
	return Create(name, func(unfinished string) error { return os.WriteFile(unfinished, content, mode) })
}

// MkdirAll makes a folder, and those above it that are missing, to stay.
func MkdirAll(name string, mode os.FileMode) error {
	if s, err := os.Stat(name); err == nil && s.IsDir() {
		return nil
	}
	above := filepath.Dir(name)
	if above != name {
		if err := MkdirAll(above, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(name, mode); err != nil {
		if s, statErr := os.Stat(name); statErr == nil && s.IsDir() { // by another meanwhile
			return nil
		}
		return err
	}
	return sync(above)
}

// sync makes a file durable, or the names in a folder.
func sync(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
