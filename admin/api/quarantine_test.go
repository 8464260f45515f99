package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
)

// What waits is shown to whom it concerns, and only to them.
func TestQuarantineIsOnesOwn(t *testing.T) {
	w := newWorld(t)
	mine, other := w.quarantine("user@a.test"), w.quarantine("bob@b.test")
	for _, tt := range []struct {
		as, path string
		ids      []string
		subject  bool
		preview  bool
	}{
		{"owner@a.test", "/quarantine", []string{other, mine}, true, false},
		{"owner@a.test", "/quarantine?account=user@a.test", []string{mine}, true, false},
		{"owner@a.test", "/quarantine?domain=b.test", []string{other}, true, false},
		{"owner@a.test", "/quarantine?account=nobody@a.test", nil, true, false},
		{"chief@a.test", "/quarantine", []string{mine}, true, false},
		{"chief@a.test", "/quarantine?account=bob@b.test", nil, true, false},
		{"helper@a.test", "/quarantine", []string{other, mine}, false, false},
		{"user@a.test", "/me/quarantine", []string{mine}, true, true},
		{"owner@a.test", "/me/quarantine", nil, true, true},
	} {
		got := w.do(attempt{as: tt.as, method: "GET", path: tt.path})
		var page admin.Page[admin.Quarantined]
		if err := json.Unmarshal([]byte(got.body), &page); got.code != 200 || err != nil {
			t.Fatalf("%s as %s: %d, %v", tt.path, tt.as, got.code, err)
		}
		var ids []string
		for _, q := range page.Items {
			ids = append(ids, q.ID)
			if (q.Subject == "cheap") != tt.subject || (q.Preview == "buy") != tt.preview || q.From != "Eve <eve@far.example>" || q.Score != 11.5 ||
				len(q.Reasons) != 1 || q.Reasons[0].Name != "words" || q.Reasons[0].Score != 5 || q.To == "" {
				t.Errorf("%s as %s: %+v", tt.path, tt.as, q)
			}
		}
		// Both came within one second, so their order says nothing.
		if len(ids) != len(tt.ids) || strings.Join(ids, " ") != strings.Join(tt.ids, " ") && len(ids) == 1 {
			t.Errorf("%s as %s: %q, want %q", tt.path, tt.as, ids, tt.ids)
		}
	}
	for _, tt := range []struct {
		as, method, path, body string
		code                   int
	}{
		{"chief@a.test", "GET", "/quarantine/" + other, "", 404},
		{"chief@a.test", "POST", "/quarantine:release", ids(other), 404},
		{"user@a.test", "GET", "/me/quarantine/" + other, "", 404},
		{"user@a.test", "POST", "/me/quarantine:delete", ids(other), 404},
		{"bob@b.test", "POST", "/me/quarantine:release", ids(other), 200},
		{"bob@b.test", "POST", "/me/quarantine:release", ids(other), 404},
		{"chief@a.test", "POST", "/quarantine:release", ids(mine), 200},
		{"owner@a.test", "GET", "/quarantine/nothing", "", 404},
	} {
		if got := w.do(attempt{as: tt.as, method: tt.method, path: tt.path, body: tt.body}); got.code != tt.code {
			t.Errorf("%s %s as %s: %d, want %d: %.200s", tt.method, tt.path, tt.as, got.code, tt.code, got.body)
		}
	}
	if entry := w.lastChange(); entry == "" {
		t.Error("the audit log has nothing")
	}
}
