package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// acme is what the first run chooses when the terms are accepted.
func acme() []Choice {
	return []Choice{{Field: "tls.mode", Value: ModeACME}, {Field: "tls.agree", Value: true}, {Field: "tls.email", Value: "ana@example.org"}}
}

// TestRewrite: fields are set where they stand, and all else stays.
func TestRewrite(t *testing.T) {
	described := strings.Replace(Describe(), `hostname = ""`, `hostname = "old.example"`, 1)
	for _, tt := range []struct {
		name, old string
		want      string // "": written anew
	}{
		{"in their lines", "# ours\nhostname = \"old.example\" # since May\n[tls]\n  mode = \"self-signed\"\nagree=false\nemail = \"\"\n[log]\nlevel = \"warn\"\n",
			"# ours\nhostname = \"new.example\" # since May\n[tls]\n  mode = \"acme\"\nagree= true\nemail = \"ana@example.org\"\n[log]\nlevel = \"warn\"\n"},
		{"in a table that is there", "hostname = \"old.example\"\n[tls] # certificates\n# no more yet\n[log]\nlevel = \"warn\"",
			"hostname = \"new.example\"\n[tls] # certificates\nmode = \"acme\"\nagree = true\nemail = \"ana@example.org\"\n# no more yet\n[log]\nlevel = \"warn\""},
		{"in a new table", "hostname = 'old.example'\ndata = \"/srv\"", "hostname = \"new.example\"\ndata = \"/srv\"\n\n[tls]\nmode = \"acme\"\nagree = true\nemail = \"ana@example.org\"\n"},
		{"no host name", "data = \"/srv\"\n[tls]\nmode = \"acme\"\nagree = true\nemail = \"ana@example.org\"\n",
			"data = \"/srv\"\nhostname = \"new.example\"\n[tls]\nmode = \"acme\"\nagree = true\nemail = \"ana@example.org\"\n"},
		{"a comment that looks like a field", "#hostname = \"x\"\nhostname = \"a#b.example\"# \"c\"\n[tls]\nmode = \"acme\"\nagree = true\nemail = \"ana@example.org\"\n",
			"#hostname = \"x\"\nhostname = \"new.example\" # \"c\"\n[tls]\nmode = \"acme\"\nagree = true\nemail = \"ana@example.org\"\n"},
		{"dotted keys", "hostname = \"old.example\"\ndata = \"/srv\"\ntls.mode = \"self-signed\"\n", ""},
		{"an inline table", "hostname = \"old.example\"\ndata = \"/srv\"\ntls = { mode = \"self-signed\" }\n", ""},
		{"several lines", "data = \"/srv\"\nhostname = \"\"\"\nold.example\"\"\"\n", ""},
		{"nothing", "", ""},
		{"described", described, strings.NewReplacer(`"old.example"`, `"new.example"`, "\nmode = \"self-signed\"", "\nmode = \"acme\"", "agree = false", "agree = true",
			"\nemail = \"\"", "\nemail = \"ana@example.org\"").Replace(described)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := rewrite([]byte(tt.old), append(acme(), Choice{Field: "hostname", Value: "new.example"}))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want != "" && string(got) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			want, err := decode([]byte(tt.old))
			if err != nil {
				t.Fatal(err)
			}
			want.Hostname, want.TLS.Mode, want.TLS.Agree, want.TLS.Email = "new.example", ModeACME, true, "ana@example.org"
			if c, err := Parse(got); err != nil || !reflect.DeepEqual(c, want) {
				t.Errorf("read again: %+v, %v", c, err)
			}
		})
	}
	for name, c := range map[string]Choice{
		"no such field": {Field: "tls.modus", Value: "acme"}, "a table": {Field: "tls", Value: "acme"}, "wrong type": {Field: "tls.agree", Value: "yes"},
		"a list": {Field: "listen.smtp", Value: []string{}}, "not valid": {Field: "hostname", Value: "mail"}, "a line break": {Field: "hostname", Value: "a.b\"\ndata = \"/x"},
	} {
		if got, err := rewrite([]byte(described), []Choice{c}); err == nil {
			t.Errorf("%s: was taken:\n%s", name, got)
		}
	}
	if _, err := rewrite([]byte("hostname = \"a.example\"\nunknown = 1\n"), acme()); err == nil {
		t.Error("a file that is not valid was written over")
	}
}

// TestChoose: the file is written, with a copy of what it was.
func TestChoose(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mailstead.toml")
	old := "hostname = \"old.example\" # ours\ndata = \"" + dir + "\"\n"
	if err := os.WriteFile(file, []byte(old), 0o640); err != nil {
		t.Fatal(err)
	}
	w, err := Choose(file, dir, acme()...)
	if err != nil || w.File != file || w.Paste != "" {
		t.Fatalf("%+v, %v", w, err)
	}
	if b, err := os.ReadFile(w.Backup); err != nil || string(b) != old {
		t.Errorf("copy: %q, %v", b, err)
	}
	if s, err := os.Stat(file); err != nil || s.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", s, err)
	}
	c, err := Load(file)
	if err != nil || c.TLS.Mode != ModeACME || len(c.Notes) > 0 {
		t.Errorf("%+v, %v", c, err)
	}
	none := filepath.Join(dir, "other.toml")
	if w, err := Choose(none, dir, Choice{Field: "hostname", Value: "new.example"}); err != nil || w.File != none || w.Backup != "" {
		t.Errorf("without a file: %+v, %v", w, err)
	}
}

// TestChooseWhereItMayNot: choices of a server that may not write the file
// count until somebody changes the file.
func TestChooseWhereItMayNot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mailstead.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("data = \""+dir+"\"\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	// A folder in place of what is written first stands for a file system that
	// is read-only: root may write everywhere else.
	if err := os.MkdirAll(filepath.Join(file+".before-setup.new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := Choose(file, dir, Choice{Field: "hostname", Value: "mail.example.org"})
	if err != nil || w.File != filepath.Join(dir, "first-run.toml") || w.Paste != "hostname = \"mail.example.org\"\n" {
		t.Fatalf("%+v, %v", w, err)
	}
	if w, err = Choose(file, dir, acme()...); err != nil || !strings.Contains(w.Paste, "hostname = \"mail.example.org\"\n\n[tls]\nmode = \"acme\"\nagree = true\n") {
		t.Fatalf("%+v, %v", w, err)
	}
	for _, tt := range []struct {
		name, text, hostname, mode string
		notes                      int
	}{
		{"as it was", "", "mail.example.org", ModeACME, 4},
		{"one field was changed", "hostname = \"other.example\"\n", "other.example", ModeACME, 4},
		{"all is pasted", w.Paste, "mail.example.org", ModeACME, 4},
	} {
		write(tt.text)
		c, err := Load(file)
		if err != nil || c.Hostname != tt.hostname || c.TLS.Mode != tt.mode || !c.TLS.Agree || len(c.Notes) != tt.notes {
			t.Errorf("%s: %+v, %v", tt.name, c, err)
		}
	}
	write("hostname = \"other.example\"\n")
	if w, err = Choose(file, dir, Choice{Field: "tls.email", Value: "bo@example.org"}); err != nil || strings.Contains(w.Paste, "hostname") || !strings.Contains(w.Paste, "bo@example.org") {
		t.Errorf("after somebody has changed the file: %+v, %v", w, err)
	}
	if err := os.RemoveAll(file + ".before-setup.new"); err != nil {
		t.Fatal(err)
	}
	if w, err = Choose(file, dir, Choice{Field: "hostname", Value: "new.example"}); err != nil || w.File != file {
		t.Fatalf("when it may write again: %+v, %v", w, err)
	}
	if c, err := Parse(must(os.ReadFile(file))); err != nil || c.Hostname != "new.example" || c.TLS.Email != "bo@example.org" {
		t.Errorf("the file does not have all: %+v, %v", c, err)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestBadChosen: a file that is not what was written says what to do.
func TestBadChosen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mailstead.toml")
	if err := os.WriteFile(file, []byte("hostname = \"mail.example.org\"\ndata = \""+dir+"\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"[[choice]]\nfield = \"hostnam\"\nvalue = \"x\"\n": "there is no field hostnam",
		"[[choice]]\nfield = \"hostname\"\nvalue = 5\n":    "hostname cannot be 5",
		"choice = 1\n": "remove it",
		"[[other]]\n":  "remove it",
		"[[choice]]\n": "there is no field",
	} {
		if err := os.WriteFile(filepath.Join(dir, chosenName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
