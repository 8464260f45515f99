package disktest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// unsynced is what a loss of power may take back.
type unsynced struct {
	clock int64 // grows with each change
	kept  int   // files kept that were removed
	names []nameChange
	files map[fileID]*fileState
}

// fileID is the same whatever the file is called.
type fileID struct{ dev, inode uint64 }

// fileState is a file and what was done to it since it was synced.
type fileState struct {
	*os.File
	changes []change
}

// change is one change of a file.
type change struct {
	at      int64
	kind    Kind // Write or Truncate
	off     int64
	data    []byte // that was written
	old     []byte // what was there, as far as the file went
	oldSize int64
	durable bool
	missed  bool // by a sync that failed: a later one does not make it durable
}

// nameChange is one change of a folder.
type nameChange struct {
	at         int64
	kind       Kind // Create, Mkdir, Remove, Rename
	name, from string
	kept       string // another name of the file that was removed, or replaced
}

// before returns what is in a file, and its size. What has no name any more is
// lost anyway.
func (d *Disk) before(fd int, off, n int64) (old []byte, size int64, err error) {
	f, err := d.file(fd)
	if f == nil || err != nil {
		return nil, 0, err
	}
	s, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	old = make([]byte, max(0, min(n, s.Size()-off)))
	_, err = f.ReadAt(old, off)
	if len(old) == 0 || err == io.EOF {
		err = nil
	}
	return old, s.Size(), err
}

// file opens a file of the process for ourselves; nil if it has no name.
func (d *Disk) file(fd int) (*fileState, error) {
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil || s.Nlink == 0 {
		return nil, err
	}
	id := fileID{s.Dev, s.Ino}
	if f := d.files[id]; f != nil {
		return f, nil
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	d.files[id] = &fileState{File: f}
	return d.files[id], nil
}

func (d *Disk) changed(fd int, c change) {
	if f, err := d.file(fd); err == nil && f != nil {
		d.clock++
		c.at = d.clock
		f.changes = append(f.changes, c)
	}
}

func (d *Disk) renamed(c nameChange) {
	d.clock++
	c.at = d.clock
	d.names = append(d.names, c)
}

// neverWas forgets an empty file that was only just made, as those are that
// shall have no name: there is no telling it from one that was not.
func (d *Disk) neverWas(name string) bool {
	last := len(d.names) - 1
	for last >= 0 && d.names[last].name != name {
		last--
	}
	if last < 0 || d.names[last].kind != Create {
		return false
	}
	d.names = slices.Delete(d.names, last, last+1)
	return true
}

// keep gives a file that is about to lose its name another, so that it can
// come back; "" if it is none.
func (d *Disk) keep(path string) string {
	if s, err := os.Lstat(path); err != nil || !s.Mode().IsRegular() {
		return ""
	}
	d.kept++
	kept := filepath.Join(d.shadow, fmt.Sprint(d.kept))
	if os.Link(path, kept) != nil {
		return ""
	}
	return kept
}

// syncedFile makes the changes up to a moment durable.
func (d *Disk) syncedFile(id fileID, begun int64) {
	f := d.files[id]
	if f == nil {
		return
	}
	for i := range f.changes {
		c := &f.changes[i]
		c.durable = c.durable || c.at <= begun && !c.missed
	}
	for len(f.changes) > 0 && f.changes[0].durable {
		f.changes = f.changes[1:]
	}
}

// missedFile is what a failed sync does: the system forgets that the file has
// changed, and no later sync writes what this one did not (fsync(2), Errors).
func (d *Disk) missedFile(id fileID) {
	if f := d.files[id]; f != nil {
		for i := range f.changes {
			f.changes[i].missed = !f.changes[i].durable
		}
	}
}

// syncedNames forgets the changes of names in a folder up to a moment.
func (d *Disk) syncedNames(folder string, begun int64) {
	var rest []nameChange
	for _, c := range d.names {
		if c.at > begun || d.path(folder) != filepath.Dir(d.path(c.name)) {
			rest = append(rest, c)
		} else if c.kept != "" {
			os.Remove(c.kept)
		}
	}
	d.names = rest
}

// Loss is what a disk does with what was not synced when its power goes.
type Loss int

// All that was not synced is lost or kept; or some sectors of 512 octets, some
// writes, or the later half are kept. Names go from some moment on.
const (
	All Loss = iota
	None
	Sectors
	Writes
	Early
	Losses // how many there are
)

// Lost is what a cut took.
type Lost struct{ Changes, Names int }

// Cut makes of the files what a loss of power at the end of the process could
// have left. It returns how many changes there were that could be lost.
func (d *Disk) Cut(kind Loss, random *rand.Rand) (Lost, error) {
	d.calls.Wait()
	lost := Lost{Names: len(d.names)}
	var all error
	for _, f := range d.files {
		lost.Changes += len(f.changes)
		if len(f.changes) > 0 {
			all = errors.Join(all, f.lose(kind, random))
		}
	}
	return lost, errors.Join(all, d.loseNames(kind, random))
}

// Close forgets the disk, after the process has ended.
func (d *Disk) Close() error {
	d.calls.Wait()
	var all error
	for _, f := range d.files {
		all = errors.Join(all, f.Close())
	}
	return errors.Join(all, unix.Close(d.listener), unix.Close(d.process), os.RemoveAll(d.shadow))
}

// lose writes what may be left of a file.
func (f *fileState) lose(kind Loss, random *rand.Rand) error {
	s, err := f.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, s.Size())
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	}
	for i := len(f.changes) - 1; i >= 0; i-- {
		b = f.changes[i].undo(b)
	}
	for i := range f.changes {
		c := &f.changes[i]
		whole := c.durable || kind == None || kind == Early && i >= len(f.changes)/2 || kind == Writes && random.IntN(2) == 0
		switch {
		case whole:
			b = c.apply(b, 0, len(c.data))
		case kind == Sectors && c.kind == Truncate:
			if random.IntN(2) == 0 {
				b = c.apply(b, 0, 0)
			}
		case kind == Sectors:
			b = c.applySectors(b, random)
		}
	}
	if err := f.Truncate(int64(len(b))); err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return err
}

// undo takes a change back.
func (c *change) undo(b []byte) []byte {
	b = resize(b, c.oldSize)
	copy(b[min(c.off, c.oldSize):], c.old)
	return b
}

// apply does a change; of a write the octets from..to.
func (c *change) apply(b []byte, from, to int) []byte {
	if c.kind == Truncate {
		return resize(b, c.off)
	}
	if end := c.off + int64(to); to > from && end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[min(c.off+int64(from), int64(len(b))):], c.data[from:to])
	return b
}

// applySectors does a part of a write.
func (c *change) applySectors(b []byte, random *rand.Rand) []byte {
	const sector = 512
	for from := 0; from < len(c.data); {
		to := min(len(c.data), from+sector-int((c.off+int64(from))%sector))
		if random.IntN(2) == 0 {
			b = c.apply(b, from, to)
		}
		from = to
	}
	return b
}

func resize(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return b[:n:n]
	}
	return append(b[:len(b):len(b)], make([]byte, n-int64(len(b)))...)
}

// loseNames takes back changes of names: in each folder those after some
// moment, as its file system writes them in order.
func (d *Disk) loseNames(kind Loss, random *rand.Rand) error {
	if kind == None {
		return nil
	}
	from := map[string]int64{} // by folder: what came later is lost
	for _, c := range d.names {
		folder := filepath.Dir(c.name)
		if _, ok := from[folder]; !ok {
			from[folder] = c.at - 1
		}
		if kind != All && random.IntN(2) == 0 {
			from[folder] = c.at
		}
	}
	var all error
	for i := len(d.names) - 1; i >= 0; i-- {
		if c := d.names[i]; c.at > from[filepath.Dir(c.name)] {
			all = errors.Join(all, d.undoName(c))
		}
	}
	return all
}

// undoName takes one change of names back. What was in a folder that is lost
// has been taken back, or is lost with it.
func (d *Disk) undoName(c nameChange) error {
	path := d.path(c.name)
	var err error
	switch c.kind {
	case Create:
		err = os.Remove(path)
	case Mkdir:
		err = os.RemoveAll(path)
	case Rename:
		err = os.Rename(path, d.path(c.from))
	}
	if os.IsNotExist(err) {
		err = nil
	}
	if c.kept != "" {
		err = errors.Join(err, os.Rename(c.kept, path))
	}
	return err
}
