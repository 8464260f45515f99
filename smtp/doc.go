// Package smtp has what the two halves of SMTP share: replies, and the syntax
// of paths and parameters (RFC 5321, RFC 3461, RFC 6531, RFC 8689). smtpserver
// and smtpclient speak the protocol with it.
package smtp
