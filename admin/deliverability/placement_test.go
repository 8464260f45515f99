package deliverability

import (
	"strings"
	"testing"
)

// TestPlacement: what people say of their test messages is a row of the score.
func TestPlacement(t *testing.T) {
	f := newFixture(t)
	row := func() Row {
		t.Helper()
		if err := f.Save(); err != nil {
			t.Fatal(err)
		}
		f.reopen(t)
		for _, r := range f.Score(nil).Rows {
			if r.ID == "placement" {
				return r
			}
		}
		t.Fatal("there is no row")
		return Row{}
	}
	for _, step := range []struct {
		mx         string
		is, before Placement
		state      State
		points     float64
		text       string // parts of text and evidence
	}{
		{"", "", "", Unknown, 0, "Nobody has said"},
		{google, Inbox, "", OK, 10, "1 of 1 messages|Gmail: 1 of 1"},
		{microsoft, Junk, "", Warn, 5, "1 of 2 messages|Gmail: 1 of 1, Microsoft: 0 of 1"},
		{google, Junk, Inbox, Fail, 0, "0 of 2 messages|Gmail: 0 of 1"},
		{microsoft, Inbox, Junk, Warn, 5, "1 of 2"},
		{"mx.small.example", Inbox, Junk, Warn, 5, "2 of 3|Others: 1 of 1"},
	} {
		if step.mx != "" {
			f.Placed(step.mx, step.is, step.before)
		}
		r := row()
		if r.State != step.state || r.Points != step.points {
			t.Errorf("after %+v: %+v", step, r)
		}
		for part := range strings.SplitSeq(step.text, "|") {
			if !strings.Contains(r.Text+r.Evidence, part) {
				t.Errorf("after %+v: %q, %q", step, r.Text, r.Evidence)
			}
		}
	}
	f.now = f.now.AddDate(0, 0, 40)
	if r := row(); r.State != Unknown {
		t.Errorf("after 40 days: %+v", r)
	}
}
