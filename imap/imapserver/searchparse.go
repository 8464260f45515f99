package imapserver

import (
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of one SEARCH.
const (
	maxSearchDepth = 50
	maxNeedles     = 50  // texts to look for: each costs a pass over every message
	maxKeys        = 500 // of all kinds: a page of messages is judged in one snapshot
)

// searchRequest is SEARCH with its arguments.
type searchRequest struct {
	options  imap.SearchOptions
	extended bool // RETURN was given
	root     key
	within   *mailbox.UIDSet // where to look at all; nil: everywhere
	modSeq   bool            // MODSEQ was among the keys

	keywords []*keywordKey // get their bits in each snapshot
	needles  []needle      // texts to look for
	envelope bool          // some key reads the envelope
}

// searchParser reads the keys.
type searchParser struct {
	s       *session
	args    *imapwire.Decoder
	req     *searchRequest
	charset encoding.Encoding // nil: UTF-8
	depth   int
	keys    int
	err     error // NO, not BAD
}

func (s *session) parseSearch(args *imapwire.Decoder) (*searchRequest, error) {
	req := &searchRequest{root: and{}}
	p := &searchParser{s: s, args: args, req: req}
	args.SP()
	name := ""
	if !p.atSet() && args.Peek() != '(' {
		name = args.Name()
	}
	if name == "RETURN" {
		req.extended = true
		args.SP().List(p.returns)
		args.SP()
		name = p.nextName()
	}
	if name == "CHARSET" {
		if p.s.utf8 {
			args.Fail("CHARSET has no place after UTF8=ACCEPT") // RFC 6855 section 3
		}
		p.setCharset(args.SP().AString())
		args.SP()
		name = p.nextName()
	}
	if o := &req.options; !o.ReturnMin && !o.ReturnMax && !o.ReturnAll && !o.ReturnCount && !o.ReturnSave {
		o.ReturnAll = true
	}
	keys := and{p.key(name)}
	for p.err == nil && args.TrySP() {
		keys = append(keys, p.key(p.nextName()))
	}
	if p.err != nil {
		return req, p.err
	}
	if err := args.End(); err != nil {
		return req, err
	}
	for _, k := range keys {
		if set, ok := k.(setKey); ok {
			req.within = set.uids
			break
		}
	}
	req.root = keys.sorted()
	if req.modSeq {
		s.condStore = true
	}
	return req, nil
}

func (p *searchParser) returns() {
	o := &p.req.options
	switch p.args.Name() {
	case "MIN":
		o.ReturnMin = true
	case "MAX":
		o.ReturnMax = true
	case "ALL":
		o.ReturnAll = true
	case "COUNT":
		o.ReturnCount = true
	case "SAVE":
		o.ReturnSave = true
	default:
		p.args.Fail("Unknown return option")
	}
}

// setCharset chooses how strings are encoded (RFC 9051 section 6.4.4).
func (p *searchParser) setCharset(name string) {
	if strings.EqualFold(name, "UTF-8") || strings.EqualFold(name, "US-ASCII") {
		return
	}
	enc, err := htmlindex.Get(name)
	if err != nil || enc == encoding.Replacement {
		p.fail(no(imapext.CodeBadCharset, "Charset is not known"))
		return
	}
	p.charset = enc
}

func (p *searchParser) fail(err error) {
	if p.err == nil && p.args.Err() == nil { // BAD goes before NO
		p.err = err
	}
}

// atSet reports whether a sequence set comes.
func (p *searchParser) atSet() bool {
	c := p.args.Peek()
	return c >= '0' && c <= '9' || c == '*' || c == '$'
}

// nextName reads the name of the next key; "" for a set or parenthesis.
func (p *searchParser) nextName() string {
	if p.atSet() || p.args.Peek() == '(' {
		return ""
	}
	return p.args.Name()
}

// key reads a key whose name was read.
func (p *searchParser) key(name string) key {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxSearchDepth {
		p.args.Fail("Search is nested too deeply")
	}
	if p.keys++; p.keys > maxKeys {
		p.fail(no(imap.ResponseCodeLimit, "Too many search keys"))
	}
	if p.args.Err() != nil || p.err != nil {
		return and{}
	}
	switch {
	case name != "":
	case p.args.Peek() == '(':
		var keys and
		p.args.List(func() { keys = append(keys, p.key(p.nextName())) })
		if len(keys) == 0 {
			p.args.Fail("Expected a search key")
		}
		return keys.sorted()
	default:
		return p.set(p.args.SeqSet())
	}
	if k, ok := flagKeys[name]; ok {
		return k
	}
	if k := p.combined(name); k != nil {
		return k
	}
	p.args.SP()
	if k := p.dateKey(name); k != nil {
		return k
	}
	if k := p.textKey(name); k != nil {
		return k
	}
	return p.numberKey(name)
}

// flagKeys are the keys without arguments. NEW and RECENT match nothing, since
// no message has \Recent here; OLD matches all.
var flagKeys = map[string]key{
	"ALL": and{}, "OLD": and{}, "SAVEDATESUPPORTED": and{},
	"NEW": not{and{}}, "RECENT": not{and{}},
	"ANSWERED": flagKey(mailbox.Answered), "UNANSWERED": not{flagKey(mailbox.Answered)},
	"DELETED": flagKey(mailbox.Deleted), "UNDELETED": not{flagKey(mailbox.Deleted)},
	"DRAFT": flagKey(mailbox.Draft), "UNDRAFT": not{flagKey(mailbox.Draft)},
	"FLAGGED": flagKey(mailbox.Flagged), "UNFLAGGED": not{flagKey(mailbox.Flagged)},
	"SEEN": flagKey(mailbox.Seen), "UNSEEN": not{flagKey(mailbox.Seen)},
}

// combined reads NOT and OR.
func (p *searchParser) combined(name string) key {
	switch name {
	case "NOT":
		p.args.SP()
		return not{p.key(p.nextName())}
	case "OR":
		p.args.SP()
		a := p.key(p.nextName())
		p.args.SP()
		b := p.key(p.nextName())
		if a.cost() > b.cost() {
			a, b = b, a
		}
		return or{a, b}
	}
	return nil
}

func (p *searchParser) set(set imap.NumSet) key {
	if err := p.args.Err(); err != nil {
		return and{}
	}
	uids, err := p.s.box.seqs.resolve(set, p.s.box.saved)
	if err != nil {
		p.fail(err)
		return and{}
	}
	return setKey{uids}
}

// dateKey reads the keys with a date.
func (p *searchParser) dateKey(name string) key {
	field := internalDate
	op := name
	if rest, ok := strings.CutPrefix(name, "SENT"); ok {
		field, op = sentDate, rest
	} else if rest, ok := strings.CutPrefix(name, "SAVED"); ok {
		field, op = saveDate, rest
	}
	i := slices.Index([]string{"BEFORE", "ON", "SINCE"}, op)
	if i < 0 {
		return nil
	}
	p.req.envelope = p.req.envelope || field == sentDate
	return dateKey{field: field, op: dateOp(i), day: p.args.Date()}
}

// textKey reads the keys with a string to be looked for.
func (p *searchParser) textKey(name string) key {
	switch name {
	case "SUBJECT", "FROM", "TO", "CC", "BCC":
		return p.envelopeKey(name)
	case "BODY":
		return p.needle(needle{in: inBody, text: p.text()})
	case "TEXT":
		return p.needle(needle{in: inText, text: p.text()})
	case "HEADER":
		field := p.args.AString()
		p.args.SP()
		// These are looked for often, and need no reading of the message.
		switch f := strings.ToUpper(field); f {
		case "SUBJECT", "MESSAGE-ID", "IN-REPLY-TO":
			return p.envelopeKey(f)
		}
		return p.needle(needle{in: inHeader, field: field, text: p.text()})
	}
	return nil
}

func (p *searchParser) envelopeKey(field string) key {
	p.req.envelope = true
	return envelopeKey{field: field, text: p.text()}
}

// text reads a string and makes it ready for comparison.
func (p *searchParser) text() string {
	s := p.args.AString()
	if p.charset != nil {
		if decoded, err := p.charset.NewDecoder().String(s); err == nil {
			s = decoded
		}
	}
	return string(appendFold(nil, []byte(strings.ToValidUTF8(s, "\uFFFD"))))
}

func (p *searchParser) needle(n needle) key {
	if len(p.req.needles) == maxNeedles {
		p.fail(no(imap.ResponseCodeLimit, "Too many texts to look for"))
		return and{}
	}
	p.req.needles = append(p.req.needles, n)
	return needleKey(len(p.req.needles) - 1)
}

// numberKey reads the remaining keys.
func (p *searchParser) numberKey(name string) key {
	switch name {
	case "LARGER":
		return sizeKey{larger: true, than: int64(p.args.Number64())}
	case "SMALLER":
		return sizeKey{than: int64(p.args.Number64())}
	case "KEYWORD", "UNKEYWORD":
		k := &keywordKey{name: p.args.Atom()}
		p.req.keywords = append(p.req.keywords, k)
		if name == "UNKEYWORD" {
			return not{k}
		}
		return k
	case "UID":
		return p.set(p.args.UIDSet())
	case "OLDER", "YOUNGER": // RFC 5032
		n := p.args.Number()
		if n == 0 {
			p.args.Fail("Expected a number above 0")
		}
		return ageKey{younger: name == "YOUNGER", than: p.s.srv.Now().Add(-time.Duration(n) * time.Second)}
	case "MODSEQ":
		return p.modSeqKey()
	case "EMAILID":
		return idKey(p.args.Atom())
	case "THREADID":
		return threadKey(p.args.Atom())
	}
	p.args.Fail("Unknown search key")
	return and{}
}

// modSeqKey reads MODSEQ (RFC 7162 section 3.1.5). A flag may be named whose
// mod-sequence is meant; there is one for all.
func (p *searchParser) modSeqKey() key {
	if p.args.Peek() == '"' {
		_ = p.args.String()
		switch p.args.SP().Name() {
		case "ALL", "PRIV", "SHARED":
		default:
			p.args.Fail("Expected all, priv or shared")
		}
		p.args.SP()
	}
	p.req.modSeq = true
	return modSeqKey(p.args.Number64())
}
