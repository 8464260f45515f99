// Package certs has the certificates that the servers show. A [Manager] hands
// out a *tls.Config and keeps what is behind it fresh:
//
//	mode         certificate                                      renewed
//	SelfSigned   of a small CA of our own, in ca.pem for clients   at start and once a day, 30 days ahead
//	Files        from two files of the administrator               read again when they change
//	ACME         from CAs by certmagic: HTTP-01, TLS-ALPN-01,      by certmagic, a third of the life ahead,
//	             DNS-01 where a zone has a provider                or when the CA asks for it (RFC 9773)
//
// There is always something to show: until ACME has the first certificate, or
// while files cannot be read, it is the self-signed one. A client that sends no
// server name, as many MTAs, or a wrong one, gets the certificate of the host
// name.
//
// ACME has one certificate for the host name, and one for each name that mail
// programs and other servers look for below a hosted domain, as soon as that
// name leads here:
//
//	wanted    the name belongs to a hosted domain (hostedLabels)
//	waiting   it does not lead here, or the last attempt failed: looked at again later
//	held      a certificate is in the cache; certmagic renews it
//	dropped   the domain is gone: shown and renewed no more
//
// No handshake waits for a CA: a name without a certificate is shown that of
// the host, and looked at soon. CAs are asked in order; the next one when one
// fails. The key of the host name outlives its certificates, and the key after
// it is made ahead, so that both can be in TLSA records before a change. It
// takes over when there is a certificate for it, and the old one is remembered
// so that its record can go ([Manager.TLSA]).
//
// RFCs: 8555 (ACME), 8737 (TLS-ALPN-01), 7671 (keys for DANE), 9773 (renewal
// information), 8996 (TLS 1.2 or newer).
package certs
