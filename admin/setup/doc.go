// Package setup is the first-run wizard: seven steps from an empty server to
// the first mail in both directions. It knows no HTTP and no browser; admin/api
// and `mailstead setup --text` lead people through it.
//
//	start        what this server is for
//	you          the first address: its domain and its account are made
//	server       the checks of the machine and its network, or a way round
//	dns          the records of the domain, until they are there
//	certificate  of the host name
//	mail         the first message in, and the first one out
//	done         what to keep, and what comes next
//
// What was answered is kept in system.db, without secrets, so that the wizard
// can be closed and resumed. No step keeps people from going on: what does not
// work yet has a fix or a way round, and stays on the list. [Progress] says
// how the steps stand, by what is known and nothing else.
package setup
