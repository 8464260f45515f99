package transfer

import (
	"bytes"
	"strings"
	"time"
)

// fromLayouts are the dates of From lines: those of asctime, with a zone in any
// of the places that programs put it.
var fromLayouts = []string{
	"Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04 2006",
	"Mon Jan _2 15:04:05 2006 -0700", "Mon Jan _2 15:04:05 -0700 2006",
	"Mon Jan _2 15:04:05 MST 2006", "Mon Jan _2 15:04 MST 2006", "Mon Jan _2 15:04:05 2006 MST",
	"Mon, _2 Jan 2006 15:04:05 -0700", "_2 Jan 2006 15:04:05 -0700", time.RFC3339,
}

const fromPrefix = "From "

// fromDate returns the date of a From line, which begins behind a sender that
// may have spaces. ok is false if there is none.
func fromDate(line []byte) (date time.Time, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(fromPrefix))
	if !ok || len(rest) > maxFromLine {
		return time.Time{}, false
	}
	words := strings.Fields(string(rest))
	for from := 1; from < len(words) && from < 8; from++ {
		text := words[from:]
		for n := min(len(text), 7); n >= 4; n-- { // "remote from host" may follow
			if date, ok := parseFromDate(strings.Join(text[:n], " ")); ok {
				return date, true
			}
		}
		if len(text) == 1 { // a date without spaces
			return parseFromDate(text[0])
		}
	}
	return time.Time{}, false
}

func parseFromDate(text string) (time.Time, bool) {
	for _, layout := range fromLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, t.Year() > 1970 && t.Year() < 2200
		}
	}
	return time.Time{}, false
}

// isSeparator reports whether a line begins a message. With a date it does
// wherever it is; without one only behind an empty line, and if a header field
// follows: programs that do not quote leave such lines in texts.
func isSeparator(line, next []byte, blank bool) bool {
	if !bytes.HasPrefix(line, []byte(fromPrefix)) {
		return false
	}
	if _, ok := fromDate(bytes.TrimRight(line, "\r\n")); ok {
		return true
	}
	return blank && len(bytes.TrimSpace(line)) > len("From ") && isField(next)
}

// isField reports whether a line begins as a header field does.
func isField(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(name) == 0 {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
