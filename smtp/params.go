package smtp

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailstead/mailstead/mail"
)

// Bounds of parameters.
const (
	maxParams = 20
	maxEnvID  = 100 // RFC 3461 section 4.4
	maxORcpt  = 500 // RFC 3461 section 4.2
)

// syntaxError is 501 5.5.4 with what is wrong.
func syntaxError(text string) *mail.Error {
	return &mail.Error{Status: mail.Status{Class: 5, Subject: 5, Detail: 4}, Code: 501, Text: text}
}

// badPath is the reply to an address that is not one (RFC 3463 section 3.2).
func badPath(detail uint16, err error) *mail.Error {
	return &mail.Error{Status: mail.Status{Class: 5, Subject: 1, Detail: detail}, Code: 501, Text: err.Error()}
}

var errNeedsUTF8 = &mail.Error{Status: mail.Status{Class: 5, Subject: 6, Detail: 7}, Code: 553,
	Text: "an address beyond ASCII needs SMTPUTF8"}

// ParseMail reads the argument of MAIL: "FROM:<path> PARAM=value …" (RFC 5321
// section 4.1.1.2). It fails with a *mail.Error.
func ParseMail(arg string) (mail.Envelope, error) {
	path, params, err := splitArgument(arg, "FROM:")
	if err != nil {
		return mail.Envelope{}, err
	}
	var env mail.Envelope
	if env.ReversePath, err = mail.ParsePath(path); err != nil {
		return mail.Envelope{}, badPath(7, err)
	}
	if env.ReversePath.Domain == "" && !env.ReversePath.IsNull() {
		return mail.Envelope{}, badPath(7, errors.New("the address has no domain"))
	}
	for _, p := range params {
		if err := setMailParam(&env, p); err != nil {
			return mail.Envelope{}, err
		}
	}
	if !env.UTF8 && !isASCII(arg) {
		return mail.Envelope{}, errNeedsUTF8
	}
	return env, nil
}

// ParseRcpt reads the argument of RCPT: "TO:<path> PARAM=value …". utf8 says
// that the transaction was begun with SMTPUTF8.
func ParseRcpt(arg string, utf8 bool) (mail.Recipient, error) {
	path, params, err := splitArgument(arg, "TO:")
	if err != nil {
		return mail.Recipient{}, err
	}
	var r mail.Recipient
	if r.Path, err = mail.ParsePath(path); err != nil {
		return mail.Recipient{}, badPath(3, err)
	}
	if r.Path.IsNull() {
		return mail.Recipient{}, badPath(3, errors.New("a recipient cannot be <>"))
	}
	for _, p := range params {
		if err := setRcptParam(&r, p); err != nil {
			return mail.Recipient{}, err
		}
	}
	if !utf8 && !isASCII(arg) {
		return mail.Recipient{}, errNeedsUTF8
	}
	return r, nil
}

// param is one parameter, its name in capitals.
type param struct {
	name, value string
	hasValue    bool
}

// splitArgument separates path and parameters. A space after the colon is
// taken: too many clients send one.
func splitArgument(arg, keyword string) (path string, params []param, err error) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return "", nil, syntaxError("expected " + keyword + "<address>")
	}
	rest := strings.TrimLeft(arg[len(keyword):], " ")
	end := pathEnd(rest)
	if end < 0 {
		return "", nil, badPath(pathDetail(keyword), errors.New("the address must be in angle brackets"))
	}
	path, rest = rest[:end], rest[end:]
	if rest != "" && rest[0] != ' ' {
		return "", nil, syntaxError("expected a space after the address")
	}
	seen := map[string]bool{}
	for _, f := range strings.Fields(rest) {
		name, value, has := strings.Cut(f, "=")
		name = strings.ToUpper(name)
		if !validKeyword(name) || has && value == "" || seen[name] || len(seen) >= maxParams {
			return "", nil, syntaxError("a parameter is malformed or given twice")
		}
		seen[name] = true
		params = append(params, param{name, value, has})
	}
	return path, params, nil
}

// pathEnd finds the end of a path in angle brackets; brackets in a quoted
// local-part do not count.
func pathEnd(s string) int {
	if s == "" || s[0] != '<' {
		return -1
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return i + 1
		}
	}
	return -1
}

// validKeyword checks esmtp-keyword of RFC 5321 section 4.1.2.
func validKeyword(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return false
		}
	}
	return s != ""
}

func setMailParam(env *mail.Envelope, p param) error {
	bad := syntaxError("the value of " + p.name + " is not valid")
	switch p.name {
	case "SIZE":
		n, err := strconv.ParseUint(p.value, 10, 64) // 20 digits, RFC 1870 section 3
		if len(p.value) > 20 || err != nil && !errors.Is(err, strconv.ErrRange) {
			return bad
		}
		env.Size = int64(min(n, math.MaxInt64))
	case "BODY":
		for _, b := range []mail.BodyType{mail.Body7Bit, mail.Body8BitMIME, mail.BodyBinaryMIME} {
			if strings.EqualFold(p.value, b.String()) {
				env.Body = b
				return nil
			}
		}
		return bad
	case "SMTPUTF8", "REQUIRETLS":
		if p.hasValue {
			return bad
		}
		env.UTF8 = env.UTF8 || p.name == "SMTPUTF8"
		env.RequireTLS = env.RequireTLS || p.name == "REQUIRETLS"
	case "RET":
		switch strings.ToUpper(p.value) {
		case "FULL":
			env.Ret = mail.RetFull
		case "HDRS":
			env.Ret = mail.RetHeaders
		default:
			return bad
		}
	case "ENVID":
		v, ok := DecodeXText(p.value)
		if !ok || v == "" || len(p.value) > maxEnvID || !printable(v) {
			return bad
		}
		env.EnvID = v
	case "AUTH":
		v, ok := DecodeXText(p.value)
		if !ok || v == "" {
			return bad
		}
		env.Auth = v
	default:
		return unknownParam(p.name)
	}
	return nil
}

// unknownParam is RFC 5321 section 4.1.1.11.
func unknownParam(name string) error {
	return &mail.Error{Status: mail.Status{Class: 5, Subject: 5, Detail: 4}, Code: 555, Text: "parameter " + name + " is not known"}
}

func setRcptParam(r *mail.Recipient, p param) error {
	bad := syntaxError("the value of " + p.name + " is not valid")
	switch p.name {
	case "NOTIFY":
		n, ok := parseNotify(p.value)
		if !ok {
			return bad
		}
		r.Notify = n
	case "ORCPT":
		v, ok := parseORcpt(p.value)
		if !ok {
			return bad
		}
		r.ORcpt = v
	default:
		return unknownParam(p.name)
	}
	return nil
}

// parseNotify reads RFC 3461 section 4.1: NEVER stands alone.
func parseNotify(s string) (mail.Notify, bool) {
	var n mail.Notify
	for word := range strings.SplitSeq(s, ",") {
		switch strings.ToUpper(word) {
		case "NEVER":
			return mail.NotifyNever, strings.EqualFold(s, "NEVER")
		case "SUCCESS":
			n |= mail.NotifySuccess
		case "FAILURE":
			n |= mail.NotifyFailure
		case "DELAY":
			n |= mail.NotifyDelay
		default:
			return 0, false
		}
	}
	return n, true
}

// parseORcpt reads "addr-type;xtext", or for the type utf-8 its own encoding
// (RFC 6533 section 3).
func parseORcpt(s string) (string, bool) {
	kind, addr, ok := strings.Cut(s, ";")
	if !ok || len(s) > maxORcpt || !validKeyword(strings.ToUpper(kind)) {
		return "", false
	}
	decode := DecodeXText
	if strings.EqualFold(kind, "utf-8") {
		decode = decodeUTF8Address
	}
	v, ok := decode(addr)
	if !ok || v == "" || !printable(v) {
		return "", false
	}
	return strings.ToLower(kind) + ";" + v, true
}

// DecodeXText undoes RFC 3461 section 4: +XX for an octet.
func DecodeXText(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			if i+2 >= len(s) {
				return "", false
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil || strings.ToUpper(s[i+1:i+3]) != s[i+1:i+3] {
				return "", false
			}
			b.WriteByte(byte(n))
			i += 2
		case c <= ' ' || c == '=' || c >= 0x7f:
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// EncodeXText makes RFC 3461 section 4 xtext.
func EncodeXText(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '+' || c == '=' {
			b.Write([]byte{'+', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// decodeUTF8Address reads utf-8-addr-xtext and -unitext: \x{HEX} for a
// character, or the character itself (RFC 6533 section 3).
func decodeUTF8Address(s string) (string, bool) {
	var b strings.Builder
	for len(s) > 0 {
		hex, found := strings.CutPrefix(s, `\x{`)
		if !found {
			r, n := utf8.DecodeRuneInString(s)
			if r == utf8.RuneError && n <= 1 || r <= ' ' || r == 0x7f {
				return "", false
			}
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		digits, rest, ok := strings.Cut(hex, "}")
		n, err := strconv.ParseUint(digits, 16, 32)
		if !ok || err != nil || len(digits) > 6 || !utf8.ValidRune(rune(n)) || n < ' ' {
			return "", false
		}
		b.WriteRune(rune(n))
		s = rest
	}
	return b.String(), true
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= utf8.RuneSelf }) < 0
}

// ParseHello checks the argument of HELO or EHLO: a domain or an address
// literal. What clients of the real world send beyond that (underscores,
// single labels, a final dot) passes; control characters and spaces do not.
func ParseHello(arg string) (string, error) {
	name, _, _ := strings.Cut(arg, " ")
	if name == "" || len(name) > 255 || !printable(name) || !isASCII(name) || strings.ContainsAny(name, "<>()\"\\,;") {
		return "", syntaxError("expected your host name")
	}
	return name, nil
}

// pathDetail is 5.1.7 for a reverse-path, 5.1.3 for a recipient.
func pathDetail(keyword string) uint16 {
	if keyword == "FROM:" {
		return 7
	}
	return 3
}
