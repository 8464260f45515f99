package message

import "testing"

func TestEditFields(t *testing.T) {
	const header = "A: 1\r\nB: 2\r\n\tfolded\r\na : 3\r\nC: 4\r\nA: 5\r\n\r\n"
	for _, tt := range []struct {
		name  string
		edits []FieldEdit
		want  string
	}{
		{"nothing", nil, header},
		{"remove the first", []FieldEdit{{Name: "a", Nth: 1}}, "B: 2\r\n\tfolded\r\na : 3\r\nC: 4\r\nA: 5\r\n\r\n"},
		{"remove a folded field", []FieldEdit{{Name: "B", Nth: 1}}, "A: 1\r\na : 3\r\nC: 4\r\nA: 5\r\n\r\n"},
		{"replace the second", []FieldEdit{{"A", 2, []byte("A: new\r\n")}}, "A: 1\r\nB: 2\r\n\tfolded\r\nA: new\r\nC: 4\r\nA: 5\r\n\r\n"},
		{"the last", []FieldEdit{{Name: "A", Nth: -1}}, "A: 1\r\nB: 2\r\n\tfolded\r\na : 3\r\nC: 4\r\n\r\n"},
		{"all", []FieldEdit{{Name: "A"}}, "B: 2\r\n\tfolded\r\nC: 4\r\n\r\n"},
		{"counted in the header as it was", []FieldEdit{{Name: "A", Nth: 1}, {"A", 2, []byte("A: x\r\n")}}, "B: 2\r\n\tfolded\r\nA: x\r\nC: 4\r\nA: 5\r\n\r\n"},
		{"the last of several holds", []FieldEdit{{Name: "C", Nth: 1}, {"C", 1, []byte("C: x\r\n")}}, "A: 1\r\nB: 2\r\n\tfolded\r\na : 3\r\nC: x\r\nA: 5\r\n\r\n"},
		{"not there", []FieldEdit{{Name: "A", Nth: 4}, {Name: "D", Nth: 1}, {Name: "A", Nth: -4}}, header},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := EditFields([]byte(header), tt.edits); string(got) != tt.want {
				t.Errorf("got\n%q, want\n%q", got, tt.want)
			}
		})
	}
}
