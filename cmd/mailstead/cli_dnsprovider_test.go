package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/mailstead/mailstead/admin"
)

// dnsOperator has a plan, and keeps what it was asked for.
type dnsOperator struct {
	admin.Operator
	asked []admin.DNSApply
}

func (o *dnsOperator) ApplyDNS(_ context.Context, _ string, r admin.DNSApply) (admin.DNSPlan, error) {
	o.asked = append(o.asked, r)
	return admin.DNSPlan{Changes: []admin.ZoneChange{
		{Action: admin.DNSKeep, Digest: "0"}, {Action: admin.DNSAdd, Digest: "1"}, {Action: admin.DNSForeign, Digest: "2"}, {Action: admin.DNSReplace, Digest: "3"},
	}}, nil
}

// Who is asked agrees to what was shown, and to nothing else.
func TestDomainDNSPublishesWhatWasShown(t *testing.T) {
	no := errors.New("no")
	for _, tt := range []struct {
		name   string
		cmd    domainDNSCmd
		answer error
		asked  bool
		want   [][]string // what was seen of each request that is made
	}{
		{"look", domainDNSCmd{}, nil, false, [][]string{nil}},
		{"agree", domainDNSCmd{Apply: true, Replace: []string{"mx"}}, nil, true, [][]string{nil, {"1", "3"}}},
		{"disagree", domainDNSCmd{Apply: true}, no, true, [][]string{nil}},
		{"without a question", domainDNSCmd{Apply: true, Yes: true}, nil, false, [][]string{nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var op dnsOperator
			asked := false
			err := tt.cmd.publish(t.Context(), &op, &printer{w: io.Discard, notes: io.Discard}, func() error { asked = true; return tt.answer })
			if !errors.Is(err, tt.answer) || asked != tt.asked || len(op.asked) != len(tt.want) {
				t.Fatalf("%v, asked: %v, requests: %+v", err, asked, op.asked)
			}
			for i, r := range op.asked {
				if !slices.Equal(r.Seen, tt.want[i]) || r.DryRun != (i == 0) || !slices.Equal(r.Replace, tt.cmd.Replace) {
					t.Errorf("request %d: %+v, want %q", i, r, tt.want[i])
				}
			}
		})
	}
}
