package movein

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// without is an answer of a fake server that passes over some messages.
func (f *fakeIMAP) without(command string, uids ...uint32) string {
	box := f.boxes[0]
	box.msgs = slices.DeleteFunc(slices.Clone(box.msgs), func(m fakeMsg) bool { return slices.Contains(uids, m.uid) })
	rest, _ := strings.CutPrefix(command, "UID ")
	var b strings.Builder
	f.fetch(&b, rest, &box)
	return b.String() + "TAG OK done\n"
}

// isSurvey and isFetch tell the commands apart that UID FETCH is for.
func isSurvey(command string) bool { return strings.HasPrefix(command, "UID FETCH 1:*") }
func isFetch(command string) bool {
	return strings.HasPrefix(command, "UID FETCH ") && strings.Contains(command, "BODY.PEEK[]")
}

// TestIMAPGaps: a message that does not come is asked for alone, and one that
// does not come then is looked for. What the server keeps is left out by name.
func TestIMAPGaps(t *testing.T) {
	const all = 20 // with UIDs 5, 7, 9 …
	for _, tt := range []struct {
		name    string
		fault   func(f *fakeIMAP, command string) string
		added   int64
		gone    int64
		problem string // of UID 9
	}{
		{"comes alone", func(f *fakeIMAP, command string) string {
			if isFetch(command) && !strings.HasPrefix(command, "UID FETCH 9 ") {
				return f.without(command, 9)
			}
			return ""
		}, all, 0, ""},
		{"never given", func(f *fakeIMAP, command string) string {
			if isFetch(command) {
				return f.without(command, 9)
			}
			return ""
		}, all - 1, 0, errNotGiven.Error()},
		{"NIL", func(f *fakeIMAP, command string) string {
			if isFetch(command) && inSet(strings.Fields(command)[2], 9) {
				return "* 3 FETCH (UID 9 BODY[] NIL)\n" + f.without(command, 9)
			}
			return ""
		}, all - 1, 0, errNotGiven.Error()},
		{"expunged", func(f *fakeIMAP, command string) string {
			if isFetch(command) && f.boxes[0].msgs[2].uid == 9 {
				f.boxes[0].msgs = slices.Delete(f.boxes[0].msgs, 2, 3)
				return "* 3 EXPUNGE\n" + f.without(command)
			}
			return ""
		}, all - 1, 1, ""},
		{"SEARCH refused", func(f *fakeIMAP, command string) string {
			if isFetch(command) {
				return f.without(command, 9)
			}
			return once(-1, "UID SEARCH", "TAG NO not today\n")(command)
		}, all - 1, 0, errNotTold.Error()},
		{"SEARCH asks to wait", func(f *fakeIMAP, command string) string {
			if isFetch(command) {
				return f.without(command, 9)
			}
			return once(-1, "UID SEARCH", "TAG NO [UNAVAILABLE] Please try again later\n")(command)
		}, all - 1, 0, errNotTold.Error()},
		{"SEARCH without an answer", func(f *fakeIMAP, command string) string {
			if isFetch(command) {
				return f.without(command, 9)
			}
			return once(-1, "UID SEARCH", "TAG OK done\n")(command)
		}, all - 1, 0, errNotTold.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, boxes: inbox(messages(all))}
			f.fault = func(command string) string { return tt.fault(f, command) }
			a := newAccount(t)
			rep := a.bring(a.options(f.source(1)))
			leftOut := int64(0)
			if tt.problem != "" {
				leftOut = 1
			}
			got := rep.Reports[0]
			want := FolderReport{Name: "INBOX", Mailbox: "INBOX", There: all - tt.gone, Here: tt.added, Found: all, Added: tt.added, LeftOut: leftOut, Gone: tt.gone, Taken: tt.added}
			if got != want {
				t.Errorf("report %+v, want %+v", got, want)
			}
			if rep.LeftOut != leftOut || rep.Gone != tt.gone || rep.Messages != all || len(rep.Incomplete) != 0 {
				t.Errorf("progress %+v, not complete: %v", rep.Progress, rep.Incomplete)
			}
			if tt.problem != "" && !slices.Equal(rep.Problems, []Problem{{"INBOX, UID 9", tt.problem}}) {
				t.Errorf("problems %v", rep.Problems)
			}
		})
	}
}

// TestIMAPManyGaps: many that do not come are looked for together, and again on
// the next connection if the first breaks off.
func TestIMAPManyGaps(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: inbox(messages(250))}
	searches, cuts := 0, 1
	f.fault = func(command string) string {
		if isFetch(command) {
			return "TAG OK nothing\n"
		}
		if strings.HasPrefix(command, "UID SEARCH") {
			if searches++; cuts > 0 {
				cuts--
				return "cut"
			}
		}
		return ""
	}
	a := newAccount(t)
	rep := a.bring(a.options(f.source(1)))
	if rep.Added != 0 || rep.LeftOut != 250 || len(rep.Problems) != 250 || searches != 4 {
		t.Errorf("%+v, %d problems, %d searches", rep.Progress, len(rep.Problems), searches)
	}
}

// TestIMAPSurvey: what a server names is held against what it says there is.
func TestIMAPSurvey(t *testing.T) {
	const kept = "; nothing that is gone there was removed here"
	one := fakeMsg{uid: 999, text: "Subject: new\r\n\r\n"}
	for _, tt := range []struct {
		name    string
		fault   func(f *fakeIMAP, command string, surveys int) string
		surveys int
		report  FolderReport
		told    string
	}{
		{"whole", nil, 1, FolderReport{There: 20, Here: 20, Found: 20, Added: 20, Taken: 20}, ""},
		{"short once", func(f *fakeIMAP, command string, surveys int) string {
			if surveys == 1 {
				return f.without(command, 7, 9)
			}
			return ""
		}, 2, FolderReport{There: 20, Here: 20, Found: 20, Added: 20, Taken: 20}, ""},
		{"short twice", func(f *fakeIMAP, command string, _ int) string {
			return f.without(command, 7, 9)
		}, 2, FolderReport{There: 20, Here: 18, Found: 18, Added: 18, Unnamed: 2, Taken: 18}, "the server says that it has 20 messages, and names 18 of them, asked twice" + kept},
		{"short in other ways", func(f *fakeIMAP, command string, surveys int) string {
			return f.without(command, uint32(5+2*surveys))
		}, 2, FolderReport{There: 20, Here: 20, Found: 20, Added: 20, Taken: 20}, ""},
		{"expunged meanwhile", func(f *fakeIMAP, command string, _ int) string {
			f.boxes[0].msgs = f.boxes[0].msgs[1:]
			return "* 1 EXPUNGE\n" + f.without(command)
		}, 1, FolderReport{There: 19, Here: 19, Found: 19, Added: 19, Taken: 19}, ""},
		{"new meanwhile", func(f *fakeIMAP, command string, _ int) string {
			f.boxes[0].msgs = append(f.boxes[0].msgs, one)
			return "* 21 EXISTS\n" + f.without(command, one.uid)
		}, 1, FolderReport{There: 20, Here: 20, Found: 20, Added: 20, Taken: 20}, ""},
		{"new and expunged meanwhile, and short", func(f *fakeIMAP, command string, surveys int) string {
			if surveys == 1 {
				return "* 21 EXISTS\n* 21 EXPUNGE\n" + f.without(command, 9)
			}
			return f.without(command, 9)
		}, 3, FolderReport{There: 20, Here: 19, Found: 19, Added: 19, Unnamed: 1, Taken: 19}, "the server says that it has 20 messages, and names 19 of them, asked twice" + kept},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, boxes: inbox(messages(20))}
			surveys := 0
			f.fault = func(command string) string {
				if !isSurvey(command) {
					return ""
				}
				if surveys++; tt.fault == nil {
					return ""
				}
				return tt.fault(f, command, surveys)
			}
			a := newAccount(t)
			rep := a.bringPart(a.options(f.source(1)))
			tt.report.Name, tt.report.Mailbox = "INBOX", "INBOX"
			if rep.Reports[0] != tt.report || surveys != tt.surveys {
				t.Errorf("report %+v after %d surveys, want %+v", rep.Reports[0], surveys, tt.report)
			}
			var want []Problem
			if tt.told != "" {
				want = []Problem{{"INBOX", tt.told}}
			}
			if !slices.Equal(rep.Incomplete, want) {
				t.Errorf("not complete: %v, want %v", rep.Incomplete, want)
			}
		})
	}
}

// TestIMAPToldLate: what was removed there while the server named its messages
// is not missed, although it says so only later. What it keeps is.
func TestIMAPToldLate(t *testing.T) {
	for _, tt := range []struct {
		name    string
		removed int      // during so many surveys a message each
		named   bool     // before it is removed
		keeps   []uint32 // it does not name these
		unnamed int64
		surveys int
	}{
		{"one", 1, false, nil, 0, 2},
		{"one each time", 2, false, nil, 0, 3},
		{"and short", 1, false, []uint32{41}, 1, 3},
		{"named, and short", 1, true, []uint32{41}, 1, 3},
		{"on and on", 100, false, nil, 1, maxSurveys},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeIMAP{t: t, boxes: inbox(messages(20))}
			surveys, untold := 0, ""
			f.fault = func(command string) string {
				switch {
				case isSurvey(command):
					answer := f.without(command, tt.keeps...)
					if surveys++; surveys <= tt.removed {
						f.boxes[0].msgs = f.boxes[0].msgs[1:]
						untold += "* 1 EXPUNGE\n"
					}
					if tt.named {
						return answer
					}
					return f.without(command, tt.keeps...)
				case command == "NOOP":
					defer func() { untold = "" }()
					return untold + "TAG OK done\n"
				}
				return ""
			}
			a := newAccount(t)
			rep := a.bringPart(a.options(f.source(1)))
			if got := rep.Reports[0]; got.Unnamed != tt.unnamed || surveys != tt.surveys || (len(rep.Incomplete) > 0) != (tt.unnamed > 0) {
				t.Errorf("report %+v after %d surveys, not complete: %v", got, surveys, rep.Incomplete)
			}
		})
	}
}

// TestIMAPShortDeletions: what a server does not name for once is not taken for
// removed there. It is when the server names all again.
func TestIMAPShortDeletions(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: inbox(messages(20))}
	a := newAccount(t)
	a.bring(a.options(f.source(1)))
	f.boxes[0].msgs = f.boxes[0].msgs[1:]
	f.fault = func(command string) string {
		if isSurvey(command) {
			return f.without(command, 11, 13, 15)
		}
		return ""
	}
	rep := a.bringPart(a.options(f.source(1)))
	if rep.Removed != 0 || len(a.all()) != 20 || len(rep.Incomplete) != 1 || !strings.Contains(rep.Incomplete[0].Error, "nothing that is gone there was removed here") {
		t.Errorf("removed %d, %d are left, not complete: %v", rep.Removed, len(a.all()), rep.Incomplete)
	}
	f.fault = nil
	if rep = a.bring(a.options(f.source(1))); rep.Removed != 1 || rep.Known != 19 || len(a.all()) != 19 {
		t.Errorf("again: %+v, %d are left", rep.Progress, len(a.all()))
	}
}

// TestIMAPNumberedAnew: a folder that is numbered anew while it is read begins
// again, and its counts still add up.
func TestIMAPNumberedAnew(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: inbox(messages(250))}
	cut := once(1, "UID FETCH 205", "cut")
	f.fault = func(command string) string {
		answer := cut(command)
		if answer != "" {
			f.boxes[0].validity++
		}
		return answer
	}
	a := newAccount(t)
	rep := a.bring(a.options(f.source(1)))
	if got := rep.Reports[0]; got.Added != 250 || got.Known != 100 || got.Found != 350 || got.There != 250 || got.Here != 250 || len(rep.Incomplete) != 0 || len(a.all()) != 250 {
		t.Errorf("report %+v, not complete: %v", got, rep.Incomplete)
	}
}

// TestIMAPNumberedAnewLater: what was known before it was numbered anew counts
// once.
func TestIMAPNumberedAnewLater(t *testing.T) {
	all := messages(250)
	f := &fakeIMAP{t: t, boxes: inbox(all[:100:100])}
	a := newAccount(t)
	a.bring(a.options(f.source(1)))
	f.boxes[0].msgs = all
	cut := once(1, "UID FETCH 205", "cut")
	f.fault = func(command string) string {
		answer := cut(command)
		if answer != "" {
			f.boxes[0].validity++
		}
		return answer
	}
	rep := a.bring(a.options(f.source(1)))
	if got := rep.Reports[0]; got.There != 250 || got.Here != 250 || got.Added != 150 || len(a.all()) != 250 {
		t.Errorf("report %+v", got)
	}
}

// TestIMAPNumberedAnewShort: what is there is told as the server says it last,
// without what was there and gone before.
func TestIMAPNumberedAnewShort(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: inbox(messages(250))}
	cut := once(1, "UID FETCH 205", "cut")
	f.fault = func(command string) string {
		box := &f.boxes[0]
		if answer := cut(command); answer != "" {
			box.validity++
			box.msgs = box.msgs[50:]
			return answer
		}
		if isSurvey(command) && box.validity > 7 {
			return f.without(command, 301, 303)
		}
		return ""
	}
	a := newAccount(t)
	rep := a.bringPart(a.options(f.source(1)))
	if got := rep.Reports[0]; got.There != 200 || got.Here != 198 || got.Unnamed != 2 {
		t.Errorf("report %+v", got)
	}
	if len(rep.Incomplete) != 1 || !strings.Contains(rep.Incomplete[0].Error, "that it has 200 messages, and names 198") {
		t.Errorf("not complete: %v", rep.Incomplete)
	}
}

// TestLost: what was brought in to a mailbox that somebody removes meanwhile is
// told, and comes with the next run.
func TestLost(t *testing.T) {
	f := &fakeIMAP{t: t, boxes: []fakeBox{{"Work", "", 7, messages(250)}}}
	a := newAccount(t)
	f.fault = func(command string) string {
		if strings.HasPrefix(command, "UID FETCH 405") { // after the first batch
			if err := a.DeleteMailbox(t.Context(), "Work"); err != nil {
				t.Error(err)
			}
		}
		return ""
	}
	rep := a.bringPart(a.options(f.source(1)))
	got := rep.Reports[0]
	if want := fmt.Sprintf("%d messages that were brought in are not in the account; was Work removed here meanwhile?", 250-got.Taken); got.Taken == 250 || got.Here != got.Taken ||
		!slices.Equal(rep.Incomplete, []Problem{{"Work", want}}) {
		t.Errorf("report %+v, not complete: %v", got, rep.Incomplete)
	}
	f.fault = nil
	rep = a.bring(a.options(f.source(1)))
	if now := rep.Reports[0]; now.Added != 250-got.Taken || now.Here != 250 || len(rep.Incomplete) != 0 {
		t.Errorf("again: %+v, not complete: %v", now, rep.Incomplete)
	}
}

// TestComplete: counts that do not add up are told.
func TestComplete(t *testing.T) {
	r := &run{o: Options{Told: func(Progress) {}, Now: time.Now}}
	r.complete(&batch{run: r, rep: FolderReport{Name: "Work", Mailbox: "Work", Found: 9, Added: 3, Known: 2, LeftOut: 1, Gone: 1, Elsewhere: 1, Taken: 5}, before: 2})
	if want := []Problem{{"Work", "9 messages were found, and 8 of them are accounted for"}}; !slices.Equal(r.report.Incomplete, want) {
		t.Errorf("not complete: %v, want %v", r.report.Incomplete, want)
	}
}
