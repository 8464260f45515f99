// Package transfer reads the files of other mail programs, and takes mail out
// of an account in forms that other programs read: a Maildir++, a folder of
// mbox files (RFC 4155, its appendix A has the format) of the mboxrd variety, in
// which quoting can be undone, or a tar for the way between two processes.
// admin calls it.
//
// A transaction lasts as long as it takes to find a hundred messages; none is
// open while octets are written. Memory does not grow with messages, lines or
// mailboxes.
//
// Messages are written as they are stored, but for their line ends. WriteMbox
// leaves flags and keywords behind, since no header field for them is a
// standard; MboxWriter writes those that most programs know.
package transfer
