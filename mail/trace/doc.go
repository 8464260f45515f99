// Package trace keeps the story of each message for 30 days: what every stage
// saw, decided and did, from the connection to the remote's last reply. The
// console, the API, the CLI and delivery reports all read this one record.
//
// Stages call [Log.Append] with the message's [ID]; it takes a place in a
// bounded buffer and returns. One writer puts what comes in within a second into
// trace.db, in one transaction. Nothing on the way of a 250 waits for it: a
// power cut may lose the newest traces, never mail.
//
// trace.db is a bbolt file with five buckets:
//
//	summary  ID → Summary
//	events   ID ‖ uint32 → a group of events
//	index    run ‖ hash of a term ‖ ID → nothing; terms are the address, its
//	         domain, the Message-ID, the client's IP, the subject's hash,
//	         direction and outcome, junk, and the cause of trouble
//	runs     first ID → run: the parts of the index, so that what is written at
//	         once changes few pages
//	meta     the version of the index
//
// IDs sort by time, so that expiry removes a prefix and a search reads
// backwards. A search is an intersection of unions of index rows, run by run:
// [Log.Page] leaps from one to the other, reads only summaries that match, and
// stops after a bounded number of looks with a cursor to go on from.
// [Log.Watch] hands out summaries as they are written, for a view that is live;
// Options.Written is told of all that is new, for those who tell others.
package trace
