// Package smtpserver speaks SMTP as a server (RFC 5321). It holds no policy: a
// [Handler] decides, smtp/inbound for port 25 and smtp/submission for 587 and
// 465.
//
// go-smtp runs the session: it keeps its state, takes apart DATA and BDAT and
// runs the SASL exchange. Between it and the guarded connection of mail/wire
// stands a [filter], which reads a command at a time and lets go-smtp see
// nothing that it does not handle as the RFCs ask:
//
//	client ── wire.Conn ── filter ── go-smtp ── session ── Handler
//
//	the filter                                     because
//	answers what comes out of order                MAIL in MAIL, AUTH in a transaction, BDAT without RCPT
//	parses MAIL and RCPT itself and passes on      <Postmaster>, quoted local-parts, UTF-8, control
//	a placeholder; the session takes the parsed    characters, parameters
//	writes the reply to EHLO                       own name, what is really on offer
//	does STARTTLS, and forgets what was read       commands injected before the handshake
//	watches line ends in DATA                      bare CR or LF: SMTP smuggling
//	swallows the chunk of a BDAT it refuses        the chunk would be run as commands
//	ends the session on RSET between chunks        results of two messages would be mixed up
//	ends it when a message stops coming            the rest of a chunk would be run as commands
//	bounds lines, errors, idle commands, logins
//	collects replies                               one packet for a pipeline
//
// Because the filter hands over one command at a time, and go-smtp asks for the
// next only when it has answered, its own replies are in order.
//
// States of a session, as the filter keeps them:
//
//	connected   –                  EHLO, HELO, STARTTLS, NOOP, RSET, VRFY, HELP, QUIT
//	greeted     after EHLO, HELO   and AUTH (EHLO only), MAIL
//	mailed      after MAIL         and RCPT
//	addressed   after RCPT         and DATA or BDAT, after which it is greeted again
//
// RFCs: 5321, 1870, 2034, 2920, 3030, 3207, 3461, 4954, 6152, 6531, 8689, 9422.
package smtpserver
