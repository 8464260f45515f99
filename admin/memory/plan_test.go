package memory

import "testing"

// password is what one check takes by default.
const password = 19 * mb

// TestPlan: with plenty every part has what it had before there were plans, and
// with less each has what fits.
func TestPlan(t *testing.T) {
	for _, tt := range []struct {
		name       string
		limit      int64
		processors int
		want       Plan // without Limit
	}{
		{"nobody knows", 0, 2, Plan{Heap: 7 << 30, PasswordChecks: 2, Connections: 50937, Intake: 16 * mb, Databases: 1024, Deliveries: 4244, DNSCache: 16 * mb, JunkWords: 400_000}},
		{"plenty", 1 << 30, 2, Plan{Heap: 896 * mb, PasswordChecks: 2, Connections: 5779, Intake: 16 * mb, Databases: 1024, Deliveries: 481, DNSCache: 16 * mb, JunkWords: 400_000}},
		{"many processors", 1 << 30, 16, Plan{Heap: 896 * mb, PasswordChecks: 10, Connections: 4320, Intake: 16 * mb, Databases: 1024, Deliveries: 360, DNSCache: 16 * mb, JunkWords: 400_000}},
		{"256 MB", 256 * mb, 2, Plan{Heap: 224 * mb, PasswordChecks: 2, Connections: 940, Intake: 8563366, Databases: 313, Deliveries: 78, DNSCache: 6165624, JunkWords: 146800}},
		{"128 MB", 128 * mb, 2, Plan{Heap: 112 * mb, PasswordChecks: 1, Connections: 316, Intake: 2883583, Databases: 105, Deliveries: 26, DNSCache: 2076180, JunkWords: 49432}},
		{"the least", Least, 2, Plan{Heap: 80 * mb, PasswordChecks: 1, Connections: 86, Intake: mb, Databases: 32, Deliveries: 8, DNSCache: mb, JunkWords: 40_000}},
		{"too little", 32 * mb, 2, Plan{Heap: 48 * mb, PasswordChecks: 1, Connections: 64, Intake: mb, Databases: 32, Deliveries: 8, DNSCache: mb, JunkWords: 40_000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			want.Limit = Limit{tt.limit, "the test"}
			if got := For(want.Limit, Machine{tt.processors, password}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestPlanFits: whatever the limit, the parts together fit into the heap beside
// the server itself and what the collector needs, unless the limit is less than
// Least.
func TestPlanFits(t *testing.T) {
	last := Plan{}
	for limit := int64(32 * mb); limit < 8<<30; limit += limit / 16 {
		p := For(Limit{Bytes: limit}, Machine{8, password})
		sum := baseline + int64(p.PasswordChecks)*password + int64(p.Connections)*connectionSize + p.Intake*intakeWeight + int64(p.Databases)*databaseSize +
			int64(p.Deliveries)*deliverySize + p.DNSCache + int64(p.JunkWords)*wordSize
		if most := p.Heap; limit >= Least && sum > most {
			t.Errorf("%d MB: the parts have %d MB, the heap %d", limit/mb, sum/mb, most/mb)
		}
		if limit >= Least && p.Heap >= limit {
			t.Errorf("%d MB: the heap has %d MB, and nothing else has any", limit/mb, p.Heap/mb)
		}
		if p.PasswordChecks < last.PasswordChecks || p.Connections < last.Connections && p.PasswordChecks == last.PasswordChecks || p.Heap < last.Heap {
			t.Errorf("%d MB gives less than less memory does: %+v, %+v", limit/mb, p, last)
		}
		last = p
	}
}

// TestForHeap: what somebody has given to the heap stays that.
func TestForHeap(t *testing.T) {
	heap := int64(448 * mb)
	p, same := ForHeap(Limit{heap, "GOMEMLIMIT"}, Machine{2, password}), For(Limit{512 * mb, ""}, Machine{2, password})
	if p.Heap != heap || p.Bytes != 512*mb || p.From != "GOMEMLIMIT" {
		t.Errorf("ForHeap(448 MB) = %+v", p)
	}
	if same.Limit = p.Limit; p != same {
		t.Errorf("ForHeap(448 MB) = %+v, For(512 MB) = %+v", p, same)
	}
}

// TestGoal: the goal leaves room above what is in use, however much that is, or
// the collector would never rest; the heap that is allowed is the end of it.
func TestGoal(t *testing.T) {
	for _, tt := range []struct{ used, heap, want int64 }{
		{0, 1 << 40, 150 * mb}, {50 * mb, 1 << 40, 150 * mb}, {100 * mb, 1 << 40, 150 * mb}, {200 * mb, 1 << 40, 270 * mb}, {1 << 30, 1 << 40, (1<<30)*5/4 + 20*mb},
		{0, 112 * mb, 112 * mb}, {100 * mb, 112 * mb, 112 * mb}, {200 * mb, 256 * mb, 256 * mb},
	} {
		if got := goal(tt.used, tt.heap); got != tt.want {
			t.Errorf("goal(%d, %d) = %d, want %d", tt.used, tt.heap, got, tt.want)
		}
	}
}
