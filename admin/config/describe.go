package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Describe returns a file with every field, its explanation and its default,
// ready to be edited.
func Describe() string {
	c := Default()
	return describe(&c)
}

// describe is Describe with the values of c.
func describe(c *Config) string {
	var b strings.Builder
	b.WriteString("# Configuration of Mailstead: what must be known before it starts.\n")
	b.WriteString("# Everything else is changed while it runs: `mailstead settings list`.\n")
	for _, f := range fields() {
		b.WriteByte('\n')
		writeComment(&b, f.doc)
		switch {
		case f.table:
			fmt.Fprintf(&b, "[%s]\n", f.name)
		default:
			writeValue(&b, f.name[strings.LastIndexByte(f.name, '.')+1:], f.value(c), f.example)
		}
	}
	return b.String()
}

// writeValue writes a field with its default, behind an example where the
// default says little.
func writeValue(b *strings.Builder, name string, v any, example string) {
	if example != "" {
		shown := any(example)
		if _, list := v.([]string); list {
			shown = []string{example}
		}
		fmt.Fprintf(b, "# %s = %s\n", name, literal(shown))
	}
	fmt.Fprintf(b, "%s = %s\n", name, literal(v))
}

// literal is a value as it is written in the file.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case []string:
		quoted := make([]string, len(v))
		for i := range v {
			quoted[i] = strconv.Quote(v[i])
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// writeComment breaks a text into lines that begin with "# ".
func writeComment(b *strings.Builder, s string) {
	const width = 100
	line := "#"
	for word := range strings.FieldsSeq(s) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// Field is one field of the file, or a table of fields, for those who print it.
type Field struct {
	Name    string // "listen.smtp"
	Doc     string
	Default string // as it is written in the file; of a table: nothing
	Example string // where the default says little
	Table   bool   // the fields that follow are in it
}

// Fields returns all fields in the order of the file.
func Fields() []Field {
	var all []Field
	c := Default()
	for _, f := range fields() {
		to := Field{Name: f.name, Doc: f.doc, Example: f.example, Table: f.table}
		if !f.table {
			to.Default = literal(f.value(&c))
		}
		all = append(all, to)
	}
	return all
}
