// Package checks asks whether this server can do its work: whether the world
// can reach it and it the world, and whether anything here runs out. It knows
// no HTTP. admin has the one [Registry] of a server; `mailstead doctor` and
// the first-run wizard run the same checks.
//
// A [Check] is a name, words, and a function that finds out. The registry runs
// them at once within a budget of time, keeps what they found and when that
// changed, and can be told to be quiet about one. The states:
//
//	ok       as it should be
//	warn     works, but something should be done
//	fail     mail is lost, refused or late because of it
//	unknown  could not be found out now: never a reason for an alarm
//
// A check that needs another to work is not run when that one did not: it is
// unknown, and says why.
//
// RFCs: 5782 (DNS blocklists).
package checks
