package message

import "strings"

// SubjectBase returns the base subject of RFC 5256 section 2.1 of a decoded
// subject, and whether it was that of a reply or forwarded message.
func SubjectBase(s string) (base string, reply bool) {
	s = strings.Join(strings.Fields(s[:min(len(s), maxLine)]), " ") // bounded: each blob is looked at again
	for {
		before := s
		for { // trailers
			rest, ok := cutSuffixFold(s, "(fwd)")
			if !ok {
				break
			}
			s, reply = strings.TrimSpace(rest), true
		}
		for { // leaders: blobs and "Re:"
			rest, isReply, ok := cutLeader(s)
			if !ok {
				break
			}
			s, reply = rest, reply || isReply
		}
		if rest, ok := cutBlob(s); ok && rest != "" {
			s = rest
		}
		if inner, ok := cutForward(s); ok {
			s, reply = inner, true
		}
		if s == before {
			return s, reply
		}
	}
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if n := len(s) - len(suffix); n >= 0 && strings.EqualFold(s[n:], suffix) {
		return s[:n], true
	}
	return s, false
}

// cutLeader cuts blobs and then "re", "fw" or "fwd", a blob and a colon.
func cutLeader(s string) (rest string, reply, ok bool) {
	rest = s
	for {
		r, found := cutBlob(rest)
		if !found {
			break
		}
		rest = r
	}
	word := strings.ToLower(rest[:min(len(rest), 3)])
	switch {
	case word == "fwd":
		rest = rest[3:]
	case strings.HasPrefix(word, "re"), strings.HasPrefix(word, "fw"):
		rest = rest[2:]
	default:
		return s, false, false
	}
	rest = strings.TrimLeft(rest, " ")
	rest, _ = cutBlob(rest)
	rest, ok = strings.CutPrefix(rest, ":")
	if !ok {
		return s, false, false
	}
	return strings.TrimLeft(rest, " "), true, true
}

// cutBlob cuts "[…]" and the space after it.
func cutBlob(s string) (string, bool) {
	if s == "" || s[0] != '[' {
		return s, false
	}
	end := strings.IndexAny(s[1:], "[]")
	if end < 0 || s[1+end] == '[' {
		return s, false
	}
	return strings.TrimLeft(s[end+2:], " "), true
}

// cutForward unwraps "[fwd: …]".
func cutForward(s string) (string, bool) {
	if len(s) > 6 && strings.EqualFold(s[:5], "[fwd:") && s[len(s)-1] == ']' {
		return strings.TrimSpace(s[5 : len(s)-1]), true
	}
	return s, false
}
