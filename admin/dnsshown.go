package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/mailstead/mailstead/admin/directory"
)

// Between a plan and its publication somebody may change the same records. The
// names of records do not tell; digests of what was shown do.

var errChangedSince = &directory.Problem{Kind: directory.ErrConflict, Text: "the records have changed since they were shown; look at them again"}

// digest stands for what is shown of a change: where it is, and what there is,
// will be and goes. Name servers and providers give values in any order.
// Whether others have published what goes, and whether that was allowed, is
// not in it: consent is given after looking.
func (c *ZoneChange) digest() string {
	sorted := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", c.Name, c.Type, sorted(c.Have), sorted(c.Want), sorted(c.Remove)))
	return hex.EncodeToString(sum[:])
}

// Shown returns the digests of the changes that a plan would make, for
// DNSApply.Seen.
func (p *DNSPlan) Shown() []string {
	list := []string{}
	for _, c := range p.Changes {
		if c.changes() {
			list = append(list, c.Digest)
		}
	}
	return list
}

// makes reports whether a plan makes just the changes that were seen. What it
// leaves alone does not matter: an answer of the DNS may come late.
func (p *DNSPlan) makes(seen []string) bool {
	set := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(set(p.Shown()), set(seen))
}
