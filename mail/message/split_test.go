package message

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestSplitHeaderTellsCutOff: a transfer that was cut off is an error, in the
// header or behind it, however it comes in pieces.
func TestSplitHeaderTellsCutOff(t *testing.T) {
	for _, text := range []string{"", "Subject: x", "Subject: x\r\n\r\nbody", "Subject: x\r\n\r\n" + strings.Repeat("body ", 10_000)} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			_, rest, err := SplitHeader(io.MultiReader(r, iotest.ErrReader(io.ErrUnexpectedEOF)))
			if err == nil {
				_, err = io.Copy(io.Discard, rest)
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d octets and a cut: %v", len(text), err)
			}
		}
		header, rest, err := SplitHeader(iotest.DataErrReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(rest); err != nil || string(header)+string(b) != text {
			t.Errorf("%d octets: %v", len(text), err)
		}
	}
}
