// Package dnsbl asks lists in the DNS about addresses and domains (RFC 5782):
// blocklists of addresses, blocklists of domains, and lists of those who are
// known to send good mail.
//
// smtp/inbound asks [Lists] about a client and about the domains that stand for
// a message, and gets a [Listing] for each list that has one of them, with a
// score. Which lists there are is a setting, see [Parse]. What happens at which
// score is not decided here.
//
// A list says something only as long as it is seen to work:
//
//	answer                       means
//	no such name                 not listed
//	127.x.y.z in the list's map  listed, with that score
//	127.x.y.z not in it          nothing; it is not listed
//	127.255.255.0/24             the list refuses to answer this resolver: unknown
//	any other address            somebody makes up answers: unknown
//	none, five times in a row    unknown
//
// Unknown is never listed. A list that is unknown rests for some minutes. Before
// it is asked at all, and every hour, it has to prove itself at its test points:
// 127.0.0.2 is listed and 127.0.0.1 is not (RFC 5782 section 5). Each change is
// logged once.
//
// The name of a list may hold a key, which is a secret: it is written as a
// placeholder, so that neither settings nor logs show it.
package dnsbl
