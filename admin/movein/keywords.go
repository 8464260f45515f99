package movein

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of keywords: an account has 64 different ones, of which some are left
// for the programs that will be used.
const (
	maxKeywords    = 60
	maxKeywordName = 255
)

// keywords are those that messages of the account may have.
type keywords struct {
	names []string
	lost  map[string]bool // told already
}

// load reads the keywords there are.
func (k *keywords) load(v *mailbox.View) {
	k.names = nil
	for _, n := range v.Keywords() {
		if n != "" {
			k.names = append(k.names, n)
		}
	}
}

// takeKeywords returns those of list that a message here can have. Others are
// a problem that is told once.
func (r *run) takeKeywords(list []string) (kept []string) {
	if len(list) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := &r.keywords
	for _, name := range list {
		same := func(n string) bool { return strings.EqualFold(n, name) }
		switch {
		case slices.ContainsFunc(kept, same):
		case slices.ContainsFunc(k.names, same):
			kept = append(kept, name)
		case !isKeyword(name):
			r.loseKeyword(name, "it has characters that a keyword cannot have, or is too long")
		case len(k.names) >= maxKeywords:
			r.loseKeyword(name, fmt.Sprintf("an account can have %d different keywords", maxKeywords))
		default:
			k.names = append(k.names, name)
			kept = append(kept, name)
		}
	}
	return kept
}

// loseKeyword tells that a keyword is left out; r.mu is held.
func (r *run) loseKeyword(name, why string) {
	if r.keywords.lost[name] || len(r.keywords.lost) >= maxProblems {
		return
	}
	if r.keywords.lost == nil {
		r.keywords.lost = map[string]bool{}
	}
	r.keywords.lost[name] = true
	r.report.trouble(Problem{fmt.Sprintf("keyword %.80q", name), why + "; messages come without it"})
}

// isKeyword reports whether a name is an atom of IMAP (RFC 9051 section 9).
func isKeyword(name string) bool {
	if name == "" || len(name) > maxKeywordName {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}
