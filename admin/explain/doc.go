// Package explain says in plain words what happened to a message: what each
// command and reply of an SMTP dialogue means, what a check found, why a message
// waits, and what to do about it. The console, the API and the command line show
// its words; nothing is decided by them.
//
// [Story] makes the lines of a message's story from its trace. [Explain] finds
// the [Cause] behind a reply: one of a closed set, by the words that large
// providers are known to use, by the enhanced status code (RFC 3463, RFC 7372,
// RFC 7505, RFC 8689), or by the reply code. [ProviderOf] names the provider
// behind an MX host.
//
// Replies come from strangers. They are looked at as text of bounded length,
// never as a pattern, and none of them is ever repeated in an explanation.
package explain
