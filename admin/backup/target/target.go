// Package target says what a place for backups has to do. There are three:
// folder, sftp and s3. A target keeps whole objects under slash-separated
// names and knows nothing of what is in them; admin/backup has encrypted it.
package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxObject is the largest object that Get reads, in octets: what a target
// says of a size is not believed.
const MaxObject = 1 << 30

// Errors of targets, for errors.Is.
var (
	// ErrNotFound means that there is no object of a name.
	ErrNotFound = errors.New("target: there is no such object")
	// ErrTooLarge means that an object has more than MaxObject octets.
	ErrTooLarge = errors.New("target: the object is too large to be one of ours")
)

// Object is what List says of an object.
type Object struct {
	Name string
	Size int64
}

// Target is a place for backups. Its methods may be called concurrently.
type Target interface {
	// Put writes an object, in place of one that may be there. After a failure
	// the object is the old one, or there is none; when Put returns nil it is on
	// stable storage.
	Put(ctx context.Context, name string, content []byte) error
	// Get reads an object; ErrNotFound if there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// List returns the objects whose names begin with a folder, in any order;
	// none if there is no such folder.
	List(ctx context.Context, folder string) ([]Object, error)
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	Close() error
}

// CheckName refuses names that could lead out of a folder.
func CheckName(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\\\x00") {
			return fmt.Errorf("target: %q cannot be the name of an object", name)
		}
	}
	return nil
}

// ReadAll reads an object to its end, at most MaxObject octets.
func ReadAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxObject+1))
	if err == nil && len(b) > MaxObject {
		err = ErrTooLarge
	}
	return b, err
}
