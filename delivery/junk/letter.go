package junk

import (
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// letter is one message as it is read: its tokens, and the facts that rules
// look at. It reads the body once, and only text parts.
type letter struct {
	e      *Evidence
	now    time.Time
	tokens tokenSet

	fields  fields
	subject textCounts
	name    textCounts // of the author
	plain   textCounts
	page    page
	other   textCounts
	links   links // of the text and of HTML
	files   files

	imageLinks links // where images are loaded from

	texts   int // parts that were read
	hasHTML bool
	inline  int // images inside the message

	hit []int // numbers of the rules that hit

	scratch  []byte
	raw      []byte
	reader   *message.TextReader
	elements []element
}

var letters = sync.Pool{New: func() any { return &letter{reader: new(message.TextReader)} }}

// readLetter reads a message; now is when. It is given back with release.
func readLetter(key hashKey, e *Evidence, now time.Time) *letter {
	l := letters.Get().(*letter)
	l.tokens.reset(key)
	l.read(e, now)
	return l
}

// readFacts is readLetter without tokens, which cost a third of it.
func readFacts(e *Evidence, now time.Time) *letter {
	l := letters.Get().(*letter)
	l.tokens.idle, l.tokens.list = true, l.tokens.list[:0]
	l.read(e, now)
	return l
}

func (l *letter) read(e *Evidence, now time.Time) {
	l.e, l.now = e, now
	l.header()
	l.body()
	for i := range rules {
		if rules[i].hits(l) {
			l.hit = append(l.hit, i)
		}
	}
	l.factTokens()
}

// factTokens makes tokens of the rules that hit, and of what kind of mail it is:
// how much each means differs from place to place, and is learned. What depends
// on the time is left out: learning comes later.
func (l *letter) factTokens() {
	for _, i := range l.hit {
		if !strings.HasPrefix(rules[i].name, "date.") {
			l.tokens.addString("r:", rules[i].name)
		}
	}
	f := &l.fields
	kind := l.scratch[:0]
	for _, is := range []bool{l.authentic(), len(l.e.DKIM) > 0, f.has&hasUnsubscribe != 0, f.has&hasListID != 0, f.has&hasReferences != 0, f.auto, l.hasHTML, l.links.count > 0} {
		if is {
			kind = append(kind, '1')
		} else {
			kind = append(kind, '0')
		}
	}
	l.scratch = kind
	l.tokens.add("k:", kind)
	l.tokens.add("k:", kind[:3])
	l.tokens.addString("a:spf", l.e.SPF)
	l.tokens.addString("a:dmarc", l.e.DMARC)
}

// release keeps the memory of l for the next message.
func (l *letter) release() {
	tokens, scratch, raw, reader, elements, hosts, images := l.tokens, l.scratch, l.raw, l.reader, l.elements, l.links.hosts[:0], l.imageLinks.hosts[:0]
	clear(hosts[:cap(hosts)])
	clear(images[:cap(images)])
	*l = letter{tokens: tokens, scratch: scratch, raw: raw, reader: reader, elements: elements, hit: l.hit[:0]}
	l.links.hosts, l.imageLinks.hosts = hosts, images
	letters.Put(l)
}

// body reads the text parts.
func (l *letter) body() {
	ix, parts := l.e.Index, 0
	left := maxText
	for p := range ix.Parts() {
		if parts++; parts > maxParts {
			break
		}
		l.tokens.addString("t:", p.Type+"/"+p.Subtype)
		switch {
		case p.IsMultipart() || p.IsMessage():
		case p.Disposition == "attachment" || p.Type != "text" && p.Filename() != "" && p.Type != "image":
			l.file(p)
		case p.Type == "text" && l.texts < maxTexts && left > 0:
			left -= l.part(p, left)
		case p.Type == "image":
			l.inline++
		case p.Filename() != "":
			l.file(p)
		}
	}
	l.tokens.addString("c:parts", bucket(parts))
	l.tokens.addString("c:files", bucket(l.files.count))
	l.tokens.addString("c:links", bucket(l.links.count))
	l.tokens.addString("c:hosts", bucket(len(l.links.hosts)))
	l.tokens.addString("c:images", bucket(l.page.images+l.inline))
	n := l.allText()
	l.tokens.addString("c:words", bucket(n.words))
	l.tokens.addString("c:caps", bucket(n.upper*100/max(n.letters, 1)))
	l.tokens.addString("c:wordsperlink", bucket(n.words/max(l.links.count, 1)))
	l.tokens.addString("c:!", bucket(l.plain.exclaims+l.page.exclaims))
	if l.page.hidden > 0 {
		l.tokens.addString("c:hidden", bucket(l.page.hidden))
	}
}

// part reads at most limit octets of a text part as UTF-8, and returns how many.
func (l *letter) part(p *message.Part, limit int) int {
	l.texts++
	if cs := p.Param("charset"); cs != "" && len(cs) < 40 {
		l.tokens.addString("cs:", strings.ToLower(cs))
	}
	l.tokens.addString("e:", p.Encoding)
	l.raw = l.reader.Append(l.raw[:0], p, l.e.Open(p.BodyStart, p.BodyEnd), limit)
	if p.Subtype == "html" {
		l.hasHTML = true
		l.html(l.raw)
	} else {
		l.text(kindBody, l.raw, &l.plain)
	}
	return len(l.raw)
}

// authorOrg returns the organisational domain of the author's host by the list of
// public suffixes, which history is kept by.
func authorOrg(p mail.Path) string {
	if p.Domain == "" || p.Domain.IsLiteral() {
		return ""
	}
	return orgDomain(string(p.Domain))
}
