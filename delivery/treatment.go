package delivery

import (
	"slices"

	"github.com/mailstead/mailstead/mailbox"
)

// Place is where an account gets a message.
type Place uint8

const (
	Inbox Place = iota
	Junk
	// Quarantine is out of sight of mail programs until somebody releases the
	// message.
	Quarantine
)

func (p Place) String() string { return [...]string{"inbox", "junk", "quarantine"}[p] }

// role is that of the mailbox of a place.
func (p Place) role() mailbox.Role {
	return [...]mailbox.Role{mailbox.NoRole, mailbox.RoleJunk, mailbox.RoleQuarantine}[p]
}

// mailbox is what people call it.
func (p Place) mailbox() string { return [...]string{"INBOX", "Junk", "quarantine"}[p] }

// Treatment is what one account gets of a message.
type Treatment struct {
	Place    Place
	Keywords []string // such as $Junk
	// Header is put before the message for this account alone: complete lines
	// ending in CRLF, at most 2 KiB.
	Header []byte
}

// treatment is what an account gets.
func (m *Mail) treatment(id mailbox.AccountID) Treatment {
	if m.Treat == nil {
		return Treatment{}
	}
	return m.Treat(id)
}

// isJunk reports whether these accounts, one at least, all get the message out
// of their INBOX.
func (m *Mail) isJunk(accounts []mailbox.AccountID) bool {
	return len(accounts) > 0 && !slices.ContainsFunc(accounts, func(id mailbox.AccountID) bool { return m.treatment(id).Place == Inbox })
}
