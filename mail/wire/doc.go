// Package wire is the guarded connection under every protocol: SMTP, IMAP,
// POP3 and ManageSieve servers read and write through a [Conn]. It keeps what
// a peer may cost within [Limits], so that protocol code need not think of it:
//
//   - implicit TLS, or STARTTLS in the middle ([Conn.StartTLS])
//   - PROXY protocol v1 and v2, from trusted nets only
//   - how many connections an address, a net and all together may have
//   - time: a peer gets Idle for each of its turns, and more only as long as
//     octets come in at MinRate; a peer that does not read is cut off
//   - writes collect until somebody waits for the answer: one packet, one TLS
//     record for many replies
//   - an end in the middle never looks like a clean one: Read returns
//     io.ErrUnexpectedEOF, never io.EOF. Protocols end with a command.
//   - a transcript of the last lines, for traces
//
// [Serve] accepts, guards, and stops in two phases: when ctx is done no new
// connection is taken and sessions are told; after Grace what still runs is cut
// off. It returns when all handlers have.
package wire
