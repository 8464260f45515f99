package imapserver

import (
	"context"
	"log/slog"
	"strings"

	"github.com/mailstead/mailstead/imap/imapwire"
)

// maxIDPairs is what RFC 2971 section 3.3 lets a client send.
const maxIDPairs = 30

// id answers ID (RFC 2971). We say our name, but not our version: that helps
// nobody but attackers.
func (s *session) id(_ context.Context, args *imapwire.Decoder) error {
	args.SP()
	var pairs []any
	client := map[string]string{}
	if args.Peek() == '(' {
		args.List(func() {
			key := args.String()
			args.SP()
			value, _ := args.NString()
			if len(pairs) == maxIDPairs {
				args.Fail("Too many pairs")
				return
			}
			pairs = append(pairs, slog.String(key, value))
			client[strings.ToLower(key)] = value
		})
	} else {
		args.NString()
	}
	if err := args.End(); err != nil {
		return err
	}
	s.log.Debug("client", slog.Group("id", pairs...))
	if name := strings.TrimSpace(client["name"] + " " + client["version"]); name != "" {
		s.auth.Describe(name)
	}
	s.out.Raw("* ID (\"name\" \"Mailstead\")\r\n")
	return s.ok("")
}
