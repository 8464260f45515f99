// Package aggregate reads and writes DMARC aggregate reports: what others tell
// once a day about mail in the name of a domain, and what we tell them. It
// writes the form of RFC 9990 and reads that and the one of RFC 7489, which
// most still send, with the liberties that large providers take.
//
// smtp/reports calls [Parse] with what came out of an attachment, and [Report.XML]
// for its own reports. There is no I/O here, and nothing is looked up.
//
//	a report says            where                          as
//	who tells it             report_metadata                Org, Email, ID, Begin, End
//	what was asked for       policy_published               Policy
//	what was seen            record, one for each source    Rows
//	                         and each set of results
//
// Reports come from anybody. A document may have [MaxRows] records, a bounded
// number of elements, and no document type declaration, so that nothing in it
// stands for something longer or for something elsewhere (RFC 9990 section 8.1).
package aggregate
