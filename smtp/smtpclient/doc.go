// Package smtpclient speaks SMTP as a client, on one connection to one server
// (RFC 5321). smtp/outbound calls it; it knows no queue, no DNS and dials
// nothing: the connection is handed in.
//
//	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hostname: "mx.example.org"})
//	err = c.StartTLS(ctx, smtpclient.TLSOptions{Config: &tls.Config{ServerName: "mx.example.net"}})
//	results, err := c.Send(ctx, &smtpclient.Message{Envelope: env, Size: n, Body: r})
//	c.Quit(ctx)
//
// A Client is in one of these states:
//
//	state     after                                what may follow
//	ready     New, StartTLS, Auth, Send, Reset     StartTLS, Auth, Send, Reset, Quit
//	dead      an I/O error, 421, a reply that      Close
//	          cannot be read, Quit, Close
//
// Send is one transaction for any number of recipients. Each of them has a
// result of its own: what the server said to its RCPT or, when that was taken,
// to the message as a whole. Failures are *mail.Error and keep the enhanced
// status code of the server.
//
// What is used when the server offers it: PIPELINING (RFC 2920), CHUNKING
// (RFC 3030), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), DSN
// (RFC 3461), REQUIRETLS (RFC 8689), ENHANCEDSTATUSCODES (RFC 2034), STARTTLS
// (RFC 3207), AUTH (RFC 4954), LIMITS (RFC 9422).
//
// All that a server sends is bounded: lines, lines of a reply, and the time
// that each phase may take (RFC 5321 section 4.5.3.2). The dialogue is recorded
// without message data and credentials.
package smtpclient
