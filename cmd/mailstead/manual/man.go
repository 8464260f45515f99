package manual

import (
	"fmt"
	"strings"
)

// Page is one man page.
type Page struct {
	File string // "mailstead-domain.1"
	Text string // roff
}

// ManPages returns the pages of the program: one for it, one for each command
// of the first level with all below it. version is in the footer.
func ManPages(root *Command, version string) []Page {
	pages := []Page{{root.Path[0] + ".1", rootPage(root, version)}}
	for _, c := range root.Subs {
		pages = append(pages, Page{strings.Join(c.Path, "-") + ".1", commandPage(root, c, version)})
	}
	return pages
}

func rootPage(root *Command, version string) string {
	var m roff
	m.header(strings.ToUpper(root.Path[0]), version)
	m.section("NAME")
	m.text(root.Path[0] + " - " + strings.TrimSuffix(root.Help, "."))
	m.section("SYNOPSIS")
	m.text(root.Usage())
	m.section("DESCRIPTION")
	m.text("Mailstead receives mail, sends it, keeps it in mailboxes and serves them to mail programs. Each command has a page of its own.")
	m.section("COMMANDS")
	for _, c := range root.Subs {
		m.item(strings.Join(c.Path, "-")+"(1)", c.Help)
	}
	m.options("OPTIONS", root.Flags)
	m.section("EXIT STATUS")
	m.item("0", "Done.")
	m.item("1", "It failed; the reason is on standard error.")
	m.item("2", "The command was wrong.")
	m.section("FILES")
	m.item("/etc/mailstead/mailstead.toml", "What must be known before the server starts: mailstead.toml(5).")
	m.item("/var/lib/mailstead", "Mail, accounts, settings, certificates.")
	return m.String()
}

func commandPage(root, top *Command, version string) string {
	var m roff
	m.header(strings.ToUpper(strings.Join(top.Path, "-")), version)
	m.section("NAME")
	m.text(strings.Join(top.Path, "-") + " - " + strings.TrimSuffix(top.Help, "."))
	m.section("SYNOPSIS")
	m.text(top.Usage())
	m.args(top.Args)
	if len(top.Subs) > 0 {
		m.section("COMMANDS")
	}
	top.Walk(func(c *Command, _ []*Command) {
		if c == top {
			return
		}
		m.subsection(c.Usage())
		m.text(c.Help)
		m.args(c.Args)
		m.flags(c.Flags)
	})
	m.options("OPTIONS", append(top.Flags[:len(top.Flags):len(top.Flags)], root.Flags...))
	m.section("SEE ALSO")
	m.text(root.Path[0] + "(1), mailstead.toml(5)")
	return m.String()
}

// roff is a man page that is being written.
type roff struct{ strings.Builder }

func (m *roff) header(title, version string) {
	section := "1"
	if name, ok := strings.CutSuffix(title, ".TOML"); ok {
		title, section = name+".toml", "5"
	}
	fmt.Fprintf(m, ".TH \"%s\" \"%s\" \"\" \"Mailstead %s\" \"Mailstead\"\n.nh\n.ad l\n", escape(title), section, escape(version))
}

func (m *roff) section(name string)    { fmt.Fprintf(m, ".SH \"%s\"\n", quoted(name)) }
func (m *roff) subsection(name string) { fmt.Fprintf(m, ".SS \"%s\"\n", quoted(name)) }
func (m *roff) text(s string)          { m.WriteString(escape(s) + "\n") }
func (m *roff) item(term, text string) {
	fmt.Fprintf(m, ".TP\n\\fB%s\\fR\n%s\n", escape(term), escape(text))
}

// args explains those whose name does not say it all.
func (m *roff) args(args []Arg) {
	for _, a := range args {
		if a.Help != "" {
			m.item(strings.ToUpper(a.Name), a.Help)
		}
	}
}

func (m *roff) options(title string, flags []Flag) {
	m.section(title)
	m.flags(flags)
}

func (m *roff) flags(flags []Flag) {
	for _, f := range flags {
		m.item(f.spelling(), f.explained())
	}
}

// spelling is how a flag is typed, with its short form.
func (f *Flag) spelling() string {
	s := "--" + f.Name
	if f.Value != "" {
		s += "=" + f.Value
	}
	if f.Short != "" {
		s = "-" + f.Short + ", " + s
	}
	return s
}

// explained is the help of a flag with its default and choices.
func (f *Flag) explained() string {
	text := f.Help
	if len(f.Choices) > 0 && !strings.Contains(text, strings.Join(f.Choices, " or ")) {
		text += " One of: " + strings.Join(f.Choices, ", ") + "."
	}
	if f.Default != "" && f.Value != "" {
		text += " Default: " + f.Default + "."
	}
	return strings.TrimSpace(text)
}

// escape makes text safe in roff: backslashes, hyphens that are typed, and
// lines that would be a request.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func quoted(s string) string { return strings.ReplaceAll(escape(s), `"`, `\(dq`) }
