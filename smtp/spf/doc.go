// Package spf checks whether a client may use the domain of the reverse-path
// or of its HELO (RFC 7208). Evaluation of records is the work of
// blitiri.com.ar/go/spf; this package chooses the identity, gives it our
// resolver, and puts the result into words.
//
// smtp/inbound calls [Check] for both identities at the end of DATA; the
// result for MAIL FROM goes on to smtp/dmarc.
//
// Deviation: the explanation of exp= (RFC 7208 section 6.2) is not fetched. It
// is text of a stranger that would go out in our reply.
package spf
