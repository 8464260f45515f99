package alerts

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
)

// play lets a book see one finding a minute, written as o (ok), w (warn), f
// (fail), u (unknown) and - (there is nothing of the kind), and returns what is
// told at which minute. M mutes for three minutes.
func play(t *testing.T, seen string, twice bool, r Rules) string {
	t.Helper()
	b := book{}
	var told []string
	minute := 0
	for _, c := range seen {
		now := noon.Add(time.Duration(minute) * time.Minute)
		if c == 'M' {
			until := now.Add(3 * time.Minute)
			b["x"].MutedUntil = &until
			continue
		}
		var findings []Finding
		state := map[rune]checks.State{'o': checks.OK, 'w': checks.Warn, 'f': checks.Fail, 'u': checks.Unknown}[c]
		if state != "" {
			findings = []Finding{{ID: "x", Title: "X", State: state, Saw: "saw", twice: twice}}
		}
		for _, ch := range b.step(findings, now, r) {
			told = append(told, fmt.Sprintf("%d:%s/%s", minute, ch.Event, ch.Worst))
		}
		minute++
	}
	return strings.Join(told, " ")
}

func TestStep(t *testing.T) {
	soon := Rules{Confirm: 2 * time.Minute, Clear: 2 * time.Minute}
	for _, tt := range []struct {
		name, seen string
		twice      bool
		rules      Rules
		want       string
	}{
		{"good", "ooo", false, soon, ""},
		{"told once", "owwww", false, soon, "1:fired/warn"},
		{"seen twice before it is told", "ofofff", true, soon, "5:fired/fail"},
		{"a short trouble of others is not told", "offoooo", true, soon, ""},
		{"resolved after a while", "ffoooo", false, soon, "0:fired/fail 4:resolved/fail"},
		{"flapping is told once", "fofofofooo", false, soon, "0:fired/fail 9:resolved/fail"},
		{"fired again after it was over", "fooof", false, soon, "0:fired/fail 3:resolved/fail 4:fired/fail"},
		{"worse is told, better is not", "wfwf", false, soon, "0:fired/warn 1:worse/fail"},
		{"unknown alone is nothing", "uuuu", false, soon, ""},
		{"unknown does not confirm", "fuuuo", true, soon, ""},
		{"unknown does not end", "fuuuuu", false, soon, "0:fired/fail"},
		{"what is gone is over", "f---", false, soon, "0:fired/fail 3:resolved/fail"},
		{"reminded", "fffff", false, Rules{Remind: 2 * time.Minute}, "0:fired/fail 2:still/fail 4:still/fail"},
		{"not of warnings", "wwwww", false, Rules{Remind: 2 * time.Minute}, "0:fired/warn"},
		{"muted before it gets worse", "wMfffff", false, soon, "0:fired/warn 4:worse/fail"},
		{"muted when it is over", "wMooo", false, Rules{Clear: time.Minute}, "0:fired/warn"},
		{"fires at once and ends at once", "fo", false, Rules{}, "0:fired/fail 1:resolved/fail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := play(t, tt.seen, tt.twice, tt.rules); got != tt.want {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMutedFromTheBeginning(t *testing.T) {
	b := book{}
	bad := []Finding{{ID: "x", State: checks.Fail, quiet: true}}
	if got := b.step(bad, noon, Rules{}); len(got) != 0 {
		t.Fatalf("a muted check is told: %+v", got)
	}
	bad[0].quiet = false
	if got := b.step(bad, noon.Add(hour), Rules{}); len(got) != 1 || got[0].Event != Fired {
		t.Errorf("after the mute: %+v", got)
	}
}

func TestForget(t *testing.T) {
	b := book{}
	for i := range maxResolved + 5 {
		id := fmt.Sprint(i)
		b[id] = &Alert{Finding: Finding{ID: id}, Phase: Resolved, Resolved: noon.Add(time.Duration(i) * time.Minute)}
	}
	b["firing"] = &Alert{Finding: Finding{ID: "firing"}, Phase: Firing}
	b.forget(noon.Add(hour))
	if len(b) != maxResolved+1 || b["4"] != nil || b["5"] == nil || b["firing"] == nil {
		t.Errorf("%d are left", len(b))
	}
	b.forget(noon.Add(40 * day))
	if len(b) != 1 {
		t.Errorf("%d are left after 40 days", len(b))
	}
}
