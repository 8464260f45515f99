// Package tlsrpt reads the reports of RFC 8460: how often others have reached
// the servers of a domain with TLS as its policies (MTA-STS, DANE) ask for, and
// what went wrong when not. smtp/reports calls [Parse] with what came out of an
// attachment. There is no I/O here.
//
// Reports come from anybody: the size of the document, the number of policies
// in it and of failures in those are bounded.
package tlsrpt
