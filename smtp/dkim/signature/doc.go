// Package signature has what the signatures of DKIM (RFC 6376) and ARC
// (RFC 8617) have in common: tag lists, canonical forms, hashes of header
// fields and bodies, and keys in the DNS.
//
// A [Message] is indexed once and its body read at most once, however many
// signatures it has: all ask for the hash of one of two forms. Nothing here
// judges: smtp/dkim and smtp/arc say which signatures count, and for what.
//
// Everything is bounded: a header of [MaxHeader] octets, [MaxNames] names in
// h=, tag lists of [MaxTagList] octets, key records of [MaxKeyRecord] octets.
// The work for one signature grows with the size of the header, and not
// faster.
//
// RFCs: 6376 (sections 3.2, 3.4, 3.5, 3.6, 3.7), 8301, 8463, 8616.
package signature
