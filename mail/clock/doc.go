// Package clock is the time by which this server decides: when mail is given
// up, what is too old to be kept, when something is due.
//
// The clock of a machine may jump: it was resumed from a snapshot, its battery
// is empty, somebody has set it, a time server is wrong. Who believes such a
// jump returns mail that has waited for minutes and empties what is kept for 30
// days. So a [Clock] does not believe it at once:
//
//	sure       Now is the clock of the system, which goes as time passes
//	in doubt   that has jumped; Now goes on from where it was, as time passes
//
// The doubt ends when the clock of the system is back where it was, when
// somebody who is asked for the time says that the jump was right, or when an
// operator does ([Clock.Accept]). A jump that came true is remembered, so that
// things are not too old because of it ([Clock.Keep]).
//
// How late it is is noted in a file, for the clock may be wrong when the
// program starts. Suspending the machine is no jump.
//
// cmd opens the one Clock of a server and hands its Now to all services.
package clock
