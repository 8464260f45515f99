package message

import (
	"html"
	"strings"
)

// HTMLText returns the text of an HTML document or of its beginning, for
// previews and search: no markup, nothing of head, style and script, entities
// resolved, a line end where a block ends. It is no sanitiser: the result is
// text and must be escaped like any other.
func HTMLText(src string) string {
	var b strings.Builder
	for src != "" {
		i := strings.IndexByte(src, '<')
		if i < 0 {
			b.WriteString(html.UnescapeString(src))
			break
		}
		b.WriteString(html.UnescapeString(src[:i]))
		src = src[i:]
		switch {
		case strings.HasPrefix(src, "<!--"):
			src = after(src, "-->")
		case len(src) > 1 && (isLetter(src[1]) || src[1] == '/' || src[1] == '!' || src[1] == '?'):
			name := tagName(src[1:])
			src = after(src, ">")
			switch name {
			case "style", "script", "title", "template":
				src = skipElement(src, name)
			default:
				if !inlineTag(name) {
					b.WriteByte('\n')
				}
			}
		default:
			b.WriteByte('<')
			src = src[1:]
		}
	}
	return b.String()
}

// after returns what follows mark, or nothing where it is missing.
func after(s, mark string) string {
	_, rest, _ := strings.Cut(s, mark)
	return rest
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// tagName returns the name of a tag in lower case, with its "/" if it ends an
// element.
func tagName(s string) string {
	const longest = 12
	n := 0
	for n < len(s) && n < longest && (isLetter(s[n]) || s[n] >= '0' && s[n] <= '9' || n == 0 && s[n] == '/') {
		n++
	}
	return strings.ToLower(s[:n])
}

// inlineTag reports whether words on both sides of a tag are one word.
func inlineTag(name string) bool {
	switch strings.TrimPrefix(name, "/") {
	case "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "em", "font", "i", "ins", "del", "kbd", "mark", "q", "s",
		"samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr":
		return true
	}
	return false
}

// skipElement returns what follows "</name>". Of a document that was cut off
// inside the element nothing is left.
func skipElement(s, name string) string {
	for {
		i := strings.Index(s, "</")
		if i < 0 {
			return ""
		}
		s = s[i:]
		if tagName(s[1:]) == "/"+name {
			return after(s, ">")
		}
		s = s[2:]
	}
}
