package junk

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/mailstead/mailstead/mail"
)

// lookAlikes maps letters to the Latin letter they are taken for, as Unicode
// Technical Standard 39 means it; what has marks loses them before.
var lookAlikes = map[rune]string{
	// Cyrillic
	'а': "a", 'в': "b", 'с': "c", 'ԁ': "d", 'е': "e", 'һ': "h", 'і': "i", 'ј': "j", 'к': "k", 'ӏ': "l", 'м': "m", 'п': "n", 'о': "o", 'р': "p",
	'ԛ': "q", 'г': "r", 'ѕ': "s", 'т': "t", 'у': "y", 'ѵ': "v", 'ԝ': "w", 'х': "x", 'ь': "b", 'н': "h", 'з': "3",
	// Greek
	'α': "a", 'β': "b", 'ε': "e", 'γ': "y", 'η': "n", 'ι': "i", 'κ': "k", 'ν': "v", 'ο': "o", 'ρ': "p", 'τ': "t", 'υ': "u", 'χ': "x", 'ω': "w",
	// Latin
	'ı': "i", 'ɩ': "i", 'ɡ': "g", 'ɑ': "a", 'ƅ': "b", 'ɓ': "b", 'ƈ': "c", 'ɗ': "d", 'đ': "d", 'ɛ': "e", 'ħ': "h", 'ł': "l", 'ɭ': "l", 'ŋ': "n",
	'ø': "o", 'ƿ': "p", 'ƥ': "p", 'ŧ': "t", 'ʋ': "v", 'ʏ': "y", 'ƴ': "y", 'ʐ': "z", 'æ': "ae", 'œ': "oe", 'ß': "b", 'þ': "p",
	// Digits, and letters that are hard to tell apart
	'0': "o", '1': "l", 'i': "l", '5': "s", '3': "e",
}

// pairs are two letters that look like one.
var pairs = strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "-", "")

// skeleton returns what a name looks like: two that look alike have the same.
func skeleton(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(name) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		r = unicode.ToLower(r)
		if to, ok := lookAlikes[r]; ok {
			for _, t := range to {
				if more, ok := lookAlikes[t]; ok {
					b.WriteString(more)
				} else {
					b.WriteRune(t)
				}
			}
			continue
		}
		b.WriteRune(r)
	}
	return pairs.Replace(b.String())
}

// orgSkeleton is the skeleton of an organisational domain as people see it,
// without its public suffix.
func orgSkeleton(org string) string {
	name, _, _ := strings.Cut(mail.Domain(org).Unicode(), ".")
	return skeleton(name)
}

// looksLike reports whether two different domains look alike: their names are
// the same at first sight, or one letter was changed, left out, added or
// swapped in a name of six or more.
func looksLike(a, b string) bool {
	if a == "" || b == "" || a == b {
		return false
	}
	sa, sb := orgSkeleton(a), orgSkeleton(b)
	if sa == sb {
		// The same name under another suffix is somebody else's right to have.
		na, _, _ := strings.Cut(a, ".")
		nb, _, _ := strings.Cut(b, ".")
		return na != nb
	}
	return len(sa) >= 6 && len(sb) >= 6 && nearly(sa, sb)
}

// nearly reports whether one change makes b of a.
func nearly(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if i+1 >= len(a) {
		return true
	}
	return a[i+1:] == b[i+1:] || a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// ours are the organisational domains of the recipients.
func (l *letter) ours() []string {
	var list []string
	for _, r := range l.e.Envelope.Recipients[:min(len(l.e.Envelope.Recipients), 20)] {
		if org := authorOrg(r.Path); org != "" && !slices.Contains(list, org) {
			list = append(list, org)
		}
	}
	return list
}

func looksLikeOurs(l *letter) bool {
	return slices.ContainsFunc(l.ours(), func(our string) bool { return looksLike(l.fields.org, our) })
}

func linkLooksLikeOurs(l *letter) bool {
	if len(l.links.hosts) == 0 {
		return false
	}
	ours := l.ours()
	for _, h := range l.links.hosts[:min(len(l.links.hosts), 20)] {
		if slices.ContainsFunc(ours, func(our string) bool { return looksLike(h.org, our) }) {
			return true
		}
	}
	return false
}

// mixedName reports whether a label mixes Latin with Cyrillic or Greek, or
// consists of nothing but letters that look like Latin ones.
func mixedName(d mail.Domain) bool {
	if !strings.Contains(string(d), "xn--") {
		return false
	}
	for label := range strings.SplitSeq(d.Unicode(), ".") {
		var s scripts
		disguised, letters := 0, 0
		for _, r := range label {
			if r < 0x80 && unicode.IsLetter(r) {
				s |= scriptLatin
			}
			s |= scriptOf(r)
			if unicode.IsLetter(r) {
				letters++
				if _, ok := lookAlikes[r]; ok && scriptOf(r)&(scriptCyrillic|scriptGreek) != 0 {
					disguised++
				}
			}
		}
		if s&(s-1) != 0 || letters > 0 && disguised == letters {
			return true
		}
	}
	return false
}

// nameIsOtherAddress: "ana@bank.example <x@evil.example>".
func nameIsOtherAddress(l *letter) bool {
	return slices.ContainsFunc(nameWords(l), func(w string) bool {
		at := strings.LastIndexByte(w, '@')
		return at > 0 && l.isOther(w[at+1:])
	})
}

// nameHasOtherDomain: "bank.example support <x@evil.example>".
func nameHasOtherDomain(l *letter) bool {
	return slices.ContainsFunc(nameWords(l), func(w string) bool { return !strings.Contains(w, "@") && l.isOther(w) })
}

func nameWords(l *letter) []string {
	if !strings.Contains(l.fields.nameText, ".") {
		return nil
	}
	return strings.FieldsFunc(l.fields.nameText, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`<>()[]"',;:|/`, r) })
}

// isOther reports whether text is the name of a domain that is not the
// author's, nor looks like the name of its owner.
func (l *letter) isOther(text string) bool {
	d, err := mail.ParseDomain(strings.Trim(text, "."))
	return err == nil && strings.Contains(string(d), ".") && knownSuffix(string(d)) && orgDomain(string(d)) != l.fields.org
}

// nameIsOurs: "Example Support <x@evil.example>" to somebody at example.org.
func nameIsOurs(l *letter) bool {
	if l.fields.nameText == "" || l.fields.org == "" || l.authentic() && l.fields.has&hasListID != 0 {
		return false
	}
	first, _, _ := strings.Cut(l.fields.nameText, " ")
	sk := skeleton(strings.Trim(first, `"'-:,`))
	return len(sk) >= 4 && slices.ContainsFunc(l.ours(), func(our string) bool { return our != l.fields.org && orgSkeleton(our) == sk })
}

// fromSelf: to ana@example.org from ana@example.org, and it is not true.
func fromSelf(l *letter) bool {
	a := l.fields.author
	return a.Domain != "" && !l.authentic() &&
		slices.ContainsFunc(l.e.Envelope.Recipients, func(r mail.Recipient) bool { return r.Path.Key() == a.Key() })
}
