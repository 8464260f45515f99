package inbound_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

// allResults has each method with each of its results, in the shapes that our
// checks give them, with the worst that strangers can put into comments and
// properties.
func allResults() (list []mail.AuthResults) {
	props := map[string][]mail.AuthProp{
		"iprev": {{Type: "policy", Name: "iprev", Value: "2001:db8::1"}},
		"spf":   {{Type: "smtp", Name: "mailfrom", Value: "ana@sender.test"}},
		"dkim": {{Type: "header", Name: "d", Value: "sender.test"}, {Type: "header", Name: "i", Value: "@sender.test"},
			{Type: "header", Name: "s", Value: "s1"}, {Type: "header", Name: "a", Value: "rsa-sha256"}, {Type: "header", Name: "b", Value: "a+/b=c=="}},
		"dmarc": {{Type: "header", Name: "from", Value: "sender.test"}, {Type: "policy", Name: "dmarc", Value: "reject"}},
		"arc":   {{Type: "header", Name: "oldest-pass", Value: "0"}},
	}
	results := map[string]string{
		"iprev": "pass fail temperror permerror",
		"spf":   "none neutral pass fail softfail temperror permerror",
		"dkim":  "none pass fail policy neutral temperror permerror",
		"dmarc": "none pass fail temperror permerror",
		"arc":   "none pass fail temperror",
	}
	for _, method := range []string{"iprev", "spf", "dkim", "dmarc", "arc"} {
		for result := range strings.FieldsSeq(results[method]) {
			for _, comment := range []string{"", "simple", `(nested "quotes\" ; x=y`, "line\r\nbreak", "\\"} {
				list = append(list, mail.AuthResults{ServID: "mx.example.org", Results: []mail.AuthResult{
					{Method: method, Result: result, Comment: comment, Props: props[method]},
					{Method: "dkim", Result: "none", Comment: "no signature"},
				}})
			}
		}
	}
	for _, value := range []string{`"a b"@c.test`, "a;b", "a(b)", `back\slash`, `"`, "", "a=b", "[192.0.2.1]", "<x@y>", "tab\there", "a,b", "%7", "'", "x{y}|~"} {
		list = append(list, mail.AuthResults{ServID: "mx.example.org", Results: []mail.AuthResult{
			{Method: "spf", Result: "fail", Reason: "local policy: ARC", Props: []mail.AuthProp{{Type: "smtp", Name: "helo", Value: value}}}}})
	}
	return append(list, mail.AuthResults{ServID: "mx.example.org"})
}

// TestAuthenticationResultsParse has our fields read by another program.
func TestAuthenticationResultsParse(t *testing.T) {
	python := need(t, "/usr/bin/python3")
	all := allResults()
	fields := make([]string, len(all))
	for i, r := range all {
		fields[i] = "Authentication-Results: " + r.String()
	}
	in, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/readresults.py")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var read []struct {
		Error   string
		ID      string
		Results []struct {
			Method, Result, Reason string
			Props                  [][3]string
		}
	}
	if err := json.Unmarshal(out, &read); err != nil || len(read) != len(all) {
		t.Fatal(len(read), err)
	}
	for i, r := range read {
		if r.Error != "" || r.ID != "mx.example.org" || len(r.Results) != len(all[i].Results) {
			t.Errorf("%s\nis read as %+v", fields[i], r)
			continue
		}
		for k, got := range r.Results {
			want := all[i].Results[k]
			var props [][3]string
			for _, p := range want.Props {
				// It leaves quoted-pairs as they stand.
				props = append(props, [3]string{p.Type, p.Name, strings.NewReplacer("\t", " ", `\`, `\\`, `"`, `\"`).Replace(p.Value)})
			}
			if got.Method != want.Method || got.Result != want.Result || got.Reason != want.Reason || fmt.Sprint(got.Props) != fmt.Sprint(props) {
				t.Errorf("%s\nis read as %+v", fields[i], got)
			}
		}
		if _, own, err := mail.ParseAuthResults(all[i].String()); err != nil || len(own) != len(all[i].Results) ||
			len(own) > 0 && !reflect.DeepEqual(len(own[0].Props), len(all[i].Results[0].Props)) {
			t.Errorf("%s\nwe read as %+v, %v", fields[i], own, err)
		}
	}
}
