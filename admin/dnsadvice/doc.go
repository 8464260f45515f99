// Package dnsadvice says which records the DNS should have for a domain of
// this server, what it has, and what to do about the difference. It knows no
// HTTP and keeps nothing; admin asks it, and so does the first-run wizard.
//
// A [Plan] is what is wanted. A [Checker] compares it with what the
// authoritative servers of the zones say, each of them, without any cache, and
// gives each record one of four states:
//
//	ok       as wanted, or as good
//	missing  there is no such record
//	wrong    there is one that does harm or does not help
//	unknown  no server gave an answer: never a reason for an alarm
//
// RFCs: 5321 section 5 and 7505 (MX), 7208 (SPF), 6376 and 8463 (DKIM), 9989
// (DMARC), 6186 and 8314 (SRV of mail programs), 8659 (CAA), 2181 section 10.3
// (no alias behind MX).
package dnsadvice
