package transfer

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// maxFileName is how long the name of a file can be, in octets.
const maxFileName = 255

// escapable are the characters of a level of a mailbox name that the name of a
// file or folder cannot have, or has another meaning there. They become a
// backslash and two hexadecimal digits, as Dovecot's listescape writes them.
const escapable = `./\&~`

// escape writes a character so.
func escape(c byte) string { return fmt.Sprintf(`\%02x`, c) }

// UnescapeLevel undoes what a Maildir or a folder of mbox files needs to hold
// any name. Other backslashes stay.
func UnescapeLevel(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c, ok := unescape(s[i:]); ok {
			b.WriteByte(c)
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unescape reads an escape that s begins with.
func unescape(s string) (c byte, ok bool) {
	if len(s) < 3 || s[0] != '\\' {
		return 0, false
	}
	for i := range len(escapable) {
		if s[:3] == escape(escapable[i]) {
			return escapable[i], true
		}
	}
	return 0, false
}

// maildirFolder is the folder of Maildir++ that a mailbox has: "." and its
// levels in modified UTF-7 with "." between; "" is INBOX.
func maildirFolder(name string, utf7 func(string) string) string {
	if name == "INBOX" {
		return ""
	}
	levels := strings.Split(name, "/")
	for i, l := range levels {
		l = strings.ReplaceAll(l, `\`, escape('\\'))
		levels[i] = utf7(strings.ReplaceAll(l, ".", escape('.')))
	}
	return "." + shorten(strings.Join(levels, "."), maxFileName-1)
}

// mboxFile is where the mbox of a mailbox lies, with slashes: in UTF-8, with
// the levels above as folders.
func mboxFile(name string) string {
	levels := strings.Split(name, "/")
	for i, l := range levels {
		l = strings.ReplaceAll(l, `\`, escape('\\'))
		l = strings.ReplaceAll(l, "&", escape('&')) // it would be read as modified UTF-7
		if strings.HasPrefix(l, ".") {
			l = escape('.') + l[1:]
		}
		for _, end := range []string{".mbox", ".sbd"} { // which are taken off when they are read
			if rest, ok := strings.CutSuffix(l, end); ok {
				l = rest + escape('.') + end[1:]
			}
		}
		levels[i] = shorten(l, maxFileName-len(mboxType))
	}
	return strings.Join(levels, "/") + mboxType
}

// mboxType is what the names of mbox files end in.
const mboxType = ".mbox"

// shorten makes a name fit, and keeps it apart from others that begin alike.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	end := fmt.Sprintf("~%x", sum[:6])
	return strings.ToValidUTF8(s[:most-len(end)], "") + end
}

// AccountFolder is the name of a folder for what belongs to an address. What
// the name of a file cannot have, or begin with, is escaped.
func AccountFolder(address string) string {
	s := strings.NewReplacer(`\`, escape('\\'), "/", escape('/'), "\x00", "_").Replace(address)
	if strings.HasPrefix(s, ".") {
		s = escape('.') + s[1:]
	}
	return shorten(s, maxFileName-len(".partial"))
}
