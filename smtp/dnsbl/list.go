package dnsbl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Kind is what a list has entries for, and what that says.
type Kind uint8

const (
	Addresses Kind = iota // of those who send junk
	Domains               // that are seen in junk
	Allow                 // addresses of those who send good mail
)

// Bounds of what is configured.
const (
	maxLists = 20 // of one kind; each is asked about each message
	maxCodes = 32 // of one list
	maxScore = 10
)

// List is one list. Lists of a kind are told apart by their Name.
type List struct {
	Name  string // its zone, with a placeholder for a key: "{dqs}.zen.dq.spamhaus.net"
	Kind  Kind
	Codes []Code
	Test  string // a domain that is always listed; of lists of domains
}

// Code says what answers mean.
type Code struct {
	pattern [4]octet
	Score   float64
	// Refuse says that nobody sends good mail from there, so that mail may be
	// refused for it alone.
	Refuse bool
}

// octet matches one octet of an answer: those from low to high that have all
// bits of mask.
type octet struct{ low, high, mask byte }

// None is what a text without lists is, where a setting may not be empty.
const None = "none"

// Parse reads lists of one kind, with semicolons between them:
//
//	zen.spamhaus.org 127.0.0.2-3=3 127.0.0.9=8! 127.0.0.10-11=2; bl.example.org 127.0.0.2=1.5
//
// After its name a list has the codes it may answer with, and the score of each.
// An octet of a code is a number, a range, "*" for any, or "&8" for all with
// that bit. A "!" after a score lets mail be refused for it. Scores are above 0,
// those of Allow below. "test=DOMAIN" names what a list of domains always has;
// without it that is "test" (RFC 5782 section 5). "{NAME}" as the first label
// stands for a key, see [ParseKeys]. "none" is no list.
func Parse(kind Kind, text string) ([]List, error) {
	if strings.TrimSpace(text) == None {
		return nil, nil
	}
	var lists []List
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		l, err := parseList(kind, words)
		if err != nil {
			return nil, err
		}
		if seen[l.Name] {
			return nil, fmt.Errorf("%s is there twice", l.Name)
		}
		seen[l.Name] = true
		lists = append(lists, l)
	}
	if len(lists) > maxLists {
		return nil, fmt.Errorf("there are %d lists; %d are enough", len(lists), maxLists)
	}
	return lists, nil
}

func parseList(kind Kind, words []string) (List, error) {
	name, err := parseName(words[0])
	if err != nil {
		return List{}, err
	}
	l := List{Name: name, Kind: kind}
	if kind == Domains {
		l.Test = "test"
	}
	for _, w := range words[1:] {
		if test, ok := strings.CutPrefix(w, "test="); ok && kind == Domains {
			d, err := mail.ParseDomain(test)
			if err != nil {
				return List{}, fmt.Errorf("%s: test=%s is not a domain", name, test)
			}
			l.Test = string(d)
			continue
		}
		c, err := parseCode(kind, w)
		if err != nil {
			return List{}, fmt.Errorf("%s: %w", name, err)
		}
		l.Codes = append(l.Codes, c)
	}
	if len(l.Codes) == 0 || len(l.Codes) > maxCodes {
		return List{}, fmt.Errorf("%s: write from 1 to %d codes with their scores after it, as in 127.0.0.2=4", name, maxCodes)
	}
	return l, nil
}

// keyed are zones whose lists have a key before them.
var keyed = []string{".dq.spamhaus.net"}

var errKeyInName = errors.New("the first label of a list's name is a key; put keys into blocklists.keys as in dqs=KEY, and write {dqs} in its place")

// longLabel is how long a label is that can only be a key.
const longLabel = 20

// parseName reads the name of a list. What is wrong is told without the name
// where that may hold a key.
func parseName(s string) (string, error) {
	rest := s
	key, after, isKeyed := strings.Cut(strings.TrimPrefix(s, "{"), "}.")
	if strings.HasPrefix(s, "{") {
		if !isKeyed || !isKeyName(key) {
			return "", errors.New("a name that begins with { goes on as in {dqs}.zen.example.net, with letters and digits between")
		}
		rest = after
	}
	d, err := mail.ParseDomain(rest)
	if err != nil || d.IsLiteral() || !strings.Contains(string(d), ".") {
		if len(rest) >= longLabel {
			return "", errors.New("the name of a list is not a domain name")
		}
		return "", fmt.Errorf("%q is not the name of a list; write it as in zen.spamhaus.org 127.0.0.2=4", rest)
	}
	if !isKeyed && holdsKey(string(d)) {
		return "", errKeyInName
	}
	if isKeyed {
		return "{" + key + "}." + string(d), nil
	}
	return string(d), nil
}

func holdsKey(name string) bool {
	label, _, _ := strings.Cut(name, ".")
	if len(label) >= longLabel {
		return true
	}
	for _, zone := range keyed {
		if before, ok := strings.CutSuffix(name, zone); ok && strings.Contains(before, ".") {
			return true
		}
	}
	return false
}

func isKeyName(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != "" && len(s) <= longLabel
}

func parseCode(kind Kind, s string) (Code, error) {
	pattern, score, ok := strings.Cut(s, "=")
	if !ok {
		return Code{}, fmt.Errorf("%q is not a code with its score; write it as in 127.0.0.2=4", s)
	}
	var c Code
	score, c.Refuse = strings.CutSuffix(score, "!")
	n, err := strconv.ParseFloat(score, 64)
	switch {
	case err != nil || !(n >= -maxScore && n <= maxScore):
		return Code{}, fmt.Errorf("%q: the score must be a number up to %d", s, maxScore)
	case kind == Allow && (n >= 0 || c.Refuse):
		return Code{}, fmt.Errorf("%q: a list of good senders has scores below 0", s)
	case kind != Allow && n <= 0:
		return Code{}, fmt.Errorf("%q: a blocklist has scores above 0", s)
	}
	c.Score = n
	octets := strings.Split(pattern, ".")
	if len(octets) != 4 || octets[0] != "127" {
		return Code{}, fmt.Errorf("%q: codes are addresses that begin with 127", s)
	}
	for i, o := range octets {
		if c.pattern[i], ok = parseOctet(o); !ok {
			return Code{}, fmt.Errorf("%q: an octet is a number up to 255, a range as in 4-7, * for any, or a bit as in &8", s)
		}
	}
	return c, nil
}

func parseOctet(s string) (octet, bool) {
	if s == "*" {
		return octet{0, 255, 0}, true
	}
	if bits, ok := strings.CutPrefix(s, "&"); ok {
		n, err := strconv.ParseUint(bits, 10, 8)
		return octet{0, 255, byte(n)}, err == nil && n > 0
	}
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	a, err1 := strconv.ParseUint(low, 10, 8)
	b, err2 := strconv.ParseUint(high, 10, 8)
	return octet{byte(a), byte(b), 0}, err1 == nil && err2 == nil && a <= b
}

func (c *Code) matches(a [4]byte) bool {
	for i, o := range c.pattern {
		if a[i] < o.low || a[i] > o.high || a[i]&o.mask != o.mask {
			return false
		}
	}
	return true
}

// find returns the code with the largest weight that one of the answers has,
// and the answer.
func (l *List) find(answers []netip.Addr) (best *Code, answer netip.Addr) {
	for _, a := range answers {
		four := a.Unmap().As4()
		for i := range l.Codes {
			c := &l.Codes[i]
			if c.matches(four) && (best == nil || weight(c.Score) > weight(best.Score)) {
				best, answer = c, a
			}
		}
	}
	return best, answer
}

func weight(score float64) float64 { return max(score, -score) }

// ParseKeys reads the keys that stand in names of lists, as in "dqs=KEY
// other=KEY". Errors do not show a key.
func ParseKeys(text string) (map[string]string, error) {
	keys := map[string]string{}
	for w := range strings.FieldsSeq(text) {
		name, key, ok := strings.Cut(w, "=")
		if !ok || !isKeyName(name) {
			return nil, errors.New("write keys as in dqs=KEY, with spaces between them")
		}
		if d, err := mail.ParseDomain(key); err != nil || d.IsLiteral() || len(key) > 63 {
			return nil, fmt.Errorf("the key of %s is not a part of a domain name", name)
		}
		keys[name] = key
	}
	return keys, nil
}

// zone returns the name that is asked for, with its key; "" if there is none.
func (l *List) zone(keys map[string]string) string {
	if !strings.HasPrefix(l.Name, "{") {
		return l.Name
	}
	name, rest, _ := strings.Cut(l.Name[1:], "}")
	key, ok := keys[name]
	if !ok {
		return ""
	}
	return key + rest
}
