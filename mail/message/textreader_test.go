package message

import (
	"io"
	"strings"
	"testing"
)

// TestTextReader: one reader reads what DecodeText does, whatever it has read
// before.
func TestTextReader(t *testing.T) {
	var reader TextReader
	const limit = 10_000
	for _, tt := range []struct{ name, encoding, charset, in string }{
		{"plain", "", "", "some words"},
		{"utf-8", "8bit", "utf-8", "Grüße"},
		{"bad utf-8", "8bit", "utf-8", "Gr\xfc\xdfe and Grüße"},
		{"latin without a name", "8bit", "", "Gr\xfc\xdfe"},
		{"latin with a name", "quoted-printable", "iso-8859-1", "Gr=FC=DFe =\r\nan alle \r\nda"},
		{"quoted-printable", "Quoted-Printable ", "UTF-8", strings.Repeat("Gr=C3=BC=C3=9Fe, =\r\nmany   \r\n", 500)},
		{"base64", "base64", "utf-8", strings.Repeat("R3LDvMOfZQ==\r\n", 900)},
		{"utf-16", "base64", "utf-16", strings.Repeat("AEEAQgBD", 400)},
		{"nothing", "", "utf-8", ""},
		{"more than the limit", "", "us-ascii", strings.Repeat("0123456789", 2_000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &Part{Type: "text", Subtype: "plain", Encoding: tt.encoding, Params: []Param{{Name: "charset", Value: tt.charset}}}
			want, err := io.ReadAll(io.LimitReader(DecodeText(p, strings.NewReader(tt.in)), limit))
			if err != nil {
				t.Fatal(err)
			}
			got := reader.Append([]byte("before "), p, strings.NewReader(tt.in), limit)
			if string(got) != "before "+string(want) {
				t.Errorf("got %q, want %q after what was there", got, want)
			}
		})
	}
}
