// Package webhooks tells web servers of others what happens here: to messages,
// accounts, checks and alerts. A request has what happened and to whom, never
// what a message says.
//
// Whoever knows of something calls [Book.Emit], which takes a place in memory
// and returns; it is never on the way of a 250. One writer puts what has come
// in into webhooks.db, for each webhook that wants it, and from then on it is
// sent at least once: a request that is not answered with 2xx is sent again,
// later each time, for a day. What can be lost, then, is
//
//	what came in the last second before a crash
//	what came while 10,000 others waited in memory, or for the same webhook
//	what could not be delivered for a day: it is kept, and can be replayed
//
// webhooks.db is a bbolt file with these buckets; it may be deleted:
//
//	deliveries  webhook ‖ number → delivery, with what it sends and all attempts
//	due         webhook ‖ time ‖ number → nothing: those that wait
//	ended       webhook ‖ time ‖ number → nothing: the others, of which the
//	            last 1,000 are kept
//	health      webhook → how it does
//
// The webhooks themselves are in system.db. One that has not worked for three
// days, or says that it is gone, is switched off, and an alert tells of it.
//
// Requests are as Standard Webhooks 1.0.0 has them.
package webhooks
