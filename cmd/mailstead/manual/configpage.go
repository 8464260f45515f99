package manual

import (
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/admin/config"
)

// ConfigPage returns mailstead.toml(5).
func ConfigPage(version string) Page {
	var m roff
	m.header("MAILSTEAD.TOML", version)
	m.section("NAME")
	m.text("mailstead.toml - configuration of Mailstead")
	m.section("SYNOPSIS")
	m.text(config.Path)
	m.section("DESCRIPTION")
	m.text("What must be known before the server starts. The form is TOML. Everything else is changed while it runs: mailstead-settings(1).")
	m.section("FIELDS")
	for _, f := range config.Fields() {
		if f.Table {
			m.subsection("[" + f.Name + "]")
			m.text(f.Doc)
			continue
		}
		m.item(f.Name[strings.LastIndexByte(f.Name, '.')+1:], f.Doc+" Default: "+f.Default+".")
	}
	m.section("SEE ALSO")
	m.text("mailstead(1), mailstead-config(1)")
	return Page{"mailstead.toml.5", m.String()}
}

// ConfigReference returns the part of the reference of settings that is about
// the configuration file, in Markdown.
func ConfigReference() string {
	var b strings.Builder
	for _, f := range config.Fields() {
		if f.Table {
			fmt.Fprintf(&b, "\n### [%s]\n\n%s\n\n| field | default | meaning |\n|---|---|---|\n", f.Name, cell(f.Doc))
			continue
		}
		if b.Len() == 0 {
			b.WriteString("| field | default | meaning |\n|---|---|---|\n")
		}
		doc := f.Doc
		if f.Example != "" {
			doc += " Example: `" + f.Example + "`."
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", f.Name[strings.LastIndexByte(f.Name, '.')+1:], f.Default, cell(doc))
	}
	return b.String()
}
