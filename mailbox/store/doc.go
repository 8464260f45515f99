// Package store is the engine of the message store: it accepts messages onto
// stable storage for many owners at once, and keeps ordered rows for each.
// mailbox keeps accounts in it, smtp/queue the outbound queue (owner 0).
// [Store] is the contract, package storetest its suite, [Engine] the embedded
// implementation.
//
// # Files
//
//	sys.db              low-water mark; owners dropped; records that wait for a database set aside
//	queue.db            rows of owner 0
//	acct/<id>/mail.db   rows of one owner: a bucket with a name of one octet each, and the engine's own
//	                    "engine" (how far the log was applied) and "dead" (bodies let go of, and when)
//	log/%08x.log        64 MiB segments of the shared log
//	big/xx/<n>          one body above 256 KiB: a segment with one record
//	lock                held by the process that has the store open
//
// record.go has the format of a record.
//
// # Who writes and syncs what, when
//
// The log record is the delivery. Accept encodes the message and hands it to
// the one committer, which takes all that wait, writes them with one call and
// makes one fdatasync for all of them; only then are they given to their
// owners' pending lists, in the order of the log, and acknowledged. A large
// body is written and synced before, in its own file, by whoever accepts it.
//
// Rows follow: View and Update first apply what is pending for the owner, in
// the same bbolt transaction that remembers how far it got ("applied"), and a
// background round does so for everybody else. So whoever reads sees what was
// accepted, and nobody waits for rows to be written but a reader. Updates of
// one owner that wait at the same time share one commit (two syncs). Who has to
// know what a record becomes, and no more, gets that from a transaction that is
// left open (AcceptApplied): its commit comes with the next reader, change or
// round, since recovery would make the same rows again.
//
// Now and then a checkpoint applies everything and moves the low-water mark in
// sys.db. After a crash, recovery reads the log from there, cuts off the tail
// that does not verify, and applies the rest: a record counts for an owner if
// it lies behind its "applied". Apply is deterministic, so replay gives the
// same rows.
//
// Invariants:
//   - a record is synced before it is acknowledged or applied;
//   - an owner occurs at most once in a record;
//   - "applied" moves in the same transaction as the rows;
//   - the low-water mark never passes a record that some owner lacks, unless
//     it is noted in sys.db for a database that is set aside;
//   - a database appears with its first, empty state whole, or not at all;
//   - an owner is dropped once sys.db says so: the next start removes what a
//     crash has left of its folder before anything is filed there;
//   - a segment is written by one process only: what a later one accepts is behind
//     all that any row was made from, even if the end of the log was lost;
//   - references never move; a hole is punched only when every owner named in
//     the record has let go of it longer than the grace time ago, or is gone
//     (the grace time is short while the disk is low: squeeze.go).
//
// # When something fails
//
// A failed sync, or a failed write other than on a full disk, ends the store:
// it answers [ErrFailed] until it is opened again, because what reached the
// disk is not known. A nearly full disk gives [ErrFull] while there still is
// room for rows. A database that is torn is renamed and set aside; its owner
// reads [ErrSetAside], its mail goes on being accepted and waits in the log,
// and the other owners notice nothing. When a good copy is put in its place,
// the next start files what has waited, and what came in since the copy was
// made.
//
// A panic of a caller's function reaches that caller; one of Apply is an error
// of that owner; only one raised by bbolt, or a fault in its memory map, sets a
// database aside. bbolt can also end the process, when it opens a torn file:
// the mark mail.db.opening is left then, and the next start looks through the
// pages itself (pages.go) before it lets bbolt have the file again.
//
// # Tests
//
// TestCrashKill kills a process at work, TestCrashPower builds disks that a
// loss of power could have left, from a record of all writes and syncs; both
// hold what is found against everything that was acknowledged. Without syncs
// mail must be missing (TestCrashPowerNegativeControl). "make crash" runs their
// long form.
package store
