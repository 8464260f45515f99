package aggregate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/transform"
)

// Bounds of a document. A large provider reports some thousands of rows about
// a large domain.
const (
	MaxRows     = 20_000
	maxElements = 40 * MaxRows
	maxDepth    = 16
	maxText     = 1024     // octets that are kept of one element
	maxTag      = 64 << 10 // octets between two tags, attributes included
	maxErrors   = 10
	maxReasons  = 10  // of a row
	maxResults  = 100 // of a row (RFC 9990 section 3.1.3)
)

// Reasons why a document is not taken, for errors.Is. Texts of errors say
// what is wrong with it.
var (
	// ErrNotReport means that the document is something else.
	ErrNotReport = errors.New("not a DMARC report")
	// ErrSyntax means that the report is not well-formed, or lacks what it
	// must have.
	ErrSyntax = errors.New("DMARC report is not valid")
	// ErrTooLarge means that a bound was met.
	ErrTooLarge = errors.New("DMARC report is too large")
)

// Parse reads a document. What is unknown in it is passed over (RFC 9990
// section 5). A report without rows is valid: some providers send it.
func Parse(document []byte) (*Report, error) {
	p := &parser{report: &Report{}}
	p.xml = xml.NewDecoder(&tagGuard{r: bytes.NewReader(bytes.TrimPrefix(document, []byte("\xef\xbb\xbf")))})
	p.xml.CharsetReader = charsetReader
	if err := p.run(); err != nil {
		return nil, err
	}
	if err := p.report.check(); err != nil {
		return nil, err
	}
	return p.report, nil
}

// charsetReader reads what is not UTF-8, such as windows-1252.
func charsetReader(label string, r io.Reader) (io.Reader, error) {
	e, err := htmlindex.Get(label)
	if err != nil {
		return nil, fmt.Errorf("charset %q is not known", clip(label))
	}
	return transform.NewReader(r, e.NewDecoder()), nil
}

// tagGuard ends documents in which too much stands between two tags: the
// decoder holds all attributes of one at once, at many times their size.
type tagGuard struct {
	r   *bytes.Reader
	run int
}

// ReadByte is what the decoder uses while the document is UTF-8.
func (g *tagGuard) ReadByte() (byte, error) {
	c, err := g.r.ReadByte()
	if err != nil {
		return c, err
	}
	return c, g.count(c)
}

func (g *tagGuard) Read(b []byte) (int, error) {
	n, err := g.r.Read(b)
	for _, c := range b[:n] {
		if err := g.count(c); err != nil {
			return 0, err
		}
	}
	return n, err
}

func (g *tagGuard) count(c byte) error {
	if g.run++; c == '<' {
		g.run = 0
	}
	if g.run > maxTag {
		return fmt.Errorf("%w: more than %d octets without a tag", ErrTooLarge, maxTag)
	}
	return nil
}

// parser walks through the tokens of one document.
type parser struct {
	xml      *xml.Decoder
	report   *Report
	path     []string // names of the open elements, without their namespaces
	text     strings.Builder
	elements int
	row      *Row
}

func (p *parser) run() error {
	for {
		token, err := p.xml.Token()
		if err == io.EOF {
			if p.elements == 0 {
				return fmt.Errorf("%w: there is no element in it", ErrNotReport)
			}
			return nil
		}
		if err != nil {
			return p.syntax(err)
		}
		if err := p.take(token); err != nil {
			return err
		}
	}
}

// syntax names an error of the decoder.
func (p *parser) syntax(err error) error {
	if errors.Is(err, ErrTooLarge) {
		return err
	}
	line, _ := p.xml.InputPos()
	kind := ErrSyntax
	if p.elements == 0 {
		kind = ErrNotReport
	}
	var s *xml.SyntaxError
	if errors.As(err, &s) {
		return fmt.Errorf("%w: line %d: %s", kind, s.Line, clip(s.Msg))
	}
	return fmt.Errorf("%w: line %d: %s", kind, line, clip(err.Error()))
}

func (p *parser) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.Directive:
		if bytes.HasPrefix(bytes.ToUpper(t), []byte("DOCTYPE")) {
			return fmt.Errorf("%w: it has a document type declaration, which is not allowed in a report", ErrSyntax)
		}
	case xml.StartElement:
		return p.start(t)
	case xml.CharData:
		if room := maxText - p.text.Len(); room > 0 {
			p.text.Write(t[:min(room, len(t))])
		}
	case xml.EndElement:
		return p.end()
	}
	return nil
}

func (p *parser) start(t xml.StartElement) error {
	p.text.Reset()
	if p.elements++; p.elements > maxElements {
		return fmt.Errorf("%w: more than %d elements", ErrTooLarge, maxElements)
	}
	if len(p.path) == maxDepth {
		return fmt.Errorf("%w: elements in elements, more than %d deep", ErrTooLarge, maxDepth)
	}
	if len(p.path) == 0 {
		if t.Name.Local != "feedback" {
			return fmt.Errorf("%w: the document begins with %q, not with \"feedback\"", ErrNotReport, clip(t.Name.Local))
		}
		p.report.Namespace = clip(t.Name.Space)
	}
	p.path = append(p.path, t.Name.Local)
	return p.begin(strings.Join(p.path[1:], "/"))
}

// begin makes room for what an element is about. Of what comes more often than
// is kept the last one takes all the rest; check drops it.
func (p *parser) begin(path string) error {
	switch path {
	case "record":
		if len(p.report.Rows) == MaxRows {
			return fmt.Errorf("%w: more than %d records", ErrTooLarge, MaxRows)
		}
		p.report.Rows = append(p.report.Rows, Row{Count: -1})
		p.row = &p.report.Rows[len(p.report.Rows)-1]
	case "record/row/policy_evaluated/reason":
		if len(p.row.Reasons) <= maxReasons {
			p.row.Reasons = append(p.row.Reasons, Reason{})
		}
	case "record/auth_results/dkim":
		if len(p.row.DKIMResults) <= maxResults {
			p.row.DKIMResults = append(p.row.DKIMResults, DKIMResult{})
		}
	case "record/auth_results/spf":
		if len(p.row.SPFResults) <= maxResults {
			p.row.SPFResults = append(p.row.SPFResults, SPFResult{})
		}
	}
	return nil
}

func (p *parser) end() error {
	path := strings.Join(p.path[1:], "/")
	p.path = p.path[:len(p.path)-1]
	text := strings.TrimSpace(strings.ToValidUTF8(p.text.String(), "\uFFFD"))
	p.text.Reset()
	var err error
	if rest, ok := strings.CutPrefix(path, "record/"); ok {
		err = p.row.set(rest, text)
	} else {
		err = p.report.set(path, text)
	}
	if err != nil {
		line, _ := p.xml.InputPos()
		return fmt.Errorf("%w: line %d: %v", ErrSyntax, line, err)
	}
	return nil
}

// clip shortens what a stranger wrote for a sentence.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
