package disktest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// launchEnv makes a test program the launcher of another.
const launchEnv = "MAILSTEAD_DISKTEST_LAUNCH"

// Main does not return if [Start] has started this process as its launcher.
func Main() {
	if os.Getenv(launchEnv) == "" {
		return
	}
	os.Unsetenv(launchEnv)
	fmt.Fprintln(os.Stderr, "disktest:", launch())
	os.Exit(126)
}

// passed is the descriptor of the launcher over which the listener goes to the
// test.
const passed = 3

// launch puts the filter on this thread, which becomes the command's.
func launch() error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	listener, err := listen()
	if err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	if err := unix.Sendmsg(passed, []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
		return err
	}
	if err := errors.Join(unix.Close(passed), unix.Close(listener)); err != nil {
		return err
	}
	return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
}

// watched are the system calls that the test sees, beside openat.
var watched = []uint32{
	unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_PWRITEV, unix.SYS_COPY_FILE_RANGE, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE,
	unix.SYS_FDATASYNC, unix.SYS_FSYNC, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
}

// Offsets in struct seccomp_data.
const (
	dataNumber = 0
	dataFlags  = 16 + 2*8 // the third argument: flags of openat
)

// filter hands the watched calls over, and openat if it is for writing.
func filter() []unix.SockFilter {
	load := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
	}
	ret := func(what uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what} }
	is := func(what uint16, k uint32, otherwise uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | what | unix.BPF_K, K: k, Jf: otherwise}
	}
	f := []unix.SockFilter{load(dataNumber)}
	for _, number := range watched {
		f = append(f, is(unix.BPF_JEQ, number, 1), ret(unix.SECCOMP_RET_USER_NOTIF))
	}
	return append(f,
		is(unix.BPF_JEQ, unix.SYS_OPENAT, 3), load(dataFlags),
		is(unix.BPF_JSET, unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY|unix.O_RDWR, 1), ret(unix.SECCOMP_RET_USER_NOTIF),
		ret(unix.SECCOMP_RET_ALLOW))
}

// listen puts the filter on this thread. Once a call was received only the end
// of the process interrupts it, for what it does is done then.
func listen() (int, error) {
	f := filter()
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}

// start starts cmd by way of the launcher and returns the listener.
func start(cmd *exec.Cmd) (listener int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "launcher"), os.NewFile(uintptr(pair[1]), "test")
	defer ours.Close()
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Args = append([]string{self, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = self
	cmd.Env = append(cmd.Environ(), launchEnv+"=1")
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return 0, err
	}
	b, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[0], b, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return 0, errors.Join(errors.New("disktest: the launcher has failed"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}
