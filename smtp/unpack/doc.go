// Package unpack opens the files that others send to us packed: reports of
// DMARC and of TLS, which come as gzip (RFC 1952), as zip, or plain. It trusts
// neither names nor media types: the first octets say what a file is.
//
// What a file may cost is bounded by its own size and by [Limits]: the octets
// that come out of it, and how many come out of each that is in it. smtp/reports
// calls [Open]; what is inside is read by smtp/dmarc/aggregate and smtp/tlsrpt.
package unpack
