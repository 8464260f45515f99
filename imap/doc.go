// Package imap is the part of the IMAP vocabulary that go-imap lacks. Flags,
// number sets, capabilities, mailbox attributes and response codes are the
// value types of github.com/emersion/go-imap/v2 throughout imap/; what newer
// RFCs add to them stands here. imapwire and imapserver use it.
//
// RFCs: 5032, 6154, 7162, 8438, 8474, 8514, 9208.
package imap
