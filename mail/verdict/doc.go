// Package verdict decides what becomes of a message for one account, when all
// checks have said what they know. It does no I/O and knows no protocol.
//
// smtp/inbound asks [Decide] for each account a message reaches;
// admin/directory keeps the [Rules], and admin asks again with other rules
// what would have happened. Who wins, the strongest first:
//
//	hard action     a check that decides alone: a loop, DMARC p=reject, a virus.
//	                No list and no score makes it milder.
//	admin's block   an entry of the global list or of the domain's list
//	own list        of the account: the entry that names the sender most closely;
//	                among equals the block
//	admin's allow   of the domain's list or of the global list
//	score           against the thresholds of the policy of the address, of the
//	                account, of the domain or of the server: the closest one
//
// A forged author is never let in by a list: an address or a domain on it
// counts as allowed only if the message is authenticated as that domain, or if
// that domain has no policy by which it could be (and no SPF record that denies
// the client). A block counts always. An
// allowed network stands for what comes from there, whoever wrote it, except
// for hard actions.
//
// Mail to postmaster and abuse is never refused or hidden for its score: to
// them write those whose mail was refused wrongly (RFC 5321 section 4.5.1,
// RFC 2142 section 4).
package verdict
