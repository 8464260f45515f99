// Package acmetest is a small certificate authority in memory that speaks ACME
// (RFC 8555): accounts, orders of DNS names, the challenge HTTP-01, and
// certificates that only those trust who know its root.
//
// Tests and the first run of "mailstead try" order from it in place of a real
// one. It checks signatures, nonces and challenges as an authority does, and
// leaves out what our client does not use: changes of keys, revocation, other
// challenges, and renewal information.
package acmetest
