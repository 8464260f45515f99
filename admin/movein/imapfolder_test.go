package movein

import (
	"slices"
	"strings"
	"testing"
)

// TestIMAPFolderFails: a folder that cannot be opened or listed any more is told,
// and the others come whole.
func TestIMAPFolderFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(opened, fetched int, command string) string // for Work
		added int64                                            // of Work
		waits int
		told  string
	}{
		{"removed before it is read", func(opened, _ int, command string) string {
			if opened > 1 && strings.HasPrefix(command, "EXAMINE ") {
				return "TAG NO [NONEXISTENT] no such mailbox\n"
			}
			return ""
		}, 0, 0, "no such mailbox"},
		{"removed without a code", func(opened, _ int, command string) string {
			if opened > 1 && strings.HasPrefix(command, "EXAMINE ") {
				return "TAG NO no such mailbox\n"
			}
			return ""
		}, 0, maxFailures - 1, "no such mailbox"},
		{"removed while it is read", func(opened, fetched int, command string) string {
			switch {
			case fetched == 2 && isFetch(command):
				return "* BYE removed\ncut"
			case fetched == 2 && strings.HasPrefix(command, "EXAMINE "):
				return "TAG NO [NONEXISTENT] no such mailbox\n"
			}
			return ""
		}, 100, 1, "no such mailbox"},
		{"never listed", func(_, _ int, command string) string {
			if strings.HasPrefix(command, "UID FETCH 1:*") {
				return "TAG NO [SERVERBUG] internal error\n"
			}
			return ""
		}, 0, maxFailures - 1, "internal error"},
		{"refused for a while", func(opened, _ int, command string) string {
			if opened > 1 && opened <= maxFailures && strings.HasPrefix(command, "EXAMINE ") {
				return "TAG NO [SERVERBUG] internal error\n"
			}
			return ""
		}, 250, maxFailures - 1, ""},
		{"without UIDVALIDITY", func(_, _ int, command string) string {
			if strings.HasPrefix(command, "EXAMINE ") {
				return "* 250 EXISTS\nTAG OK done\n"
			}
			return ""
		}, 0, 0, "no UIDVALIDITY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, boxes: []fakeBox{{"INBOX", "", 1, messages(250)}, {"Work", "", 2, messages(250)}, {"Zoo", "", 3, messages(250)}}}
			work, opened, fetched := false, 0, 0
			f.fault = func(command string) string {
				if strings.HasPrefix(command, "EXAMINE ") {
					if work = strings.Contains(command, "Work"); work {
						opened++
					}
				}
				if !work {
					return ""
				}
				if isFetch(command) {
					fetched++
				}
				return tt.fault(opened, fetched, command)
			}
			a := newAccount(t)
			rep := a.bringPart(a.options(f.source(1)))
			if rep.Added != 500+tt.added || rep.Folders != 3 || len(f.slept) != tt.waits || int64(len(a.all())) != 500+tt.added {
				t.Errorf("%+v, waits %v", rep.Progress, f.slept)
			}
			if tt.told == "" {
				if len(rep.Incomplete) > 0 {
					t.Errorf("not complete: %v", rep.Incomplete)
				}
				return
			}
			if len(rep.Incomplete) != 1 || rep.Incomplete[0].Name != "Work" || !strings.Contains(rep.Incomplete[0].Error, tt.told) {
				t.Errorf("not complete: %v", rep.Incomplete)
			}
		})
	}
}

// TestIMAPUnopened: a folder that does not open keeps no other from being read,
// and makes the import one that is not complete. One that opens late does not.
func TestIMAPUnopened(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		times        int // that it comes; 0: always
		incomplete   string
		dropped      bool
	}{
		{"NO", "TAG NO [SERVERBUG] internal error\n", 0, "internal error", false},
		{"NO, once", "TAG NO [SERVERBUG] internal error\n", 1, "", false},
		{"may not be opened", "TAG NO [NOPERM] not yours\n", 0, "", true},
		{"asks to wait", "TAG NO [INUSE] in use\n", 0, "in use", false},
		{"asks to wait, for a while", "TAG NO [INUSE] in use\n", maxFailures + maxRefusals - 1, "", false},
		{"ends the connection, for a while", "cut", maxFailures + 2, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, boxes: []fakeBox{{"Broken", "", 7, messages(2)}, {"INBOX", "", 7, messages(3)}}}
			n := 0
			f.fault = func(command string) string {
				if strings.HasPrefix(command, "EXAMINE ") && strings.Contains(command, "Broken") && (tt.times == 0 || n < tt.times) {
					n++
					return tt.answer
				}
				return ""
			}
			a := newAccount(t)
			rep := a.bringPart(a.options(f.source(1)))
			want := int64(5)
			if tt.incomplete != "" || tt.dropped {
				want = 3
			}
			if rep.Added != want || (len(rep.Incomplete) > 0) != (tt.incomplete != "") || len(rep.Problems) > 0 != tt.dropped || len(f.slept) > maxFailures+maxRefusals {
				t.Errorf("added %d, not complete: %v, problems %v, %d waits", rep.Added, rep.Incomplete, rep.Problems, len(f.slept))
			}
			if tt.incomplete != "" && !strings.Contains(rep.Incomplete[0].Error, tt.incomplete) {
				t.Errorf("not complete: %v, want %q", rep.Incomplete, tt.incomplete)
			}
		})
	}
}

// TestIMAPRawName: a folder whose name is not ASCII on the wire, quoted or as an
// atom, is told by name.
func TestIMAPRawName(t *testing.T) {
	for raw, name := range map[string]string{"\"Entw\xfcrfe\"": "Entw?rfe", "\"Entwürfe\"": "Entwürfe", "Entw\xfcrfe": "Entw?rfe", "\"\\\"\xfc\\\\\"": "\"?\\"} {
		f := &fakeIMAP{t: t, boxes: inbox(messages(20))}
		f.fault = once(-1, "LIST ", "* LIST () \"/\" INBOX\n* LIST () \"/\" "+raw+"\nTAG OK done\n")
		a := newAccount(t)
		rep := a.bringPart(a.options(f.source(1)))
		if rep.Added != 20 || len(rep.Incomplete) != 1 || rep.Incomplete[0].Name != name || !strings.Contains(rep.Incomplete[0].Error, "characters that cannot be said") {
			t.Errorf("%q: %+v, not complete: %v", raw, rep.Progress, rep.Incomplete)
		}
		if !slices.ContainsFunc(rep.Reports, func(r FolderReport) bool { return r.Name == "INBOX" && r.Here == 20 }) {
			t.Errorf("%q: %+v", raw, rep.Reports)
		}
	}
}
