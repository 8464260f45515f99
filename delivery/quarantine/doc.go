// Package quarantine looks after mail that waits for somebody to say whether it
// is wanted: which there is, where it goes, and how long it waits.
//
// The mail itself is in a mailbox of its account that no client sees
// ([mailbox.RoleQuarantine]): it counts towards the quota, is as safe as all
// other mail, and its release is a move to INBOX, with its date and flags. A
// [Book] remembers which accounts have any, so that a list for all of them need
// not open all; the mailboxes alone are the truth.
//
// Nothing is dropped: what nobody has looked at for a time goes to \Junk.
package quarantine
