package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// rewrite sets fields in the text of a file and leaves all else as it is, with
// its comments. Where a file is written in a way that this does not work for,
// such as with dotted keys, it is written anew with every field explained. The
// result is valid and says what was meant, or there is an error.
func rewrite(old []byte, choices []Choice) ([]byte, error) {
	want, err := decode(old)
	if err != nil {
		return nil, err
	}
	text := string(old)
	for _, c := range choices {
		f, err := fieldOf(c)
		if err != nil {
			return nil, err
		}
		f.set(&want, c.Value)
		text = setLine(text, c)
	}
	if err := want.Validate(); err != nil {
		return nil, err
	}
	if got, err := Parse([]byte(text)); err != nil || !reflect.DeepEqual(got, want) || len(old) == 0 {
		text = describe(&want)
	}
	got, err := Parse([]byte(text))
	if err == nil && !reflect.DeepEqual(got, want) {
		err = fmt.Errorf("the fields %v cannot be set", choices)
	}
	return []byte(text), err
}

// setLine sets one field in the line it has, or in a new one at the end of its
// table.
func setLine(text string, c Choice) string {
	table, name := split(c.Field)
	lines := strings.SplitAfter(text, "\n")
	in, end := "", -1 // the table of a line; where a new line goes
	for i, line := range lines {
		t := strings.TrimSpace(line)
		if strings.HasPrefix(t, "[") && !strings.HasSuffix(t, ",") {
			in = strings.Trim(strings.TrimSpace(strings.SplitN(t, "#", 2)[0]), "[] ")
		}
		if in != table {
			continue
		}
		if t != "" && !strings.HasPrefix(t, "#") {
			end = i + 1
		}
		key, value, found := strings.Cut(line, "=")
		if found && strings.TrimSpace(key) == name {
			lines[i] = key + "= " + literal(c.Value) + comment(value)
			return strings.Join(lines, "")
		}
	}
	added := name + " = " + literal(c.Value) + "\n"
	switch {
	case end > 0:
		before := strings.Join(lines[:end], "")
		if !strings.HasSuffix(before, "\n") {
			before += "\n"
		}
		return before + added + strings.Join(lines[end:], "")
	case table == "":
		return added + text
	}
	return strings.TrimRight(text, "\n") + "\n\n[" + table + "]\n" + added
}

// comment is the end of a line behind its value: a comment, and the line
// break.
func comment(value string) string {
	rest := strings.TrimLeft(value, " \t")
	if strings.HasPrefix(rest, `"`) {
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			rest = rest[len(quoted):]
		}
	}
	if i := strings.IndexByte(rest, '#'); i >= 0 {
		return " " + rest[i:]
	}
	return "\n"
}

// split takes the table from the name of a field.
func split(name string) (table, key string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}
