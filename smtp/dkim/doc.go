// Package dkim verifies and makes DKIM signatures (RFC 6376, RFC 8301,
// RFC 8463). What it has in common with ARC is in package signature; making
// signatures is the work of emersion/go-msgauth. This package bounds what a
// stranger can make it do, names each signature for Authentication-Results
// (RFC 8601 section 2.7.1, RFC 6008), and chooses what we sign.
//
// smtp/inbound calls [Parse] and [Signatures.Verify] on the octets that
// arrived; smtp/submission and admin call [Sign], [GenerateKey] and [Record].
//
//	result     of a signature
//	pass       that is good; its comment tells of weak keys and l=
//	fail       that does not verify, or has expired
//	policy     that is good or may be, but is not believed: RSA keys of less than
//	           1,024 bits, SHA-1, an unsigned end of the body (l=), an unsigned
//	           From field, the ninth signature and those after it
//	permerror  that does not follow the rules, or whose key does not
//	temperror  whose key or body could not be read now
package dkim
