package inbound

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
)

// verdictField is the header field that tells an account what was decided.
const verdictField = "X-Mailstead-Verdict"

// Bounds of the field: delivery takes 2 KiB of header.
const (
	maxFieldReasons = 30
	maxFieldLine    = 76
)

// treat says what each account gets.
func (v Verdict) treat() func(mailbox.AccountID) delivery.Treatment {
	all := make(map[mailbox.AccountID]delivery.Treatment, len(v.Recipients))
	for i := range v.Recipients {
		r := &v.Recipients[i]
		all[r.Account] = r.treatment()
	}
	return func(id mailbox.AccountID) delivery.Treatment { return all[id] }
}

// places says where delivery puts what was not refused.
var places = [...]delivery.Place{Accept: delivery.Inbox, Junk: delivery.Junk, Quarantine: delivery.Quarantine}

func (r *Recipient) treatment() delivery.Treatment {
	d := r.Decision
	t := delivery.Treatment{Place: places[d.Action]}
	if r.Policy.Mode == verdict.Off && d.By == verdict.ByNothing {
		return t
	}
	t.Header = r.field()
	switch {
	case d.Suspect && d.Action < Quarantine:
		t.Keywords = []string{"$Junk"}
	case d.Welcome:
		t.Keywords = []string{"$NotJunk"}
	}
	return t
}

// field makes the header field: place, score, and reasons, the heaviest first.
func (r *Recipient) field() []byte {
	var b strings.Builder
	line, _ := fmt.Fprintf(&b, "%s: %s; score=%.1f", verdictField, r.Decision.Action, r.Opinion.Score)
	if r.Decision.By == verdict.ByList {
		n, _ := fmt.Fprintf(&b, "; list=%s", r.Match.Verb)
		line += n
	}
	reasons := slices.Clone(r.Opinion.Reasons)
	slices.SortStableFunc(reasons, byWeight)
	for i, reason := range reasons[:min(len(reasons), maxFieldReasons)] {
		text := fieldReason(reason)
		before := ","
		if i == 0 {
			before, text = ";", "reasons="+text
		}
		if line+len(text)+2 > maxFieldLine {
			b.WriteString(before + "\r\n\t" + text)
			line = len(text) + 1
			continue
		}
		if i == 0 {
			before = "; "
		}
		b.WriteString(before + text)
		line += len(before) + len(text)
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// maxFieldName bounds a name in the field.
const maxFieldName = 40

// fieldReason is a reason as the field has it. Names are of a closed set, but
// external filters have theirs.
func fieldReason(r mail.Reason) string {
	r.Name = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-_", c) {
			return c
		}
		return -1
	}, r.Name[:min(len(r.Name), maxFieldName)])
	return r.String()
}
