package imapserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox/store"
)

// place says where a needle is looked for.
type place uint8

const (
	inHeader place = iota // one field of the message's header
	inBody                // text parts, and headers of parts
	inText                // everything
)

// needle is a text to look for, folded.
type needle struct {
	in    place
	field string
	text  string
}

// needleKey is the number of a needle of the request.
type needleKey int

func (k needleKey) eval(c *candidate) verdict {
	if c.hits == nil {
		return depends
	}
	return verdictOf(c.hits[k])
}
func (needleKey) cost() int { return costText }

// readText reads the text of a message once for all needles and judges again.
// A message that is gone or damaged does not fit.
func (r *searchRun) readText(ctx context.Context, c *candidate) (bool, error) {
	body, err := r.s.srv.Boxes.OpenBodyAhead(ctx, c.body, &r.ahead)
	if err != nil {
		return false, r.unreadable(c, err)
	}
	defer body.Close()
	if r.scan == nil {
		r.scan = &textScan{needles: r.req.needles, hits: make([]bool, len(r.req.needles)), buf: make([]byte, scanChunk)}
	}
	scan := r.scan
	clear(scan.hits)
	if c.index == nil {
		err = scan.header(body, 0, c.header, true)
	} else {
		err = scan.message(body, c.index)
	}
	if err != nil {
		return false, r.unreadable(c, err)
	}
	c.hits = scan.hits
	return r.req.root.eval(c) == fits, ctx.Err()
}

func (r *searchRun) unreadable(c *candidate, err error) error {
	if errors.Is(err, store.ErrNoBody) || errors.Is(err, store.ErrDamaged) {
		r.s.log.Error("message cannot be searched", "uid", c.uid, "err", err)
		return nil
	}
	return fmt.Errorf("search text: %w", err)
}

// textScan looks for all needles at once.
type textScan struct {
	needles []needle
	hits    []bool
	buf     []byte // used again for each part
	window  []byte
	raw     []byte // a header
}

// wanted reports whether a needle for a place is still missing.
func (t *textScan) wanted(in func(needle) bool) bool {
	for i, n := range t.needles {
		if !t.hits[i] && in(n) {
			return true
		}
	}
	return false
}

func (t *textScan) message(body io.ReaderAt, ix *message.Index) error {
	for p := range ix.Parts() {
		root := p == &ix.Root
		if t.wanted(func(n needle) bool { return root || n.in != inHeader }) {
			if err := t.header(body, p.HeaderStart, p.BodyStart, root); err != nil {
				return err
			}
		}
		if p.Type != "text" || len(p.Children) > 0 || !t.wanted(isOfBody) {
			continue
		}
		if err := t.stream(message.DecodeText(p, p.Reader(body)), isOfBody); err != nil {
			return err
		}
	}
	// An empty text is in every body (RFC 9051 section 6.4.4: substring).
	for i, n := range t.needles {
		if n.in != inHeader && n.text == "" {
			t.hits[i] = true
		}
	}
	return nil
}

func isOfBody(n needle) bool { return n.in != inHeader }

// inBody reports whether more than the message's own header is looked into.
func (r *searchRequest) inBody() bool { return slices.ContainsFunc(r.needles, isOfBody) }

// header looks into a header: the message's own (root), or that of a part.
func (t *textScan) header(body io.ReaderAt, start, end int64, root bool) error {
	raw := t.scratch(min(max(end-start, 0), message.MaxHeader))
	if n, err := body.ReadAt(raw, start); n < len(raw) {
		return err
	}
	for i, n := range t.needles {
		if n.in == inHeader && root && !t.hits[i] {
			t.hits[i] = inField(raw, n)
		}
	}
	if !t.wanted(isOfBody) {
		return nil
	}
	for f := range message.Fields(raw) {
		value := string(appendFold(nil, []byte(message.DecodeHeaderText(f.Value()))))
		for i, n := range t.needles {
			if !t.hits[i] && (n.in == inText || n.in == inBody && !root) {
				t.hits[i] = strings.Contains(value, n.text) || strings.Contains(strings.ToLower(f.Name)+": "+value, n.text)
			}
		}
	}
	return nil
}

// inField looks for a needle in the fields that it names.
func inField(header []byte, n needle) bool {
	for value := range message.FieldValues(header, n.field) {
		if strings.Contains(string(appendFold(nil, []byte(message.DecodeHeaderText(value)))), n.text) {
			return true
		}
	}
	return false
}

// scratch returns n octets to read a header into.
func (t *textScan) scratch(n int64) []byte {
	if int64(cap(t.raw)) < n {
		t.raw = make([]byte, max(n, scanChunk))
	}
	return t.raw[:n]
}

// scanChunk is how much text is looked at in one go.
const scanChunk = 16 << 10

// stream looks for the needles of a place in UTF-8 text of any length. It
// keeps the end of each chunk, where a needle may begin.
func (t *textScan) stream(r io.Reader, in func(needle) bool) error {
	keep := 0
	for i, n := range t.needles {
		if !t.hits[i] && in(n) {
			keep = max(keep, len(n.text)-1)
		}
	}
	window, buf := t.window[:0], t.buf
	defer func() { t.window = window }()
	rest := 0 // octets of a divided character at the beginning of buf
	for {
		n, err := r.Read(buf[rest:])
		chunk := buf[:rest+n]
		whole := len(chunk)
		if err == nil {
			whole = wholeRunes(chunk)
		}
		if len(window) > keep {
			window = append(window[:0], window[len(window)-keep:]...)
		}
		window = appendFold(window, chunk[:whole])
		if t.find(window, in); !t.wanted(in) {
			return nil
		}
		rest = copy(buf, chunk[whole:])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *textScan) find(text []byte, in func(needle) bool) {
	for i, n := range t.needles {
		if !t.hits[i] && in(n) {
			t.hits[i] = bytes.Contains(text, []byte(n.text))
		}
	}
}

// wholeRunes returns how much of b is whole characters.
func wholeRunes(b []byte) int {
	for k := 1; k < utf8.UTFMax && k <= len(b); k++ {
		if c := b[len(b)-k]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-k:]) {
				return len(b) - k
			}
			break
		}
	}
	return len(b)
}

// appendFold appends text without its differences of case.
func appendFold(to, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			to = append(to, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		to = utf8.AppendRune(to, unicode.ToLower(unicode.ToUpper(r)))
		i += n
	}
	return to
}
