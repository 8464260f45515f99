package movein

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestIMAPDoubt: a message for which the server asks to wait, again and again,
// is left out by name, and the others come. A server that asks so for all, or
// says that it goes too fast, is waited for.
func TestIMAPDoubt(t *testing.T) {
	const yahoo = "TAG NO [UNAVAILABLE] UID FETCH Server error while fetching messages\n"
	bad := func(f *fakeIMAP, command string, uids ...uint32) bool {
		return isFetch(command) && slices.ContainsFunc(uids, func(uid uint32) bool { return inSet(strings.Fields(command)[2], uid) })
	}
	for _, tt := range []struct {
		name    string
		n       int // messages
		fault   func(f *fakeIMAP, command string, waits int) string
		left    []uint32
		atMost  int // waits
		problem string
	}{
		{"one of many", 20, func(f *fakeIMAP, command string, _ int) string {
			if bad(f, command, 9) {
				return yahoo
			}
			return ""
		}, []uint32{9}, 6, "Server error while fetching messages"},
		{"after those before it", 20, func(f *fakeIMAP, command string, _ int) string {
			if bad(f, command, 9) {
				part, _, _ := strings.Cut(f.without(command), "* 3 FETCH")
				return part + "TAG NO UID FETCH Server error - Please try again later\n"
			}
			return ""
		}, []uint32{9}, 7, "Please try again later"},
		{"some", 20, func(f *fakeIMAP, command string, _ int) string {
			if bad(f, command, 5, 9, 11, 43) {
				return yahoo
			}
			return ""
		}, []uint32{5, 9, 11, 43}, 18, "Server error while fetching messages"},
		{"the only one", 1, func(f *fakeIMAP, command string, _ int) string {
			if bad(f, command, 5) {
				return yahoo
			}
			return ""
		}, []uint32{5}, maxRefusals, "Server error while fetching messages"},
		{"the only one, for a while", 1, func(f *fakeIMAP, command string, waits int) string {
			if bad(f, command, 5) && waits < maxRefusals-1 {
				return yahoo
			}
			return ""
		}, nil, maxRefusals - 1, ""},
		{"all, for long", 250, func(f *fakeIMAP, command string, waits int) string {
			if isFetch(command) && waits < 40 {
				return yahoo
			}
			return ""
		}, nil, 40, ""},
		{"one, too fast", 3, func(f *fakeIMAP, command string, waits int) string {
			if isFetch(command) && waits < 40 {
				return "TAG NO [UNAVAILABLE] Request is throttled, try again later\n"
			}
			return ""
		}, nil, 40, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, boxes: inbox(messages(tt.n))}
			f.fault = func(command string) string { return tt.fault(f, command, len(f.slept)) }
			a := newAccount(t)
			rep := a.bring(a.options(f.source(1)))
			if rep.Added != int64(tt.n-len(tt.left)) || rep.LeftOut != int64(len(tt.left)) || len(f.slept) > tt.atMost {
				t.Errorf("%+v after %d waits, problems %v", rep.Progress, len(f.slept), rep.Problems)
			}
			for _, uid := range tt.left {
				name := (&folderRead{f: &Folder{Name: "INBOX"}}).name(&remote{uid: uid})
				if !slices.ContainsFunc(rep.Problems, func(p Problem) bool { return p.Name == name && strings.Contains(p.Error, tt.problem) }) {
					t.Errorf("%s is not named: %v", name, rep.Problems)
				}
			}
		})
	}
}

// TestIMAPNoEnd: a server that gives nothing of a folder for hours ends the
// reading of it. The import goes on with the others and is not complete: what it
// left out until then is not all that is bad.
func TestIMAPNoEnd(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: []fakeBox{{"INBOX", "", 7, messages(20)}, {"Work", "", 7, messages(3)}}}
	opened := ""
	f.fault = func(command string) string {
		if name, ok := strings.CutPrefix(command, "EXAMINE "); ok {
			opened = name
		}
		if isFetch(command) && strings.Contains(opened, "INBOX") {
			return "TAG NO [UNAVAILABLE] UID FETCH Server error while fetching messages\n"
		}
		return ""
	}
	a := newAccount(t)
	rep := a.bringPart(a.options(f.source(1)))
	if len(rep.Incomplete) != 1 || rep.Incomplete[0].Name != "INBOX" || !strings.Contains(rep.Incomplete[0].Error, "Server error") ||
		rep.LeftOut == 20 || rep.Added != 3 || len(f.slept) != maxThrottles {
		t.Errorf("not complete: %v after %d waits, %+v", rep.Incomplete, len(f.slept), rep.Progress)
	}
}

// TestIMAPTooFast: a server for which all goes too fast, for hours, ends the
// import.
func TestIMAPTooFast(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: inbox(messages(3))}
	f.fault = func(command string) string {
		if isFetch(command) {
			return "TAG NO [THROTTLED] too many requests\n"
		}
		return ""
	}
	a := newAccount(t)
	src := f.source(1)
	defer src.Close()
	rep, err := Run(t.Context(), a.options(src))
	if !errors.Is(err, errThrottled) || rep.LeftOut != 0 || len(f.slept) != maxThrottles {
		t.Errorf("%v after %d waits, %+v", err, len(f.slept), rep.Progress)
	}
}
