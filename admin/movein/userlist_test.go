package movein

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"CSV", "ana@a.test,Ana,5 GiB,info@a.test sales@a.test\n\nbo@a.test", []string{"1 ana@a.test Ana 5 GiB", "1 info@a.test → ana@a.test", "1 sales@a.test → ana@a.test", "3 bo@a.test"}},
		{"CSV with names of columns", "Name;Email;Aliases;Other\nAna;ana@a.test;info@a.test|x@a.test;y", []string{"2 ana@a.test Ana", "2 info@a.test → ana@a.test", "2 x@a.test → ana@a.test"}},
		{"what stands between comes first", "ana@a.test,Ana; of a.test,5 GiB", []string{"1 ana@a.test Ana; of a.test 5 GiB"}},
		{"mox", "Domains:\n\ta.test:\n\t\tLocalpartCaseSensitive: false\n\t\tAliases:\n\t\t\tteam:\n\t\t\t\tAddresses:\n\t\t\t\t\t- ana@a.test\n\t\t\t\t\t- bo@b.test\n\t\t\t\tPostPublic: true\n\n# a comment\nAccounts:\n\tana:\n\t\tDomain: a.test\n\t\tFullName: Ana A.\n\t\tDestinations:\n\t\t\tana@a.test: nil\n\t\t\tinfo@a.test:\n\t\t\t\tMailbox: Info\n\t\t\t\tRulesets:\n\t\t\t\t\t-\n\t\t\t\t\t\tMailbox: x\n\t\t\t@a.test: nil\n\told:\n\t\tDomain: b.test\n\t\tDestinations:\n\t\t\tbo: nil\n\tnone:\n\t\tDomain: b.test\nWebHandlers:\n\t-\n\t\tDomain: c.test\n",
			[]string{"13 ana@a.test Ana A.", "13 info@a.test → ana@a.test", "13 @a.test → ana@a.test", "24 bo@b.test", "28 none@b.test (it has no address in mox)", "7 team@a.test → ana@a.test,bo@b.test"}},
		{"Mail-in-a-Box", `[{"domain":"a.test","users":[{"email":"ana@a.test","privileges":["admin"],"status":"active"},{"email":"old@a.test","status":"inactive","mailbox":"/x"}]}]
[{"domain":"a.test","aliases":[{"address":"info@a.test","address_display":"info@a.test","forwards_to":["ana@a.test"," x@far.example"],"permitted_senders":null,"required":false},{"address":"@a.test","forwards_to":["ana@a.test"]},{"address":"no@a.test","forwards_to":[]}]}]`,
			[]string{"0 ana@a.test", "0 old@a.test (it is archived in Mail-in-a-Box)", "0 info@a.test → ana@a.test,x@far.example", "0 @a.test → ana@a.test", "0 no@a.test (it leads nowhere)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := ParseList(ListByItsLooks, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range list {
				text := strings.TrimSpace(fmt.Sprintf("%d %s %s %s", e.Line, e.Address, e.Name, e.Quota))
				if len(e.Targets) > 0 {
					text += " → " + strings.Join(e.Targets, ",")
				}
				if e.LeftOut != "" {
					text += " (" + e.LeftOut + ")"
				}
				got = append(got, strings.Join(strings.Fields(text), " "))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	list, err := ParseList(ListMailInABox, "ana@a.test\ninfo@a.test\tana@a.test,x@far.example\t\n")
	if err != nil || len(list) != 2 || len(list[1].Targets) != 2 {
		t.Errorf("text of Mail-in-a-Box: %+v, %v", list, err)
	}
	for _, bad := range []struct {
		format ListFormat
		in     string
	}{{ListCSV, ""}, {ListMailInABox, "{"}, {ListMailInABox, "[1]"}, {ListMox, "nothing"}, {"pst", "x"}, {ListCSV, strings.Repeat("a@b.test\n", maxUsers+1)}} {
		if list, err := ParseList(bad.format, bad.in); err == nil {
			t.Errorf("%s of %.20q gives %v", bad.format, bad.in, list)
		}
	}
}

// FuzzParseList: lists come from anybody.
func FuzzParseList(f *testing.F) {
	f.Add("Accounts:\n\tx:\n\t\tDestinations:\n\t\t\ta@b: nil\n")
	f.Add(`[{"users":[{"email":"a@b"}],"aliases":[{"address":"c","forwards_to":["d"]}]}]`)
	f.Add(wholeSetup)
	f.Add("address;name\n\"a\"\"b\";c\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range []ListFormat{ListByItsLooks, ListCSV, ListMox, ListMailInABox, ListMailstead} {
			list, err := ParseList(format, text)
			if err == nil && (len(list) == 0 || len(list) > maxUsers) {
				t.Errorf("%s gives %d entries", format, len(list))
			}
		}
	})
}
