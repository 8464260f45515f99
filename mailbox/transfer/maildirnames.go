package transfer

import (
	"bufio"
	"cmp"
	"errors"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of the small files beside messages.
const (
	maxListLine  = 64 << 10 // octets of a line of dovecot-uidlist or subscriptions
	maxKeyword   = 26       // keywords of dovecot-keywords: a to z
	maxSubscribe = 100_000  // lines of subscriptions
)

// maildirFlags are the letters behind ":2,"; T is also what expunges.
var maildirFlags = map[byte]mailbox.Flags{'D': mailbox.Draft, 'F': mailbox.Flagged, 'R': mailbox.Answered, 'S': mailbox.Seen, 'T': mailbox.Deleted}

// forwarded is what the letter P means.
const forwarded = "$Forwarded"

// splitMaildirName divides the name of a file of a message at its flags. Some
// systems cannot write ":" in names, and write ";" or "!" for it.
func splitMaildirName(name string) (base, letters string) {
	for _, mark := range []string{":2,", ";2,", "!2,"} {
		if i := strings.LastIndex(name, mark); i >= 0 {
			return name[:i], name[i+len(mark):]
		}
	}
	base, _, _ = strings.Cut(name, ":1,") // experimental flags, which nobody writes
	return base, ""
}

// flagsOf reads the letters of flags; keywords are what a to z mean.
func flagsOf(letters string, keywords []string) (flags mailbox.Flags, names []string) {
	for i := range len(letters) {
		c := letters[i]
		switch {
		case c == ',': // something of another program's follows
			return flags, names
		case c == 'P':
			names = append(names, forwarded)
		case c >= 'a' && int(c-'a') < len(keywords) && keywords[c-'a'] != "":
			if k := keywords[c-'a']; !slices.Contains(names, k) { // $Forwarded has P as well
				names = append(names, k)
			}
		default:
			flags |= maildirFlags[c]
		}
	}
	return flags, names
}

// arrival is the time that a name begins with: seconds since 1970, by the rules
// of Maildir. Zero if it has none that makes sense.
func arrival(base string, now time.Time) time.Time {
	digits, _, ok := strings.Cut(base, ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 1e8 || n > now.Unix()+86400 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// receivedDate is when a message came. The time of the file is that, if it was
// kept when the file was copied; that of its name is not later than it came.
func receivedDate(base string, mod, now time.Time) time.Time {
	if at := arrival(base, now); !at.IsZero() && at.Before(mod) {
		return at
	}
	return mod
}

// lines calls fn for each line of a small file; one that is not there has none.
// Lines beyond the bound end it.
func lines(open func(string) (fs.File, error), name string, fn func(string)) error {
	f, err := open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 0, 4096), maxListLine)
	for s.Scan() {
		fn(s.Text())
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return nil
	}
	return s.Err()
}

// keywordsOf reads dovecot-keywords: a number and a name in each line.
func (m *Maildir) keywordsOf(dir string) (names []string, err error) {
	err = lines(m.open, path.Join(dir, "dovecot-keywords"), func(line string) {
		number, name, ok := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 0 || n >= maxKeyword {
			return
		}
		for len(names) <= n {
			names = append(names, "")
		}
		names[n] = strings.TrimSpace(name)
	})
	return names, err
}

// order reads dovecot-uidlist: the UID of each file, in whose order clients
// have seen them. want are the base names that matter.
func (m *Maildir) order(dir string, list []maildirFile) error {
	place := map[string]int{}
	for i := range list {
		list[i].uid = math.MaxUint32
	}
	if _, err := m.root.Stat(path.Join(dir, "dovecot-uidlist")); err == nil {
		for i := range list {
			base, _ := splitMaildirName(list[i].name)
			place[base] = i
		}
	}
	err := lines(m.open, path.Join(dir, "dovecot-uidlist"), func(line string) {
		number, rest, ok := strings.Cut(line, " ")
		uid, err := strconv.ParseUint(number, 10, 32)
		if !ok || err != nil {
			return // the first line, or nothing
		}
		at := strings.IndexByte(rest, ':')
		if at < 0 {
			return
		}
		base, _ := splitMaildirName(rest[at+1:])
		if i, ok := place[base]; ok {
			list[i].uid = uint32(uid)
		}
	})
	slices.SortFunc(list, func(a, b maildirFile) int {
		return cmp.Or(cmp.Compare(a.uid, b.uid), cmp.Compare(a.name, b.name), cmp.Compare(a.sub, b.sub))
	})
	return err
}

// subscriptions reads the names of subscribed folders, as raw as they are
// there. Version 2 has a head, and tabs between levels.
func (m *Maildir) subscriptions() (map[string]bool, error) {
	names := map[string]bool{}
	sep, head := "", false
	err := lines(m.open, "subscriptions", func(line string) {
		switch {
		case len(names) == maxSubscribe:
		case strings.HasPrefix(line, "V\t"):
			sep, head = "\t", true
		case head && line == "":
		default:
			if sep == "" && m.nested || sep == "\t" {
				names[strings.ReplaceAll(line, "\t", "/")] = true
				return
			}
			names[strings.ReplaceAll(line, ".", "/")] = true
		}
	})
	return names, err
}
