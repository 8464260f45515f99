package verdict

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

func TestParseSubject(t *testing.T) {
	for _, tt := range []struct{ in, want, err string }{
		{" Ana@Example.ORG ", "ana@example.org", ""},
		{"@Example.org", "@example.org", ""},
		{"example.org", "@example.org", ""},
		{".example.org", ".example.org", ""},
		{"@bücher.example", "@xn--bcher-kva.example", ""},
		{"192.0.2.77", "192.0.2.77", ""},
		{"192.0.2.77/24", "192.0.2.0/24", ""},
		{"::ffff:192.0.2.1", "192.0.2.1", ""},
		{"::ffff:192.0.2.1/120", "192.0.2.0/24", ""},
		{"2001:DB8::1/32", "2001:db8::/32", ""},
		{"192.0.2.0/33", "", "no network"},
		{"0.0.0.0/0", "", "whole internet"},
		{"", "", "no domain"},
		{"@", "", "no domain"},
		{"a b@", "", "no address"},
		{"ana@exa mple.org", "", "no address"},
	} {
		got, err := ParseSubject(tt.in)
		if err == nil && got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q is %q, %v; want %q, %q", tt.in, got, err, tt.want, tt.err)
		}
	}
}

// FuzzParseSubject: what is taken is in a form that stays as it is, and a list
// finds it.
func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{"ana@example.org", "@example.org", ".example.org", "192.0.2.0/24", "::1", "\"a b\"@example.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		subject, err := ParseSubject(s)
		if err != nil {
			return
		}
		again, err := ParseSubject(subject)
		if again != subject || err != nil {
			t.Errorf("%q is %q, and that is %q, %v", s, subject, again, err)
		}
	})
}

func party(s string, proven bool) Party {
	if s == "" {
		return Party{}
	}
	p, err := mail.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return Party{Address: p, Proven: proven}
}

// entries makes a list of "+subject" to allow and "-subject" to block.
func entries(list string) *List {
	var all []Entry
	for s := range strings.FieldsSeq(list) {
		e := Entry{Verb: Allow, Subject: s[1:]}
		if s[0] == '-' {
			e.Verb = Block
		}
		all = append(all, e)
	}
	return NewList(all)
}

func TestMatch(t *testing.T) {
	const ana = "ana@shop.example.org"
	for _, tt := range []struct {
		name                    string
		server, domain, account string
		author                  string
		proven                  bool
		path                    string
		pathProven              bool
		want                    string // verb, scope, subject
	}{
		{"nothing", "", "", "", ana, true, "", false, " server "},
		{"others", "+bo@shop.example.org -@example.org -.org.example", "", "", ana, true, "", false, " server "},
		{"address", "", "", "+" + ana, ana, true, "", false, "allow account " + ana},
		{"domain", "", "+@shop.example.org", "", ana, true, "", false, "allow domain @shop.example.org"},
		{"domain and below", "+.example.org", "", "", ana, true, "", false, "allow server .example.org"},
		{"a domain is not what only ends like it", "+.ample.org", "", "", ana, true, "", false, " server "},
		{"the closest entry counts", "", "", "-.example.org +@shop.example.org", ana, true, "", false, "allow account @shop.example.org"},
		{"the closest entry counts, the other way", "", "", "+.example.org -" + ana, ana, true, "", false, "block account " + ana},

		{"a forged author is not let in", "+" + ana, "+@shop.example.org", "+.example.org", ana, false, "", false, " server "},
		{"but blocked", "-" + ana, "", "", ana, false, "", false, "block server " + ana},
		{"proven reverse-path", "+@list.example", "", "", ana, false, "bounce@list.example", true, "allow server @list.example"},
		{"reverse-path without proof", "+@list.example", "", "", ana, true, "bounce@list.example", false, " server "},
		{"blocked reverse-path", "", "", "-@list.example", ana, true, "bounce@list.example", false, "block account @list.example"},

		{"network", "+192.0.2.0/24", "", "", ana, false, "", false, "allow server 192.0.2.0/24"},
		{"the longest network counts", "+192.0.2.0/24 -192.0.2.1", "", "", ana, true, "", false, "block server 192.0.2.1"},
		{"in one list a block wins over what it cannot be compared with", "", "", "+" + ana + " -192.0.2.0/24", ana, true, "", false, "block account 192.0.2.0/24"},

		{"an admin's block wins over all", "-@shop.example.org", "+" + ana, "+" + ana, ana, true, "", false, "block server @shop.example.org"},
		{"that of the domain as well", "+" + ana, "-@shop.example.org", "+" + ana, ana, true, "", false, "block domain @shop.example.org"},
		{"one's own block wins over an admin's allow", "+" + ana, "+" + ana, "-" + ana, ana, true, "", false, "block account " + ana},
		{"one's own allow comes first", "+" + ana, "+" + ana, "+" + ana, ana, true, "", false, "allow account " + ana},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lists := Lists{Server: entries(tt.server), Domain: entries(tt.domain), Account: entries(tt.account)}
			s := Sender{Client: netip.MustParseAddr("::ffff:192.0.2.1"), Authors: []Party{party(tt.author, tt.proven)}, ReversePath: party(tt.path, tt.pathProven)}
			m := lists.Match(&s)
			if got := string(m.Verb) + " " + m.Scope.String() + " " + m.Subject; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	lists := Lists{Server: entries("+.example.org -@evil.test -192.0.2.0/24"), Account: entries("-bo@example.org")}
	s := Sender{Client: netip.MustParseAddr("198.51.100.1"), Authors: []Party{party("ana@a.b.c.example.net", true)}, ReversePath: party("x@example.net", true)}
	b.ReportAllocs()
	for b.Loop() {
		lists.Match(&s)
	}
}
