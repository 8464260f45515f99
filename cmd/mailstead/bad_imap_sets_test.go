package main

import (
	"fmt"
	"strings"
	"testing"
)

// fill makes a mailbox with small messages for one row and selects it.
func (c *rawIMAP) fill(box string, n int) error {
	if err := c.ok("CREATE %s", box); err != nil {
		return err
	}
	for n > 0 {
		k := min(n, 500)
		n -= k
		var b strings.Builder
		for i := range k {
			b.WriteString(" " + nonSync(fmt.Sprintf("From: a@slow.test\r\nSubject: number %d\r\n\r\ntext %d\r\n", i, i)))
		}
		if err := c.ok("APPEND %s%s", box, b.String()); err != nil {
			return err
		}
	}
	return c.ok("SELECT %s", box)
}

// badPatterns: wildcards that match in very many ways, against names that make
// the most of them.
func badPatterns(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	level := strings.Repeat("a", 30)
	name := strings.TrimSuffix(strings.Repeat(level+"/", 30), "/") // CREATE makes those above it
	for i := range times(10, 100) {
		if err := c.ok("CREATE %s%d", name, i); err != nil {
			t.Fatal(err)
		}
	}
	all, err := c.do(`LIST "" *`)
	if err != nil {
		t.Fatal(err)
	}
	patterns := 0
	exponential := strings.Repeat("*a", 60) + "b"
	for _, tt := range []struct {
		pattern string
		want    int // of the names; -1: all
	}{
		{strings.Repeat("%", 60), 6}, {strings.Repeat("%*", 60), -1}, {strings.Repeat("*", 60), -1},
		{strings.Repeat("*a", 30), -2}, {exponential, 0}, {strings.Repeat("%a", 60) + "b", 0},
		{strings.Repeat("%a*", 30) + "b", 0}, {strings.Repeat("*a%", 49) + "b", 0}, {strings.Repeat("%/", 100) + "%", 0},
		{strings.Repeat("*", 60_000), -1}, {strings.Repeat("*a", 30_000), 0}, {strings.Repeat("a", 60_000), 0},
		{"\"" + strings.Repeat("*\\\"", 10_000) + "\"", 0}, {strings.Repeat("%a", 10_000) + "*", 0},
	} {
		for _, command := range []string{`LIST "" ` + tt.pattern, `LIST "" (` + strings.Repeat(tt.pattern+" ", min(19, 60_000/len(tt.pattern)-1)) + tt.pattern + `)`, `LSUB "" ` + tt.pattern, `LIST (SUBSCRIBED RECURSIVEMATCH) "" ` + tt.pattern} {
			if len(command) > 64<<10 {
				continue
			}
			a, err := c.do("%s", command)
			if err != nil {
				t.Fatalf("%.60s: %v", command, err)
			}
			patterns++
			if a.kind != "OK" {
				t.Errorf("%.60s: %s %s", command, a.kind, a.text)
			}
			if strings.HasPrefix(command, `LIST ""`) && (tt.want == 0) != (len(a.data) == 0) || tt.want == -1 && strings.HasPrefix(command, `LIST ""`) && len(a.data) != len(all.data) {
				t.Errorf("%.60s: %d names of %d", command, len(a.data), len(all.data))
			}
		}
	}
	p.tell(patterns, "OK; %d names looked at by each", len(all.data))
	many := `LIST "" (` + strings.TrimSuffix(strings.Repeat(`* `, 1000), " ") + `)`
	if a, err := c.do("%s", many); err != nil || a.kind != "BAD" {
		t.Errorf("1,000 patterns: %s %s, %v", a.kind, a.text, err)
	}
	if err := c.inStep(); err != nil {
		t.Error(err)
	}
}

// badSets: sets as long as a line may be, that overlap, and that reach beyond
// what there is.
func badSets(t *testing.T, p *probed) {
	const n = 2000
	c := p.raw(t, p.Accounts[1])
	if err := c.fill("sets", n); err != nil {
		t.Fatal(err)
	}
	// Holes between all messages make the most of ranges.
	var odd strings.Builder
	for i := 1; i < n; i += 2 {
		fmt.Fprintf(&odd, "%d,", i)
	}
	if err := c.ok("UID STORE %s +FLAGS.SILENT (\\Deleted)", strings.TrimSuffix(odd.String(), ",")); err != nil {
		t.Fatal(err)
	}
	if err := c.ok("EXPUNGE"); err != nil {
		t.Fatal(err)
	}
	if err := c.ok("CREATE copies"); err != nil {
		t.Fatal(err)
	}
	const half = n / 2
	sets := 0
	repeat := func(s string) string { return strings.TrimSuffix(strings.Repeat(s+",", 50_000/(len(s)+1)), ",") }
	var each strings.Builder
	for i := n; each.Len() < 49_000; i += 2 {
		fmt.Fprintf(&each, "%d,", i)
	}
	for _, tt := range []struct {
		name, set string
		uids      int // that fit; as UIDs
		kind      string
	}{
		{"everything", "1:4294967295", half, "OK"},
		{"the end of numbers", "4294967295:*", 1, "OK"},
		{"the end, the other way", "*:4294967295", 1, "OK"},
		{"0", "0", 0, "BAD"}, {"0 in a range", "0:5", 0, "BAD"}, {"0 at the end", "5:0", 0, "BAD"},
		{"2^32", "4294967296", 0, "BAD"}, {"2^64", "18446744073709551616", 0, "BAD"}, {"50 digits", strings.Repeat("9", 50), 0, "BAD"},
		{"negative", "-1", 0, "BAD"}, {"no end", "1:", 0, "BAD"}, {"a comma behind", "1,", 0, "BAD"}, {"two colons", "1:2:3", 0, "BAD"}, {"only a comma", ",", 0, "BAD"},
		{"one and the same", repeat("2"), 1, "OK"},
		{"all, again and again", repeat("1:*"), half, "OK"},
		{"all, backwards", repeat("*:1"), half, "OK"},
		{"huge and overlapping", repeat("1:4294967295"), half, "OK"},
		{"far beyond the last", strings.TrimSuffix(each.String(), ","), 1, "OK"},
		{"stars", repeat("*"), 1, "OK"},
		{"many saved results", repeat("$"), 0, "BAD"},
	} {
		sets += 10
		if tt.kind == "BAD" { // these are counted
			c.conn.Close()
			c = p.raw(t, p.Accounts[1])
			if err := c.ok("SELECT sets"); err != nil {
				t.Fatal(err)
			}
		}
		for _, command := range []string{"UID FETCH %s UID", "UID STORE %s +FLAGS (\\Flagged)", "UID STORE %s -FLAGS.SILENT ($a)", "UID COPY %s copies", "UID SEARCH UID %s", "UID EXPUNGE %s"} {
			a, err := c.do(command, tt.set)
			if err != nil {
				t.Fatalf(command+": %v", tt.name, err)
			}
			if a.kind != tt.kind {
				t.Errorf(command+": %s %.100s; want %s", tt.name, a.kind, a.text, tt.kind)
			}
			if strings.HasPrefix(command, "UID FETCH") && len(a.data) != tt.uids {
				t.Errorf(command+": %d messages, want %d", tt.name, len(a.data), tt.uids)
			}
		}
		for _, command := range []string{"FETCH %s UID", "STORE %s +FLAGS.SILENT ($a)", "COPY %s copies", "SEARCH %s"} {
			if a, err := c.do(command, tt.set); err != nil {
				t.Fatalf(command+": %v", tt.name, err)
			} else if a.kind == "NO" {
				t.Errorf(command+": %s %.100s", tt.name, a.kind, a.text)
			}
		}
	}
	if err := c.inStep(); err != nil {
		t.Error(err)
	}
	p.tell(sets, "OK; BAD where it is no set")
}

// badSearches: as many keys as fit in a line, and numbers too large.
func badSearches(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	if err := c.fill("searches", times(500, 5000)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ALL", "1:*", "UID 1:*", "NOT DELETED", "SUBJECT number", "FROM a", "TEXT text", "BODY text", "HEADER X-None x", "KEYWORD a", "SINCE 1-Jan-2000",
		"SENTSINCE 1-Jan-2000", "LARGER 0", "OR ALL ALL", "NOT (OR SEEN SUBJECT x)", "MODSEQ 1", "YOUNGER 100000", "TEXT \"\"", "(ALL)"} {
		keys := func(n int) string { return strings.TrimSuffix(strings.Repeat(key+" ", n), " ") }
		for _, command := range []string{"SEARCH ", "SEARCH RETURN (COUNT) ", "UID SEARCH "} {
			a, err := c.do("%s%s", command, keys(60_000/(len(key)+1)))
			if err != nil {
				t.Fatalf("%s%s…: %v", command, key, err)
			}
			if a.kind != "NO" || !strings.Contains(a.text, "LIMIT") {
				t.Errorf("%s%s…: %s %s", command, key, a.kind, a.text)
			}
			if err := c.ok("%s%s", command, keys(40)); err != nil {
				t.Errorf("40 keys: %v", err)
			}
		}
	}
	for _, key := range []string{"LARGER 18446744073709551616", "SMALLER -1", "YOUNGER 0", "OLDER 4294967296", "MODSEQ 99999999999999999999", "UID 0", "SINCE 99-Foo-0000",
		"SINCE 31-Feb-2020", "BEFORE 1-Jan-99999", "CHARSET UTF-7 SUBJECT +AAA-", "CHARSET nothing ALL", "HEADER", "KEYWORD", "KEYWORD \\Seen", "FROM", "NOT", "OR ALL", "()", "RETURN (ALL) RETURN (MIN) ALL", "EMAILID \x00", "THREADID (", "FUZZY ALL"} {
		a, err := c.do("SEARCH %s", key)
		if err != nil {
			t.Fatalf("SEARCH %s: %v", key, err)
		}
		if a.kind == "OK" {
			t.Errorf("SEARCH %s: %s %s", key, a.kind, a.text)
		}
		if a.kind == "BAD" { // and they are counted
			c.conn.Close()
			c = p.raw(t, p.Accounts[1])
			if err := c.ok("SELECT searches"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.inStep(); err != nil {
		t.Error(err)
	}
	p.tell(19*6+22, "NO [LIMIT] above 500 keys or 50 texts, else OK; BAD, NO where wrong")
}

// badFetches: as many data items as fit in a line, and numbers too large.
func badFetches(t *testing.T, p *probed) {
	c := p.raw(t, p.Accounts[1])
	if err := c.ok("CREATE fetches"); err != nil {
		t.Fatal(err)
	}
	lines := strings.Repeat("X-A: b\r\n", times(10_000, 100_000))
	if err := c.ok("APPEND fetches %s", nonSync("Subject: x\r\n"+lines+"\r\ntext\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.ok("SELECT fetches"); err != nil {
		t.Fatal(err)
	}
	fields := func(n int, name string) string {
		return "BODY.PEEK[HEADER.FIELDS (" + strings.TrimSuffix(strings.Repeat(name+" ", n), " ") + ")]"
	}
	for _, tt := range []struct{ name, items, kind string }{
		{"flags, thousands of times", strings.Repeat("FLAGS ", 10_000), "OK"},
		{"structures", strings.Repeat("BODYSTRUCTURE ENVELOPE BODY ", 2000), "OK"},
		{"sections", strings.Repeat("BODY.PEEK[] ", 5000), "BAD"},
		{"sections, as many as may be", strings.Repeat("BODY.PEEK[HEADER] ", 99), "OK"},
		{"fields", fields(10_000, "X-B") + " ", "BAD"},
		{"fields, as many as may be", fields(200, "X-B") + " ", "OK"},
		{"fields in sections", strings.Repeat(fields(200, "X")+" ", 90), "OK"},
		{"a field of 60 KB", fields(1, strings.Repeat("x", 60_000)) + " ", "OK"},
		{"fields with line ends", fields(1, nonSync("X-A: b\r\nz1 LOGOUT\r\n")) + " ", "OK"},
		{"fields with brackets", fields(1, `"]<0> NIL) "`) + " ", "OK"},
		{"a part far away", "BODY.PEEK[4294967295.4294967295] ", "OK"},
		{"a part beyond numbers", "BODY.PEEK[4294967296] ", "BAD"},
		{"part 0", "BODY.PEEK[0] ", "BAD"},
		{"2^64 octets", "BODY.PEEK[]<0.18446744073709551615> ", "BAD"},
		{"from 2^64", "BODY.PEEK[]<18446744073709551615.1> ", "BAD"},
		{"2^63-1 octets", "BODY.PEEK[]<0.9223372036854775807> ", "OK"},
		{"from 2^63-1", "BODY.PEEK[]<9223372036854775807.9223372036854775807> ", "OK"},
		{"no octets", "BODY.PEEK[]<0.0> ", "BAD"},
		{"a negative part", "BODY.PEEK[]<-1.5> ", "BAD"},
		{"partials", strings.Repeat("BODY.PEEK[]<5.10> ", 99), "OK"},
		{"binaries", strings.Repeat("BINARY.PEEK[1]<0.10> BINARY.SIZE[1] ", 49), "OK"},
		{"no such section", "BODY[HEADERS] ", "BAD"}, {"no end", "BODY[ ", "BAD"}, {"MIME of nothing", "BODY[MIME] ", "BAD"},
		{"a header of no part", "BINARY[1.HEADER] ", "BAD"},
	} {
		a, err := c.do("FETCH 1 (%s)", strings.TrimSuffix(tt.items, " "))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if a.kind != tt.kind {
			t.Errorf("%s: %s %s; want %s", tt.name, a.kind, a.text, tt.kind)
		}
		if tt.kind == "OK" && len(a.data) != 1 {
			t.Errorf("%s: %d responses", tt.name, len(a.data))
		}
	}
	if err := c.inStep(); err != nil {
		t.Error(err)
	}
	p.tell(25, "OK; BAD above 100 sections or 200 fields, or where it is no number")
}
