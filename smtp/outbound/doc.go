// Package outbound is the queue's Transport to other servers: to the MX hosts
// of a domain, or to one smarthost that takes all mail.
//
// The way of one attempt:
//
//	route     MX by preference, equal ones shuffled; A and AAAA where there is
//	          no MX; address literals; null MX (RFC 5321 section 5.1, RFC 7505)
//	policy    what TLS the host owes us, asked of a TLSPolicy
//	connect   an idle connection, or a new one to one address after the other,
//	          IPv6 first; STARTTLS if it is offered
//	send      one transaction for up to 100 recipients, and again for the rest
//
// What is tried next, and what is final:
//
//	no connection, bad greeting, EHLO refused   the next address, the next host
//	TLS fails and nobody requires it            the same address without TLS
//	421 or connection lost before the message
//	was sent                                    the next host (a reused connection:
//	                                            a new one to the same host first)
//	connection lost after that                  final for now, 4.4.2: the host may
//	                                            have it (RFC 5321 section 6.1)
//	any other reply to MAIL, RCPT or DATA       final: 4yz is tried again by the
//	                                            queue, 5yz returned
//
// When no host is left the result is temporary if any of the failures was,
// and otherwise permanent: such as 554 in the greeting of all of them.
//
// A domain whose best MX is this host, though it is not ours, would come
// back to us: we and all worse hosts are left out, and if nobody remains it is
// a loop (RFC 5321 section 5.1).
package outbound
