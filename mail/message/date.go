package message

import (
	"strings"
	"time"
)

// ParseDate reads the value of Date. It takes RFC 5322 section 3.3 with its
// obsolete forms, comments, missing weekday, seconds or zone (then UTC), the
// asctime and RFC 850 forms and ISO 8601.
func ParseDate(value string) (time.Time, bool) {
	if len(value) > maxLine {
		value = value[:maxLine]
	}
	var d dateParts
	for s := dropComments(value); ; {
		s = strings.TrimLeft(s, " \t\r\n,")
		if s == "" {
			break
		}
		n := strings.IndexAny(s, " \t\r\n,")
		if n < 0 {
			n = len(s)
		}
		d.add(s[:n])
		s = s[n:]
	}
	return d.time()
}

// dropComments replaces comments by spaces.
func dropComments(s string) string {
	if strings.IndexByte(s, '(') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
			b = append(b, ' ')
		case c == ')':
			depth = max(depth-1, 0)
		case depth == 0:
			b = append(b, c)
		}
	}
	return string(b)
}

// dateParts is what was understood so far, word by word.
type dateParts struct {
	day, month, year  int
	hour, minute, sec int
	hasTime, hasYear  bool
	zone              int // seconds east of UTC
	hasZone           bool
}

func (d *dateParts) add(w string) {
	switch c := w[0]; {
	case c == '+' || c == '-':
		d.addZone(w)
	case c >= '0' && c <= '9':
		d.addNumber(w)
	default:
		d.addName(w)
	}
}

// addNumber takes a day, a year, a time, or a whole date such as 02-Jan-06 or
// 2006-01-02T15:04:05Z.
func (d *dateParts) addNumber(w string) {
	if date, clock, ok := strings.Cut(w, "T"); ok && strings.Count(date, "-") == 2 && clock != "" {
		d.addNumber(date)
		d.addNumber(clock)
		return
	}
	switch {
	case strings.IndexByte(w, ':') > 0, strings.Count(w, ".") == 2 && d.day > 0:
		d.addTime(w)
	case strings.Count(w, "-") == 2:
		d.addDashed(w)
	default:
		n, rest := leadingNumber(w)
		switch {
		case rest != "" && d.day == 0 && len(w)-len(rest) <= 2: // 2nd, 2.
			d.day = n
		case rest != "":
		case d.day == 0 && len(w) <= 2:
			d.day = n
		case !d.hasYear && d.month > 0:
			d.setYear(n, len(w))
		case len(w) == 4 && d.hasTime && !d.hasZone: // 0100 that lost its plus
			d.addZone("+" + w)
		}
	}
}

func (d *dateParts) addTime(w string) {
	if d.hasTime {
		return
	}
	if i := strings.IndexAny(w, "+-Z"); i > 0 {
		d.addZone(w[i:])
		w = w[:i]
	}
	var rest string
	d.hasTime = true
	d.hour, rest = leadingNumber(w)
	if rest != "" {
		d.minute, rest = leadingNumber(rest[1:])
	}
	if rest != "" && (rest[0] == ':' || rest[0] == '.') {
		d.sec, _ = leadingNumber(rest[1:])
	}
}

func (d *dateParts) addDashed(w string) {
	a, rest, _ := strings.Cut(w, "-")
	b, c, _ := strings.Cut(rest, "-")
	if len(a) == 4 { // 2006-01-02
		year, _ := leadingNumber(a)
		d.setYear(year, 4)
		d.month, _ = leadingNumber(b)
		d.day, _ = leadingNumber(c)
		return
	}
	d.day, _ = leadingNumber(a)
	if d.month = monthOf(b); d.month == 0 {
		d.month, _ = leadingNumber(b)
	}
	year, left := leadingNumber(c)
	d.setYear(year, len(c)-len(left))
}

// setYear widens short years by RFC 5322 section 4.3.
func (d *dateParts) setYear(n, digits int) {
	switch {
	case digits <= 2 && n < 50:
		n += 2000
	case digits <= 3:
		n += 1900
	}
	d.year, d.hasYear = n, true
}

func (d *dateParts) addName(w string) {
	if m := monthOf(w); m > 0 && d.month == 0 {
		d.month = m
		return
	}
	if !d.hasTime {
		return // weekday
	}
	switch strings.ToUpper(w) {
	case "AM":
		if d.hour == 12 {
			d.hour = 0
		}
	case "PM":
		if d.hour < 12 {
			d.hour += 12
		}
	default:
		d.addZone(w)
	}
}

func (d *dateParts) addZone(w string) {
	w = strings.ToUpper(w)
	if i := strings.IndexAny(w, "+-"); i > 0 { // GMT+0100
		w = w[i:]
	}
	if w[0] != '+' && w[0] != '-' {
		if hours, ok := zoneHours(w); ok && !d.hasZone {
			d.zone, d.hasZone = hours*3600, true
		}
		return
	}
	digits := strings.Replace(w[1:], ":", "", 1)
	n, rest := leadingNumber(digits)
	if rest != "" || digits == "" || d.hasZone && d.zone != 0 {
		return
	}
	switch len(digits) {
	case 1, 2:
		n *= 100
	case 3, 4:
	default:
		return
	}
	n = (n/100*60 + n%100) * 60
	if n > 24*3600 {
		n = 0
	}
	if w[0] == '-' {
		n = -n
	}
	d.zone, d.hasZone = n, true
}

// zoneHours knows the names of RFC 5322 section 4.3. All others, military
// letters too, mean nothing that can be relied on.
func zoneHours(name string) (int, bool) {
	switch name {
	case "UT", "UTC", "GMT", "Z":
		return 0, true
	case "EDT":
		return -4, true
	case "EST", "CDT":
		return -5, true
	case "CST", "MDT":
		return -6, true
	case "MST", "PDT":
		return -7, true
	case "PST":
		return -8, true
	}
	return 0, false
}

func monthOf(w string) int {
	if len(w) < 3 {
		return 0
	}
	i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(w[:3]))
	if i < 0 || i%3 != 0 {
		return 0
	}
	return i/3 + 1
}

// leadingNumber reads up to nine digits.
func leadingNumber(s string) (n int, rest string) {
	i := 0
	for i < len(s) && i < 9 && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:]
}

// time checks the parts. A leap second becomes the second before it.
func (d *dateParts) time() (time.Time, bool) {
	if !d.hasYear || d.year < 1900 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 ||
		d.hour > 23 || d.minute > 59 || d.sec > 60 {
		return time.Time{}, false
	}
	loc := time.UTC
	if d.zone != 0 {
		loc = time.FixedZone("", d.zone)
	}
	return time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, min(d.sec, 59), 0, loc), true
}
