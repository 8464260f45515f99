// Package movein brings mail in from other mail systems: from an IMAP server, a
// Maildir or an mbox. admin runs it as a job.
//
// A [Source] yields folders and their messages; [Run] files them, in batches
// that are on stable storage before progress counts them. The account itself
// remembers the key of each message it took, in the same step as the message
// (mailbox.Account.Import): however a run ends, the next one goes on where it
// was, and adds nothing that is there.
//
//	key of a message     prefix ‖ prefix     then
//	Maildir, mbox        source   folder     hash of file name or From line, and of the octets
//	IMAP                 source   folder     UIDVALIDITY ‖ UID
//
// At the end each message that was brought in from the source is read again
// from the store and held against the hash of what the source gave. What
// cannot be read is listed by name and left out; it stops nothing.
//
// Memory: a batch, the names of one folder, and what a source notes of each
// message of one folder.
package movein
