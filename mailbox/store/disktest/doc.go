// Package disktest puts a disk of the test's making under a process: one that
// is full, read-only or broken where and when the test says so, and that can
// lose power. The process is the real one; it runs unchanged, and what its
// libraries write is seen as well.
//
// [Start] starts a command behind a seccomp filter that hands the system calls
// that change files to the test (seccomp_unotify(2)). The test does them in
// place of the process, or answers with an error, and keeps what they have
// changed until a sync has made it durable. [Disk.Cut] takes back of the rest
// what a loss of power could: all of it, whole writes, sectors of 512 octets,
// the earlier half; and names that were made, renamed or removed since their
// folder was synced.
//
// It needs Linux 5.19 or newer and no privileges. A test program that uses it
// calls [Main] first thing in TestMain, for it is its own launcher.
package disktest
