// Package dkim verifies and makes DKIM signatures (RFC 6376, RFC 8301,
// RFC 8463). Canonical forms and signatures are the work of
// emersion/go-msgauth; this package bounds what a stranger can make it do,
// names each signature for Authentication-Results (RFC 8601 section 2.7.1,
// RFC 6008), and chooses what we sign.
//
// smtp/inbound calls [Verify] on the octets that arrived; smtp/submission and
// admin call [Sign], [GenerateKey] and [Record].
//
// Deviation: a signature with a body length limit (l=, RFC 6376 section 3.5)
// is never accepted, because anybody can append to such a message.
package dkim
