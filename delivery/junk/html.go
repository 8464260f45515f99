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
			r.text(z.Text())
		case html.StartTagToken:
			r.start(z, false)
		case html.SelfClosingTagToken:
			r.start(z, true)
		case html.EndTagToken:
			name, _ := z.TagName()
			r.end(atom.Lookup(name))
		}
	}
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

// start takes a start tag. Each name of an element is a token, and so is what
// is done with style.
func (r *pageReader) start(z *html.Tokenizer, closed bool) {
	name, more := z.TagName()
	tag := atom.Lookup(name)
	p := &r.l.page
	if tag != 0 {
		r.l.tokens.add("h:", name)
	}
	hidden := r.hidden()
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "href":
			r.href(tag, value)
		case "style":
			h, t := styleHides(value)
			hidden = hidden || h
			if t {
				p.tiny++
			}
		case "hidden":
			hidden = true
		case "size":
			if tag == atom.Font && bytes.HasPrefix(value, []byte("-")) {
				p.tiny++
			}
		case "type":
			if tag == atom.Input && bytes.EqualFold(value, []byte("password")) {
				p.passwords++
			}
		case "src":
			if tag == atom.Img && !bytes.HasPrefix(value, []byte("cid:")) {
				r.l.url(value, &r.l.imageLinks)
			}
		}
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
	value = bytes.TrimSpace(value)
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
	color, background := "", ""
	for decl := range bytes.SplitSeq(style, []byte(";")) {
		key, value, ok := bytes.Cut(decl, []byte(":"))
		if !ok || len(value) > 60 {
			continue
		}
		v := strings.ToLower(string(bytes.TrimSpace(value)))
		v = strings.TrimSpace(strings.TrimSuffix(v, "!important"))
		switch strings.ToLower(string(bytes.TrimSpace(key))) {
		case "display":
			hides = hides || v == "none"
		case "visibility":
			hides = hides || v == "hidden"
		case "opacity", "max-height":
			hides = hides || zero(v)
		case "font-size":
			hides = hides || zero(v)
			tiny = tiny || strings.HasSuffix(v, "px") && small(strings.TrimSuffix(v, "px"))
		case "color":
			color = v
		case "background", "background-color":
			background = v
		}
	}
	return hides || color != "" && color == background, tiny
}

// zero reports whether a length or number of CSS is 0, whatever its unit.
func zero(v string) bool {
	return strings.HasPrefix(v, "0") && strings.Trim(v, "0.pxemrt%") == ""
}

// small reports whether letters of that many pixels cannot be read.
func small(px string) bool {
	n, err := strconv.ParseFloat(px, 64)
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
