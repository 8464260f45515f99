// Package upgrade changes a server to another version of the program, and its
// data to another schema, with a way back.
//
// cmd plugs in what it knows how to do: testing a data folder, and asking the
// programs. What is here is the order of things:
//
//	phase       what is so                                          if it ends here
//	testing     the server is stopped; a copy is brought over and   the server is started again; nothing was
//	            tested by the new program                           changed
//	switching   the databases of the copy take the place of the     Resume finishes it, at the next start of
//	            others, which are kept in upgrade/before            either program
//	watching    the new program serves; it is asked whether it is   `mailstead upgrade back`, or all is well
//	            well
//	returning   as switching, the other way round                   Resume finishes it
//	done        all is well; upgrade/before is kept for a day
//	back        the program and the data from before serve again,
//	            with the mail that came in between
//
// The copy has the databases; the log and the large bodies of the store are hard
// links, for what is in them never moves, and a new process writes new files
// (package mailbox/store). While upgrade/before is there, nothing is given back
// of the store.
//
// The way back: the new program writes down, in files that any version can read,
// which mail arrived since the switch, with mailbox, flags and keywords, and
// what still waits in the queue; the program from before takes it in. If the new
// program cannot even do that, the program from before reads the log that the
// new one wrote. docs/upgrade.md says what is carried back and what is not.
package upgrade
