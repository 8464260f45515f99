package disktest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kind is what is done to the disk.
type Kind string

// What can fail.
const (
	Write    Kind = "write"
	Sync     Kind = "sync"     // of a file
	SyncDir  Kind = "sync dir" // of the names in a folder
	Open     Kind = "open"     // for writing
	Create   Kind = "create"
	Truncate Kind = "truncate" // or grow
	Allocate Kind = "allocate" // room that is not used yet
	Punch    Kind = "punch"    // give back room
	Mkdir    Kind = "mkdir"
	Remove   Kind = "remove"
	Rename   Kind = "rename"
)

// Op is one thing that a process is about to do to a disk.
type Op struct {
	Kind Kind
	Name string // below the disk's folder
	Size int64  // octets of a write
}

// Disk is the disk below one folder, for one process.
type Disk struct {
	dir, shadow string
	listener    int
	process     int // pidfd
	calls       sync.WaitGroup

	mu   sync.Mutex
	fail func(Op) syscall.Errno
	lies string
	did  map[Kind]int
	unsynced
}

// Start starts cmd with a disk between it and the files below dir, which is a
// clean absolute path. The disk works until the process has ended.
func Start(cmd *exec.Cmd, dir string) (*Disk, error) { return StartFailing(cmd, dir, nil) }

// StartFailing is Start with a disk that fails from the beginning, as
// [Disk.Fail] says.
func StartFailing(cmd *exec.Cmd, dir string, fail func(Op) syscall.Errno) (*Disk, error) {
	d := &Disk{dir: dir, fail: fail, shadow: dir + ".removed", did: map[Kind]int{}, unsynced: unsynced{files: map[fileID]*fileState{}}}
	if err := os.MkdirAll(d.shadow, 0o700); err != nil {
		return nil, err
	}
	var err error
	if d.listener, err = start(cmd); err != nil {
		return nil, err
	}
	if d.process, err = unix.PidfdOpen(cmd.Process.Pid, 0); err != nil {
		return nil, err
	}
	d.calls.Go(d.serve)
	return d, nil
}

// Fail makes operations fail for which f returns an error number; nil ends
// that. A write that fails with ENOSPC may be done in part, as on a real disk.
func (d *Disk) Fail(f func(Op) syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

// Lie makes syncs in a folder succeed without making anything durable.
func (d *Disk) Lie(folder string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies = folder
}

// Count returns how often something was done that did not fail.
func (d *Disk) Count(k Kind) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.did[k]
}

// notification and answer are struct seccomp_notif and seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type answer struct {
	id    uint64
	value int64
	error int32
	flags uint32
}

// addFD is struct seccomp_notif_addfd.
type addFD struct {
	id                                 uint64
	flags, source, target, targetFlags uint32
}

const ioctlAddFD = 0x40182103 // SECCOMP_IOCTL_NOTIF_ADDFD

// ioctl asks again if a signal of our own came between.
func (d *Disk) ioctl(request uintptr, arg unsafe.Pointer) (int64, error) {
	for {
		value, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.listener), request, uintptr(arg))
		switch errno {
		case 0:
			return int64(value), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// serve takes calls until the process has ended.
func (d *Disk) serve() {
	for {
		p := []unix.PollFd{{Fd: int32(d.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, -1); err != nil && err != unix.EINTR {
			return
		}
		if p[0].Revents&unix.POLLIN == 0 {
			if p[0].Revents != 0 {
				return
			}
			continue
		}
		n := new(notification)
		if _, err := d.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n)); err == nil {
			d.calls.Go(func() { d.handle(n) })
		}
	}
}

// handle answers one call. That nobody waits for the answer any more is no
// error: the process was killed.
func (d *Disk) handle(n *notification) {
	a := answer{id: n.id}
	value, err := d.run(n)
	var errno syscall.Errno
	switch {
	case err == errNotOurs:
		a.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case errors.As(err, &errno):
		a.error = -int32(errno)
	case err != nil:
		a.error = -int32(unix.EIO)
	default:
		a.value = value
	}
	d.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
}

var errNotOurs = errors.New("concerns another disk")

// run does one call.
func (d *Disk) run(n *notification) (int64, error) {
	switch n.number {
	case unix.SYS_OPENAT:
		return d.open(n)
	case unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return d.changeName(n)
	case unix.SYS_COPY_FILE_RANGE:
		return 0, unix.EXDEV // so it is done by reading and writing
	}
	target := int(n.args[0])
	name, err := os.Readlink(procFD(n, target))
	if err != nil {
		return 0, errNotOurs
	}
	name, err = d.below(strings.TrimSuffix(name, " (deleted)"))
	if err != nil {
		return 0, err
	}
	fd, err := unix.PidfdGetfd(d.process, target, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return d.changeFile(n, fd, name)
}

// below returns the name of a file of this disk.
func (d *Disk) below(path string) (string, error) {
	if path == d.dir {
		return "", nil
	}
	name, ok := strings.CutPrefix(path, d.dir+"/")
	if !ok {
		return "", errNotOurs
	}
	return name, nil
}

// decide says whether an operation fails, and counts those that do not; d.mu is
// held.
func (d *Disk) decide(op Op) error {
	if d.fail != nil {
		if errno := d.fail(op); errno != 0 {
			return errno
		}
	}
	d.did[op.Kind]++
	return nil
}

// path is the full path of a name.
func (d *Disk) path(name string) string { return filepath.Join(d.dir, name) }
