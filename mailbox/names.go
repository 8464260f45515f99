package mailbox

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of names and their number.
const (
	maxNameLevel   = 255 // octets
	maxName        = 1000
	maxDepth       = 32
	maxMailboxes   = 10_000
	maxNames       = 1 << 20 // octets of the names of all mailboxes: LIST reads them
	maxKeywords    = 64      // bits of a row
	maxKeywordName = 255
)

// CleanName returns the form in which a name is kept: NFC, and INBOX in
// capitals as the first level. It fails with [ErrName].
func CleanName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("%w: it is not UTF-8", ErrName)
	}
	name = norm.NFC.String(name)
	if len(name) > maxName {
		return "", fmt.Errorf("%w: longer than %d octets", ErrName, maxName)
	}
	levels := strings.Split(name, "/")
	if len(levels) > maxDepth {
		return "", fmt.Errorf("%w: more than %d levels", ErrName, maxDepth)
	}
	for _, l := range levels {
		if err := checkLevel(l); err != nil {
			return "", err
		}
	}
	if strings.EqualFold(levels[0], "INBOX") {
		levels[0] = "INBOX"
	}
	return strings.Join(levels, "/"), nil
}

func checkLevel(l string) error {
	if l == "" {
		return fmt.Errorf("%w: it has an empty level", ErrName)
	}
	if len(l) > maxNameLevel {
		return fmt.Errorf("%w: a level is longer than %d octets", ErrName, maxNameLevel)
	}
	for _, c := range l {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			return fmt.Errorf("%w: it has control characters", ErrName)
		}
	}
	return nil
}

// parents yields the names above name, the nearest last.
func parents(name string) []string {
	var up []string
	for i, c := range name {
		if c == '/' {
			up = append(up, name[:i])
		}
	}
	return up
}

// specialUse are the mailboxes every account begins with.
var specialUse = [...]struct {
	name string
	role Role
}{{"INBOX", RoleInbox}, {"Archive", RoleArchive}, {"Drafts", RoleDrafts}, {"Junk", RoleJunk}, {"Sent", RoleSent}, {"Trash", RoleTrash}}

// quarantineName is refused by CleanName.
const quarantineName = "\x00quarantine"

// nameOf is the name a mailbox of a role is made with.
func nameOf(r Role) string {
	for _, s := range specialUse {
		if s.role == r {
			return s.name
		}
	}
	return map[Role]string{RoleAll: "All", RoleFlagged: "Flagged", RoleImportant: "Important", RoleQuarantine: quarantineName}[r]
}
