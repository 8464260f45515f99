package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/cmd/mailstead/manual"
)

// TestReferencesAreCurrent compares the reference pages of docs/ with the
// program.
func TestReferencesAreCurrent(t *testing.T) {
	for name, want := range referencePages(testCommandLine(t)) {
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("docs/%s is not what the program says; run `go run ./cmd/mailstead manual references docs` (or `make references`) and commit it", name)
		}
	}
}

// TestManualIsComplete looks for every command and every flag of the parser in
// all that is made from it.
func TestManualIsComplete(t *testing.T) {
	parser, err := newParser(new(cli))
	if err != nil {
		t.Fatal(err)
	}
	root := testCommandLine(t)
	man := map[string]string{}
	for _, p := range manual.ManPages(root, "1.0") {
		man[p.File] = p.Text
	}
	scripts := map[string]string{}
	for _, shell := range manual.Shells {
		scripts[shell] = manual.Completion(shell, root)
	}
	reference := manual.CLIReference(root)
	for _, leaf := range parser.Model.Leaves(true) {
		path := leaf.FullPath()
		page := man["mailstead-"+strings.Fields(path)[1]+".1"]
		if !strings.Contains(page, strings.ReplaceAll(path, "-", `\-`)) {
			t.Errorf("%s is not in its man page", path)
		}
		if !strings.Contains(reference, " "+path+"\n") {
			t.Errorf("%s is not in the reference", path)
		}
		for shell, script := range scripts {
			if !strings.Contains(script, "'"+path+"'") {
				t.Errorf("%s is not completed by %s", path, shell)
			}
		}
		checkFlags(t, leaf, page, reference, scripts)
	}
}

// checkFlags looks for the flags of a command and of the groups above it.
func checkFlags(t *testing.T, leaf *kong.Node, page, reference string, scripts map[string]string) {
	t.Helper()
	for _, group := range leaf.AllFlags(true) {
		for _, f := range group {
			if !strings.Contains(page, `\-\-`+strings.ReplaceAll(f.Name, "-", `\-`)) || !strings.Contains(reference, "--"+f.Name) {
				t.Errorf("--%s of %s is not in its man page, or not in the reference", f.Name, leaf.FullPath())
			}
			for shell, script := range scripts {
				spelling := "--" + f.Name
				if shell == "fish" {
					spelling = "-l " + f.Name
				}
				if !strings.Contains(script, spelling) {
					t.Errorf("--%s of %s is not completed by %s", f.Name, leaf.FullPath(), shell)
				}
			}
		}
	}
}

// TestSettingsReferenceIsComplete looks for every setting and every field of
// the file.
func TestSettingsReferenceIsComplete(t *testing.T) {
	reference, page := manual.SettingsReference(), manual.ConfigPage("1.0").Text
	for _, d := range directory.Definitions() {
		if !strings.Contains(reference, "| `"+d.Name+"` |") {
			t.Errorf("the setting %s is not in the reference", d.Name)
		}
	}
	for _, f := range config.Fields() {
		name := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
		if !strings.Contains(reference, name) || !strings.Contains(page, name) {
			t.Errorf("the field %s is not in the reference, or not in the man page", f.Name)
		}
	}
}

// TestCompletion asks the shells themselves.
func TestCompletion(t *testing.T) {
	root := testCommandLine(t)
	for _, tt := range []struct {
		name, line string // the cursor is at the end
		want       string // one of what is offered
		not        string
	}{
		{"first word", "mailstead dom", "domain", "account"},
		{"second word", "mailstead domain a", "add", "list"},
		{"after a flag with a value", "mailstead domain -o json a", "add", "list"},
		{"flag of a group", "mailstead queue list --out", "--output", "--yes"},
		{"choice", "mailstead account list --output j", "json", "text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for shell, ask := range map[string]func(*testing.T, *manual.Command, string) string{"bash": askBash, "fish": askFish} {
				got := strings.Fields(ask(t, root, tt.line))
				if !slices.Contains(got, tt.want) || slices.Contains(got, tt.not) {
					t.Errorf("%s offers %q for %q; want %s and not %s", shell, got, tt.line, tt.want, tt.not)
				}
			}
		})
	}
	file := writeScript(t, "zsh", root)
	if out, err := exec.Command(need(t, "zsh"), "-n", file).CombinedOutput(); err != nil {
		t.Errorf("zsh does not take its script: %v\n%s", err, out)
	}
}

// askBash lets bash complete a line.
func askBash(t *testing.T, root *manual.Command, line string) string {
	t.Helper()
	return shellOutput(t, "bash", `. "$1"; COMP_WORDS=($2); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _mailstead; printf '%s\n' "${COMPREPLY[@]}"`, writeScript(t, "bash", root), line)
}

// askFish lets fish complete a line.
func askFish(t *testing.T, root *manual.Command, line string) string {
	t.Helper()
	out := shellOutput(t, "fish", `source $argv[1]; complete -C "$argv[2]"`, writeScript(t, "fish", root), line)
	var words []string
	for l := range strings.Lines(out) {
		word, _, _ := strings.Cut(l, "\t")
		words = append(words, strings.TrimSpace(word))
	}
	return strings.Join(words, " ")
}

func shellOutput(t *testing.T, shell, script, file, line string) string {
	t.Helper()
	args := []string{"-c", script}
	if shell == "bash" {
		args = append(args, "bash")
	}
	cmd := exec.Command(need(t, shell), append(args, file, line)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", shell, err, out)
	}
	return string(out)
}

func writeScript(t *testing.T, shell string, root *manual.Command) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), shell)
	if err := os.WriteFile(file, []byte(manual.Completion(shell, root)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func testCommandLine(t *testing.T) *manual.Command {
	t.Helper()
	root, err := commandLine()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// typed finds commands of ours in the code of a page: between backquotes, or in
// lines that begin with four blanks.
var (
	codeSpan = regexp.MustCompile("`[^`\n]+`|(?m)^    .*$")
	typed    = regexp.MustCompile(`\bmailstead ([a-z][a-z-]*)((?: [a-z][a-z-]*)?)`)
)

// TestDocsNameCommandsThatExist reads the pages that tell people what to type.
func TestDocsNameCommandsThatExist(t *testing.T) {
	names := map[string]bool{}
	groups := map[string]bool{}
	testCommandLine(t).Walk(func(c *manual.Command, _ []*manual.Command) {
		names[c.Name()] = true
		groups[c.Name()] = len(c.Subs) > 0
	})
	for _, page := range []string{"install.md", "security.md", "troubleshooting.md", "quickstart.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range codeSpan.FindAllString(string(text), -1) {
			code, _, _ = strings.Cut(code, "  #")
			for _, m := range typed.FindAllStringSubmatch(code, -1) {
				command := "mailstead " + m[1]
				if groups[command] {
					command += m[2]
				}
				if m[1] != "mailstead" && !names[command] { // "docker compose exec mailstead mailstead …"
					t.Errorf("docs/%s says %q; there is no such command", page, strings.Trim(code, "` "))
				}
			}
		}
	}
}
