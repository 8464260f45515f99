// Package spf checks whether a client may use the domain of the reverse-path
// or of its HELO (RFC 7208): it reads records, evaluates them within the limits
// of section 4.6.4, and puts the result into words that name the term that
// decided.
//
// smtp/inbound calls [CheckMailFrom] and [CheckHelo] at the end of DATA; the
// result for MAIL FROM goes on to smtp/dmarc.
//
// A record whose syntax is wrong anywhere is not valid at all (section 4.6).
//
// Deviation: the explanation of exp= (RFC 7208 section 6.2) is not fetched. It
// is text of a stranger that would go out in our reply.
package spf
