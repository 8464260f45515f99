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
)

// maxFile bounds the file, in octets.
const maxFile = 1 << 20

// Load reads and validates the file at path, with what was chosen in the first
// run where that could not be written into the file.
func Load(path string) (Config, error) { return LoadWith(path, "") }

// LoadWith is Load with another data folder than that of the file; "" is none.
func LoadWith(path, data string) (Config, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, fmt.Errorf("there is no configuration at %s; `mailstead config describe > %s` makes one to edit", path, path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	c, err := decode(b)
	if err == nil {
		if data != "" {
			c.Data = data
		}
		err = c.Chosen(c.Data)
	}
	if err == nil {
		err = c.Validate()
	}
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse reads and validates the content of a file.
func Parse(file []byte) (Config, error) {
	c, err := decode(file)
	if err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// decode reads the content of a file.
func decode(file []byte) (Config, error) {
	c := Default()
	if len(file) > maxFile {
		return Config{}, fmt.Errorf("larger than %d octets", maxFile)
	}
	err := toml.NewDecoder(bytes.NewReader(file)).DisallowUnknownFields().Decode(&c)
	if err != nil {
		return Config{}, explain(err)
	}
	return c, nil
}

// explain gives a parser's error its line, and unknown keys a suggestion.
func explain(err error) error {
	if missing := new(toml.StrictMissingError); errors.As(err, &missing) {
		var all []error
		for _, e := range missing.Errors {
			line, _ := e.Position()
			name := strings.Join(e.Key(), ".")
			text := fmt.Sprintf("line %d: there is no field %s", line, name)
			if like := suggest(name); like != "" {
				text += "; did you mean " + like + "?"
			} else {
				text += "; `mailstead config describe` shows all. Settings such as limits are not in this file but in `mailstead settings list`"
			}
			all = append(all, errors.New(text))
		}
		return errors.Join(all...)
	}
	if at := new(toml.DecodeError); errors.As(err, &at) {
		line, _ := at.Position()
		if key := strings.Join(at.Key(), "."); key != "" {
			return fmt.Errorf("line %d: %s: %s", line, key, strings.TrimPrefix(at.Error(), "toml: "))
		}
		return fmt.Errorf("line %d: %s", line, strings.TrimPrefix(at.Error(), "toml: "))
	}
	return err
}

// suggest returns the field that somebody may have meant.
func suggest(name string) string {
	best, least := "", 4 // edits; more is no likeness
	last := name[strings.LastIndexByte(name, '.')+1:]
	for _, f := range fields() {
		if f.name[strings.LastIndexByte(f.name, '.')+1:] == last {
			return f.name
		}
		if n := distance(name, f.name); n < least {
			best, least = f.name, n
		}
	}
	return best
}

// distance counts the edits between two short texts (Levenshtein).
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// Validate returns everything that is wrong, each with its field and what to
// write.
func (c *Config) Validate() error {
	var all []error
	bad := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	switch {
	case c.Hostname == "":
		bad("hostname: it is missing; write the name of this server, as in \"mail.example.org\"")
	case !validHostname(c.Hostname):
		bad("hostname: %q is not a complete host name; write it as in \"mail.example.org\"", c.Hostname)
	}
	if !filepath.IsAbs(c.Data) {
		bad("data: %q does not begin at the root; write it as in \"/var/lib/mailstead\"", c.Data)
	}
	for _, f := range fields() {
		list, ok := f.value(c).([]string)
		if !ok || !strings.HasPrefix(f.name, "listen.") || strings.HasSuffix(f.name, "proxies") {
			continue
		}
		for _, s := range list {
			if err := checkListen(f.name, s); err != nil {
				all = append(all, err)
			}
		}
	}
	for _, check := range []func() error{
		func() error { _, err := c.Resolvers(); return err },
		func() error { _, err := c.ProxyNets(); return err },
		func() error { _, err := c.TrustedProxyNets(); return err },
		c.TLS.validate,
		c.Sandbox.validate,
		func() error { return oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error") },
		func() error { return oneOf("log.format", c.Log.Format, "text", "json") },
	} {
		if err := check(); err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

func (t *TLS) validate() error {
	var all []error
	if err := oneOf("tls.mode", t.Mode, ModeACME, ModeFiles, ModeSelfSigned); err != nil {
		return err
	}
	switch t.Mode {
	case ModeACME:
		all = append(all, t.validateACME())
	case ModeFiles:
		if t.CertFile == "" || t.KeyFile == "" {
			all = append(all, errors.New("tls.cert_file and tls.key_file: tls.mode is \"files\", so name both files"))
		}
	}
	if t.Mode != ModeFiles && (t.CertFile != "" || t.KeyFile != "") {
		all = append(all, fmt.Errorf("tls.cert_file: it is not used while tls.mode is %q; write mode = \"files\" or remove it", t.Mode))
	}
	return errors.Join(all...)
}

func (s *Sandbox) validate() error {
	var all []error
	for _, list := range []struct {
		field string
		paths []string
	}{{"sandbox.read", s.Read}, {"sandbox.write", s.Write}, {"sandbox.execute", s.Execute}} {
		for _, p := range list.paths {
			if !filepath.IsAbs(p) || filepath.Clean(p) == "/" {
				all = append(all, fmt.Errorf("%s: %q does not begin at the root, or is all there is; write it as in \"/mnt/backup\"", list.field, p))
			}
		}
	}
	return errors.Join(all...)
}

func (t *TLS) validateACME() error {
	all := []error{oneOf("tls.challenge", t.Challenge, ChallengeAny, ChallengeHTTP, ChallengeTLS, ChallengeDNS)}
	if !t.Agree {
		all = append(all, errors.New("tls.agree: read the terms of the authority and write agree = true, or choose another tls.mode"))
	}
	if t.CA != "" && !strings.HasPrefix(t.CA, "https://") {
		all = append(all, fmt.Errorf("tls.ca: %q is not the https URL of a directory; leave it empty for Let's Encrypt", t.CA))
	}
	for _, ca := range t.MoreCAs {
		if !strings.HasPrefix(ca, "https://") {
			all = append(all, fmt.Errorf("tls.more_cas: %q is not the https URL of a directory", ca))
		}
	}
	if t.Staging && t.CA != "" {
		all = append(all, errors.New("tls.staging: it is about Let's Encrypt, and tls.ca names another authority; remove one of the two"))
	}
	if t.Email != "" && !strings.Contains(t.Email, "@") {
		all = append(all, fmt.Errorf("tls.email: %q is not an address", t.Email))
	}
	return errors.Join(all...)
}

func oneOf(field, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is not possible; choose one of %q", field, value, choices)
}

func validHostname(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	return true
}

// field is one field of Config, found by its tags.
type field struct {
	name         string // "listen.smtp"
	doc, example string
	index        []int
	table        bool // has fields of its own
}

func (f *field) value(c *Config) any {
	return reflect.ValueOf(c).Elem().FieldByIndex(f.index).Interface()
}

// fields returns all fields in the order of the file.
func fields() []field {
	var all []field
	var walk func(t reflect.Type, prefix string, index []int)
	walk = func(t reflect.Type, prefix string, index []int) {
		for i := range t.NumField() {
			sf := t.Field(i)
			if sf.Tag.Get("toml") == "-" {
				continue
			}
			f := field{name: prefix + sf.Tag.Get("toml"), doc: sf.Tag.Get("doc"), example: sf.Tag.Get("example"),
				index: append(slices.Clone(index), i), table: sf.Type.Kind() == reflect.Struct}
			all = append(all, f)
			if f.table {
				walk(sf.Type, f.name+".", f.index)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "", nil)
	return all
}
