// Package certs has the certificates that the servers show. A [Manager] hands
// out a *tls.Config and keeps what is behind it fresh:
//
//	mode         certificate                                      renewed
//	SelfSigned   of a small CA of our own, in ca.pem for clients   at start and once a day, 30 days ahead
//	Files        from two files of the administrator               read again when they change
//	ACME         from a CA by certmagic: HTTP-01, TLS-ALPN-01      by certmagic
//
// There is always something to show: until ACME has the first certificate, or
// while files cannot be read, it is the self-signed one. A client that sends no
// server name, as many MTAs, gets the certificate of the host name.
//
// RFCs: 8555 (ACME), 8737 (TLS-ALPN-01), 8996 (TLS 1.2 or newer).
package certs
