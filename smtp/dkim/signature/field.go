package signature

import (
	"bytes"
	"iter"
)

// Field is one header field with its line ends.
type Field []byte

// Name returns the name, as it is written.
func (f Field) Name() []byte {
	name, _, _ := bytes.Cut(f, []byte(":"))
	return bytes.TrimRight(name, " \t")
}

// Is reports whether the field has a name.
func (f Field) Is(name string) bool {
	return len(f) > len(name) && f[0]|0x20 == name[0]|0x20 && bytes.EqualFold(f.Name(), []byte(name))
}

// Value returns what follows the colon, as it is folded.
func (f Field) Value() string {
	_, value, _ := bytes.Cut(f, []byte(":"))
	return string(value)
}

// Fields goes through a header up to its empty line.
func Fields(header []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for len(header) > 0 && header[0] != '\r' && header[0] != '\n' {
			end := 0
			for {
				n := bytes.IndexByte(header[end:], '\n')
				if n < 0 {
					end = len(header)
					break
				}
				if end += n + 1; end == len(header) || header[end] != ' ' && header[end] != '\t' {
					break
				}
			}
			if !yield(Field(header[:end])) {
				return
			}
			header = header[end:]
		}
	}
}
