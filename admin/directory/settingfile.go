package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxSettingFile bounds what ImportSettings reads.
const maxSettingFile = 1 << 20

// ExportSettings writes all settings as one commented TOML file, which
// ImportSettings reads. Secrets are left out.
func (d *Directory) ExportSettings() []byte {
	s := d.current.Load()
	var b bytes.Buffer
	b.WriteString("# Settings of Mailstead. `mailstead settings import` reads this file; what is not in it stays as it is.\n")
	table := ""
	for _, def := range byTable(definitions()) {
		t, name := inTable(def.name)
		if t != table {
			fmt.Fprintf(&b, "\n[%s]\n", t)
			table = t
		}
		b.WriteString("\n" + comment(def.doc))
		v := s.setting(&def)
		switch {
		case def.secret:
			fmt.Fprintf(&b, "# %s = \"…\"   a secret: not written here\n", name)
		case v.Changed:
			fmt.Fprintf(&b, "%s = %s   # default: %s\n", name, tomlValue(&def, v.Value), tomlValue(&def, v.Default))
		default:
			fmt.Fprintf(&b, "%s = %s\n", name, tomlValue(&def, v.Value))
		}
	}
	return b.Bytes()
}

// inTable takes a name apart: into that of its table, and its own there.
func inTable(setting string) (table, name string) {
	i := strings.LastIndexByte(setting, '.')
	return setting[:max(i, 0)], setting[i+1:]
}

// byTable brings the settings of a table together, where its first one is: a
// file can begin a table only once.
func byTable(defs []definition) []definition {
	first := map[string]int{}
	place := func(def *definition) int {
		table, _ := inTable(def.name)
		if _, ok := first[table]; !ok {
			first[table] = len(first)
		}
		return first[table]
	}
	for i := range defs {
		place(&defs[i])
	}
	slices.SortStableFunc(defs, func(a, b definition) int { return place(&a) - place(&b) })
	return defs
}

func tomlValue(def *definition, v string) string {
	if def.kind == boolean || def.kind == integer {
		return v
	}
	return strconv.Quote(v) // one line of valid UTF-8: what Go escapes, TOML reads
}

// comment breaks a text into lines that begin with "# ".
func comment(s string) string {
	const width = 100
	var b strings.Builder
	line := "#"
	for _, word := range strings.Fields(s) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}

// ImportSettings takes the settings of a TOML file, all or none, and returns
// what changed. Settings that the file does not name stay as they are; what else
// `mailstead export` writes beside them is passed over.
func (d *Directory) ImportSettings(ctx context.Context, actor string, file []byte) ([]SettingChange, error) {
	if len(file) > maxSettingFile {
		return nil, invalid("the file is larger than %s", FormatSize(maxSettingFile))
	}
	var tree map[string]any
	if err := toml.Unmarshal(file, &tree); err != nil {
		if at := new(toml.DecodeError); errors.As(err, &at) {
			line, column := at.Position()
			return nil, invalid("the file is not valid TOML: line %d, column %d: %v", line, column, at)
		}
		return nil, invalid("the file is not valid TOML: %v", err)
	}
	for _, beside := range BesideSettings() {
		if _, ok := tree[beside].([]any); ok {
			delete(tree, beside)
		}
	}
	values := map[string]string{}
	if err := flatten("", tree, values); err != nil {
		return nil, err
	}
	return d.setSettings(ctx, actor, values)
}

// BesideSettings are the tables that `mailstead export` writes into the file of
// the settings. admin/movein knows what is in them.
func BesideSettings() []string {
	return []string{"domains", "accounts", "aliases", "lists", "junk-policies", "webhooks", "alert-channels", "secrets"}
}

// flatten turns tables into dotted names.
func flatten(prefix string, tree map[string]any, values map[string]string) error {
	for k, v := range tree {
		name := prefix + k
		switch v := v.(type) {
		case map[string]any:
			if err := flatten(name+".", v, values); err != nil {
				return err
			}
		case string:
			values[name] = v
		case bool, int64:
			values[name] = fmt.Sprint(v)
		default:
			return invalid("%s: a setting is a text, a number, or true or false", name)
		}
	}
	return nil
}
