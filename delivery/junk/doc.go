// Package junk says how much a message looks like junk to the people it is
// for, and why.
//
// smtp/inbound collects what is known about a message as [Evidence] and asks a
// [Scorer] for an [Opinion] for each account. An opinion is a sum of reasons;
// what is done at which score is not decided here. [Classifier] is the Scorer
// of the server. Its reasons come from
//
//   - rules: what can be seen in this one message (rules.go is the table);
//   - words: a Bayes classifier over the message's tokens (bayes.go), silent until
//     enough mail of both classes was learned;
//   - the sender: what the account did with mail of this author, domain and
//     network before, as far as that is authenticated (sender.go).
//
// It learns from what people do with their mail: [Classifier.Run] reads the change feed
// of accounts that were touched and derives from the present state of a message
// what it is (state.go). Nothing is learned on the way of a delivery.
//
// # State
//
// junk.db is a bbolt file that may be deleted; then everything that mailboxes
// still tell is learned again. Buckets (integers big endian; account 0 is what
// all share):
//
//	meta     name → key of the hashes; accounts that were touched and not yet read
//	totals   account → messages learned as junk, as good
//	words    account ‖ token → messages with it that were junk, good; day
//	senders  account ‖ identity → good, bad, written to; day
//	learned  account ‖ email → class, and what was counted for it
//	cursor   account → mod-sequence up to which its feed was read
//
// Tokens and identities are keyed hashes: the file does not tell the words. What
// one message changes, its row in learned and the cursor are written in one
// transaction, so a crash neither doubles nor loses it, and moving it back
// undoes exactly what was counted.
package junk
