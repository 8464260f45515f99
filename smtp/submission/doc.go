// Package submission is the policy of ports 587 and 465 (RFC 6409): whoever
// sends here has logged in, sends only in a name of their own, and gets what
// their mail program left out: Date, Message-ID and a Received field.
//
// cmd plugs a [Service] into two smtpserver.Servers. A message takes one way
// through this package:
//
//	MAIL  the reverse-path belongs to the login (or is null, for receipts)
//	RCPT  ours: the address exists and has room; elsewhere: the domain can be mailed
//	DATA  message into a spool → header judged: the author belongs to the login
//	      → Bcc out, Date, Message-ID and Received in
//	      → through the indexer
//	      → signed with the keys of the author's domain
//	      → delivery: local mailboxes and the queue in one Accept → 250
//
// RFCs: 6409 (submission), 4954 (AUTH), 5322 section 3.6.3 (Bcc), 6376 (signing).
package submission
