// Package backup makes online, incremental, encrypted backups of a data
// folder, proves that they can be restored, and restores them. admin calls it;
// docs/backup.md has the format for people who have to read one without this
// program.
//
// # What is in the target
//
//	mailstead-backup.json   format, a random number, the public key; in the clear
//	packs/xx/<sha256>       about 8 MiB of chunks; the name is the hash of the file
//	index/<id>              which chunk lies where in which pack
//	backups/<time>-<id>     a manifest: the files of one backup and their chunks; written last
//	locks/<id>              somebody writes, or removes what nobody needs
//
// A file is cut into chunks: 1 MiB of what is appended to or never changes
// (segments of the log, large bodies), 32 KiB of bbolt files, of which pages
// change in place. A chunk is named by an HMAC-SHA-256 of its octets, so that
// it is stored once, however many backups have it, and the target learns
// nothing from its name. A chunk of zeros is a hole and is not stored: what was
// deleted from the log takes no room. The rest is compressed (zstd), put into
// packs one behind the other, and each pack is encrypted (age, X25519).
//
// An index, manifest or lock is age(MAC ‖ zstd(JSON)): anybody can encrypt for
// a public key, so that an HMAC over name and content says that it is ours.
// Chunks are proved by their names. Whoever can write to the target can remove
// backups or bring back old ones, but not change what is in one.
//
// # Keys
//
// There is one key, the age identity; the keys of the HMACs are derived from
// it. It lives in system.db, because a proof has to read what was written, and
// in the hands of the operator (`mailstead backup key`), because system.db is
// what is lost when it is needed.
//
// # Who does what, when
//
//	lock → index and last manifest → survey of the live mailboxes → store, then
//	system.db, then the small files → packs → index → manifest → unlock → proof →
//	retention
//
// system.db is copied after the store: it never has an account number too few,
// so that no number is given twice after a restore. A bbolt file is first copied
// to the disk of the server: no transaction is open while a slow target takes
// octets. A file that is as it was in the last backup (inode, size and times)
// is not read again. The index is written every few packs: a run that was
// interrupted leaves chunks that the next one finds, and no backup, as there is
// no manifest.
//
// The survey notes for each account the mod-sequence, for each mailbox how many
// messages there are and the next UID, and hashes of some messages. A restored
// account is at that mod-sequence or later, and its change feed says what
// happened since: so the counts are compared exactly, under load too.
//
// Removal is mark and sweep: what no kept manifest names goes; packs that are
// mostly dead are written anew. The order (new packs, new index, old index, old
// packs) leaves every backup whole at each step. A lock keeps two writers, and
// a writer and the sweep, apart; one that has not been renewed for half an hour
// is of a process that is gone.
//
// # Restoring
//
// Everything: each pack is read once and its chunks are written to their
// places. One account: its mail.db and the tail of the log are restored into a
// scratch folder, and the chunks of a body only when it is read. A store is
// opened there as a server would, so there is one reader of the formats.
package backup
