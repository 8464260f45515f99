package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// A suite that finds nothing has to show that it can see. Here mail is lost,
// changed and doubled on purpose, and must be missed.

// TestCrashControlLostSync cuts off the end of the log after a kill, which is
// what a server leaves behind that acknowledges without a sync.
func TestCrashControlLostSync(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	i := c.start(t)
	c.prepare(t, i)
	c.report(t, "before", c.check(t, i, true))
	c.load(t, i)
	logs, err := filepath.Glob(filepath.Join(c.dir, "store", "log", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	last := slices.Max(logs)
	info, err := os.Stat(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(last, info.Size()*9/10); err != nil {
		t.Fatal(err)
	}
	// Mail without rows is gone, and what has rows has lost its text.
	wantProblem(t, c.check(t, c.start(t), true), "is nowhere, want", "cannot be read")
}

// wantProblem fails if no problem has one of some words in it.
func wantProblem(t *testing.T, problems []string, words ...string) {
	t.Helper()
	for _, w := range words {
		if slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, w) }) {
			return
		}
	}
	t.Errorf("none of %d problems says %q: %.2000q", len(problems), words, problems)
}

// TestCrashControlTampering does what no client of the suite did.
func TestCrashControlTampering(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	i := c.start(t)
	c.prepare(t, i)
	s := &session{c: c, who: i.Accounts[0], conn: i.dialFast(t, i.Accounts[0])}
	msgs, err := s.put(appendBox(0), `\Seen`, []string{"a.0.0.0", "a.0.0.1", "a.0.0.2", "a.0.0.3", "a.0.0.4", "a.0.0.5"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.makeFolder(folderName(0)); err != nil {
		t.Fatal(err)
	}
	c.report(t, "before", c.check(t, i, true))
	append2 := func(box, text string) func() error {
		return func() error {
			s.conn.appends(box)
			s.conn.add("", []byte(text))
			return s.conn.commit(box)
		}
	}
	for _, tt := range []struct {
		name     string
		commands []string
		run      func() error
		want     string
	}{
		{name: "nothing"},
		{name: "expunged", commands: []string{"SELECT App0", `UID STORE 1 +FLAGS (\Deleted)`, "UID EXPUNGE 1"}, want: "a.0.0.0 of alice@example.test is nowhere"},
		{name: "marked", commands: []string{"SELECT App0", `UID STORE 2 +FLAGS (\Flagged)`}, want: `a.0.0.1 of alice@example.test is in App0 (\Flagged \Seen)`},
		{name: "copied", commands: []string{"SELECT App0", "UID COPY 3 Old"}, want: `a.0.0.2 of alice@example.test is in App0 (\Seen) as UID 3 and in Old`},
		{name: "doubled", commands: []string{"SELECT App0", "UID COPY 4 App0"}, want: "and in App0"},
		{name: "moved", commands: []string{"SELECT App0", "UID MOVE 5 Old"}, want: "a.0.0.4 of alice@example.test is in Old"},
		{name: "never sent", run: append2("Old", string(messageText("a.9.9.9"))), want: "a.9.9.9, which was never sent"},
		{name: "foreign", run: append2("Old", "Subject: x\r\n\r\ny\r\n"), want: "no message of ours"},
		{name: "damaged", run: append2("Old", string(messageText("a.0.0.0"))+"more"), want: "are not what was sent"},
		{name: "made anew", commands: []string{"DELETE Old", "CREATE Old"}, want: "UIDVALIDITY of Old"},
		{name: "made", commands: []string{"CREATE Surprise"}, want: "which nobody made"},
		{name: "deleted", commands: []string{"DELETE Moved"}, want: "are missing: [Moved]"},
		{name: "renamed", commands: []string{"RENAME Folder0 Folder1"}, want: "mailbox Folder0 of alice@example.test is nowhere"},
	} {
		for _, command := range tt.commands {
			if err := s.conn.run(command, nil); err != nil {
				t.Fatal(err)
			}
		}
		if tt.run != nil {
			if err := tt.run(); err != nil {
				t.Fatal(err)
			}
		}
		problems := c.check(t, i, true)
		if tt.want == "" && len(problems) == 0 {
			continue
		}
		t.Run(tt.name, func(t *testing.T) { wantProblem(t, problems, tt.want) })
	}
	if len(msgs) != 6 {
		t.Errorf("%d messages were appended", len(msgs))
	}
}

// TestCrashControlHalf shows half of what happens as a whole.
func TestCrashControlHalf(t *testing.T) {
	a, b := thingID{"alice", "a"}, thingID{"alice", "b"}
	inbox, moved := place{"INBOX", ""}, place{"Moved", ""}
	at := func(p ...place) (s []sighting) {
		for _, one := range p {
			s = append(s, sighting{one, 1})
		}
		return s
	}
	for _, tt := range []struct {
		name  string
		whole bool
		a, b  []sighting
		want  string
	}{
		{"both before", true, at(inbox), at(inbox), ""},
		{"both after", true, at(moved), at(moved), ""},
		{"half of a whole", true, at(moved), at(inbox), "half of it"},
		{"each by itself", false, at(moved), at(inbox), ""},
		{"in both", false, at(inbox, moved), at(inbox), "want"},
		{"in neither", false, nil, at(inbox), "is nowhere"},
		{"twice", false, at(inbox, inbox), at(inbox), "want"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOracle()
			o.create("made", inbox, a, b).done()
			o.begin("moved", tt.whole, []thingID{a, b}, func(thingID, []place) ([]place, bool) { return []place{moved}, true })
			o.judge(map[thingID][]sighting{a: tt.a, b: tt.b})
			problems := o.take()
			if tt.want == "" && len(problems) > 0 {
				t.Errorf("problems: %q", problems)
			} else if tt.want != "" {
				wantProblem(t, problems, tt.want)
			}
		})
	}
}

// TestCrashControlUIDs shows UIDs that are given out twice, go back or change.
func TestCrashControlUIDs(t *testing.T) {
	type list = map[imap.UID]string
	for _, tt := range []struct {
		name     string
		validity uint32
		next     imap.UID
		uids     list
		want     string
	}{
		{"as it was", 7, 5, list{1: "a", 3: "c", 4: "d"}, ""},
		{"one more", 7, 6, list{1: "a", 3: "c", 4: "d", 5: "e"}, ""},
		{"one less", 7, 5, list{1: "a"}, ""},
		{"validity", 8, 5, list{1: "a", 3: "c", 4: "d"}, "UIDVALIDITY"},
		{"next goes back", 7, 3, list{1: "a"}, "UIDNEXT"},
		{"beyond next", 7, 5, list{1: "a", 9: "e"}, "its next is 5"},
		{"taken again", 7, 5, list{1: "a", 2: "b"}, "was free"},
		{"another's", 7, 5, list{1: "c", 3: "a"}, "it was"},
		{"not as told", 7, 6, list{1: "a", 4: "x"}, `it was "d"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOracle()
			o.create("made", place{"INBOX", ""}, thingID{"alice", "d"})
			o.audit("alice", "INBOX", 7, 4, list{1: "a", 3: "c"})
			o.announce("alice", "INBOX", 7, []imap.UID{4}, []string{"d"})
			o.audit("alice", "INBOX", tt.validity, tt.next, tt.uids)
			problems := o.take()
			if tt.want == "" && len(problems) > 0 {
				t.Errorf("problems: %q", problems)
			} else if tt.want != "" {
				wantProblem(t, problems, tt.want)
			}
		})
	}
}

// TestCrashControlQueue shows mail that is lost, doubled and reported wrongly.
func TestCrashControlQueue(t *testing.T) {
	const ok, no = "ok.s.1.0.0.0@far.test", "no.s.1.0.0.1@far.test"
	failed := []report{{"alice", "failed"}}
	for _, tt := range []struct {
		name      string
		state     sendState // accepted if it is not said
		took      []taking
		ok, no    []report
		written   int32
		want      string
		wantCount string
	}{
		{name: "delivered and reported", took: []taking{{1, true}}, no: failed},
		{name: "lost", no: failed, want: "was to be delivered"},
		{name: "never accepted", state: unknown},
		{name: "accepted in part", state: unknown, took: []taking{{1, true}}, want: no},
		{name: "handed on without the local copy", state: lost, took: []taking{{1, true}}, no: failed, want: "is not in the mailbox"},
		{name: "not reported", took: []taking{{1, true}}, want: "was to be reported"},
		{name: "reported twice", took: []taking{{1, true}}, no: append(failed, failed...), want: "failed 2 times"},
		{name: "delivered and reported as failed", took: []taking{{1, true}}, ok: failed, no: failed, want: "was to be delivered"},
		{name: "reported to another", took: []taking{{1, true}}, no: []report{{"bob", "failed"}}, want: "bob is told"},
		{name: "again in one life", took: []taking{{1, true}, {1, true}}, no: failed, want: "without a reason"},
		{name: "again though written down", took: []taking{{1, true}, {2, true}}, no: failed, written: 1, want: "without a reason"},
		{name: "again after a kill", took: []taking{{1, true}, {2, true}}, no: failed, wantCount: doubleKilled},
		{name: "again without an answer", took: []taking{{1, false}, {1, true}}, no: failed, wantCount: doubleUnanswered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &crash{oracle: newOracle(), sink: &sink{took: map[string][]taking{}}, written: map[string]int32{}}
			out := &outgoing{from: "alice", rcpts: []string{ok, no}, local: &thingID{"bob", "s.1.0.0"}}
			c.sent["s.1.0.0"] = out
			c.things[*out.local] = &thing{may: [][]place{nil}}
			if out.state = tt.state; tt.state == 0 {
				out.state = accepted
			}
			c.sink.took[ok], c.reports[ok], c.reports[no] = tt.took, tt.ok, tt.no
			c.written[ok] = tt.written
			c.judgeQueue(true)
			problems := c.take()
			if tt.want == "" && len(problems) > 0 {
				t.Errorf("problems: %q", problems)
			} else if tt.want != "" {
				wantProblem(t, problems, tt.want)
			}
			if tt.wantCount != "" && c.count[tt.wantCount] != 1 {
				t.Errorf("counted: %v", c.count)
			}
		})
	}
	if name := recipientOf(ok); name != "s.1.0.0" {
		t.Errorf("%s is of %q", ok, name)
	}
}
