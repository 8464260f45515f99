// Package dnsprovider changes records of zones where they are hosted: for the
// challenges of certificate authorities (DNS-01), and to publish what mail
// needs. admin calls it.
//
//	kind           by                                                  shortest TTL
//	rfc2136        dynamic updates (RFC 2136), signed (TSIG, RFC 8945)  none
//	exec           a program of the administrator                      none
//	cloudflare     api.cloudflare.com/client/v4                         60 s
//	hetzner        api.hetzner.cloud/v1 (zones of the Cloud Console)    60 s
//	desec          desec.io/api/v1                                    3600 s
//	digitalocean   api.digitalocean.com/v2                              30 s
//	gandi          api.gandi.net/v5/livedns                            300 s
//	route53        route53.amazonaws.com, 2013-04-01, Signature V4      none
//
// A [Provider] has the four interfaces of libdns. Below them each kind lists
// the record sets of a zone and replaces some of them; what is the same for
// all is here once. Every request has a deadline, a bound on what is read of
// the answer, and waits when it is told to come later. Errors are sentences
// with what to do, and never contain a secret.
package dnsprovider
