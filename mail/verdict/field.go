package verdict

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// FieldName is that of the header field which tells an account what was decided
// of a message. smtp/inbound writes it into the account's own header, and takes
// it out of what comes in.
const FieldName = "X-Mailstead-Verdict"

// Bounds of the field: delivery takes 2 KiB of header.
const (
	maxFieldReasons = 30
	maxFieldLine    = 76
	maxFieldReason  = 40 // octets of a name
)

// Field is what the field says.
type Field struct {
	Place   Action
	Score   float64 // with one decimal
	List    Verb    // NoVerb: no list has decided
	Reasons []mail.Reason
}

// Format returns the whole field, folded, with the heaviest reasons first.
func (f *Field) Format() []byte {
	var b strings.Builder
	line, _ := fmt.Fprintf(&b, "%s: %s; score=%.1f", FieldName, f.Place, f.Score)
	if f.List != NoVerb {
		n, _ := fmt.Fprintf(&b, "; list=%s", f.List)
		line += n
	}
	reasons := slices.Clone(f.Reasons)
	slices.SortStableFunc(reasons, ByWeight)
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

// fieldReason is a reason as the field has it. Names are of a closed set, but
// external filters have theirs.
func fieldReason(r mail.Reason) string {
	r.Name = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-_", c) {
			return c
		}
		return -1
	}, r.Name[:min(len(r.Name), maxFieldReason)])
	return r.String()
}

// ParseField reads the value of the field. ok is false if it names no place;
// what cannot be read of the rest is left out.
func ParseField(value string) (f Field, ok bool) {
	place, rest, _ := strings.Cut(value, ";")
	a, err := ParseAction(strings.ToLower(strings.TrimSpace(place)))
	if err != nil {
		return Field{}, false
	}
	f.Place = a
	for part := range strings.SplitSeq(rest, ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "score":
			f.Score, _ = strconv.ParseFloat(v, 64)
		case "list":
			f.List = Verb(v)
		case "reasons":
			f.Reasons = parseReasons(v)
		}
	}
	return f, true
}

func parseReasons(list string) (reasons []mail.Reason) {
	for one := range strings.SplitSeq(list, ",") {
		name, n, _ := strings.Cut(strings.TrimSpace(one), "=")
		if score, err := strconv.ParseFloat(n, 64); err == nil && name != "" {
			reasons = append(reasons, mail.Reason{Name: name, Score: score})
		}
	}
	return reasons
}

// ByWeight orders reasons by what they add or take, the most first.
func ByWeight(a, b mail.Reason) int {
	switch x, y := math.Abs(a.Score), math.Abs(b.Score); {
	case x > y:
		return -1
	case x < y:
		return 1
	}
	return 0
}
