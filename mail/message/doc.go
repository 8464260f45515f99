// Package message knows what is inside a message (RFC 5322, MIME): it makes
// one [Index] of header fields and MIME parts in a single pass over what
// really arrives, however broken, and reads and writes header fields.
//
// smtp tees DATA into an [Indexer] beside a [Spool]; mailbox keeps the encoded
// Index with the message; imap and search answer from it and open single
// parts by their offsets. Nothing parses a body a second time to describe it.
//
// The pass is a state machine over lines. In the order of a message:
//
//	state    a line is                                  next
//	header   field, its continuation, or ignored        header
//	header   empty, or the first one and no field       body, or header of message/rfc822
//	header   delimiter of an open multipart             header of the next part, or epilogue
//	body     delimiter of an open multipart             header of the next part, or epilogue
//	body     closing delimiter                          epilogue: body of the enclosing part
//	body     anything else: preamble, content, epilogue body
//	any      end of the message: all parts end here
//
// What an [Index] promises, whatever the message was: offsets of children lie
// inside the body of their parent, in order and without overlap; a multipart
// has at least one child; a message/rfc822 or message/global part has an
// Envelope and exactly one child; no other part has either. A part that cannot
// keep this (no usable boundary, bound reached) is shown as text/plain or
// application/octet-stream. An Index encodes in fewer than 60 KiB.
//
// RFCs: 5322, 2045, 2046, 2047, 2183, 2231, 3282, 6532 (UTF-8 in header
// fields), 5256 section 2.1 (base subject), 9051 sections 6.4.5.1 and 7.5.2
// (part numbers, ENVELOPE, BODYSTRUCTURE), 8970 (preview), 2152 (UTF-7).
package message
