// Package delivery is the MDA: it says what an address means here and files a
// message for all of its recipients at once.
//
// smtp/inbound and smtp/submission ask [MDA.CheckRecipient] at RCPT and hand
// over at the end of DATA with [MDA.Deliver]. Both return a *mail.Error whose
// status decides reply, retry and report.
//
// An address is expanded step by step ([Directory].Resolve): to an account, to
// the targets of an alias or group, or to an address elsewhere, which the
// outbound queue takes. All of it becomes one Accept of the store, so that a
// message is either on stable storage for every recipient or for none:
//
//	ana@example.org        account        its INBOX, \Junk or quarantine by verdict
//	staff@example.org      group          the accounts of its members
//	old@example.org        alias outside  the queue (owner 0), same reverse-path
//	dmarc-reports@…        reports        Options.Reports; what is no report goes
//	                                      to the postmaster
//	cy@example.org         forwards       the same, and its INBOX if a copy is kept
//
// Each account's copy begins with Return-Path (RFC 5321 section 4.4: exactly
// one, written at final delivery) and Delivered-To. They belong to that
// account alone and are kept beside the one shared body, so that recipients do
// not see each other.
//
// Loops end in two ways: an expansion that meets an address twice does not
// follow it again, and a message that comes back from outside carries the
// Delivered-To of the alias that sent it there (RFC 5321 section 6.3 asks for
// more than counting Received fields).
package delivery
