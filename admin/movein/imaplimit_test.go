package movein

import (
	"fmt"
	"strings"
	"testing"
)

// TestIMAPMessageLimit: a server that looks at so many messages for one command
// is asked until it has named all, gives all, and has said of all that it does
// not give whether they are there (RFC 9738 section 3).
func TestIMAPMessageLimit(t *testing.T) {
	for _, tt := range []struct {
		name, caps string
		limit      int
	}{
		{"announced", "MESSAGELIMIT=100", 100},
		{"announced, few", "MESSAGELIMIT=30", 30},
		{"not announced", "", 30},
		{"one", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, caps: tt.caps, limit: tt.limit, boxes: inbox(messages(250))}
			surveys, fetches, over := 0, 0, 0
			f.fault = func(command string) string {
				switch {
				case strings.HasPrefix(command, "UID FETCH 1:"):
					surveys++
				case isFetch(command):
					fetches++
					if skip, _ := f.within(strings.Fields(command)[2], &f.boxes[0]); skip > 0 {
						over++
					}
				}
				return ""
			}
			a := newAccount(t)
			rep := a.bring(a.options(f.source(1)))
			if got := rep.Reports[0]; got.There != 250 || got.Added != 250 || got.Unnamed != 0 || len(a.all()) != 250 {
				t.Errorf("report %+v", got)
			}
			if want := (250 + tt.limit - 1) / tt.limit; surveys != want || fetches != want {
				t.Errorf("%d commands for the survey and %d for the messages, want %d", surveys, fetches, want)
			}
			if tt.caps != "" && over > 0 {
				t.Errorf("%d commands asked for more than the server had announced", over)
			}
			if rep = a.bring(a.options(f.source(1))); rep.Known != 250 || rep.Added != 0 || rep.Removed != 0 {
				t.Errorf("again: %+v", rep.Progress)
			}
		})
	}
}

// TestIMAPMessageLimitGaps: what does not come is looked for, in parts as well.
func TestIMAPMessageLimitGaps(t *testing.T) {
	f := &fakeIMAP{t: t, limit: 30, boxes: inbox(messages(99))}
	f.fault = func(command string) string {
		if isFetch(command) {
			return "TAG OK nothing\n"
		}
		return ""
	}
	a := newAccount(t)
	rep := a.bring(a.options(f.source(1)))
	if rep.LeftOut != 99 || len(rep.Problems) != 99 {
		t.Fatalf("%+v, %d problems", rep.Progress, len(rep.Problems))
	}
	for _, p := range rep.Problems {
		if p.Error != errNotGiven.Error() {
			t.Errorf("%v", p)
		}
	}
}

// TestIMAPMessageLimitStuck: a server that gets no further is not asked on and
// on, and what it keeps is told.
func TestIMAPMessageLimitStuck(t *testing.T) {
	for name, code := range map[string]func(asked int) string{
		"back":          func(int) string { return "[MESSAGELIMIT 1000 9000]" },
		"one at a time": func(asked int) string { return fmt.Sprintf("[MESSAGELIMIT 1000 %d]", 5000-asked) },
		"no UID":        func(int) string { return "[MESSAGELIMIT 1000]" },
		"nonsense":      func(int) string { return "[MESSAGELIMIT x y z]" },
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeIMAP{t: t, boxes: inbox(messages(20))}
			asked := 0
			f.fault = func(command string) string {
				if !strings.HasPrefix(command, "UID FETCH 1:") {
					return ""
				}
				asked++
				if isSurvey(command) {
					return strings.Replace(f.without(command, 5, 7, 9), "TAG OK", "TAG OK "+code(asked), 1)
				}
				return "TAG OK " + code(asked) + " nothing\n"
			}
			a := newAccount(t)
			rep := a.bringPart(a.options(f.source(1)))
			if got := rep.Reports[0]; got.Unnamed != 3 || got.Added != 17 || len(rep.Incomplete) != 1 || asked > 4 {
				t.Errorf("report %+v after %d commands, not complete: %v", got, asked, rep.Incomplete)
			}
		})
	}
}
