package disktest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

func procFD(n *notification, fd int) string { return fmt.Sprintf("/proc/%d/fd/%d", n.pid, fd) }

// memory reads the process.
func memory(n *notification, addr, size uint64) ([]byte, error) {
	b := make([]byte, size)
	for done := 0; done < len(b); {
		local := unix.Iovec{Base: &b[done]}
		local.SetLen(len(b) - done)
		got, err := unix.ProcessVMReadv(int(n.pid), []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(addr) + uintptr(done), Len: len(b) - done}}, 0)
		if err != nil {
			return nil, err
		}
		done += got
	}
	return b, nil
}

// text reads a path.
func text(n *notification, addr uint64) (string, error) {
	const page = 4096
	var all []byte
	for len(all) < unix.PathMax {
		b, err := memory(n, addr, page-addr%page) // the next page may not be there
		if err != nil {
			return "", err
		}
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return string(append(all, b[:i]...)), nil
		}
		all, addr = append(all, b...), addr+uint64(len(b))
	}
	return "", unix.ENAMETOOLONG
}

// at resolves a path that is relative to a folder.
func at(n *notification, dir, addr uint64) (string, error) {
	path, err := text(n, addr)
	if err != nil || filepath.IsAbs(path) {
		return filepath.Clean(path), err
	}
	from := fmt.Sprintf("/proc/%d/cwd", n.pid)
	if int32(dir) != unix.AT_FDCWD {
		from = procFD(n, int(int32(dir)))
	}
	base, err := os.Readlink(from)
	return filepath.Join(base, path), err
}

// open opens a file for writing, which may have to be made, or emptied.
func (d *Disk) open(n *notification) (int64, error) {
	path, err := at(n, n.args[0], n.args[1])
	if err != nil {
		return 0, err
	}
	name, err := d.below(path)
	if err != nil {
		return 0, err
	}
	flags := int(n.args[2])
	d.mu.Lock()
	defer d.mu.Unlock()
	op := Op{Kind: Open, Name: name}
	var old []byte
	if _, err := os.Lstat(path); os.IsNotExist(err) && flags&unix.O_CREAT != 0 {
		op.Kind = Create
	} else if err == nil && flags&unix.O_TRUNC != 0 {
		op.Kind = Truncate
		if old, err = os.ReadFile(path); err != nil {
			return 0, err
		}
	}
	if err := d.decide(op); err != nil {
		return 0, err
	}
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, uint32(n.args[3]))
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	switch op.Kind {
	case Create:
		d.renamed(nameChange{kind: Create, name: name})
	case Truncate:
		d.changed(fd, change{kind: Truncate, old: old, oldSize: int64(len(old))})
	}
	add := addFD{id: n.id, source: uint32(fd), targetFlags: uint32(flags & unix.O_CLOEXEC)}
	return d.ioctl(ioctlAddFD, unsafe.Pointer(&add))
}

// changeName does a call that changes names.
func (d *Disk) changeName(n *notification) (int64, error) {
	path, err := at(n, n.args[0], n.args[1])
	if err != nil {
		return 0, err
	}
	name, err := d.below(path)
	if err != nil || name == "" { // the disk is not in itself
		return 0, errNotOurs
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n.number {
	case unix.SYS_MKDIRAT:
		if err := d.decide(Op{Kind: Mkdir, Name: name}); err != nil {
			return 0, err
		}
		err = unix.Mkdir(path, uint32(n.args[2]))
		if err == nil {
			d.renamed(nameChange{kind: Mkdir, name: name})
		}
		return 0, err
	case unix.SYS_UNLINKAT:
		return 0, d.remove(path, name, int(n.args[2]))
	}
	to, err := at(n, n.args[2], n.args[3])
	if err != nil {
		return 0, err
	}
	toName, err := d.below(to)
	if err != nil {
		return 0, unix.EXDEV
	}
	if err := d.decide(Op{Kind: Rename, Name: toName}); err != nil {
		return 0, err
	}
	c := nameChange{kind: Rename, name: toName, from: name, kept: d.keep(to)}
	if err := unix.Rename(path, to); err != nil {
		return 0, err
	}
	d.renamed(c)
	return 0, nil
}

func (d *Disk) remove(path, name string, flags int) error {
	var s unix.Stat_t
	if err := unix.Lstat(path, &s); err != nil {
		return err
	}
	isDir := s.Mode&unix.S_IFMT == unix.S_IFDIR
	if isDir != (flags&unix.AT_REMOVEDIR != 0) {
		return map[bool]error{true: unix.EISDIR, false: unix.ENOTDIR}[isDir]
	}
	if err := d.decide(Op{Kind: Remove, Name: name}); err != nil {
		return err
	}
	if isDir {
		return unix.Rmdir(path)
	}
	if s.Size == 0 && d.neverWas(name) {
		return unix.Unlink(path)
	}
	c := nameChange{kind: Remove, name: name, kept: d.keep(path)}
	if err := unix.Unlink(path); err != nil {
		return err
	}
	d.renamed(c)
	return nil
}

// changeFile does a call that changes an open file, or makes it durable.
func (d *Disk) changeFile(n *notification, fd int, name string) (int64, error) {
	switch n.number {
	case unix.SYS_FDATASYNC, unix.SYS_FSYNC:
		return 0, d.sync(fd, name)
	case unix.SYS_FTRUNCATE:
		return 0, d.truncate(fd, name, int64(n.args[1]))
	case unix.SYS_FALLOCATE:
		return 0, d.allocate(fd, name, uint32(n.args[1]), int64(n.args[2]), int64(n.args[3]))
	}
	data, err := written(n)
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.decide(Op{Kind: Write, Name: name, Size: int64(len(data))}); err != nil {
		const atLeast = 4096
		if err != unix.ENOSPC || len(data) <= atLeast {
			return 0, err
		}
		data = data[:len(data)/2] // what the disk had room for
	}
	if n.number == unix.SYS_WRITE {
		return d.writeNext(fd, data)
	}
	return d.writeAt(fd, data, int64(n.args[3]))
}

// written is what a call wants to write.
func written(n *notification) ([]byte, error) {
	if n.number != unix.SYS_PWRITEV {
		return memory(n, n.args[1], n.args[2])
	}
	const size = 16 // of struct iovec
	vec, err := memory(n, n.args[1], n.args[2]*size)
	var all []byte
	for ; len(vec) > 0 && err == nil; vec = vec[size:] {
		var b []byte
		if b, err = memory(n, binary.NativeEndian.Uint64(vec), binary.NativeEndian.Uint64(vec[8:])); err == nil {
			all = append(all, b...)
		}
	}
	return all, err
}

// writeNext writes where the process is in the file.
func (d *Disk) writeNext(fd int, data []byte) (int64, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return 0, err
	}
	from := unix.SEEK_CUR
	if flags&unix.O_APPEND != 0 {
		from = unix.SEEK_END
	}
	off, err := unix.Seek(fd, 0, from)
	if err != nil {
		return 0, err
	}
	done, err := d.writeAt(fd, data, off)
	if err == nil {
		_, err = unix.Seek(fd, off+done, unix.SEEK_SET)
	}
	return done, err
}

func (d *Disk) writeAt(fd int, data []byte, off int64) (int64, error) {
	old, size, err := d.before(fd, off, int64(len(data)))
	if err != nil {
		return 0, err
	}
	done, err := unix.Pwrite(fd, data, off)
	if err != nil {
		return 0, err
	}
	d.changed(fd, change{kind: Write, off: off, data: data[:done], old: old, oldSize: size})
	return int64(done), nil
}

func (d *Disk) truncate(fd int, name string, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.decide(Op{Kind: Truncate, Name: name, Size: size}); err != nil {
		return err
	}
	old, oldSize, err := d.before(fd, size, 1<<62)
	if err != nil {
		return err
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		return err
	}
	d.changed(fd, change{kind: Truncate, off: size, old: old, oldSize: oldSize})
	return nil
}

func (d *Disk) allocate(fd int, name string, mode uint32, off, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	kind := Allocate
	if mode&unix.FALLOC_FL_PUNCH_HOLE != 0 {
		kind = Punch
	}
	if err := d.decide(Op{Kind: kind, Name: name, Size: size}); err != nil {
		return err
	}
	old, oldSize, err := d.before(fd, off, size)
	if err != nil {
		return err
	}
	if err := unix.Fallocate(fd, mode, off, size); err != nil {
		return err
	}
	if kind == Punch {
		d.changed(fd, change{kind: Write, off: off, data: make([]byte, len(old)), old: old, oldSize: oldSize})
	}
	return nil
}

// sync makes durable what had been done when it began.
func (d *Disk) sync(fd int, name string) error {
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return err
	}
	isDir := s.Mode&unix.S_IFMT == unix.S_IFDIR
	d.mu.Lock()
	begun := d.clock
	err := d.decide(Op{Kind: map[bool]Kind{true: SyncDir, false: Sync}[isDir], Name: name})
	if err != nil && !isDir {
		d.missedFile(fileID{s.Dev, s.Ino})
	}
	lies := d.lies != "" && (d.lies == name || strings.HasPrefix(name, d.lies+"/"))
	d.mu.Unlock()
	if err != nil || lies {
		return err
	}
	if err := unix.Fdatasync(fd); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if isDir {
		d.syncedNames(name, begun)
	} else {
		d.syncedFile(fileID{s.Dev, s.Ino}, begun)
	}
	return nil
}
