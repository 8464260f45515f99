package junk

import (
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
)

// Class is what a message is to the account that has it.
type Class uint8

const (
	None Class = iota // nothing can be said
	Kept              // read and left where it was
	Good              // answered, archived, filed by hand or taken out of Junk
	Junk              // moved to Junk by hand
	Sent              // written by the account
)

// Keywords that mail programs set (IANA, "IMAP and JMAP Keywords").
const (
	keywordJunk    = "$Junk"
	keywordNotJunk = "$NotJunk"
)

// state is what mailboxes tell of one email.
type state struct {
	verdict string // where the delivery has put it: "inbox", "junk", "quarantine"; "" if it did not come by SMTP
	known   bool   // the verdict knew the sender
	in      places
	flags   mailbox.Flags
	junk    bool // keywords
	notJunk bool
}

// places is a set of mailboxes by what they are for.
type places uint8

const (
	inInbox places = 1 << iota
	inJunk
	inSent
	inOther // of no special use, or Archive, Flagged, Important
	inAside // Trash, Drafts, quarantine: nothing follows from it
)

// class derives what the message is to its account from where it is now. known
// is false if nothing follows, and what was learned before stays.
//
//	in          delivered to   flags, keywords     class
//	Junk        Junk           any                 None: nobody has said so but we
//	Junk        elsewhere      any                 Junk
//	not Junk    Junk           any                 Good: somebody took it out
//	not Junk    INBOX          $Junk               Junk
//	not Junk    INBOX          $NotJunk, Answered  Good; $NotJunk not if we have set it
//	other       INBOX          any                 Good: somebody filed it
//	INBOX       INBOX          Seen                Kept
//	INBOX       INBOX          none                None
//	INBOX, other  not by SMTP  $Junk, $NotJunk     Junk, Good
//	Sent only   not by SMTP    any                 Sent
//	Trash …     any            any                 as before; mail that was only Kept: None
func (s *state) class(before Class) Class {
	delivered := s.verdict != ""
	switch {
	case s.in&inJunk != 0:
		if s.verdict == "junk" {
			return None
		}
		return Junk
	case s.in&(inInbox|inOther) == 0 && s.in&inSent != 0 && !delivered:
		return Sent
	case s.in&(inInbox|inOther) == 0:
		if before == Kept && s.in&inAside != 0 {
			return None
		}
		return before
	case delivered && s.verdict != "inbox":
		return Good
	case s.junk:
		return Junk
	case s.notJunk && !s.known, delivered && s.flags&mailbox.Answered != 0, delivered && s.in&inOther != 0:
		return Good
	case delivered && s.flags&mailbox.Seen != 0:
		return Kept
	}
	return None
}

// readState looks an email up in its account. header is what was put before it
// for the account alone.
func readState(v *mailbox.View, email mailbox.EmailID, header []byte) (state, error) {
	var s state
	for value := range message.FieldValues(header, verdict.FieldName) {
		s.verdict, s.known = parseVerdict(value)
		break
	}
	for _, p := range v.Places(email) {
		box, err := v.Mailbox(p.Mailbox)
		if err != nil {
			return s, err
		}
		m, err := v.Message(p.Mailbox, p.UID)
		if err != nil {
			return s, err
		}
		if m.Flags&mailbox.Deleted != 0 { // as good as gone; what was learned stays
			s.in |= inAside
			continue
		}
		s.in |= placeOf(box.Role)
		s.flags |= m.Flags
		names := v.KeywordNames(m.Keywords)
		s.junk = s.junk || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, keywordJunk) })
		s.notJunk = s.notJunk || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, keywordNotJunk) })
	}
	return s, nil
}

func placeOf(r mailbox.Role) places {
	switch r {
	case mailbox.RoleInbox:
		return inInbox
	case mailbox.RoleJunk:
		return inJunk
	case mailbox.RoleSent:
		return inSent
	case mailbox.NoRole, mailbox.RoleArchive, mailbox.RoleAll, mailbox.RoleFlagged, mailbox.RoleImportant:
		return inOther
	}
	return inAside
}

// parseVerdict reads the value of X-Mailstead-Verdict.
func parseVerdict(value string) (place string, known bool) {
	f, ok := verdict.ParseField(value)
	if !ok {
		return "", false
	}
	known = f.List == verdict.Allow || slices.ContainsFunc(f.Reasons, func(r mail.Reason) bool { return r.Name == "sender.written-to" || r.Name == "sender.known" })
	return f.Place.String(), known
}

// ownFields divides a stored message's header into what our server has put
// before it, which ends with our Received, and the header as it came. For a
// message that did not come by SMTP all of it is as it came.
func ownFields(header []byte, delivered bool) (ours, came []byte) {
	if !delivered {
		return nil, header
	}
	for f := range message.Fields(header) {
		if strings.EqualFold(f.Name, "Received") {
			end := f.Offset + len(f.Raw)
			return header[:end], header[end:]
		}
	}
	return nil, header
}
