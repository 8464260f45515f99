package mail

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseAuthResults(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		id, want string // "method=result type.name=value …", separated by "; "
		err      error
	}{
		// RFC 8601 appendix B
		{"no results", "example.org 1; none", "example.org", "", nil},
		{"service", "example.com;\r\n spf=pass smtp.mailfrom=example.net", "example.com", "spf=pass smtp.mailfrom=example.net", nil},
		{"several", "example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net",
			"example.com", "auth=pass smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net", nil},
		{"comment-heavy", "foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462",
			"foo.example.net", "dkim=fail policy.expired=1362471462", nil},
		{"reason", `example.com; dkim=pass reason="good; \"signature\"" header.i=@mail-router.example.net header.b="oINE/fLm="`,
			"example.com", "dkim=pass header.i=@mail-router.example.net header.b=oINE/fLm=", nil},
		{"quoted local-part", `example.com; spf=pass smtp.mailfrom="a b;c"@example.net`, "example.com", "spf=pass smtp.mailfrom=a b;c@example.net", nil},
		{"case", "example.com; DMARC=Pass Header.From=Example.NET", "example.com", "dmarc=pass header.from=Example.NET", nil},
		{"quoted id", `"mx.example.org"; spf=fail`, "mx.example.org", "spf=fail", nil},
		{"final semicolon", "a.test; spf=pass;", "a.test", "spf=pass", nil},
		{"nothing", "", "", "", ErrAuthResultsSyntax},
		{"no result", "a.test; spf", "a.test", "", ErrAuthResultsSyntax},
		{"half a property", "a.test; spf=pass; dkim=pass header", "a.test", "spf=pass", ErrAuthResultsSyntax},
		{"open comment", "a.test (; spf=pass", "a.test", "", nil},
		{"too many", "a.test" + strings.Repeat("; spf=pass", maxAuthResults+1), "a.test",
			strings.TrimPrefix(strings.Repeat("; spf=pass", maxAuthResults), "; "), ErrAuthResultsSyntax},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, results, err := ParseAuthResults(tt.in)
			var got []string
			for _, r := range results {
				s := r.Method + "=" + r.Result
				for _, p := range r.Props {
					s += " " + p.Type + "." + p.Name + "=" + p.Value
				}
				got = append(got, s)
			}
			if id != tt.id || strings.Join(got, "; ") != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %q, %v; want %q, %q, %v", id, got, err, tt.id, tt.want, tt.err)
			}
		})
	}
}

// FuzzParseAuthResults: reading ends, and what was read comes back from what
// is written of it.
func FuzzParseAuthResults(f *testing.F) {
	for _, s := range []string{
		"example.org 1; none", `a.test; dkim=pass reason="x" header.b="oINE/fLm="; spf=fail smtp.mailfrom="a b"@c`, "(", `"`, `\`, "a;;b=c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, results, err := ParseAuthResults(s)
		if len(results) > maxAuthResults {
			t.Fatalf("%d results", len(results))
		}
		if err != nil || len(results) == 0 || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c >= 0x7f }) {
			return
		}
		_, again, err := ParseAuthResults(AuthResults{ServID: "mx.example.org", Results: results}.String())
		if err != nil || !reflect.DeepEqual(again, results) {
			t.Errorf("%q\nread  %v\nagain %v, %v", s, results, again, err)
		}
	})
}

// FuzzAuthservID: whatever stands in the field, our own name in front is
// found, and the scan ends.
func FuzzAuthservID(f *testing.F) {
	for _, s := range []string{"mx.example.org; spf=pass", "(a (b\\)) c) \"mx\" 1; none", "\"", "(", "\\", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		AuthservID(s)
		if got := AuthservID("(c) mx.example.org; " + s); got != "mx.example.org" {
			t.Errorf("before %q: %q", s, got)
		}
		if strings.ContainsAny(AuthservID(strings.Map(func(c rune) rune {
			if c == '"' || c == '\\' {
				return 'x'
			}
			return c
		}, s)), "; \t\r\n") {
			t.Errorf("%q has an identifier with separators", s)
		}
	})
}
