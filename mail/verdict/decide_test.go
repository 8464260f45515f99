package verdict

import (
	"math"
	"strings"
	"testing"
)

func TestDecide(t *testing.T) {
	allow, block := Match{Verb: Allow}, Match{Verb: Block}
	tag, off := Policy{Tag, 5, 10, 15}, Policy{Off, 5, 10, 15}
	for _, tt := range []struct {
		name string
		in   Facts
		want Decision
	}{
		{"nothing known", Facts{Policy: Default()}, Decision{}},
		{"below the first threshold", Facts{Score: 4.99, Policy: Default()}, Decision{}},
		{"at it", Facts{Score: 5, Policy: Default()}, Decision{Action: Junk, By: ByScore, Suspect: true}},
		{"quarantine", Facts{Score: 10, Policy: Default()}, Decision{Action: Quarantine, By: ByScore, Suspect: true}},
		{"refuse", Facts{Score: 15, Policy: Default()}, Decision{Action: Refuse, By: ByScore, Suspect: true}},
		{"a threshold of 0 is never reached", Facts{Score: 100, Policy: Policy{File, 5, 0, 0}}, Decision{Action: Junk, By: ByScore, Suspect: true}},
		{"known", Facts{Score: -5, Known: true, Policy: Default()}, Decision{Welcome: true}},
		{"known, and junk all the same", Facts{Score: 6, Known: true, Policy: Default()}, Decision{Action: Junk, By: ByScore, Suspect: true}},
		{"only told", Facts{Score: 20, Policy: tag}, Decision{By: ByScore, Suspect: true}},
		{"not looked at", Facts{Score: 20, Policy: off}, Decision{}},
		{"postmaster", Facts{Score: 20, Rescue: true, Policy: Default()}, Decision{Action: Junk, By: ByScore, Suspect: true}},

		{"not passed on", Facts{Score: 6, Onward: true, Policy: Default()}, Decision{Action: Refuse, By: ByScore, Suspect: true}},
		{"nor what a check does not want", Facts{Hard: Junk, Onward: true, Policy: Default()}, Decision{Action: Refuse, By: ByCheck, Suspect: true}},
		{"passed on to who helps", Facts{Score: 6, Onward: true, Rescue: true, Policy: Default()}, Decision{Action: Junk, By: ByScore, Suspect: true}},
		{"passed on with a mark alone", Facts{Score: 6, Onward: true, Policy: tag}, Decision{By: ByScore, Suspect: true}},
		{"nothing against it", Facts{Score: 4, Onward: true, Policy: Default()}, Decision{}},

		{"allowed whatever the score", Facts{Score: 20, Match: allow, Policy: Default()}, Decision{By: ByList, Welcome: true}},
		{"blocked whatever the score", Facts{Score: -5, Match: block, Policy: Default()}, Decision{Action: Refuse, By: ByList, Suspect: true}},
		{"blocked whatever the mode", Facts{Match: block, Policy: off}, Decision{Action: Refuse, By: ByList, Suspect: true}},
		{"blocked from postmaster", Facts{Match: block, Rescue: true, Policy: Default()}, Decision{Action: Refuse, By: ByList, Suspect: true}},

		{"a check asks for Junk", Facts{Hard: Junk, Policy: Default()}, Decision{Action: Junk, By: ByCheck, Suspect: true}},
		{"no list makes that milder", Facts{Hard: Junk, Match: allow, Policy: Default()}, Decision{Action: Junk, By: ByCheck, Suspect: true}},
		{"no mode does", Facts{Hard: Junk, Policy: off}, Decision{Action: Junk, By: ByCheck, Suspect: true}},
		{"a score can be stricter", Facts{Hard: Junk, Score: 12, Policy: Default()}, Decision{Action: Quarantine, By: ByScore, Suspect: true}},
		{"a block can be stricter", Facts{Hard: Junk, Match: block, Policy: Default()}, Decision{Action: Refuse, By: ByList, Suspect: true}},
		{"a check refuses", Facts{Hard: Refuse, Match: allow, Rescue: true, Policy: off}, Decision{Action: Refuse, By: ByCheck, Suspect: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Decide(tt.in); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestCheckPolicy(t *testing.T) {
	for _, tt := range []struct {
		p    Policy
		want string
	}{
		{Default(), ""},
		{Policy{File, 0, 10, 0}, ""},
		{Policy{Tag, 5, 5, 5}, ""},
		{Policy{"sort", 5, 10, 15}, "off, tag or file"},
		{Policy{File, 5, 4, 15}, "quarantine threshold (4) is below that of junk (5)"},
		{Policy{File, 5, 0, 4}, "refuse threshold (4) is below that of junk (5)"},
		{Policy{File, -1, 10, 15}, "between 0 and 1000"},
		{Policy{File, math.NaN(), 10, 15}, "between 0 and 1000"},
		{Policy{File, 5, 10, math.Inf(1)}, "between 0 and 1000"},
	} {
		err := tt.p.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.p, err, tt.want)
		}
	}
}

func TestActionNames(t *testing.T) {
	for a := Accept; a <= Refuse; a++ {
		if got, err := ParseAction(a.String()); got != a || err != nil {
			t.Errorf("%s is read as %s, %v", a, got, err)
		}
	}
	if _, err := ParseAction("bin"); err == nil {
		t.Error("bin is a place")
	}
}
