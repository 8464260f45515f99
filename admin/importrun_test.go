package admin

import (
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/movein"
)

// TestUnfinished: an import that does not account for all messages has failed,
// and says what to do next.
func TestUnfinished(t *testing.T) {
	for _, tt := range []struct {
		name string
		rep  movein.Report
		want []string
	}{
		{"all is well", movein.Report{Problems: []movein.Problem{{Name: "INBOX, UID 9", Error: "it is empty"}}}, nil},
		{"wrong", movein.Report{Wrong: []movein.Problem{{Name: "INBOX, UID 9"}}}, []string{"1 messages are not here as the source gave them"}},
		{"incomplete", movein.Report{Incomplete: []movein.Problem{{Name: "Work", Error: "it has more"}, {Name: "Old"}}}, []string{"2 of the folders", "Work: it has more", "Run the import again"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := unfinished(&tt.rep)
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("error %v", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in %q", w, err)
				}
			}
		})
	}
}
