package manual

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// grammar has one of each thing that the forms treat differently.
type grammar struct {
	Group struct {
		Data string `type:"path" help:"Where it's kept." placeholder:"DIR"`
		Do   struct {
			Word  []string `arg:"" help:"What to do."`
			Level string   `short:"l" enum:"low,high" default:"low" help:"How much."`
			Quiet bool     `help:"Say | nothing <at> all."`
			Must  string   `required:"" help:"Needed."`
		} `cmd:"" help:".Begins with a dot, and has a \\ in it."`
	} `cmd:"" help:"A group."`
	Read struct {
		File string `arg:"" type:"existingfile" help:"What to read."`
	} `cmd:"" help:"Read a file."`
	Secret struct{} `cmd:"" hidden:"" help:"Not shown."`
}

func testTree(t *testing.T) *Command {
	t.Helper()
	parser, err := kong.New(new(grammar), kong.Name("mailstead"), kong.Description("A test."))
	if err != nil {
		t.Fatal(err)
	}
	return FromModel(parser.Model)
}

func TestMan(t *testing.T) {
	pages := ManPages(testTree(t), "1.2.3")
	var files []string
	for _, p := range pages {
		files = append(files, p.File)
	}
	if got := strings.Join(files, " "); got != "mailstead.1 mailstead-group.1 mailstead-read.1" {
		t.Errorf("pages: %s", got)
	}
	for _, want := range []string{
		`.TH "MAILSTEAD\-GROUP" "1" "" "Mailstead 1.2.3" "Mailstead"`,
		`.SS "mailstead group do WORD ... \-\-must MUST [flags]"`,
		"\n\\&.Begins with a dot, and has a \\e in it.\n",
		"\\fB\\-l, \\-\\-level=LEVEL\\fR\nHow much. One of: low, high. Default: low.\n",
		"\\fB\\-\\-data=DIR\\fR\n",
	} {
		if !strings.Contains(pages[1].Text, want) {
			t.Errorf("the page of group does not have %q:\n%s", want, pages[1].Text)
		}
	}
}

func TestReference(t *testing.T) {
	text := CLIReference(testTree(t))
	for _, want := range []string{
		"- [mailstead group](#mailstead-group): A group.\n",
		"\n### mailstead group do\n",
		"    mailstead group do WORD … --must MUST [flags]\n",
		`Say \| nothing &lt;at&gt; all.`,
		"| `FILE` | What to read. |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the reference does not have %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") {
		t.Error("a hidden command is in the reference")
	}
}

func TestCompletionScripts(t *testing.T) {
	root := testTree(t)
	for shell, wants := range map[string][]string{
		"bash": {"'mailstead group do') echo '--level -l --quiet --must --data --help -h' ;;", "'mailstead group do:--level' | 'mailstead group do:-l') echo 'low high' ;;",
			"'mailstead group:--data') echo 'file' ;;", "'mailstead read') return 0 ;;"},
		"zsh":  {"'--data:Where it’s kept.'", "'do:.Begins with a dot"},
		"fish": {`complete -c mailstead -n "__mailstead_at 'mailstead group do'" -l level -s l -x -a 'low high'`, `-l data -r -F -d 'Where it’s kept.'`, `complete -c mailstead -n "__mailstead_at 'mailstead read'" -F`},
	} {
		script := Completion(shell, root)
		for _, want := range wants {
			if !strings.Contains(script, want) {
				t.Errorf("%s: no %q in\n%s", shell, want, script)
			}
		}
	}
}
