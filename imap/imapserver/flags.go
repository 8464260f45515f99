package imapserver

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// systemFlag is a flag with a backslash.
type systemFlag struct {
	bit  mailbox.Flags
	name imap.Flag
}

// systemFlags in the order in which they are written.
var systemFlags = [...]systemFlag{
	{mailbox.Answered, imap.FlagAnswered},
	{mailbox.Flagged, imap.FlagFlagged},
	{mailbox.Deleted, imap.FlagDeleted},
	{mailbox.Seen, imap.FlagSeen},
	{mailbox.Draft, imap.FlagDraft},
}

// splitFlags divides flags from a client into system flags and keywords.
// \Recent is let pass in APPEND and STORE by some servers and is ignored here
// too; other flags with a backslash do not exist.
func splitFlags(flags []imap.Flag) (mailbox.Flags, []string, error) {
	var bits mailbox.Flags
	var keywords []string
	for _, f := range flags {
		if !strings.HasPrefix(string(f), `\`) {
			keywords = append(keywords, string(f))
			continue
		}
		i := slices.IndexFunc(systemFlags[:], func(s systemFlag) bool { return strings.EqualFold(string(s.name), string(f)) })
		switch {
		case i >= 0:
			bits |= systemFlags[i].bit
		case strings.EqualFold(string(f), `\Recent`):
		default:
			return 0, nil, bad("Unknown system flag")
		}
	}
	return bits, keywords, nil
}

// writeFlags writes the flags of a message in parentheses. names are the
// account's keywords by bit.
func writeFlags(e *imapwire.Encoder, names []string, flags mailbox.Flags, keywords uint64) {
	e.Raw("(")
	sep := ""
	for _, f := range systemFlags {
		if flags&f.bit != 0 {
			e.Raw(sep).Raw(string(f.name))
			sep = " "
		}
	}
	for i, name := range names {
		if keywords&(1<<i) != 0 && name != "" {
			e.Raw(sep).Raw(name)
			sep = " "
		}
	}
	e.Raw(")")
}

// announceFlags tells which flags there are in the selected mailbox (RFC 9051
// section 7.3.5) and which can be changed.
func (s *session) announceFlags() {
	flags := make([]imap.Flag, 0, len(systemFlags)+len(s.box.keywords)+1)
	for _, f := range systemFlags {
		flags = append(flags, f.name)
	}
	for _, k := range s.box.keywords {
		if k != "" {
			flags = append(flags, imap.Flag(k))
		}
	}
	s.out.Raw("* FLAGS ").Flags(flags).CRLF()
	if s.box.readOnly {
		s.untagged(string(imapext.CodePermanentFlags)+" ()", "No flags can be changed")
		return
	}
	s.out.Raw("* OK [").Raw(string(imapext.CodePermanentFlags)).SP().Flags(append(flags, imap.FlagWildcard)).Raw("] Flags that can be changed\r\n")
}
