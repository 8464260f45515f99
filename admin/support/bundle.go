package support

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of a bundle.
const (
	maxFile = 8 << 20 // octets of one file; more is cut off, and said so
	// Type is the media type of a bundle.
	Type = "application/gzip"
)

// FileName is what a bundle is called.
func FileName(now time.Time) string {
	return "mailstead-support-" + now.UTC().Format("20060102T150405Z") + ".tar.gz"
}

// File is one part of a bundle.
type File struct {
	Name string // "checks.json"
	What string // is in it, for the manifest
	// Value is written as JSON; a string or []byte as it is.
	Value any
	// Code says that the text comes from the program's own source, with no data
	// in it: only secrets are looked for.
	Code bool
	// Missing says why it is not there.
	Missing string
}

// Manifest is the first file of a bundle.
type Manifest struct {
	Made     time.Time         `json:"made"`
	Version  string            `json:"version"`
	About    string            `json:"about"`
	Never    string            `json:"never"`
	Files    []Part            `json:"files"`
	Redacted map[string]Number `json:"redacted"`
}

// Part is a file in a manifest.
type Part struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Bytes   int    `json:"bytes,omitempty"`
	Missing string `json:"missing,omitempty"`
}

// Number counts what was taken out: different ones, and how often.
type Number struct {
	Different int `json:"different,omitempty"`
	Times     int `json:"times"`
}

const (
	about = "How a Mailstead server stands, for whoever helps with it. Addresses, domains, hosts, IP addresses and subjects have other names here: the same one for the same thing within this bundle, and another in the next. Look through it before you send it: it is plain text."
	never = "Not collected at all: message content, names of people, passwords, API keys and app passwords and their hashes, private keys, session cookies, stories of messages, the audit log."
)

// Write writes a bundle: a tar.gz with the manifest first.
func Write(w io.Writer, version string, now time.Time, r *Redactor, files []File) error {
	values, texts := make([]any, len(files)), make([]string, len(files))
	for i, f := range files {
		v, err := plain(f.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if values[i] = v; !f.Code {
			each(v, func(s string) string { r.Learn(s); return s })
		}
	}
	m := Manifest{Made: now.UTC(), Version: version, About: about, Never: never, Files: []Part{}}
	for i, f := range files {
		if f.Missing == "" {
			clean := r.Text
			if f.Code {
				clean = r.withoutSecrets
			}
			text, err := encode(each(values[i], clean))
			if err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
			texts[i] = text
		}
		m.Files = append(m.Files, Part{f.Name, f.What, len(texts[i]), r.Text(f.Missing)})
	}
	m.Redacted = r.numbers()
	head, err := encode(m)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	if err := add(t, "manifest.json", head, now); err != nil {
		return err
	}
	for i, f := range files {
		if f.Missing != "" {
			continue
		}
		if err := add(t, f.Name, texts[i], now); err != nil {
			return err
		}
	}
	return cmp.Or(t.Close(), z.Close())
}

func add(t *tar.Writer, name, text string, now time.Time) error {
	if err := t.WriteHeader(&tar.Header{Name: "mailstead-support/" + name, Mode: 0o600, Size: int64(len(text)), ModTime: now.UTC().Truncate(time.Second)}); err != nil {
		return err
	}
	_, err := io.WriteString(t, text)
	return err
}

// plain makes a value one of texts, numbers, lists and maps. Texts stay as they
// are, so that nothing hides behind the escapes of JSON.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return bounded(v), nil
	case []byte:
		return bounded(string(v)), nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var p any
	err = d.Decode(&p)
	return p, err
}

func bounded(s string) string {
	if len(s) <= maxFile {
		return s
	}
	return strings.ToValidUTF8(s[:maxFile], "") + "\n[cut off here]\n"
}

// each is a plain value with each of its texts changed; of maps the keys, too,
// where they could be names.
func each(v any, change func(string) string) any {
	switch v := v.(type) {
	case string:
		return change(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = each(v[i], change)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			key := k
			if strings.ContainsAny(k, ".@:") {
				key = change(k)
			}
			m[key] = each(v[k], change)
		}
		return m
	}
	return v
}

func encode(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.String(), err
}

func (r *Redactor) numbers() map[string]Number {
	m := map[string]Number{}
	for _, kind := range slices.Sorted(maps.Keys(r.counts)) {
		m[kind] = Number{len(r.names[kind]), r.counts[kind]}
	}
	return m
}
