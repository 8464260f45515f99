// Package reports keeps what others tell about mail in the name of our domains
// (DMARC aggregate reports, RFC 9990 and RFC 7489; TLS reports, RFC 8460), and
// tells others once a day what we saw of theirs.
//
// delivery hands messages to the addresses for reports to [Book.Take], before
// the reply to DATA. admin reads [Book.DMARC], [Book.Report], [Book.TLS] and
// [Book.Sent]. smtp/inbound tells each message that DMARC was evaluated for to
// [Book.Observe], which counts it in memory; [Book.Run] writes that down every
// minute, sends our own reports after midnight (UTC), and drops what is old.
//
// Reports come from anybody. One whose message passes DMARC is known to be of
// the domain that it names as its author; only those are counted. Others are
// listed, and do not count.
//
// All is in one bbolt file, which may be deleted; the first octet of a value is
// its version, and what follows is JSON, packed with gzip where it is a report.
//
//	report   domain, 0, begin u64, ID       → DMARC report
//	day      domain, 0, day u64, address    → counts of a source on a day
//	tls      domain, 0, begin u64, ID       → TLS report
//	id       ID                             → key in report or tls
//	arrived  domain, 0, day u64             → reports that came on a day
//	name     address                        → name that leads back to it
//	seen     day u64, domain, 0, hash       → what we saw of others' mail
//	policy   day u64, domain                → their policy, and who is to be told
//	sent     time u64, number u32           → a report of ours
package reports
