package api

import (
	"strings"
	"testing"
)

// TestQueueOfSomeDomains: a domain admin sees of a message that is for others,
// too, only the own recipients, and how many others there are.
func TestQueueOfSomeDomains(t *testing.T) {
	w := newWorld(t)
	ours := w.enqueue("user@a.test", "x@far.example", "y@far.example")
	theirs := w.enqueue("eve@evil.example", "user@a.test", "bob@b.test", "x@far.example")
	w.enqueue("bob@b.test", "x@far.example")
	for as, want := range map[string]map[string][]string{
		"chief@a.test":  {ours: {"x@far.example", "y@far.example"}, theirs: {"user@a.test", `"others":2`}},
		"helper@a.test": {ours: {"x@far.example", "y@far.example"}, theirs: {"user@a.test", "bob@b.test", "x@far.example"}},
	} {
		for id, parts := range want {
			one := w.do(attempt{as: as, method: "GET", path: "/queue/" + id})
			if one.code != 200 {
				t.Fatalf("%s: %d %s", as, one.code, one.body)
			}
			for _, part := range parts {
				if !strings.Contains(one.body, part) {
					t.Errorf("%s: %q is missing: %s", as, part, one.body)
				}
			}
		}
		list := w.do(attempt{as: as, method: "GET", path: "/queue"})
		one := w.do(attempt{as: as, method: "GET", path: "/queue/" + theirs})
		for _, r := range []result{list, one} {
			if told := strings.Contains(r.body, "bob@b.test"); told != (as == "helper@a.test") {
				t.Errorf("%s is told of bob@b.test: %v: %s", as, told, r.body)
			}
		}
	}
}
