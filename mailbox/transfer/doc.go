// Package transfer takes mail out of an account in a form that other programs
// read: an mbox file (RFC 4155, its appendix A has the format) of the mboxrd
// variety, in which quoting can be undone. admin calls it.
//
// A transaction lasts as long as it takes to find a hundred messages; none is
// open while octets are written. Memory does not grow with messages, lines or
// mailboxes.
//
// Messages are written as they are stored, but for their line ends. Flags and
// keywords stay behind: no header field for them is a standard.
package transfer
