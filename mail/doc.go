// Package mail is the vocabulary of the mail system: the nouns that every
// other package speaks in. It knows no protocol, no network and no disk.
//
//   - [Domain] and [Path] name where mail comes from and goes to
//     (RFC 5321 sections 2.3.5 and 4.1.2, RFC 5890, RFC 6531).
//   - [Envelope] is what MAIL and RCPT said (RFC 5321, RFC 3461, RFC 8689).
//   - [Status] and [Error] are the one currency in which delivery, SMTP
//     replies, retries and delivery reports talk about failure (RFC 3463).
//   - [AuthResults] collects what was found out about a message's origin
//     (RFC 8601).
package mail
