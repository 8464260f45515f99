package message

import (
	"slices"
	"strings"
)

// maxParams bounds the parameters of one field; more of them set BoundHit.
const maxParams = 100

// parseMediaType reads the value of Content-Type; typ is empty if it says
// nothing usable.
func parseMediaType(value string) (typ, subtype string, params []Param, all bool) {
	head, rest := cutToken(value)
	params, all = parseParams(rest)
	typ, subtype, ok := strings.Cut(strings.ToLower(head), "/")
	typ, subtype = strings.TrimSpace(typ), strings.TrimSpace(subtype)
	if !ok && typ == "text" { // as some programs write it
		subtype = "plain"
	}
	if !isToken(typ) || !isToken(subtype) {
		return "", "", nil, true
	}
	return typ, subtype, params, all
}

// cutToken returns what stands before the first semicolon, without comments,
// and what follows it.
func cutToken(value string) (head, rest string) {
	head, rest, _ = strings.Cut(value, ";")
	if strings.IndexByte(head, '(') >= 0 {
		head = dropComments(head)
	}
	return strings.TrimSpace(head), rest
}

// isToken is RFC 2045 section 5.1.
func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// rawParam is one "name=value" as it stands, with the marks of RFC 2231
// section 3 and 4 taken from its name.
type rawParam struct {
	name     string
	section  int // of name*0, name*1 …; -1 without
	extended bool
	value    string
}

// parseParams reads the parameters after the first semicolon of Content-Type
// or Content-Disposition. all is false if there were more than maxParams.
func parseParams(s string) (params []Param, all bool) {
	var raw []rawParam
	marks := false
	for s != "" {
		s = strings.TrimLeft(s, " \t\r\n;")
		if s == "" {
			break
		}
		if len(raw) == maxParams {
			return joinParams(raw, marks), false
		}
		var p rawParam
		p, s = nextParam(s)
		if p.name != "" {
			marks = marks || p.section >= 0 || p.extended
			raw = append(raw, p)
		}
	}
	return joinParams(raw, marks), true
}

// nextParam reads one parameter. Names without a value are passed over.
func nextParam(s string) (p rawParam, rest string) {
	if s[0] == '(' {
		c := addressParser{s: s}
		c.readComment()
		return p, s[c.pos:]
	}
	i := strings.IndexAny(s, "=;")
	if i < 0 {
		return p, ""
	}
	if s[i] == ';' {
		return p, s[i:]
	}
	p = splitMarks(strings.ToLower(strings.TrimSpace(s[:i])))
	s = strings.TrimLeft(s[i+1:], " \t\r\n")
	if s != "" && s[0] == '"' {
		q := addressParser{s: s}
		p.value = q.readQuoted()
		return p, after(s[q.pos:], ";")
	}
	value, rest, _ := strings.Cut(s, ";") // with what is no token: programs forget the quotes
	if k := strings.IndexByte(value, '('); k >= 0 && !p.extended {
		value = value[:k]
	}
	p.value = strings.TrimSpace(value)
	return p, rest
}

// splitMarks reads "name", "name*", "name*1" or "name*1*".
func splitMarks(name string) rawParam {
	p := rawParam{name: name, section: -1}
	base, mark, ok := strings.Cut(name, "*")
	if !ok {
		return p
	}
	p.name = base
	if mark == "" {
		p.extended = true
		return p
	}
	mark, p.extended = strings.CutSuffix(mark, "*")
	n, rest := leadingNumber(mark)
	if rest != "" || mark == "" {
		return rawParam{name: name, section: -1}
	}
	p.section = n
	return p
}

// joinParams makes one Param of all pieces of a name. Where a name is there
// twice, the extended form counts, else the first.
func joinParams(raw []rawParam, marks bool) []Param {
	if len(raw) == 0 {
		return nil
	}
	params := make([]Param, 0, len(raw))
	for i, p := range raw {
		if findName(params, p.name) {
			continue
		}
		if marks {
			p.value = joinPieces(raw[i:], p.name)
		}
		params = append(params, Param{p.name, p.value})
	}
	return params
}

func findName(params []Param, name string) bool {
	return slices.ContainsFunc(params, func(p Param) bool { return p.Name == name })
}

// joinPieces returns the value of name from its pieces in raw.
func joinPieces(raw []rawParam, name string) string {
	var pieces []rawParam
	plain := ""
	for _, p := range raw {
		switch {
		case p.name != name:
		case p.section < 0 && !p.extended:
			if plain == "" {
				plain = p.value
			}
		default:
			pieces = append(pieces, p)
		}
	}
	if len(pieces) == 0 {
		return plain
	}
	slices.SortStableFunc(pieces, func(a, b rawParam) int { return a.section - b.section })
	charset := ""
	var b []byte
	for i, p := range pieces {
		if !p.extended {
			b = append(b, p.value...)
			continue
		}
		if i == 0 {
			if c, rest, ok := strings.Cut(p.value, "'"); ok {
				charset = c
				_, p.value, _ = strings.Cut(rest, "'")
			}
		}
		b = appendPercent(b, p.value)
	}
	return decodeCharset(charset, b)
}

// appendPercent decodes %XX.
func appendPercent(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16 {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return b
}
