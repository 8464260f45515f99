package message

import "strings"

// ParseAddressList reads the addresses of From, To and the like, without their
// folding. It takes everything: groups, comments, source routes, the obsolete
// forms of RFC 5322 section 4.4, and what mail programs get wrong (names with
// unquoted specials, missing brackets, semicolons between addresses). Names
// keep their encoded words. Text without an address gives an [Address] with
// [MissingHost].
func ParseAddressList(value string) []Address {
	p := addressParser{s: value}
	for p.pos < len(p.s) {
		p.step()
	}
	p.finish()
	if p.group {
		p.list = append(p.list, Address{})
	}
	return p.list
}

// addressParser collects the words of one address at a time, in one pass.
type addressParser struct {
	s    string
	pos  int
	list []Address

	group   bool   // between "name:" and ";"
	words   []word // of the address that is being read
	comment string // the last one
	angle   string // what stood in angle brackets
	hasSpec bool   // there were angle brackets
}

// word is a piece of an address outside angle brackets.
type word struct {
	text   string // quotes and escapes removed
	quoted bool
	spaced bool // white space or a comment before it
}

func (p *addressParser) step() {
	switch c := p.s[p.pos]; c {
	case ' ', '\t', '\r', '\n':
		p.pos++
	case '(':
		p.comment = p.readComment()
	case ',':
		p.pos++
		p.finish()
	case ';':
		p.pos++
		p.finish()
		if p.group {
			p.group = false
			p.list = append(p.list, Address{})
		}
	case ':':
		p.pos++
		p.startGroup()
	case '<':
		p.readAngle()
	case '>':
		p.pos++
	default:
		p.readWord()
	}
}

func (p *addressParser) readWord() {
	w := word{spaced: p.pos > 0 && strings.IndexByte(" \t\r\n)", p.s[p.pos-1]) >= 0}
	switch start := p.pos; p.s[start] {
	case '"':
		w.text, w.quoted = p.readQuoted(), true
	case '[':
		n := strings.IndexAny(p.s[start:], "]<>,;\"")
		switch {
		case n < 0:
			n = len(p.s) - start
		case p.s[start+n] == ']':
			n++
		}
		p.pos += n
		w.text = p.s[start:p.pos]
	default:
		n := strings.IndexAny(p.s[start+1:], " \t\r\n(,;:<>\"[")
		if n < 0 {
			n = len(p.s) - start - 1
		}
		p.pos += n + 1
		w.text = p.s[start:p.pos]
	}
	p.words = append(p.words, w)
}

// readQuoted reads a quoted-string; without an end it goes to the end.
func (p *addressParser) readQuoted() string {
	start := p.pos + 1
	i := start
	escaped := false
	for i < len(p.s) && p.s[i] != '"' {
		if p.s[i] == '\\' && i+1 < len(p.s) {
			escaped = true
			i++
		}
		i++
	}
	text := p.s[start:i]
	p.pos = min(i+1, len(p.s))
	if escaped {
		return unescape(text)
	}
	return text
}

// readComment reads a comment with those inside it.
func (p *addressParser) readComment() string {
	start := p.pos + 1
	depth := 0
	escaped := false
	for ; p.pos < len(p.s); p.pos++ {
		switch p.s[p.pos] {
		case '(':
			depth++
		case ')':
			depth--
		case '\\':
			escaped = true
			p.pos++
		}
		if depth == 0 {
			break
		}
	}
	p.pos = min(p.pos, len(p.s))
	text := p.s[start:p.pos]
	p.pos = min(p.pos+1, len(p.s))
	if escaped {
		text = unescape(text)
	}
	return strings.TrimSpace(text)
}

// unescape resolves quoted-pairs.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// readAngle reads "<…>"; quotes inside may hide a ">".
func (p *addressParser) readAngle() {
	for p.pos < len(p.s) && p.s[p.pos] == '<' {
		p.pos++
	}
	start := p.pos
	for p.pos < len(p.s) && p.s[p.pos] != '>' && p.s[p.pos] != '<' {
		if p.s[p.pos] == '"' {
			p.readQuoted()
		} else {
			p.pos++
		}
	}
	if !p.hasSpec || p.angle == "" { // the first one counts
		p.angle = p.s[start:p.pos]
	}
	p.hasSpec = true
}

// startGroup makes the words before ":" the name of a group. Elsewhere, as in
// "mailto:ana@example.org" after an address has begun, the colon is dropped.
func (p *addressParser) startGroup() {
	if p.group || p.hasSpec || len(p.words) == 0 {
		return
	}
	name := phrase(p.words)
	if name == "" { // a quoted name of nothing must not look like an end
		name = MissingMailbox
	}
	p.list = append(p.list, Address{Mailbox: name})
	p.group = true
	p.reset()
}

func (p *addressParser) reset() {
	p.words, p.comment, p.angle, p.hasSpec = p.words[:0], "", "", false
}

// finish ends the address that is being read.
func (p *addressParser) finish() {
	switch {
	case p.hasSpec:
		a := parseSpec(p.angle)
		if a.Name = phrase(p.words); a.Name == "" {
			a.Name = p.comment
		}
		if a.Mailbox != "" || a.Name != "" {
			p.add(a)
		}
	case len(p.words) > 0:
		a := bareAddress(p.words)
		if a.Name == "" {
			a.Name = p.comment
		}
		p.add(a)
	}
	p.reset()
}

// add keeps a from looking like the begin or end of a group.
func (p *addressParser) add(a Address) {
	if a.Mailbox == "" {
		a.Mailbox = MissingMailbox
	}
	if a.Host == "" {
		a.Host = MissingHost
	}
	p.list = append(p.list, a)
}

// phrase joins words as a display name.
func phrase(words []word) string {
	if len(words) == 1 {
		return strings.TrimSpace(words[0].text)
	}
	var b strings.Builder
	for i, w := range words {
		if i > 0 && (w.spaced || w.quoted != words[i-1].quoted) {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return strings.TrimSpace(b.String())
}

// bareAddress makes an address of words without angle brackets. In
// "Ana ana@example.org" the word with the @ is the address.
func bareAddress(words []word) Address {
	at := -1
	for i, w := range words {
		if !w.quoted && strings.IndexByte(w.text, '@') >= 0 {
			at = i
		}
	}
	if at < 0 {
		if len(words) > 1 {
			return Address{Name: phrase(words)}
		}
		return Address{Mailbox: words[0].text}
	}
	from, to := at, at+1
	for from > 0 && joined(words[from-1], words[from]) {
		from--
	}
	for to < len(words) && joined(words[to-1], words[to]) {
		to++
	}
	var local, host strings.Builder
	for i, w := range words[from:to] {
		text := w.text
		if from+i == at {
			k := strings.LastIndexByte(text, '@')
			local.WriteString(text[:k])
			text = text[k+1:]
		}
		if from+i < at {
			local.WriteString(text)
		} else {
			host.WriteString(text)
		}
	}
	rest := append(append([]word(nil), words[:from]...), words[to:]...)
	return Address{Name: phrase(rest), Mailbox: local.String(), Host: host.String()}
}

// joined reports whether two words belong to one addr-spec: nothing between
// them, or white space beside a dot or an @ (RFC 5322 section 4.4).
func joined(a, b word) bool {
	if !b.spaced {
		return true
	}
	return !a.quoted && strings.HasSuffix(a.text, ".") || !b.quoted && strings.HasPrefix(b.text, ".") ||
		!a.quoted && strings.HasSuffix(a.text, "@") || !b.quoted && strings.HasPrefix(b.text, "@")
}

// parseSpec reads what stood in angle brackets: an addr-spec, perhaps after a
// source route.
func parseSpec(s string) Address {
	if route, rest, ok := strings.Cut(s, ":"); ok && strings.HasPrefix(strings.TrimSpace(route), "@") {
		s = rest
	}
	if simpleSpec(s) {
		if i := strings.LastIndexByte(s, '@'); i >= 0 {
			return Address{Mailbox: s[:i], Host: s[i+1:]}
		}
		return Address{Mailbox: s}
	}
	var local strings.Builder
	p := addressParser{s: s}
	at := -1 // where, in local, the last @ outside quotes stood
	for p.pos < len(p.s) {
		switch c := p.s[p.pos]; c {
		case ' ', '\t', '\r', '\n':
			p.pos++
		case '(':
			p.comment = p.readComment()
		case '"':
			local.WriteString(p.readQuoted())
		default:
			if c == '@' {
				at = local.Len()
			}
			local.WriteByte(c)
			p.pos++
		}
	}
	text := local.String()
	if at < 0 {
		return Address{Name: p.comment, Mailbox: text}
	}
	return Address{Mailbox: text[:at], Host: text[at+1:]}
}

// simpleSpec reports whether s has nothing to take out.
func simpleSpec(s string) bool { return !strings.ContainsAny(s, " \t\r\n(\"") }

// ParseMsgIDs returns the identifiers in the value of Message-ID, In-Reply-To
// or References, without their angle brackets. White space inside of them,
// which bad folding leaves, is dropped; where there are no brackets at all,
// words with an @ are taken.
func ParseMsgIDs(value string) []string {
	var ids []string
	for rest := value; ; {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
		end := strings.IndexAny(rest, "<>")
		if end < 0 {
			break
		}
		if id := squeeze(rest[:end]); id != "" && rest[end] == '>' {
			ids = append(ids, id)
		}
		rest = rest[end:]
	}
	if ids == nil && strings.IndexByte(value, '<') < 0 {
		for w := range strings.FieldsSeq(value) {
			if strings.IndexByte(w, '@') > 0 {
				ids = append(ids, strings.TrimSuffix(w, ">"))
			}
		}
	}
	return ids
}

// squeeze drops white space.
func squeeze(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return strings.Join(strings.Fields(s), "")
}
