// Package dns asks the domain name system what mail needs to know: addresses,
// MX, TXT, PTR, TLSA and CNAME records, each with the DNSSEC verdict of a
// validating resolver that may be trusted.
//
// [Resolver] is what the checks of smtp, the outbound transport and admin
// take. [Client] implements it as a caching stub resolver: it sends each
// question to one of a few recursive resolvers over UDP with EDNS0
// (RFC 6891), again over TCP when the answer was truncated (RFC 7766), keeps
// positive and negative answers for their time to live (RFC 2308) within a
// bound of memory, and answers concurrent equal questions with one query.
// Package dnstest has a Resolver, and a name server, over zones in memory.
//
// The resolver validates, not we: the AD bit (RFC 4035 section 3.2.3,
// RFC 6840 section 5.8) counts only from a server on the loopback interface
// or one that the operator declared trusted, because anybody on the path
// could set it otherwise.
//
// Answers can be forged by hosts off the path, so each query goes out from a
// new socket with a port chosen by the kernel and an unpredictable ID
// (RFC 5452), and what does not match it is thrown away.
package dns
