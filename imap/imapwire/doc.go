// Package imapwire reads commands and writes responses of IMAP: tokens,
// literals, number sets, dates and mailbox names. imapserver uses it; it knows
// no command and no state.
//
// A command comes as lines with literals between them. The [Decoder] reads one
// line at a time and takes tokens from it, so that an error in the middle of a
// line leaves nothing unread but announced literals; [Decoder.Skip] passes over
// those. Octets of a literal are therefore never taken for a command, whatever
// was wrong with the command they came in.
//
//	state      what was read                          next
//	idle       nothing of a command                   line, by Next
//	line       a whole line, without its line end     line by token; literal if the line ends in {n}
//	literal    n octets are announced or under way    line, when all were read or passed over
//
// The decoder has a sticky error: after the first one all tokens are empty,
// and [Decoder.Err] and [Decoder.End] tell what it was.
//
// RFCs: 9051 section 9 and 3501 section 9 (grammar), 7888 (LITERAL+), 3516
// (literal8), 5182 ($), 3501 section 5.1.3 (modified UTF-7), 6855 (UTF-8).
package imapwire
