package dmarc

import "slices"

// Override is why a receiver did not do what a policy asks for (the
// PolicyOverrideType of RFC 9990).
type Override string

const (
	TrustedForwarder Override = "trusted_forwarder"
	LocalPolicy      Override = "local_policy"
	TestMode         Override = "policy_test_mode"
)

// Overrule makes a failure one without consequences. reason goes into
// Authentication-Results, comment tells people more.
func (r *Result) Overrule(o Override, reason, comment string) {
	r.Disposition, r.Override = None, o
	r.Reason = reason
	r.Comment += ", " + comment
	r.Props = slices.Clone(r.Props)
	for i := range r.Props {
		if r.Props[i].Type == "policy" && r.Props[i].Name == "dmarc" {
			r.Props[i].Value = string(None)
		}
	}
}
