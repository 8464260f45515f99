package movein

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/mailstead/mailstead/mailbox"
)

// target is the mailbox that a folder goes to.
type target struct {
	id   mailbox.ID
	name string
}

// roleNames are names of folders that programs give a use, in small letters, in
// the languages that Outlook, Gmail, Thunderbird, Apple Mail and Roundcube make
// them in most often.
var roleNames = [...]struct {
	role  mailbox.Role
	names []string
}{
	{mailbox.RoleSent, []string{"sent", "sent items", "sent messages", "sent mail", "sent-mail", "gesendet", "gesendete elemente", "gesendete objekte", "gesendete nachrichten",
		"envoyés", "éléments envoyés", "messages envoyés", "enviados", "elementos enviados", "posta inviata", "inviati", "verzonden items", "verzonden", "wysłane", "отправленные", "skickat", "sendt"}},
	{mailbox.RoleDrafts, []string{"drafts", "draft", "entwürfe", "brouillons", "borradores", "bozze", "concepten", "rascunhos", "robocze", "черновики", "utkast", "kladder"}},
	{mailbox.RoleTrash, []string{"trash", "deleted items", "deleted messages", "deleted", "bin", "papierkorb", "gelöschte elemente", "gelöschte objekte", "corbeille", "éléments supprimés",
		"papelera", "elementos eliminados", "cestino", "posta eliminata", "prullenbak", "verwijderde items", "lixeira", "kosz", "корзина", "papperskorgen"}},
	{mailbox.RoleJunk, []string{"junk", "spam", "junk e-mail", "junk email", "junk mail", "junk-e-mail", "bulk mail", "unerwünscht", "courrier indésirable", "indésirables",
		"correo no deseado", "posta indesiderata", "ongewenste e-mail", "ongewenst", "спам", "skräppost"}},
	{mailbox.RoleArchive, []string{"archive", "archives", "archiv", "archivo", "archivio", "archief", "arquivo", "archiwum", "архив", "arkiv"}},
}

// roleByName is the use that a name gives.
func roleByName(name string) mailbox.Role {
	name = strings.ToLower(name)
	for _, r := range roleNames {
		if slices.Contains(r.names, name) {
			return r.role
		}
	}
	return mailbox.NoRole
}

// roleOf is the use of a folder: what the source tells, or what its name does.
func roleOf(f *Folder, name string) mailbox.Role {
	switch f.Role {
	case mailbox.RoleAll:
		return mailbox.RoleArchive
	case mailbox.NoRole:
		return roleByName(name)
	}
	return f.Role
}

// targets finds the mailboxes of all folders, and makes those that are missing.
func (r *run) targets(ctx context.Context, folders []Folder) ([]target, error) {
	strip := belowInbox(folders)
	list := make([]target, len(folders))
	for i := range folders {
		f := &folders[i]
		name := f.Name
		if strip {
			name = strings.TrimPrefix(name, "INBOX/")
		}
		role := mailbox.NoRole
		switch {
		case r.o.Into == "":
			role = roleOf(f, name)
		case strings.EqualFold(name, "INBOX"):
			name = r.o.Into
		default:
			name = r.o.Into + "/" + name
		}
		t, err := r.target(ctx, cleanName(name), role)
		if err != nil {
			return nil, fmt.Errorf("mailbox for %s: %w", f.Name, err)
		}
		if f.Subscribed && !r.o.DryRun {
			if err := r.o.Account.SetSubscribed(ctx, t.name, true); err != nil {
				return nil, err
			}
		}
		list[i] = t
	}
	return list, r.o.Account.View(ctx, func(v *mailbox.View) error {
		r.keywords.load(v)
		return nil
	})
}

// belowInbox reports whether all folders are below INBOX, as Courier and Cyrus
// have them.
func belowInbox(folders []Folder) bool {
	for _, f := range folders {
		if !strings.EqualFold(f.Name, "INBOX") && !strings.HasPrefix(f.Name, "INBOX/") {
			return false
		}
	}
	return true
}

// target finds or makes a mailbox.
func (r *run) target(ctx context.Context, name string, role mailbox.Role) (target, error) {
	t := target{name: name}
	find := func(v *mailbox.View) error {
		if strings.EqualFold(name, "INBOX") {
			t = target{mailbox.Inbox, "INBOX"}
			return nil
		}
		m, err := v.MailboxByRole(role)
		if errors.Is(err, mailbox.ErrNotFound) {
			m, err = v.MailboxByName(name)
		}
		if err == nil {
			t = target{m.ID, m.Name}
		}
		if errors.Is(err, mailbox.ErrNotFound) {
			err = nil
		}
		return err
	}
	if err := r.o.Account.View(ctx, find); err != nil || t.id != 0 || r.o.DryRun {
		return t, err
	}
	m, err := r.o.Account.CreateMailbox(ctx, name, role)
	if err == nil {
		t = target{m.ID, m.Name}
		err = r.o.Account.SetSubscribed(ctx, m.Name, true)
	}
	return t, err
}

// Bounds of names, as mailbox has them.
const (
	maxLevel  = 250
	maxLevels = 30
	maxName   = 950
)

// cleanName makes a name that a mailbox can have of one that a source has.
func cleanName(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			return '_'
		}
		return c
	}, strings.ToValidUTF8(name, "_"))
	levels := strings.Split(name, "/")
	if len(levels) > maxLevels {
		levels = append(levels[:maxLevels-1], strings.Join(levels[maxLevels-1:], "_"))
	}
	for i, l := range levels {
		if levels[i] = cut(l, maxLevel); l == "" {
			levels[i] = "_"
		}
	}
	name = strings.TrimSuffix(cut(strings.Join(levels, "/"), maxName), "/")
	if clean, err := mailbox.CleanName(name); err == nil {
		return clean
	}
	return "Imported"
}

// cut shortens a name to at most n octets.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
