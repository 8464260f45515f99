package support

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/support/supporttest"
)

// One thing has one name in a bundle, and what is none of what identifies
// somebody stays readable.
func TestRedact(t *testing.T) {
	r := NewRedactor([]string{"example.org", "bücher.example"}, []string{"tr0ub4dor", "tiny"}, []string{"trace.show"})
	for _, tt := range []struct{ name, text, want string }{
		{"address", "from=<ana@example.org> to=ana@example.org", "from=<person1@domain1.invalid> to=person1@domain1.invalid"},
		{"in any case", "Ana@EXAMPLE.org", "person1@domain1.invalid"},
		{"at the end of a sentence", "no account ana@example.org.", "no account person1@domain1.invalid."},
		{"in a path", "GET /accounts/ana%40example.org", "GET /accounts/person1%40domain1.invalid"},
		{"another of the domain", "bo@example.org", "person2@domain1.invalid"},
		{"quoted local part", `"odd name"@far.example`, "person3@domain2.invalid"},
		{"international", "jörg@bücher.example", "person4@domain3.invalid"},
		{"literal", "x@[192.0.2.1]", "person5@literal.invalid"},
		{"domain alone", "look up example.org: no answer", "look up domain1.invalid: no answer"},
		{"host of a domain", "mx=mail.example.org", "mx=host1.domain1.invalid"},
		{"the same label elsewhere", "mail.far.example", "host1.domain2.invalid"},
		{"a name with a registry", "relay smtp.ionos.co.uk is down", "relay host2.domain4.invalid is down"},
		{"no names", "system.db main.go trace.show message.max_size 1.2.3", "system.db main.go trace.show message.max_size 1.2.3"},
		{"ip", "remote=203.0.113.9:4711 and 203.0.113.9", "remote=ip4-1:4711 and ip4-1"},
		{"ip in brackets", "[2001:db8::1]:25", "[ip6-2]:25"},
		{"mapped", "::ffff:203.0.113.9", "ip4-1"},
		{"private", "10.1.2.3", "private-ip4-3"},
		{"ours", "127.0.0.1:25 [::1]:993", "127.0.0.1:25 [::1]:993"},
		{"a time", "2026-11-29T03:37:01Z 12:30:00", "2026-11-29T03:37:01Z 12:30:00"},
		{"subject", `subject="Divorce papers" id=1 subject=Divorce`, "subject=subject1 id=1 subject=subject2"},
		{"known secret", "login with tr0ub4dor failed, tiny stays", "login with [redacted] failed, tiny stays"},
		{"field of a secret", "password=hunter2", "password=[redacted]"},
		{"key of base64", "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKC/AQE+A", "[redacted]"},
		{"hash", "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256 [redacted]"},
		{"code", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "[redacted]"},
		{"hash of a password", "is $argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA now", "is [redacted] now"},
		{"a path", "/var/lib/mailstead/store/log/00000001.log", "/var/lib/mailstead/store/log/00000001.log"},
		{"a queue ID", "queue_id=06h2ar2yg25c39rs", "queue_id=06h2ar2yg25c39rs"},
		{"a version", "0.1.0~git20261129020322.e66ed281", "0.1.0~git20261129020322.e66ed281"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Text(tt.text); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// The manifest says what is there, what is not, and what was taken out; a
// domain that one file names in an address is found bare in another.
func TestWrite(t *testing.T) {
	var b bytes.Buffer
	now := time.Date(2026, 11, 29, 4, 0, 0, 0, time.UTC)
	files := []File{
		{Name: "log.txt", What: "the log", Value: "asking mx.club.lan\n"},
		{Name: "queue.json", What: "why mail waits", Value: map[string]any{"domains": []string{"club.lan"}, "who": `"odd name"@club.lan`, "reply": "<cleo@club.lan> unknown", "n": int64(1) << 60, "club.lan": 2}},
		{Name: "stack.txt", What: "source", Code: true, Value: "net/http.(*Server).Serve golang.org/x/net password=hunter2\n"},
		{Name: "gone.txt", What: "nothing", Value: "must not be there", Missing: "no server of cleo@club.lan is running"},
	}
	if err := Write(&b, "1.2", now, NewRedactor(nil, nil, nil), files); err != nil {
		t.Fatal(err)
	}
	got := supporttest.Unpack(t, &b)
	for name, text := range got {
		for _, word := range []string{"club", "cleo", "odd name", "hunter2", "must not"} {
			if strings.Contains(text, word) {
				t.Errorf("%s has %q:\n%s", name, word, text)
			}
		}
	}
	if got["log.txt"] != "asking host1.domain1.invalid\n" || !strings.Contains(got["stack.txt"], "golang.org/x/net password=[redacted]") {
		t.Errorf("%q", got)
	}
	if !strings.Contains(got["queue.json"], "<person2@domain1.invalid> unknown") && !strings.Contains(got["queue.json"], "<person1@domain1.invalid> unknown") || !strings.Contains(got["queue.json"], "1152921504606846976") {
		t.Errorf("queue.json: %s", got["queue.json"])
	}
	var m Manifest
	if err := json.Unmarshal([]byte(got["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 4 || m.Version != "1.2" || !m.Made.Equal(now) || m.Files[0].Bytes != len(got["log.txt"]) || m.Files[3].Missing == "" || m.Files[3].Bytes != 0 {
		t.Errorf("manifest: %+v", m)
	}
	if m.Redacted[addresses] != (Number{2, 3}) || m.Redacted[domains].Different != 1 || m.Redacted[secrets].Times != 1 {
		t.Errorf("taken out: %+v", m.Redacted)
	}
	if _, ok := got["gone.txt"]; ok {
		t.Error("what is missing is there")
	}
}

// What is larger than a bundle may be is cut off, within the bound and not
// within a character.
func TestBounded(t *testing.T) {
	text := bounded(strings.Repeat("é", maxFile))
	if len(text) > maxFile+100 || !strings.HasSuffix(text, "é\n[cut off here]\n") {
		t.Errorf("%d octets, ends with %q", len(text), text[len(text)-20:])
	}
	if got := bounded("short"); got != "short" {
		t.Error(got)
	}
}

// Whatever stands around an address, it does not stay.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "<", "to=", `"`, "é", "\\", "x:", "%", "a.", "'"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		r := NewRedactor([]string{"secretclub.example"}, nil, nil)
		if got := strings.ToLower(r.Text(before + " zebedee@secretclub.example " + after)); strings.Contains(got, "zebedee@") {
			t.Errorf("%q", got)
		}
	})
}
