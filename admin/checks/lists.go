package checks

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/smtp/dnsbl"
)

// listsCheck looks whether the blocklists answer that mail coming in is judged
// by. One that does not counts for nothing: no mail is lost by it, and less junk
// found.
func (s *Server) listsCheck() Check {
	return Check{ID: "blocklists.answer", Group: Network, Title: "Blocklists answer", Want: "each list that mail is judged by answers this server",
		Why: "A list that does not answer counts for nothing, and less junk is found.", After: []string{idResolver}, Every: 6 * hour,
		Run: func(ctx context.Context) Finding { return aboutLists(s.Lists(ctx)) }}
}

func aboutLists(states []dnsbl.State) Finding {
	var silent []string
	refuses, key := false, false
	for _, l := range states {
		if !l.Works {
			silent = append(silent, fmt.Sprintf("%s: %s", l.List, l.Why))
			refuses = refuses || strings.Contains(l.Why, "resolver")
			key = key || strings.Contains(l.Why, "key")
		}
	}
	if len(silent) == 0 {
		if len(states) == 0 {
			return ok("no lists are configured")
		}
		return ok("all %d lists answer", len(states))
	}
	f := Warn.because("%d of %d lists cannot be used: %s", len(silent), len(states), strings.Join(silent, "; "))
	switch {
	case refuses:
		return f.fix("Large lists do not answer public resolvers such as 1.1.1.1 or 8.8.8.8. Use a resolver on this machine; or get a key from the list, put it into blocklists.keys and write {NAME} before the list's name; or take the list out of blocklists.addresses, blocklists.domains or blocklists.allow.")
	case key:
		return f.fix("Put the key into the setting blocklists.keys, as in dqs=KEY.")
	}
	return f.fix("If it stays so, take the list out of blocklists.addresses, blocklists.domains or blocklists.allow.")
}
