package api

import (
	"net/http"
	"testing"

	"github.com/mailstead/mailstead/delivery/junk"
)

// TestReleasedIsLearned: what is released teaches what is wanted if that is
// asked for, and nothing else.
func TestReleasedIsLearned(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		body string
		good int
	}{{"", 0}, {`,"train":true`, 1}} {
		id := w.quarantine("user@a.test")
		got := w.do(attempt{as: "owner@a.test", method: "POST", path: "/quarantine:release", body: `{"ids":["` + id + `"]` + tt.body + `}`})
		if got.code != http.StatusOK {
			t.Fatalf("release: %d %s", got.code, got.body)
		}
		if s := read[junk.Stats](w, "/junk/stats"); s.Good != tt.good || s.Junk != 0 || s.Needed == 0 {
			t.Errorf("with %q: %+v", tt.body, s)
		}
	}
}
