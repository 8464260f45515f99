package spf

import (
	"strings"
	"testing"
)

func TestCheckSyntax(t *testing.T) {
	for _, tt := range []struct {
		terms string
		ok    bool
	}{
		{"", true},
		{"-all", true}, {"?ALL", true}, {"all.", false}, {"all:x.test", false}, {"*all", false}, {"--all", false},
		{"include:a.test", true}, {"include", false}, {"include:", false}, {"include:a.test/24", false}, {"include:%{d}", true},
		{"a", true}, {"a/24", true}, {"a//64", true}, {"a/24//64", true}, {"a:a.test/0", true}, {"A:a.test.", true},
		{"a:", false}, {"a/33", false}, {"a/024", false}, {"a//129", false}, {"a/", false}, {"a:a.test//", false}, {"a:test", false},
		{"a:192.0.2.1", false}, {"a:a.test:8080", false}, {"a:a.b-c", true}, {"a:a.b-", false}, {"a:a.123", false}, {"a:a%.test", false},
		{"a:foo:bar/baz.test", true}, {"mx:%{d2}.a.test/28", true}, {"mx:%{x}.test", false}, {"mx:%{d", false}, {"mx:%{}", false},
		{"ip4:192.0.2.1", true}, {"ip4:192.0.2.0/24", true}, {"ip4:192.0.2.0/33", false}, {"ip4:192.0.2", false}, {"ip4", false}, {"ip4:2001:db8::", false},
		{"ip6:2001:db8::/32", true}, {"ip6:::1", true}, {"ip6:192.0.2.1", false}, {"ip6:fe80::1%eth0", false}, {"ip6:::1/129", false},
		{"ptr", true}, {"ptr:a.test", true}, {"ptr/24", false}, {"exists:%{i}.a.test", true}, {"exists", false}, {"exists:a.%%", true},
		{"redirect=a.test", true}, {"redirect=", false}, {"redirect:a.test", false}, {"redirect=a.test redirect=b.test", false},
		{"exp=a.test", true}, {"exp=a.test EXP=b.test", false}, {"exp=-all", false}, {"-redirect=a.test", false},
		{"x-new=any/thing", true}, {"x=%", false}, {"=x", false}, {"1x=y", false}, {"nonsense", false},
		{"a\tmx", false}, {"a:\xefa.test", false}, {"a  mx ", true},
	} {
		if err := checkSyntax("v=spf1 " + tt.terms); (err == nil) != tt.ok {
			t.Errorf("%q: %v, want valid: %v", tt.terms, err, tt.ok)
		}
	}
}

// FuzzCheckSyntax: whatever a record says, reading it ends, and what is added
// to a valid one makes it invalid or leaves it valid.
func FuzzCheckSyntax(f *testing.F) {
	for _, s := range []string{"v=spf1 a:%{d2}.test/24//64 -all", "v=spf1 ip6:::1 exp=x.test", "v=spf1", "v=spf1 %{%{", "v=spf1 " + strings.Repeat("a/", 50)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !isRecord(s) || checkSyntax(s) != nil {
			return
		}
		if err := checkSyntax(s + " -all "); err != nil {
			t.Errorf("%q is valid, with -all it is not: %v", s, err)
		}
		if checkSyntax(s+" a:%") == nil {
			t.Errorf("%q with a broken term is valid", s)
		}
	})
}
