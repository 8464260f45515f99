// Package dmarc finds out whether the author of a message (the domain of its
// From field) is who SPF or DKIM has proved, and what the author's domain
// asks to be done if not. It implements RFC 9989, which found its way from
// the public suffix list to a walk up the DNS tree; reports (RFC 9990,
// RFC 9991) are not made here.
//
// smtp/inbound calls [AuthorDomains], [Evaluate] for each author and
// [Strictest]. Nothing here knows how SPF and DKIM work: they come as
// identifiers.
//
//	From field                        what happens
//	one author domain                 Evaluate
//	several, or several From fields   each is evaluated, at most MaxAuthors; the
//	                                  strictest policy of those that fail counts
//	                                  (RFC 9989 section 11.5)
//	none, or not a domain name        nothing to evaluate: inbound decides
package dmarc
