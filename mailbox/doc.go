// Package mailbox keeps accounts: their mailboxes, messages, flags, UIDs and
// mod-sequences, on a store.Store. delivery files into it, imap and pop3 read
// from it, admin makes and removes accounts.
//
// It works on rows; bodies stay in the store and are opened by reference.
// Everything of an account happens in transactions of its one owner: [Account]
// changes, [Account.View] reads a snapshot. Each transaction that changes
// something takes the next mod-sequence of the account (RFC 7162 section 3.1),
// and leaves one row in the change feed for each message it touched. Sessions
// remember a mod-sequence and read the feed from there; nothing is queued for
// them.
//
// Buckets (integers big endian; values begin with a version octet, which is
// left out for those of fixed size):
//
//	s  state      name → value: modseq, next ids, quota and what is used of it, floor of the feed
//	b  mailbox    mailbox → name, role, uidvalidity, uidnext, counts
//	n  name       name → mailbox
//	l  subscribed name → nothing
//	u  message    mailbox ‖ uid → email, modseq, flags, keywords, save date
//	e  email      email → ref, dates, thread, header of this account, index of the message; immutable
//	x  where      email ‖ mailbox ‖ uid → nothing
//	c  feed       modseq ‖ mailbox ‖ uid → kind, email, time
//	t  thread     hash of a Message-ID ‖ email → thread
//	k  keyword    bit → name
//	g  staged     group ‖ number → email, time: appended, not yet placed
//	i  imported   key → mailbox, uid, hash, mark: what was brought in from elsewhere, so that it comes once
//
// A copy is a second u row of the same email. When the last one goes, the e
// row goes with it and the store is told to let go of the body.
//
// RFCs: 9051 (sections 2.3, 6.3), 7162, 8474, 8514, 6154, 9208.
package mailbox
