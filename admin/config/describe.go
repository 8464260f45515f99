package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Describe returns a file with every field, its explanation and its default,
// ready to be edited.
func Describe() string {
	var b strings.Builder
	b.WriteString("# Configuration of Mailstead: what must be known before it starts.\n")
	b.WriteString("# Everything else is changed while it runs: `mailstead settings list`.\n")
	c := Default()
	for _, f := range fields() {
		b.WriteByte('\n')
		writeComment(&b, f.doc)
		switch {
		case f.table:
			fmt.Fprintf(&b, "[%s]\n", f.name)
		default:
			writeValue(&b, f.name[strings.LastIndexByte(f.name, '.')+1:], f.value(&c), f.example)
		}
	}
	return b.String()
}

// writeValue writes a field with its default, behind an example where the
// default says little.
func writeValue(b *strings.Builder, name string, v any, example string) {
	switch v := v.(type) {
	case string:
		if example != "" {
			fmt.Fprintf(b, "# %s = %s\n", name, strconv.Quote(example))
		}
		fmt.Fprintf(b, "%s = %s\n", name, strconv.Quote(v))
	case []string:
		if example != "" {
			fmt.Fprintf(b, "# %s = [%s]\n", name, strconv.Quote(example))
		}
		quoted := make([]string, len(v))
		for i := range v {
			quoted[i] = strconv.Quote(v[i])
		}
		fmt.Fprintf(b, "%s = [%s]\n", name, strings.Join(quoted, ", "))
	default:
		fmt.Fprintf(b, "%s = %v\n", name, v)
	}
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
