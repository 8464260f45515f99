package admin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
)

// polled is a context that counts how often it was asked.
type polled struct {
	context.Context
	asked *int
}

func (c polled) Err() error {
	*c.asked++
	return c.Context.Err()
}

// TestImportPeopleInAnyOrder: aliases may come before what they lead to, also
// when it is the last one; each is tried a few times only.
func TestImportPeopleInAnyOrder(t *testing.T) {
	const n = 400
	for name, line := range map[string]func(i int) string{
		"chain":        func(i int) string { return fmt.Sprintf("a%d@a.test\ta%d@a.test", i, i+1) },
		"subaddresses": func(i int) string { return fmt.Sprintf("a%d@a.test\ta%d+x+y@a.test", i, i+1) },
		"groups":       func(i int) string { return fmt.Sprintf("a%d@a.test\tana@a.test,a%d@A.test,A%d+x@a.test", i, i+1, n) },
	} {
		ctx := AsOwner(t.Context(), "tester")
		a := open(t, t.TempDir(), Options{})
		must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "a.test"}))
		text := "ana@a.test\n"
		for i := range n {
			text += line(i) + "\n"
		}
		text += fmt.Sprintf("a%d@a.test\tana@a.test\n", n)
		asked := 0
		r, err := a.ImportPeople(polled{ctx, &asked}, PeopleList{Format: "mailinabox", Text: text})
		if err != nil || r.Made != n+2 || r.Refused != 0 {
			t.Errorf("%s: %d made, %d refused, %v", name, r.Made, r.Refused, err)
		}
		if asked > 10*n {
			t.Errorf("%s: %d aliases were tried %d times", name, n, asked)
		}
	}
}

// TestImportPeopleWaits: an alias may wait for several things, and what waits
// for nothing that comes is refused.
func TestImportPeopleWaits(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	text := "ana@a.test\nall@a.test\tone@a.test,any@b.test,two+x@a.test\nround@a.test\tabout@a.test\nabout@a.test\tround@a.test\n" +
		"one@a.test\ttwo@a.test\nlost@a.test\tana@a.test,nobody@a.test\ntwo@a.test\tana@a.test\n@b.test\ttwo@a.test\nx@b.test\tfar@far.example\n"
	r := must[PeopleResult](t)(a.ImportPeople(ctx, PeopleList{Format: "mailinabox", Text: text, Domains: true}))
	refused := map[string]string{}
	for _, row := range r.Rows {
		if row.Verdict != "made" {
			refused[row.Address] = row.Text
		}
	}
	if len(refused) != 3 || !strings.Contains(refused["lost@a.test"], "nobody@a.test") || refused["round@a.test"] == "" || refused["about@a.test"] == "" {
		t.Errorf("refused are %v", refused)
	}
	if all := must[Alias](t)(a.Alias(ctx, "all@a.test")); len(all.Targets) != 3 {
		t.Errorf("%+v", all)
	}
}

// TestImportPeopleTooLong: a list that would hold up others for long makes
// nothing, also as a dry run.
func TestImportPeopleTooLong(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	d, err := directory.Open(filepath.Join(t.TempDir(), "system.db"), directory.Options{LongestTogether: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	a := open(t, t.TempDir(), Options{})
	a.opts.Directory = d
	before := systemOf(t, a)
	for _, dry := range []bool{true, false} {
		_, people := a.ImportPeople(ctx, PeopleList{Text: forwards, Domains: true, DryRun: dry})
		_, setup := a.ImportSetup(ctx, SetupFile{Text: forwards, DryRun: dry})
		for _, err := range []error{people, setup} {
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "split the file") {
				t.Errorf("dry %v: %v", dry, err)
			}
		}
	}
	if string(systemOf(t, a)) != string(before) {
		t.Error("something has changed")
	}
}
