package message

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a preview is made of and how long it is (RFC 8970 section 4 suggests
// 200 characters).
const (
	previewRunes    = 200
	plainSource     = 4 << 10
	htmlSource      = 16 << 10 // style sheets come first
	preambleSource  = 4 << 10
	maxPreviewParts = 8 // that are looked at in search of text
)

// previewer keeps the beginnings of parts that may give the preview.
type previewer struct {
	parts []*previewPart
	sink  *previewPart // takes what comes
}

type previewPart struct {
	part  *Part
	limit int
	raw   []byte
}

// start says that the body of p begins. A multipart is looked at too, because
// it may turn out to have no parts.
func (v *previewer) start(p *Part) {
	limit := 0
	switch {
	case len(v.parts) == maxPreviewParts:
	case p.IsMultipart():
		limit = preambleSource
	case p.Type == "text" && p.Subtype == "html":
		if v.hasPlain() { // the usual case: the same text again
			return
		}
		limit = htmlSource
	case p.Type == "text":
		limit = plainSource
	}
	if limit > 0 {
		v.parts = append(v.parts, &previewPart{part: p, limit: limit})
		v.sink = v.parts[len(v.parts)-1]
	}
}

// hasPlain reports whether a text/plain part had words.
func (v *previewer) hasPlain() bool {
	return slices.ContainsFunc(v.parts, func(s *previewPart) bool {
		return s.part.Subtype == "plain" && len(bytes.TrimSpace(s.raw)) > 0
	})
}

// stop says that the body ends.
func (v *previewer) stop() { v.sink = nil }

func (v *previewer) write(p []byte) {
	if s := v.sink; s != nil {
		s.raw = append(s.raw, p[:min(len(p), s.limit-len(s.raw))]...)
		if len(s.raw) == s.limit {
			v.sink = nil
		}
	}
}

// text returns the preview: of the first text/plain that has words, else of
// HTML, else of other text.
func (v *previewer) text() string {
	for _, subtype := range []string{"plain", "html", ""} {
		for _, s := range v.parts {
			if s.part.Type != "text" || subtype != "" && s.part.Subtype != subtype {
				continue
			}
			if text := s.text(); text != "" {
				return text
			}
		}
	}
	return ""
}

func (s *previewPart) text() string {
	raw := s.raw
	if len(raw) == s.limit {
		raw = trimPartialRune(raw)
	}
	switch s.part.Encoding {
	case "base64":
		raw, _ = decodeBase64(make([]byte, 0, len(raw)), raw, true)
	case "quoted-printable":
		raw, _ = decodeQP(make([]byte, 0, len(raw)), raw, true)
	}
	text := decodeCharset(s.part.Param("charset"), raw)
	if len(s.raw) == s.limit {
		text = strings.TrimRight(text, "\uFFFD") // a character that was divided
	}
	if s.part.Subtype == "html" {
		text = HTMLText(text)
	}
	return collapse(text, previewRunes)
}

// trimPartialRune cuts off the beginning of a character of UTF-8 at the end.
func trimPartialRune(b []byte) []byte {
	for i := len(b) - 1; i >= 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}

// collapse returns the first n characters of text, with one space for any
// white space and nothing for what cannot be seen.
func collapse(text string, n int) string {
	var b strings.Builder
	space := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			space = true
			continue
		case isInvisible(r):
			continue
		}
		if space && b.Len() > 0 {
			if n--; n <= 1 {
				break
			}
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
		if n--; n <= 0 {
			break
		}
	}
	return b.String()
}

// isInvisible knows the characters that newsletters hide behind their own
// preview text, and direction marks.
func isInvisible(r rune) bool {
	switch {
	case r == '\u00AD', r == '\u034F', r == '\u061C', r == '\u115F', r == '\u1160', r == '\u17B4', r == '\u17B5',
		r == '\u180E', r == '\u2800', r == '\u3164', r == '\uFEFF', r == '\uFFA0':
		return true
	}
	return '\u200B' <= r && r <= '\u200F' || '\u202A' <= r && r <= '\u202E' || '\u2060' <= r && r <= '\u206F'
}
