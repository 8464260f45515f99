// Package support makes the bundle that somebody sends along when they ask for
// help: one file that says how a server stands, and nothing of whom it serves.
//
// Package admin, and cmd where no server runs, collect the [File]s; [Write] takes
// out of each what must not leave the server, and puts them into a tar.gz with a
// manifest that says what is in it and what was taken out. Message content, and
// what is encrypted or hashed of secrets, is never collected in the first place:
// the [Redactor] is the second lock on the door.
package support
