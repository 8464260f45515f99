package aggregate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// FileName is what the name of a report's file says (RFC 9990 section 3.5.2).
// It says nothing for sure: the report itself counts.
type FileName struct {
	Receiver, Policy mail.Domain // who reports, and about whom
	Begin, End       time.Time
	ID               string // "" if there is none
}

var uniqueID = regexp.MustCompile(`^[0-9A-Za-z_.=+-]{1,200}$`) // RFC 9990 has letters and digits alone

// ParseFileName reads receiver!policy-domain!begin!end[!id].xml[.gz], or .zip.
// ok is false for every other name.
func ParseFileName(name string) (f FileName, ok bool) {
	lower := strings.ToLower(name)
	for _, ext := range []string{".xml.gz", ".xml", ".zip", ".gz"} {
		if strings.HasSuffix(lower, ext) {
			name, ok = name[:len(name)-len(ext)], true
			break
		}
	}
	parts := strings.Split(name, "!")
	if !ok || len(name) > 1000 || len(parts) < 4 || len(parts) > 5 {
		return FileName{}, false
	}
	f.Receiver, f.Policy = domain(parts[0]), domain(parts[1])
	var errBegin, errEnd error
	f.Begin, errBegin = parseTime(parts[2])
	f.End, errEnd = parseTime(parts[3])
	if len(parts) == 5 {
		f.ID = parts[4]
		ok = uniqueID.MatchString(f.ID)
	}
	if !ok || f.Receiver == "" || f.Policy == "" || errBegin != nil || errEnd != nil {
		return FileName{}, false
	}
	return f, true
}

// IsFileName reports whether a file may be a report by its name alone.
func IsFileName(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".xml") }

// String returns the name of a gzip file.
func (f FileName) String() string {
	s := fmt.Sprintf("%s!%s!%s!%s", f.Receiver, f.Policy, strconv.FormatInt(f.Begin.Unix(), 10), strconv.FormatInt(f.End.Unix(), 10))
	if f.ID != "" {
		s += "!" + f.ID
	}
	return s + ".xml.gz"
}
