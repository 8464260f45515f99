package mail

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Path
		err      error
	}{
		{"mailbox", "<ana@example.org>", Path{"ana", "example.org"}, nil},
		{"domain is lower-cased, local-part is not", "<Ana@EXAMPLE.org>", Path{"Ana", "example.org"}, nil},
		{"null reverse-path", "<>", Path{}, nil},
		{"postmaster alone", "<Postmaster>", Path{"Postmaster", ""}, nil},
		{"source route is dropped", "<@a.example,@b.example:bo@b.example>", Path{"bo", "b.example"}, nil},
		{"quoted local-part", `<"a b\"c"@example.org>`, Path{`a b"c`, "example.org"}, nil},
		{"quotes that are not needed", `<"ana"@example.org>`, Path{"ana", "example.org"}, nil},
		{"address literal", "<ana@[192.0.2.1]>", Path{"ana", "[192.0.2.1]"}, nil},
		{"v6 literal", "<ana@[IPv6:2001:DB8::1]>", Path{"ana", "[IPv6:2001:db8::1]"}, nil},
		{"U-label", "<rené@exämple.org>", Path{"rené", "xn--exmple-cua.org"}, nil},
		{"NFD local-part is composed", "<rene\u0301@example.org>", Path{"ren\u00e9", "example.org"}, nil},
		{"no brackets", "ana@example.org", Path{}, ErrPathSyntax},
		{"no domain", "<ana>", Path{}, ErrPathSyntax},
		{"two dots", "<a..b@example.org>", Path{}, ErrPathSyntax},
		{"dot at the end", "<a.@example.org>", Path{}, ErrPathSyntax},
		{"space", "<a b@example.org>", Path{}, ErrPathSyntax},
		{"NUL", "<a\x00@example.org>", Path{}, ErrPathSyntax},
		{"CR in quotes", "<\"a\rb\"@example.org>", Path{}, ErrPathSyntax},
		{"not UTF-8", "<\xff@example.org>", Path{}, ErrPathSyntax},
		{"not UTF-8 in quotes", "<\"\xff\"@example.org>", Path{}, ErrPathSyntax},
		{"two at signs", "<a@b@example.org>", Path{}, ErrPathSyntax},
		{"empty label", "<a@example..org>", Path{}, ErrPathSyntax},
		{"hyphen at the edge of a label", "<a@-example.org>", Path{}, ErrPathSyntax},
		{"literal without end", "<a@[192.0.2.1>", Path{}, ErrPathSyntax},
		{"literal that is no address", "<a@[x]>", Path{}, ErrPathSyntax},
		{"local-part of 64", "<" + strings.Repeat("a", 64) + "@example.org>", Path{strings.Repeat("a", 64), "example.org"}, nil},
		{"local-part of 65", "<" + strings.Repeat("a", 65) + "@example.org>", Path{}, ErrPathSyntax},
		{"path of 257", "<" + strings.Repeat("a", 60) + "@" + strings.Repeat("a.", 97) + "a>", Path{}, ErrPathSyntax},
		{"bad route", "<a.example:bo@b.example>", Path{}, ErrPathSyntax},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePath(tt.in)
			if got != tt.want || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("ParsePath(%q) = %#v, %v; want %#v, %v", tt.in, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestPathForms(t *testing.T) {
	for _, tt := range []struct {
		p                       Path
		str, wire, display, key string
		null, utf8              bool
	}{
		{Path{}, "", "<>", "", "@", true, false},
		{Path{"Ana", "example.org"}, "Ana@example.org", "<Ana@example.org>", "Ana@example.org", "ana@example.org", false, false},
		{Path{`a "b`, "example.org"}, `"a \"b"@example.org`, `<"a \"b"@example.org>`, `"a \"b"@example.org`, `a "b@example.org`, false, false},
		{Path{"é", "xn--exmple-cua.org"}, "é@xn--exmple-cua.org", "<é@xn--exmple-cua.org>", "é@exämple.org", "é@xn--exmple-cua.org", false, true},
		{Path{"Postmaster", ""}, "Postmaster", "<Postmaster>", "Postmaster", "postmaster@", false, false},
	} {
		if tt.p.String() != tt.str || tt.p.Wire() != tt.wire || tt.p.Display() != tt.display || tt.p.Key() != tt.key ||
			tt.p.IsNull() != tt.null || tt.p.NeedsUTF8() != tt.utf8 {
			t.Errorf("%#v: %q %q %q %q %v %v", tt.p, tt.p.String(), tt.p.Wire(), tt.p.Display(), tt.p.Key(), tt.p.IsNull(), tt.p.NeedsUTF8())
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"<ana@example.org>", "<>", `<"a\" b"@example.org>`, "<@a,@b:c@d>", "<é@exämple.org>", "<a@[IPv6:::1]>", "<postmaster>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(p.Wire(), "\r\n\x00") {
			t.Fatalf("ParsePath(%q) lets control characters through: %q", s, p.Wire())
		}
		if len(p.Wire()) > MaxPath {
			return // quoting may make it longer than it may be read
		}
		again, err := ParsePath(p.Wire())
		if err != nil || again != p {
			t.Fatalf("ParsePath(%q) = %#v, but its wire form %q gives %#v, %v", s, p, p.Wire(), again, err)
		}
	})
}

func FuzzParseDomain(f *testing.F) {
	for _, s := range []string{"example.org", "EXÄMPLE.org.", "[192.0.2.1]", "xn--exmple-cua.org", "a_b.example", "xn--a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDomain(s)
		if err != nil {
			return
		}
		if again, err := ParseDomain(string(d)); err != nil || again != d {
			t.Fatalf("ParseDomain(%q) = %q, and that gives %q, %v", s, d, again, err)
		}
		_ = d.Unicode()
	})
}

func TestDomain(t *testing.T) {
	d := Domain("mx.example.org")
	for parent, want := range map[Domain]bool{"example.org": true, "mx.example.org": true, "ample.org": false, "org": true, "": false} {
		if d.IsSubdomainOf(parent) != want {
			t.Errorf("%s below %q: want %v", d, parent, want)
		}
	}
	if a, ok := Domain("[IPv6:2001:db8::1]").Literal(); !ok || a.String() != "2001:db8::1" {
		t.Errorf("literal = %v, %v", a, ok)
	}
	if _, ok := d.Literal(); ok {
		t.Errorf("%s is no literal", d)
	}
}

func TestStatusOf(t *testing.T) {
	unknown := errors.New("boom")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, "2.0.0"},
		{unknown, "4.3.0"},
		{Errorf(StatusNoSuchMailbox, "no user %s", "x"), "5.1.1"},
		{fmt.Errorf("deliver: %w", &Error{Status: StatusMailboxFull, Err: unknown}), "4.2.2"},
	} {
		if got := StatusOf(tt.err).String(); got != tt.want {
			t.Errorf("StatusOf(%v) = %s, want %s", tt.err, got, tt.want)
		}
	}
	if err := (&Error{Status: StatusPolicy, Text: "no", Err: unknown}); !errors.Is(err, unknown) || err.Error() != "5.7.1 no (cause: boom)" {
		t.Errorf("Error() = %q", err)
	}
}

func TestParseStatus(t *testing.T) {
	for in, ok := range map[string]bool{"5.1.1": true, "2.0.0": true, "4.7.700": true, "3.1.1": false, "5.1": false, "5.1.1000": false, "5.a.1": false, "": false, "5.1.1.1": false} {
		s, err := ParseStatus(in)
		if (err == nil) != ok || ok && s.String() != in {
			t.Errorf("ParseStatus(%q) = %v, %v", in, s, err)
		}
	}
}

func TestNotify(t *testing.T) {
	for _, tt := range []struct {
		n, ask Notify
		want   bool
	}{
		{0, NotifyFailure, true}, {0, NotifyDelay, true}, {0, NotifySuccess, false},
		{NotifyNever, NotifyFailure, false}, {NotifySuccess | NotifyFailure, NotifyDelay, false}, {NotifySuccess, NotifySuccess, true},
	} {
		if tt.n.Wants(tt.ask) != tt.want {
			t.Errorf("%b wants %b: want %v", tt.n, tt.ask, tt.want)
		}
	}
}

func TestAuthResultsString(t *testing.T) {
	a := AuthResults{ServID: "mx.example.org", Results: []AuthResult{
		{Method: "spf", Result: "pass", Comment: "sender (is) fine\r\nX: y", Props: []AuthProp{{"smtp", "mailfrom", "a@b.example"}}},
		{Method: "dkim", Result: "fail", Reason: `bad "sig"`, Props: []AuthProp{{"header", "b", "ab/cd+=="}}},
	}}
	want := "mx.example.org;\r\n\tspf=pass (sender _is_ fine  X: y) smtp.mailfrom=a@b.example;\r\n\tdkim=fail reason=\"bad \\\"sig\\\"\" header.b=\"ab/cd+==\""
	if got := a.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := (AuthResults{ServID: "x"}).String(); got != "x; none" {
		t.Errorf("no results: %q", got)
	}
}
