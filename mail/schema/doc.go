// Package schema has the number of the data's form: one for a whole data
// folder, in the file DATA/schema and in the databases that everything else
// hangs on (system.db, store/sys.db), so that a database alone says it too. The
// databases of accounts and the queue are opened by way of store/sys.db alone, and
// have the number of that; files that may be lost have one each (mail/boltfile).
//
// Records have versions of their own, and a program reads all older ones: that
// needs no new number. The number rises when older programs could not work with
// the data any more. Data without a number is of schema 1.
//
// A program refuses data that is newer than it is ([Check]). Older data is
// brought over by package admin/upgrade, on a copy.
package schema
