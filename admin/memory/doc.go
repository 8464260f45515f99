// Package memory keeps the process within the memory that it may have. It finds
// out how much that is ([Detect]: memory cgroups, or the computer's memory),
// divides it among what takes most of it ([For]: a [Plan]), and paces Go's
// collector by what is in use ([Keeper]).
//
// The limit is about memory that only this process has: its heap and stacks, and
// what the kernel keeps for its sockets. Pages of files that are mapped, such as
// the databases of bbolt, and the cache of files are not: the system takes them
// back when it needs room.
//
// It is a limit on what the server begins, and a goal for the collector. A
// Plan is made so that its parts fit; what does not is refused for the time
// being, or waits.
package memory
