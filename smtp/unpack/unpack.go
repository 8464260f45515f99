package unpack

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Bounds of archives. A directory entry of a zip file costs more memory than
// octets, so that they are counted before anything is opened.
const (
	maxEntries = 16
	// ratioFrom is where the ratio begins to count: small files of repeated
	// text are packed very well.
	ratioFrom = 1 << 20
)

// Reasons why a file is not opened, for errors.Is.
var (
	// ErrTooLarge means that more came out of the file than is allowed.
	ErrTooLarge = errors.New("unpack: too large")
	// ErrBroken means that the file is damaged, or something else than it
	// seems to be.
	ErrBroken = errors.New("unpack: broken")
)

// Limits are what may come out of a file. Zero values are the defaults.
type Limits struct {
	Size  int64 // octets; 0 is 16 MiB
	Ratio int64 // octets out of one that is in the file, after the first MiB; 0 is 200
}

// Format is how a file is packed.
type Format uint8

const (
	Plain Format = iota
	Gzip
	Zip
)

func (f Format) String() string { return [...]string{"plain", "gzip", "zip"}[f] }

// FormatOf looks at the first octets of a file.
func FormatOf(head []byte) Format {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return Zip
	}
	return Plain
}

// Open returns what is in a file: its own octets if it is not packed. Of a zip
// file with several entries it is the first one that keep wants by its name,
// or the first if there is none.
func Open(file []byte, keep func(name string) bool, l Limits) ([]byte, error) {
	if l.Size == 0 {
		l.Size = 16 << 20
	}
	if l.Ratio == 0 {
		l.Ratio = 200
	}
	switch FormatOf(file) {
	case Gzip:
		r, err := gzip.NewReader(bytes.NewReader(file))
		if err != nil {
			return nil, fmt.Errorf("%w gzip file: %v", ErrBroken, err)
		}
		return l.read(r, int64(len(file)), Gzip)
	case Zip:
		return openZip(file, keep, l)
	}
	if int64(len(file)) > l.Size {
		return nil, fmt.Errorf("%w: the file has %d octets; %d are allowed", ErrTooLarge, len(file), l.Size)
	}
	return file, nil
}

func openZip(file []byte, keep func(name string) bool, l Limits) ([]byte, error) {
	if bytes.Count(file, []byte("PK\x01\x02")) > maxEntries {
		return nil, fmt.Errorf("%w: the zip file has more than %d entries", ErrTooLarge, maxEntries)
	}
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, fmt.Errorf("%w zip file: %v", ErrBroken, err)
	}
	entry := choose(z.File, keep)
	if entry == nil {
		return nil, fmt.Errorf("%w zip file: there is no file in it", ErrBroken)
	}
	r, err := entry.Open()
	if err != nil {
		return nil, fmt.Errorf("%w zip file: %v", ErrBroken, err)
	}
	defer r.Close()
	return l.read(r, int64(len(file)), Zip)
}

func choose(files []*zip.File, keep func(name string) bool) *zip.File {
	var first *zip.File
	for _, f := range files {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if keep(path.Base(f.Name)) {
			return f
		}
		if first == nil {
			first = f
		}
	}
	return first
}

// read unpacks, and stops at a limit. What is packed in a zip file beside the
// entry counts for it in the ratio, which does no harm.
func (l Limits) read(r io.Reader, packed int64, f Format) ([]byte, error) {
	most := l.Size
	if byRatio := max(packed*l.Ratio, ratioFrom); byRatio < most {
		most = byRatio
	}
	out, err := readAll(io.LimitReader(r, most+1))
	n := int64(len(out))
	switch {
	case n > most && most < l.Size:
		return nil, fmt.Errorf("%w: more than %d octets come out of each that is in the %v file", ErrTooLarge, l.Ratio, f)
	case n > most:
		return nil, fmt.Errorf("%w: more than %d octets come out of the %v file", ErrTooLarge, l.Size, f)
	case err != nil:
		return nil, fmt.Errorf("%w %v file: %v", ErrBroken, f, err)
	}
	return out, nil
}

// chunk is what is read at once.
const chunk = 256 << 10

// readAll is io.ReadAll that takes twice the memory of what it reads at most.
func readAll(r io.Reader) ([]byte, error) {
	var full [][]byte
	c := make([]byte, 0, chunk)
	for {
		n, err := r.Read(c[len(c):cap(c)])
		c = c[:len(c)+n]
		switch {
		case err == io.EOF:
			return slices.Concat(append(full, c)...), nil
		case err != nil:
			return nil, err
		case len(c) == cap(c):
			full, c = append(full, c), make([]byte, 0, chunk)
		}
	}
}
