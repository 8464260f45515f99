package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The parts of bbolt's file format that checkPages needs, in the byte order of
// the machine.
//
//	page    id 8 · flags 2 · count 2 · overflow 4 · elements
//	branch  pos 4 · ksize 4 · page 8
//	leaf    flags 4 · pos 4 · ksize 4 · vsize 4
//	bucket  root 8 · sequence 8 · the page itself if root is 0
//	meta    magic 4 · version 4 · page size 4 · flags 4 · root bucket 16 · freelist 8 · end 8 · txid 8 · checksum 8
const (
	pageHeader  = 16
	pageElement = 16
	pageBranch  = 1
	pageLeaf    = 2
	leafBucket  = 1
	metaMagic   = 0xED0CDAED
	metaSize    = 64
	maxDepth    = 64
	noFreelist  = 1<<64 - 1 // the meta page names none
)

// pageWalk walks the tree of a database.
type pageWalk struct {
	f        io.ReaderAt
	size     int64 // of a page
	end      uint64
	freelist uint64
	seen     map[uint64]struct{}
}

// checkPages looks through the pages of a database file like bbolt does when
// it opens one, but says what is wrong instead of ending the process.
func checkPages(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := pageWalk{f: f, seen: map[uint64]struct{}{}}
	root, err := w.meta()
	if err != nil {
		return err
	}
	return w.tree(root, 0)
}

// meta finds the newer of the two meta pages and returns the root page.
func (w *pageWalk) meta() (root uint64, err error) {
	var newest uint64
	for i := -1; i < 15; i++ { // the second one lies behind a page of unknown size
		off := int64(0)
		if i >= 0 {
			off = 1024 << i
		}
		var b [pageHeader + metaSize]byte
		if _, err := w.f.ReadAt(b[:], off); err != nil {
			continue
		}
		ne, m := binary.NativeEndian, b[pageHeader:]
		h := fnv.New64a()
		h.Write(m[:metaSize-8])
		size := int64(ne.Uint32(m[8:]))
		if ne.Uint32(m) != metaMagic || h.Sum64() != ne.Uint64(m[56:]) || off != 0 && off != size || size < 512 || size > 1<<24 {
			continue
		}
		if txid := ne.Uint64(m[48:]); w.size == 0 || txid > newest {
			newest, w.size, root, w.freelist, w.end = txid, size, ne.Uint64(m[16:]), ne.Uint64(m[32:]), ne.Uint64(m[40:])
		}
	}
	if w.size == 0 {
		return 0, errors.New("no valid meta page")
	}
	return root, nil
}

// tree checks a page and all that hang from it.
func (w *pageWalk) tree(id uint64, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d: tree is too deep", id)
	}
	page, err := w.page(id)
	if err != nil {
		return err
	}
	return w.elements(page, id, depth)
}

// page reads a page with its overflow.
func (w *pageWalk) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.end {
		return nil, fmt.Errorf("page %d of %d", id, w.end)
	}
	page := make([]byte, w.size)
	if _, err := w.f.ReadAt(page, int64(id)*w.size); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	over := uint64(binary.NativeEndian.Uint32(page[12:]))
	if got := binary.NativeEndian.Uint64(page); got != id || over >= w.end-id {
		return nil, fmt.Errorf("page %d says that it is page %d, with %d more", id, got, over)
	}
	for i := range over + 1 {
		if _, twice := w.seen[id+i]; twice {
			return nil, fmt.Errorf("page %d is used twice", id+i)
		}
		w.seen[id+i] = struct{}{}
	}
	if over == 0 {
		return page, nil
	}
	page = make([]byte, int64(over+1)*w.size)
	if _, err := w.f.ReadAt(page, int64(id)*w.size); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return page, nil
}

// elements checks what is on a page, or on the page inside a bucket's value.
func (w *pageWalk) elements(page []byte, id uint64, depth int) error {
	ne := binary.NativeEndian
	flags, count := ne.Uint16(page[8:]), int(ne.Uint16(page[10:]))
	if flags != pageBranch && flags != pageLeaf || pageHeader+count*pageElement > len(page) || flags == pageBranch && count == 0 {
		return fmt.Errorf("page %d: flags %#x with %d elements", id, flags, count)
	}
	var last []byte
	for i := range count {
		at := pageHeader + i*pageElement
		e := page[at:]
		pos, ksize, vsize := ne.Uint32(e), ne.Uint32(e[4:]), uint32(0)
		if flags == pageLeaf {
			pos, ksize, vsize = ne.Uint32(e[4:]), ne.Uint32(e[8:]), ne.Uint32(e[12:])
		}
		from := uint64(at) + uint64(pos)
		if from+uint64(ksize)+uint64(vsize) > uint64(len(page)) {
			return fmt.Errorf("page %d: element %d lies outside", id, i)
		}
		key := page[from : from+uint64(ksize)]
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return fmt.Errorf("page %d: element %d is out of order", id, i)
		}
		last = key
		var err error
		switch {
		case flags == pageBranch:
			err = w.tree(ne.Uint64(e[8:]), depth+1)
		case ne.Uint32(e)&leafBucket != 0:
			err = w.bucket(page[from+uint64(ksize):][:vsize], id, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket inside a value of page id.
func (w *pageWalk) bucket(v []byte, id uint64, depth int) error {
	if len(v) < 16 {
		return fmt.Errorf("page %d: short bucket", id)
	}
	if root := binary.NativeEndian.Uint64(v); root != 0 {
		return w.tree(root, depth+1)
	}
	if len(v) < 16+pageHeader || binary.NativeEndian.Uint16(v[16+8:]) != pageLeaf || depth > maxDepth {
		return fmt.Errorf("page %d: bucket without its page", id)
	}
	return w.elements(v[16:], id, depth+1)
}
