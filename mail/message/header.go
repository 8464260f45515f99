package message

import (
	"bytes"
	"io"
	"iter"
	"slices"
	"strings"
)

// Field is one header field as it stands in the header.
type Field struct {
	Name   string // without white space before the colon
	Raw    []byte // name, value with its folding, and line end
	Offset int    // of Raw in the header
}

// Value returns the value on one line, without the white space around it.
func (f Field) Value() string {
	i := bytes.IndexByte(f.Raw, ':')
	return unfold(f.Raw[i+1:])
}

// unfold takes the line ends out of a field's value (RFC 5322 section 2.2.3)
// and the white space around it.
func unfold(raw []byte) string {
	raw = bytes.Trim(raw, " \t\r\n")
	if bytes.IndexByte(raw, '\n') < 0 {
		return string(raw)
	}
	b := make([]byte, 0, len(raw))
	for line := range bytes.Lines(raw) {
		b = append(b, trimEOL(line)...)
	}
	return string(b)
}

// trimEOL cuts LF or CRLF, and the further CRs some programs write, from the
// end of line.
func trimEOL(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		for n := len(line); n > 0 && line[n-1] == '\r'; n-- {
			line = line[:n-1]
		}
	}
	return line
}

// fieldName returns the name of the field that begins in line. White space
// before the colon is obsolete syntax (RFC 5322 section 4.5), but it occurs.
func fieldName(line []byte) (name []byte, ok bool) {
	for i, c := range line {
		switch {
		case c == ':':
			return line[:i], i > 0
		case c == ' ' || c == '\t':
			rest := bytes.TrimLeft(line[i:], " \t")
			return line[:i], i > 0 && len(rest) > 0 && rest[0] == ':'
		case c < ' ' || c >= 0x7f:
			return nil, false
		}
	}
	return nil, false
}

// isMboxFrom recognises the line that mbox files put before a message, also
// where a careless export has quoted it.
func isMboxFrom(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// lineKind says what a line is to the header it stands in.
type lineKind uint8

const (
	lineField lineKind = iota
	lineFolded
	lineIgnored // no field, but the header goes on: RFC 5322 section 2.1 ends it at an empty line only
	lineEmpty   // the end
	lineBody    // no header here: the line is the first of the body
)

// headerPos says where in a header a line stands.
type headerPos uint8

const (
	atStart headerPos = iota
	afterMbox
	inside
)

// classify judges a line, which may still have its line end, and returns the
// position of the line after it, and the name of the field it begins.
func classify(line []byte, pos headerPos) (kind lineKind, next headerPos, name []byte) {
	if pos == inside && len(line) > 1 && (line[0] == ' ' || line[0] == '\t') && line[1] > ' ' {
		return lineFolded, inside, nil // as most are, without a longer look
	}
	line = trimEOL(line)
	if isEmptyLine(line) {
		return lineEmpty, inside, nil
	}
	if pos == inside && (line[0] == ' ' || line[0] == '\t') {
		return lineFolded, inside, nil
	}
	if name, ok := fieldName(line); ok {
		return lineField, inside, name
	}
	switch {
	case pos == inside:
		return lineIgnored, inside, nil
	case pos == atStart && isMboxFrom(line):
		return lineIgnored, afterMbox, nil
	}
	return lineBody, inside, nil
}

// isEmptyLine reports whether a line without its end has nothing but CRs.
func isEmptyLine(line []byte) bool {
	for _, c := range line {
		if c != '\r' {
			return false
		}
	}
	return true
}

// Fields yields the fields of a header, or of the header that a message begins
// with. Lines that are no field are passed over.
func Fields(header []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for f := range rawFields(header) {
			if !yield(Field{Name: string(f.name), Raw: header[f.start:f.end], Offset: f.start}) {
				return
			}
		}
	}
}

// rawField is a field by where it stands in its header.
type rawField struct {
	name       []byte
	start, end int
}

// rawFields is Fields without making anything.
func rawFields(header []byte) iter.Seq[rawField] {
	return func(yield func(rawField) bool) {
		var f rawField
		at, in := 0, false
		pos := atStart
		for line := range bytes.Lines(header) {
			var kind lineKind
			var name []byte
			kind, pos, name = classify(line, pos)
			if kind == lineBody || kind == lineEmpty {
				break
			}
			end := at + len(line)
			if in && kind == lineFolded {
				f.end = end
			} else {
				if in && !yield(f) {
					return
				}
				in, f = kind == lineField, rawField{name, at, end}
			}
			at = end
		}
		if in {
			yield(f)
		}
	}
}

// AppendFields appends the fields of a header whose name is among names, or
// those whose name is not, as they stand; each ends with its line.
func AppendFields(to, header []byte, names []string, among bool) []byte {
	for f := range rawFields(header) {
		if isNamed(f.name, names) != among {
			continue
		}
		if to = append(to, header[f.start:f.end]...); header[f.end-1] != '\n' {
			to = append(to, "\r\n"...)
		}
	}
	return to
}

// FieldValues yields the values of the fields with a name, as Field.Value has
// them.
func FieldValues(header []byte, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for f := range rawFields(header) {
			if equalFold(f.name, name) && !yield(Field{Raw: header[f.start:f.end]}.Value()) {
				return
			}
		}
	}
}

func isNamed(name []byte, names []string) bool {
	for _, n := range names {
		if equalFold(name, n) {
			return true
		}
	}
	return false
}

// equalFold compares names of fields, which are ASCII.
func equalFold(a []byte, b string) bool {
	return len(a) == len(b) && (a[0]|0x20) == (b[0]|0x20) && strings.EqualFold(string(a), b)
}

// HeaderEnd returns where the body starts: after the empty line, at len(b) if
// there is none, or at once if b does not begin with a header.
func HeaderEnd(b []byte) int {
	n := 0
	pos := atStart
	for line := range bytes.Lines(b) {
		var kind lineKind
		switch kind, pos, _ = classify(line, pos); kind {
		case lineBody: // the first line, perhaps after what looked like mbox
			return 0
		case lineEmpty:
			return n + len(line)
		}
		n += len(line)
	}
	return n
}

// headerChunk is how much is read at first in search of a header's end.
const headerChunk = 8 << 10

// SplitHeader reads the header from r, with the empty line after it, and
// returns what follows as rest. A header longer than [MaxHeader] is cut there
// and goes on in rest.
func SplitHeader(r io.Reader) (header []byte, rest io.Reader, err error) {
	b := make([]byte, 0, headerChunk)
	for {
		n, err := fill(r, b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			end := min(HeaderEnd(b), MaxHeader)
			return b[:end:end], bytes.NewReader(b[end:]), nil
		}
		if err != nil {
			return nil, nil, err
		}
		if end := HeaderEnd(b); end < len(b) || len(b) > MaxHeader {
			end = min(end, MaxHeader)
			return b[:end:end], io.MultiReader(bytes.NewReader(b[end:]), r), nil
		}
		b = slices.Grow(b, len(b)) // doubling keeps the search linear
	}
}

// fill reads until b is full or r ends. Unlike io.ReadFull it tells the end of r
// from io.ErrUnexpectedEOF, which is what a transfer that was cut off says.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = r.Read(b[n:])
		n += k
	}
	return n, err
}

// ReadHeader reads the header from r, with the empty line after it; see
// [SplitHeader]. It may read further than that from r.
func ReadHeader(r io.Reader) ([]byte, error) {
	header, _, err := SplitHeader(r)
	return header, err
}

// RemoveFields returns header without the fields of these names.
func RemoveFields(header []byte, names ...string) []byte {
	return RemoveFieldsFunc(header, func(f Field) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, f.Name) })
	})
}

// RemoveFieldsFunc returns header without the fields for which remove returns
// true: header itself if there is none. What is no field stays as it is.
func RemoveFieldsFunc(header []byte, remove func(Field) bool) []byte {
	var kept []byte
	from := 0
	for f := range Fields(header) {
		if remove(f) {
			if kept == nil {
				kept = make([]byte, 0, len(header))
			}
			kept = append(kept, header[from:f.Offset]...)
			from = f.Offset + len(f.Raw)
		}
	}
	if kept == nil {
		return header
	}
	return append(kept, header[from:]...)
}

// IsAnswerable reports whether an automatic answer to the message with this
// header is proper: not to what programs and lists send (RFC 3834 section 2).
func IsAnswerable(header []byte) bool {
	for f := range Fields(header) {
		value := strings.ToLower(f.Value())
		switch strings.ToLower(f.Name) {
		case "auto-submitted":
			if v, _, _ := strings.Cut(value, ";"); strings.TrimSpace(v) != "no" {
				return false
			}
		case "precedence":
			if value == "bulk" || value == "junk" || value == "list" {
				return false
			}
		case "list-id", "list-unsubscribe", "list-post", "x-auto-response-suppress":
			return false
		}
	}
	return true
}
