// Package queue is the MTA queue: it keeps messages for recipients elsewhere
// until their next hop has taken them, or until it gives up and tells the
// sender (RFC 5321 section 4.5.4). It calls a [Transport] for the attempts;
// smtp/outbound is one.
//
// The queue is owner 0 of the message store. delivery puts what [Entry] makes
// into the same Accept as the local recipients, so that a message is on stable
// storage for all or for none; [Apply] turns it into rows. There is no other
// state: a Queue that is started finds everything there.
//
// A message is an item, and has a job for the recipients of each domain, at
// most 100 in one. A job is tried as a whole; what is left of it afterwards is
// tried again by the schedule. The states of a recipient:
//
//	waiting   queued, never tried
//	trying    an attempt is under way
//	retry     the last attempt failed for now; another one is due at Next
//	held      by the operator, until Release
//	(gone)    relayed, failed or cancelled: its story is in the trace
//
// An operator can change what waits, by message or by what it waits for
// ([Selection]): try it now, hold and release it, cancel it, or have it sent by
// another relay ([Queue.Reroute]), which is kept in the rows of the jobs and so
// survives a restart. [Queue.Stats] groups what waits by cause.
//
// What came of an attempt is written in one transaction with all that follows
// from it: the recipients that are done, the time of the next attempt, and
// the reports that the sender is owed. A report that is owed becomes a message
// of this queue by an Accept whose Apply strikes it out in turn. So whenever
// the process dies:
//
//   - no recipient is forgotten, since its row goes when its result is written;
//   - each report is made exactly once;
//   - a mailbox of ours gets a message exactly once, since the Accept that
//     files it also marks its job as done;
//   - elsewhere a message can arrive twice only if we die, or cannot write,
//     between the reply of its next hop and the row that says so. SMTP knows
//     no way around that (RFC 5321 section 6.1, RFC 1047).
//
// Reports are delivery status notifications (package dsn) from the null
// reverse-path. They honour NOTIFY, RET, ENVID and ORCPT (RFC 3461): failed at a
// permanent failure or after Options.Expire (5.4.7), delayed once after
// Options.DelayNotice, relayed or delivered where success was asked for and
// the next hop does not report itself. What comes from the null reverse-path is
// never reported to it; at most the postmaster is told (Options.Postmaster), and
// the trace says so. A report to one of our own users goes to Options.Local and
// is retried there like all others.
//
// RFCs: 5321 (sections 4.5.4, 4.5.5, 6.1), 3461 (sections 5.2, 6.2), 3464, 8689
// (section 5).
package queue
