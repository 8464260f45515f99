package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/mailstead/mailstead/mail/durable"
)

// Choice is a field of the configuration that the first run sets: a text or a
// bool.
type Choice struct {
	Field string `toml:"field"` // as in "tls.mode"
	Value any    `toml:"value"`
	// InsteadOf is what the file has for the field. It is set by Choose.
	InsteadOf any `toml:"instead_of"`
}

// Written says where Choose has put what was chosen.
type Written struct {
	File   string // that has it
	Backup string // of the file as it was; "" if there was none
	// Paste is what to write into the configuration file, to have all in one
	// place; "" if that is where it is.
	Paste string
}

// chosenName is the file in the data folder for choices that the file itself
// could not take.
const chosenName = "first-run.toml"

const chosenHead = `# Chosen in the first run, which may not write %s.
# A choice counts as long as that file says what is in instead_of. Whoever changes the file later is right.
`

// Choose sets fields of the configuration at path, and keeps a copy of the
// file as it was beside it. Where the file cannot be written, as in a service
// that may only read /etc, the choices go into the data folder, from where
// Load lays them over the file. Nothing is written that Load would not take.
func Choose(path, data string, choices ...Choice) (Written, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Written{}, err
	}
	all, err := withChosen(old, data, choices)
	if err != nil {
		return Written{}, fmt.Errorf("%s: %w", path, err)
	}
	text, err := rewrite(old, all)
	if err != nil {
		return Written{}, fmt.Errorf("%s: %w", path, err)
	}
	w := Written{File: path}
	if w.Backup, err = replace(path, old, text); err == nil {
		return w, nil
	}
	w = Written{File: filepath.Join(data, chosenName), Paste: paste(all)}
	if kept := keepChosen(path, data, all); kept != nil {
		return Written{}, errors.Join(err, kept)
	}
	return w, nil
}

// withChosen adds choices to those that count already, each with what the file
// has for it.
func withChosen(file []byte, data string, choices []Choice) ([]Choice, error) {
	base, err := decode(file)
	if err != nil {
		return nil, err
	}
	kept, err := readChosen(data)
	if err != nil {
		return nil, err
	}
	var all []Choice
	for i, c := range append(kept, choices...) {
		f, err := fieldOf(c)
		if err != nil {
			return nil, err
		}
		if i < len(kept) && f.value(&base) != c.InsteadOf {
			continue // the file was changed since
		}
		all = slices.DeleteFunc(all, func(k Choice) bool { return k.Field == c.Field })
		all = append(all, Choice{c.Field, c.Value, f.value(&base)})
	}
	return all, nil
}

// replace writes a file as a whole, with the mode it has, and returns where
// the content it had is kept.
func replace(path string, old, text []byte) (backup string, err error) {
	mode := os.FileMode(0o644)
	if s, err := os.Stat(path); err == nil {
		backup, mode = path+".before-setup", s.Mode().Perm()
		if err := durable.WriteFile(backup, old, mode); err != nil {
			return "", err
		}
	}
	return backup, durable.WriteFile(path, text, mode)
}

// keepChosen writes choices into the data folder.
func keepChosen(path, data string, choices []Choice) error {
	b, err := toml.Marshal(struct {
		Choice []Choice `toml:"choice"`
	}{choices})
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(data, chosenName), append(fmt.Appendf(nil, chosenHead, path), b...), 0o600)
}

// readChosen reads what keepChosen has written.
func readChosen(data string) ([]Choice, error) {
	b, err := os.ReadFile(filepath.Join(data, chosenName))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) { // who may not read the folder cannot serve either
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file struct {
		Choice []Choice `toml:"choice"`
	}
	if err := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %w; remove it to do without what was chosen in the first run", filepath.Join(data, chosenName), err)
	}
	return file.Choice, nil
}

// Chosen lays what was chosen in the first run over c, which is not validated
// yet, and says so in c.Notes.
func (c *Config) Chosen(data string) error {
	choices, err := readChosen(data)
	if err != nil {
		return err
	}
	for _, choice := range choices {
		f, err := fieldOf(choice)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(data, chosenName), err)
		}
		if now := f.value(c); now != choice.InsteadOf {
			c.Notes = append(c.Notes, fmt.Sprintf("%s = %v: the file was changed after the first run, which had chosen %v", f.name, now, choice.Value))
			continue
		}
		f.set(c, choice.Value)
		c.Notes = append(c.Notes, fmt.Sprintf("%s = %v: chosen in the first run, from %s", f.name, choice.Value, filepath.Join(data, chosenName)))
	}
	return nil
}

// fieldOf finds the field of a choice, whose value must be of its type.
func fieldOf(c Choice) (field, error) {
	i := slices.IndexFunc(fields(), func(f field) bool { return f.name == c.Field && !f.table })
	if i < 0 {
		return field{}, fmt.Errorf("there is no field %s", c.Field)
	}
	f := fields()[i]
	if t := reflect.TypeOf(f.value(&Config{})); t != reflect.TypeOf(c.Value) || t.Kind() != reflect.String && t.Kind() != reflect.Bool {
		return field{}, fmt.Errorf("%s cannot be %v", c.Field, c.Value)
	}
	return f, nil
}

func (f *field) set(c *Config, value any) {
	reflect.ValueOf(c).Elem().FieldByIndex(f.index).Set(reflect.ValueOf(value))
}

// paste is what a person writes into the file for choices.
func paste(choices []Choice) string {
	var b strings.Builder
	table := ""
	for _, c := range choices {
		in, name := split(c.Field)
		if in != table {
			fmt.Fprintf(&b, "\n[%s]\n", in)
			table = in
		}
		fmt.Fprintf(&b, "%s = %s\n", name, literal(c.Value))
	}
	return strings.TrimPrefix(b.String(), "\n")
}
