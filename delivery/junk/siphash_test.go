package junk

import "testing"

// TestSipHash: the vector of the paper's appendix A.
func TestSipHash(t *testing.T) {
	var key, text [16]byte
	for i := range key {
		key[i], text[i] = byte(i), byte(i)
	}
	if got := newHashKey(key[:]).sum(text[:15]); got != 0xa129ca6149be45e5 {
		t.Errorf("got %x", got)
	}
	if got := newHashKey(key[:]).sum(nil); got != 0x726fdb47dd0e0e31 {
		t.Errorf("of nothing: %x", got)
	}
}
