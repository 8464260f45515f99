// Package disk knows what stops, and in which order, when the disk of the data
// fills. Everybody who writes to it asks the one [Guard] of the server first:
// the store for mail and for rows, and all that can wait for less.
//
//	stage      free is below        has stopped, beside what has stopped before
//	Plenty     -                    nothing
//	Low        4 times the reserve  what is done without: details of stories, learning junk, backups to this disk
//	Lower      2 times the reserve  what people put here in bulk: imports, exports, restores
//	Full       the reserve          new mail: 452 4.3.1, which others try again; stories; numbers over time
//	Exhausted  a quarter of it      rows: moving, marking and deleting mail
//
// Below the reserve there still is room for what was promised: mail that was
// accepted goes on being delivered, and its delivery reports may take up to half
// of the reserve (Owed); deleting, marking and the books of the queue may take
// three quarters of it (Rows). The last quarter is for what asks nobody: the log
// that was asked for already, checkpoints, sessions, an orderly end.
//
// A stage begins at once. It ends by itself when an eighth of the reserve more
// is free than it began with, so that nothing goes on and off with each
// message.
//
// # The reserve
//
// A 32nd of the disk, from 4 to 128 MiB: a disk of 1 GB is usable down to its
// last 128 MB, and one of 4 GiB or more has the full reserve. An operator may set
// another one.
//
// # The ballast
//
// Others may fill the same disk to its last octet: a log, a database, a
// download. Our reserve is gone then, and with it the way out: to delete
// mail, bbolt copies the pages that it changes, so it needs pages that are free. A
// file that has seen changes has some, and the file system gives no new block for
// them; a small or a new one has none, and on a file system that copies on write
// nothing can be changed at all. So when the disk becomes low, while there is room,
// the Guard puts half of the reserve aside in a file, which really takes it
// (fallocate). When the disk is exhausted the file is removed: people can
// delete and mark again, and the queue can write down what it has delivered,
// instead of delivering it twice after a restart. It is no promise: whoever
// filled the disk may take that, too. With plenty of room there is no such
// file, nor where the file system cannot give room to a file ahead (ZFS).
package disk
