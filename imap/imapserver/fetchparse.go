package imapserver

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of one FETCH.
const (
	maxSections     = 100
	maxHeaderFields = 200
	maxPath         = message.MaxDepth
)

// items are the parts of a FETCH that are flags or cheap.
type items uint16

const (
	itemUID items = 1 << iota
	itemFlags
	itemInternalDate
	itemSize
	itemEnvelope
	itemBody          // BODY: without extension data
	itemBodyStructure // with them
	itemModSeq
	itemEmailID  // RFC 8474 section 5.1
	itemThreadID // RFC 8474 section 5.2
	itemSaveDate // RFC 8514 section 4.2
)

// fetchRequest is FETCH with its arguments (RFC 9051 section 6.4.5).
type fetchRequest struct {
	set          *mailbox.UIDSet
	items        items
	sections     []section
	changedSince mailbox.ModSeq // 0: not given
	setsSeen     bool
}

// sectionKind says which data item a section belongs to.
type sectionKind uint8

const (
	kindBody       sectionKind = iota // octets as they stand in the message
	kindFields                        // HEADER.FIELDS, HEADER.FIELDS.NOT
	kindBinary                        // BINARY: transfer encoding undone
	kindBinarySize                    // BINARY.SIZE
)

// section is a BODY, RFC822 or BINARY item.
type section struct {
	kind    sectionKind
	label   string // of the answer
	path    []int
	part    message.Section
	fields  []string
	not     bool
	partial bool
	offset  int64
	length  int64
}

// fetchMacros are RFC 9051 section 6.4.5.
var fetchMacros = map[string]items{
	"ALL":  itemFlags | itemInternalDate | itemSize | itemEnvelope,
	"FAST": itemFlags | itemInternalDate | itemSize,
	"FULL": itemFlags | itemInternalDate | itemSize | itemEnvelope | itemBody,
}

// fetchItems are those without arguments.
var fetchItems = map[string]items{
	"UID": itemUID, "FLAGS": itemFlags, "INTERNALDATE": itemInternalDate, "RFC822.SIZE": itemSize,
	"ENVELOPE": itemEnvelope, "BODYSTRUCTURE": itemBodyStructure, "MODSEQ": itemModSeq,
	"EMAILID": itemEmailID, "THREADID": itemThreadID, "SAVEDATE": itemSaveDate,
}

func (s *session) parseFetch(args *imapwire.Decoder) (*fetchRequest, error) {
	req := &fetchRequest{}
	args.SP()
	var err error
	if req.set, err = s.set(args); err != nil {
		return nil, err
	}
	if args.SP(); args.Peek() == '(' {
		args.List(func() { req.item(args, args.Name()) })
	} else if name := args.Name(); fetchMacros[name] != 0 {
		req.items |= fetchMacros[name]
	} else {
		req.item(args, name)
	}
	if args.TrySP() { // RFC 4466 section 2.4: modifiers
		args.List(func() {
			if args.Name() != "CHANGEDSINCE" {
				args.Fail("Unknown modifier")
			}
			req.changedSince = mailbox.ModSeq(args.SP().Number64())
			req.items |= itemModSeq // RFC 7162 section 3.1.4.1
		})
	}
	if err := args.End(); err != nil {
		return nil, err
	}
	if req.items&itemModSeq != 0 {
		s.condStore = true
	}
	if s.cmd.byUID {
		req.items |= itemUID
	}
	return req, nil
}

// item reads one data item whose name was read.
func (r *fetchRequest) item(args *imapwire.Decoder, name string) {
	if it, ok := fetchItems[name]; ok {
		r.items |= it
		return
	}
	x := section{label: name}
	seen := false
	switch name {
	case "BODY", "BODY.PEEK":
		if args.Peek() != '[' {
			if name == "BODY" {
				r.items |= itemBody
			} else {
				args.Fail("Expected [")
			}
			return
		}
		seen = name == "BODY"
		x.parseBody(args)
	case "BINARY", "BINARY.PEEK", "BINARY.SIZE":
		seen = name == "BINARY"
		x.parseBinary(args, name)
	case "RFC822":
		seen = true
	case "RFC822.HEADER":
		x.part = message.SectionHeader
	case "RFC822.TEXT":
		x.part, seen = message.SectionText, true
	default:
		args.Fail("Unknown data item")
	}
	if len(r.sections) == maxSections {
		args.Fail("Too many sections")
		return
	}
	r.sections = append(r.sections, x)
	r.setsSeen = r.setsSeen || seen
}

// parseBody reads "[section]<partial>" (RFC 9051 section 6.4.5.1).
func (x *section) parseBody(args *imapwire.Decoder) {
	args.Expect('[')
	x.path = parsePath(args)
	spec := ""
	if args.Peek() != ']' {
		spec = args.Name()
	}
	switch spec {
	case "":
	case "HEADER":
		x.part = message.SectionHeader
	case "TEXT":
		x.part = message.SectionText
	case "MIME":
		x.part = message.SectionMIME
		if len(x.path) == 0 {
			args.Fail("MIME needs a part number")
		}
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		x.kind, x.part, x.not = kindFields, message.SectionHeader, spec == "HEADER.FIELDS.NOT"
		args.SP().List(func() {
			if x.fields = append(x.fields, args.AString()); len(x.fields) > maxHeaderFields {
				args.Fail("Too many header fields")
			}
		})
		if len(x.fields) == 0 {
			args.Fail("Expected a header field")
		}
	default:
		args.Fail("Unknown section")
	}
	args.Expect(']')
	x.label = "BODY[" + pathText(x.path, spec) + fieldsText(x.fields) + "]"
	x.parsePartial(args)
}

func (x *section) parseBinary(args *imapwire.Decoder, name string) {
	args.Expect('[')
	x.path = parsePath(args)
	args.Expect(']')
	if name == "BINARY.SIZE" {
		x.kind, x.label = kindBinarySize, "BINARY.SIZE["+pathText(x.path, "")+"]"
		return
	}
	x.kind, x.label = kindBinary, "BINARY["+pathText(x.path, "")+"]"
	x.parsePartial(args)
}

// parsePath reads "1.2.3", and the "." before a word if one follows.
func parsePath(args *imapwire.Decoder) []int {
	var path []int
	for c := args.Peek(); c >= '0' && c <= '9'; c = args.Peek() {
		n := args.Number()
		if n == 0 || len(path) == maxPath {
			args.Fail("No such part")
			return nil
		}
		path = append(path, int(min(n, message.MaxParts+1)))
		if !args.Try('.') {
			break
		}
	}
	return path
}

func (x *section) parsePartial(args *imapwire.Decoder) {
	if !args.Try('<') {
		return
	}
	x.partial = true
	x.offset = int64(args.Number64())
	x.length = int64(args.Expect('.').Number64())
	args.Expect('>')
	if x.length == 0 {
		args.Fail("Expected a length above 0")
	}
	x.label += "<" + strconv.FormatInt(x.offset, 10) + ">"
}

func pathText(path []int, spec string) string {
	words := make([]string, 0, len(path)+1)
	for _, n := range path {
		words = append(words, strconv.Itoa(n))
	}
	if spec != "" {
		words = append(words, spec)
	}
	return strings.Join(words, ".")
}

// fieldsText repeats the field names as the client wrote them; those that are
// no atom are quoted.
func fieldsText(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	e := imapwire.NewEncoder(nil, nil)
	e.Raw(" (")
	for i, f := range fields {
		if i > 0 {
			e.SP()
		}
		if isFieldAtom(f) {
			e.Raw(f)
		} else {
			e.String(f)
		}
	}
	return string(e.Raw(")").Take())
}

// isFieldAtom reports whether a field name can stand without quotes.
func isFieldAtom(f string) bool {
	return f != "" && !slices.ContainsFunc([]byte(f), func(c byte) bool {
		return c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0
	})
}

// cut returns the part of [start, end) that a partial fetch wants.
func (x *section) cut(start, end int64) (int64, int64) {
	if !x.partial {
		return start, end
	}
	start = min(start+min(x.offset, end-start), end)
	return start, start + min(x.length, end-start)
}
