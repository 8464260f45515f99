package movein

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// specialUse are the attributes of RFC 6154 and those that Gmail had before.
var specialUse = map[string]mailbox.Role{
	`\all`: mailbox.RoleAll, `\allmail`: mailbox.RoleAll, `\archive`: mailbox.RoleArchive, `\drafts`: mailbox.RoleDrafts, `\junk`: mailbox.RoleJunk, `\spam`: mailbox.RoleJunk,
	`\sent`: mailbox.RoleSent, `\trash`: mailbox.RoleTrash, `\flagged`: mailbox.RoleFlagged, `\starred`: mailbox.RoleFlagged, `\important`: mailbox.RoleImportant,
}

// notMail are folders of Exchange that have other things than mail.
var notMail = []string{"calendar", "contacts", "journal", "notes", "tasks", "outbox", "sync issues", "kalender", "kontakte", "aufgaben", "notizen", "postausgang"}

// listed is a folder as LIST tells it.
type listed struct {
	raw        string // as it is named on the wire
	levels     []string
	role       mailbox.Role
	subscribed bool
	noSelect   bool
}

// list returns all folders.
func (c *imapConn) list(ctx context.Context) (all []listed, err error) {
	extended := c.caps["LIST-EXTENDED"] && c.caps["SPECIAL-USE"]
	command := `LIST "" "*"`
	if extended {
		command += " RETURN (SPECIAL-USE SUBSCRIBED)"
	}
	err = c.do(ctx, command, func(r *response) error {
		if r.name != "LIST" {
			return nil
		}
		if len(all) == maxFiles {
			return fmt.Errorf("%w: it has more than %d folders", ErrRefused, maxFiles)
		}
		l, err := readList(r.dec)
		all = append(all, l)
		return err
	})
	if err != nil || extended {
		return all, err
	}
	return all, c.do(ctx, `LSUB "" "*"`, func(r *response) error {
		if r.name != "LSUB" {
			return nil
		}
		l, err := readList(r.dec)
		for i := range all {
			all[i].subscribed = all[i].subscribed || all[i].raw == l.raw
		}
		return err
	})
}

// readList reads what follows LIST (RFC 9051 section 7.3.1).
func readList(d *imapwire.Decoder) (listed, error) {
	var l listed
	for _, flag := range flags(d) {
		switch flag = strings.ToLower(flag); flag {
		case `\noselect`, `\nonexistent`:
			l.noSelect = true
		case `\subscribed`:
			l.subscribed = true
		default:
			if role, ok := specialUse[flag]; ok {
				l.role = role
			}
		}
	}
	d.SP()
	sep, _ := d.NString()
	d.SP()
	l.raw = rawName(d)
	name, err := imapwire.DecodeUTF7(l.raw)
	if err != nil {
		name = strings.ToValidUTF8(l.raw, "?")
	}
	l.levels = []string{name}
	if sep != "" {
		l.levels = strings.Split(strings.TrimSuffix(name, sep), sep)
	}
	for i := range l.levels {
		l.levels[i] = strings.ReplaceAll(l.levels[i], "/", "_")
	}
	return l, d.Err()
}

// rawName takes the name of a folder, whatever octets a server has in it: those
// of one do not stand in the way of the others.
func rawName(d *imapwire.Decoder) string {
	if _, ok := d.PeekLiteral(); ok {
		return d.String()
	}
	quoted := d.Try('"')
	var b []byte
	for !d.AtEnd() {
		c := d.Peek()
		if !quoted && c == ' ' {
			return string(b)
		}
		d.Try(c)
		switch {
		case quoted && c == '"':
			return string(b)
		case quoted && c == '\\' && (d.Peek() == '\\' || d.Peek() == '"'):
			c = d.Peek()
			d.Try(c)
		}
		b = append(b, c)
	}
	if quoted || len(b) == 0 {
		d.Fail("Expected the name of a folder")
	}
	return string(b)
}

// flags takes flags in parentheses, whatever characters a server lets them
// have, and however many spaces are between them.
func flags(d *imapwire.Decoder) (list []string) {
	d.Expect('(')
	var b []byte
	for !d.AtEnd() {
		c := d.Peek()
		d.Try(c)
		if c != ' ' && c != ')' {
			b = append(b, c)
			continue
		}
		if len(b) > 0 {
			list, b = append(list, string(b)), nil
		}
		if c == ')' {
			return list
		}
	}
	d.Fail("Expected )")
	return nil
}

// folders chooses those to read. Gmail shows all mail a second time under
// \Important and \Flagged, and a third time under \All, which is read last.
func (o *IMAPOptions) folders(all []listed, exchange bool) (list []Folder) {
	for _, l := range all {
		if len(l.levels) > 1 && slices.Contains([]string{"[Gmail]", "[Google Mail]"}, l.levels[0]) {
			l.levels = l.levels[1:]
		}
		name := strings.Join(l.levels, "/")
		if strings.EqualFold(name, "INBOX") {
			name = "INBOX"
		}
		switch {
		case l.noSelect, l.role == mailbox.RoleFlagged, l.role == mailbox.RoleImportant, o.excluded(name):
			continue
		case exchange && slices.Contains(notMail, strings.ToLower(l.levels[0])):
			continue
		}
		list = append(list, Folder{ID: l.raw, Name: name, Role: l.role, Subscribed: l.subscribed, Last: l.role == mailbox.RoleAll})
	}
	return list
}

// excluded reports whether a folder is to be left out.
func (o *IMAPOptions) excluded(name string) bool {
	return slices.ContainsFunc(o.Exclude, func(e string) bool {
		return strings.EqualFold(e, name) || len(name) > len(e) && name[len(e)] == '/' && strings.EqualFold(e, name[:len(e)])
	})
}
