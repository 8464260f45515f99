package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"

	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/durable"
)

// sandbox is what the process may touch from the moment its ports are open:
// files and folders, with everything below them.
type sandbox struct {
	read, write, execute []string
}

// Rights of Landlock. Reading does not include executing.
const (
	rightsRead    = llsys.AccessFSReadFile | llsys.AccessFSReadDir
	rightsExecute = rightsRead | llsys.AccessFSExecute
	rightsWrite   = rightsRead | llsys.AccessFSWriteFile | llsys.AccessFSTruncate | llsys.AccessFSRefer | llsys.AccessFSRemoveDir | llsys.AccessFSRemoveFile |
		llsys.AccessFSMakeDir | llsys.AccessFSMakeReg | llsys.AccessFSMakeSock | llsys.AccessFSMakeSym
	rightsFile   = llsys.AccessFSReadFile | llsys.AccessFSWriteFile | llsys.AccessFSTruncate | llsys.AccessFSExecute
	rightsDevice = llsys.AccessFSReadFile | llsys.AccessFSWriteFile
)

// systemFiles are read by what Go and our libraries do by themselves: roots of
// certificates, resolv.conf and hosts, time zones, types of files, memory and
// processors. Landlock knows files, not names: resolv.conf and certificates are
// replaced while the server runs, so that the folders they are in must be
// readable. What is secret in /etc the service's user cannot read anyway.
var systemFiles = []string{"/etc", "/usr/share", "/usr/local/share", "/proc", "/sys", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"}

// programFiles are what a hook's program needs to run at all.
var programFiles = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"}

// newSandbox returns what a server needs that was configured so by file.
// folders are those that settings name.
func newSandbox(c config.Config, file string, folders []string) sandbox {
	s := sandbox{read: slices.Clone(systemFiles), write: []string{c.Data, os.TempDir()}}
	for _, name := range []string{file, c.TLS.CertFile, c.TLS.KeyFile, c.TLS.CARoot, c.TLS.EABFile, "/etc/resolv.conf", os.Getenv("SSL_CERT_FILE")} {
		s.read = append(s.read, foldersOf(name)...)
	}
	s.read = append(s.read, filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
	s.read = append(s.read, c.Sandbox.Read...)
	s.write = append(append(s.write, c.Sandbox.Write...), folders...)
	s.execute = slices.Clone(c.Sandbox.Execute)
	if len(s.execute) > 0 {
		s.execute = append(s.execute, programFiles...)
	}
	return s
}

// foldersOf returns the folder that a file is in, and the one that it really is
// in if there are links on the way: who renews a certificate puts a new file
// there. A folder of the first level, such as /home, is more than was meant:
// then it is the file alone.
func foldersOf(file string) []string {
	if file == "" {
		return nil
	}
	folders := []string{file}
	if real, err := filepath.EvalSymlinks(file); err == nil && real != file {
		folders = append(folders, real)
	}
	for i, f := range folders {
		if dir := filepath.Dir(f); strings.Count(dir, "/") > 1 {
			folders[i] = dir
		}
	}
	return folders
}

// enter locks the process in. It holds for all threads, those of now and those
// to come, and for programs that they start; there is no way out. It returns
// the version of Landlock that the kernel has; 0: none, and nothing is locked.
func (s sandbox) enter() (version int, err error) {
	version, err = llsys.LandlockGetABIVersion()
	if err != nil {
		return 0, nil // an old kernel, or one without it
	}
	var rules []landlock.Rule
	for _, r := range []struct {
		paths  []string
		rights landlock.AccessFSSet
	}{{s.read, rightsRead}, {s.write, rightsWrite}, {s.execute, rightsExecute}, {[]string{"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"}, rightsDevice}} {
		rules = append(rules, rulesFor(r.paths, r.rights)...)
	}
	// Version 8 is the last that leaves sockets alone: those of clamd, rspamd
	// and milters are settings, and may change.
	if err := landlock.V8.BestEffort().RestrictPaths(rules...); err != nil {
		return 0, fmt.Errorf("sandbox: %w", err)
	}
	return version, nil
}

// rulesFor allows paths, leaving out those that are not there. A file can have
// rights of files only.
func rulesFor(paths []string, rights landlock.AccessFSSet) []landlock.Rule {
	var rules []landlock.Rule
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			continue
		}
		if info.IsDir() {
			rules = append(rules, landlock.PathAccess(rights, p))
		} else {
			rules = append(rules, landlock.PathAccess(rights&rightsFile, p))
		}
	}
	return rules
}

// dropCapabilities gives up every capability in all threads: with open ports
// none is needed any more. Root keeps its own, because files that it may read
// only by them are in its care.
func dropCapabilities() error {
	if os.Geteuid() == 0 {
		return nil
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	runtime.KeepAlive(&header)
	runtime.KeepAlive(&none)
	if errno != 0 {
		return fmt.Errorf("give up capabilities: %w", errno)
	}
	return nil
}

// foldersOfSettings returns the folders that settings name, and makes those that
// are not there yet, as far as that is possible: later it is not. One that is
// set later counts after a restart, because nothing widens a sandbox.
func (n *node) foldersOfSettings() []string {
	var folders []string
	for _, name := range []directory.TextSetting{directory.BackupTarget, directory.BackupScratch} {
		folder := n.directory.Text(name)
		if !filepath.IsAbs(folder) {
			continue // the data, or another machine
		}
		if err := durable.MkdirAll(folder, 0o700); err != nil {
			n.cfg.Log.Warn("a folder cannot be made", "setting", name, "err", err)
		}
		folders = append(folders, folder)
	}
	return folders
}

// confine takes from the process what it no longer needs once its ports are
// open and its data is.
func confine(c config.Config, file string, folders []string, log *slog.Logger) error {
	if err := dropCapabilities(); err != nil {
		return err
	}
	if !c.Sandbox.Enabled {
		log.Info("sandbox is off", "why", "[sandbox] enabled = false")
		return nil
	}
	version, err := newSandbox(c, file, folders).enter()
	switch {
	case err != nil:
		return err
	case version == 0:
		log.Warn("sandbox is off", "why", "this kernel has no Landlock, or the unit forbids it")
	default:
		log.Info("sandbox is on", "landlock", version)
	}
	return nil
}
