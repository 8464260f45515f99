// Package deliverability tells how well mail of this server arrives: for each
// large provider by the replies to our own attempts, and as a score that is the
// sum of rows that are all shown.
//
// A [Book] counts what came of attempts by the operator of the MX host that
// answered, by day, for 90 days; it is fed by the queue ([Book.Observe]) and
// never looks at traces. [Score] puts together what it knows and what the checks
// of the server found. Where nothing is known a row says so, and its points are
// taken out of the total: there are no guesses. Fewer than 20 messages to a
// provider are nothing to judge by.
package deliverability
