// Package arc verifies chains of ARC sets (RFC 8617), in which forwarders and
// mailing lists write down what they found out about a message before they
// changed it. We only read them, to let a forwarder that is trusted overrule a
// DMARC failure; we make none.
//
// smtp/inbound calls [Parse] and [Chain.Verify]. Whom to trust is its business:
// [Result.Vouched] says what a chain of trusted sealers reports.
//
//	result     of a chain
//	none       there is none
//	pass       every seal is good, and so is the newest message signature
//	fail       it is broken, incomplete, or was broken before
//	temperror  a key could not be looked up now (RFC 8617 leaves that open)
//
// Bounds: [MaxSets] sets, and those of package signature. A message whose newest
// signature is not good costs one look into the DNS, others at most two for each
// set.
//
// Deviation: message signatures with l= are not accepted, as they are not in
// smtp/dkim.
package arc
