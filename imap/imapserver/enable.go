package imapserver

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/mailstead/mailstead/imap/imapwire"
)

// enable answers ENABLE (RFC 9051 section 6.3.1). What is not known is passed
// over.
func (s *session) enable(_ context.Context, args *imapwire.Decoder) error {
	var names []string
	args.SP()
	for ok := true; ok; ok = args.TrySP() {
		names = append(names, args.Atom())
	}
	if err := args.End(); err != nil {
		return err
	}
	s.out.Raw("* ENABLED")
	for _, c := range []struct {
		name imap.Cap
		on   *bool
	}{{imap.CapIMAP4rev2, &s.rev2}, {imap.CapUTF8Accept, &s.utf8}, {imap.CapCondStore, &s.condStore}} {
		wanted := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, string(c.name)) })
		if wanted && !*c.on {
			*c.on = true
			s.out.SP().Raw(string(c.name))
		}
	}
	s.out.CRLF()
	s.out.UTF8 = s.utf8 || s.rev2
	return s.ok("")
}
