package junk

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxOpen is how many open elements are followed; what is deeper is visible.
const maxOpen = 256

// page is what is known of the HTML of a message.
type page struct {
	textCounts
	hidden    int // letters nobody sees
	images    int
	links     int
	forms     int
	passwords int // fields for a password
	scripts   int
	tiny      int // elements with very small letters
}

// element is an open element of a page.
type element struct {
	name   atom.Atom
	hidden bool // it or one around it
}

// pageReader walks the tags of one HTML part.
type pageReader struct {
	l      *letter
	open   []element
	linkTo string // organisational domain of the link that is open
	skip   atom.Atom
}

// html takes the text, the links and the structure out of an HTML part.
func (l *letter) html(b []byte) {
	r := pageReader{l: l, open: l.elements[:0]}
	z := html.NewTokenizer(bytes.NewReader(b))
	z.SetMaxBuf(maxText)
	for {
		switch z.Next() {
		case html.ErrorToken:
			l.elements = r.open[:0]
			return
		case html.TextToken:
			r.text(unescape(z.Raw()))
		case html.StartTagToken:
			r.start(z.Raw(), false)
		case html.SelfClosingTagToken:
			r.start(z.Raw(), true)
		case html.EndTagToken:
			_, tag, _ := l.tagName(z.Raw()[2:])
			r.end(tag)
		}
	}
}

// tagName returns the name that a tag begins with, in lower case, and what
// follows it. The name is valid until the next call.
func (l *letter) tagName(b []byte) (name []byte, tag atom.Atom, rest []byte) {
	n := 0
	for n < len(b) && b[n] > ' ' && b[n] != '/' && b[n] != '>' {
		n++
	}
	name = l.scratch[:0]
	for _, c := range b[:min(n, maxWord)] {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		name = append(name, c)
	}
	l.scratch = name
	return name, atom.Lookup(name), b[n:]
}

// nextAttr returns the attribute that a tag goes on with, and what follows it;
// no key at the end. The value is as it stands there.
func nextAttr(b []byte) (key, value, rest []byte) {
	b = bytes.TrimLeft(b, " \t\r\n\f/")
	n := 0
	for n < len(b) && b[n] > ' ' && b[n] != '=' && b[n] != '>' && b[n] != '/' {
		n++
	}
	key, b = b[:n], bytes.TrimLeft(b[n:], " \t\r\n\f")
	if len(b) == 0 || b[0] != '=' {
		return key, nil, b
	}
	if b = bytes.TrimLeft(b[1:], " \t\r\n\f"); len(b) == 0 {
		return key, nil, b
	}
	if quote := b[0]; quote == '"' || quote == '\'' {
		value, rest, _ = bytes.Cut(b[1:], b[:1])
		return key, value, rest
	}
	n = 0
	for n < len(b) && b[n] > ' ' && b[n] != '>' {
		n++
	}
	return key, b[:n], b[n:]
}

// unescape resolves entities.
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '&') < 0 {
		return b
	}
	return []byte(html.UnescapeString(string(b)))
}

func (r *pageReader) hidden() bool { return len(r.open) > 0 && r.open[len(r.open)-1].hidden }

func (r *pageReader) text(b []byte) {
	p := &r.l.page
	switch {
	case r.skip != 0:
	case r.hidden():
		p.hidden += countLetters(b)
	default:
		if r.linkTo != "" {
			r.checkLinkText(b)
		}
		r.l.text(kindBody, b, &p.textCounts)
	}
}

// checkLinkText notes a link whose text is the name of another domain.
func (r *pageReader) checkLinkText(b []byte) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > 200 || bytes.ContainsAny(b, " \t\n@") || !bytes.Contains(b, []byte(".")) {
		return
	}
	u := splitURL(b)
	if knownSuffix(u.host) && orgDomain(u.host) != r.linkTo {
		r.l.links.foreign = true
	}
}

// start takes a start tag. Each name of an element is a token.
func (r *pageReader) start(raw []byte, closed bool) {
	name, tag, rest := r.l.tagName(raw[1:])
	if tag != 0 {
		r.l.tokens.add("h:", name)
	}
	hidden := r.hidden()
	for {
		var key, value []byte
		if key, value, rest = nextAttr(rest); len(key) == 0 {
			break
		}
		hidden = r.attr(tag, key, value) || hidden
	}
	r.count(tag)
	if closed || isVoid(tag) || tag == 0 || len(r.open) == maxOpen {
		return
	}
	if tag == atom.Style || tag == atom.Script || tag == atom.Title || tag == atom.Template {
		r.skip = tag
	}
	r.open = append(r.open, element{tag, hidden})
}

// attr takes an attribute, and reports whether it hides its element.
func (r *pageReader) attr(tag atom.Atom, key, value []byte) (hides bool) {
	p := &r.l.page
	switch {
	case isNamed(key, "style"):
		hides, tiny := styleHides(value)
		if tiny {
			p.tiny++
		}
		return hides
	case isNamed(key, "href"):
		r.href(tag, value)
	case isNamed(key, "hidden"):
		return true
	case isNamed(key, "size"):
		if tag == atom.Font && bytes.HasPrefix(value, []byte("-")) {
			p.tiny++
		}
	case isNamed(key, "type"):
		if tag == atom.Input && isNamed(value, "password") {
			p.passwords++
		}
	case isNamed(key, "src"):
		if tag == atom.Img && !bytes.HasPrefix(value, []byte("cid:")) {
			r.l.url(unescape(value), &r.l.imageLinks)
		}
	}
	return false
}

// isNamed compares names of HTML and CSS, which are ASCII.
func isNamed(b []byte, name string) bool {
	return len(b) == len(name) && b[0]|0x20 == name[0] && strings.EqualFold(string(b), name)
}

func (r *pageReader) count(tag atom.Atom) {
	p := &r.l.page
	switch tag {
	case atom.Img:
		p.images++
	case atom.A:
		p.links++
	case atom.Form:
		p.forms++
	case atom.Script, atom.Iframe, atom.Object, atom.Embed:
		p.scripts++
	}
}

func (r *pageReader) href(tag atom.Atom, value []byte) {
	if tag != atom.A && tag != atom.Area {
		return
	}
	r.linkTo = ""
	value = unescape(bytes.TrimSpace(value))
	if hasFoldPrefix(value, "http://") || hasFoldPrefix(value, "https://") || bytes.HasPrefix(value, []byte("//")) {
		r.linkTo = r.l.url(bytes.TrimPrefix(value, []byte("//")), &r.l.links)
	}
}

func (r *pageReader) end(tag atom.Atom) {
	if tag == r.skip {
		r.skip = 0
	}
	if tag == atom.A {
		r.linkTo = ""
	}
	for i := len(r.open) - 1; i >= 0 && tag != 0; i-- {
		if r.open[i].name == tag {
			r.open = r.open[:i]
			return
		}
	}
}

func isVoid(tag atom.Atom) bool {
	switch tag {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Param, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

// styleHides reports whether a style attribute makes text invisible, and
// whether it makes it too small to be read.
func styleHides(style []byte) (hides, tiny bool) {
	var color, background []byte
	for rest := style; len(rest) > 0; {
		var decl []byte
		decl, rest, _ = bytes.Cut(rest, []byte(";"))
		key, value, _ := bytes.Cut(decl, []byte(":"))
		v := bytes.TrimSpace(value)
		if i := bytes.IndexByte(v, '!'); i >= 0 { // !important
			v = bytes.TrimSpace(v[:i])
		}
		switch key = bytes.TrimSpace(key); {
		case len(v) == 0 || len(key) == 0:
		case isNamed(key, "display"):
			hides = hides || isNamed(v, "none")
		case isNamed(key, "visibility"):
			hides = hides || isNamed(v, "hidden")
		case isNamed(key, "opacity"), isNamed(key, "max-height"):
			hides = hides || zero(v)
		case isNamed(key, "font-size"):
			hides = hides || zero(v)
			tiny = tiny || small(v)
		case isNamed(key, "color"):
			color = v
		case isNamed(key, "background"), isNamed(key, "background-color"):
			background = v
		}
	}
	return hides || len(color) > 0 && bytes.EqualFold(color, background), tiny
}

// zero reports whether a length or number of CSS is 0, whatever its unit.
func zero(v []byte) bool { return v[0] == '0' && len(bytes.Trim(v, "0.pxemrtPXEMRT%")) == 0 }

// small reports whether letters of a size in pixels cannot be read.
func small(v []byte) bool {
	px, ok := bytes.CutSuffix(bytes.ToLower(v), []byte("px"))
	if !ok || len(px) > 10 {
		return false
	}
	n, err := strconv.ParseFloat(string(px), 64)
	return err == nil && n < 4
}

func countLetters(b []byte) int {
	n := 0
	for _, r := range string(b) {
		if isWordRune(r) {
			n++
		}
	}
	return n
}
