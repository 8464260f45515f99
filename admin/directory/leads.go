package directory

import (
	"sync"

	"github.com/mailstead/mailstead/mail"
)

// leadsOf returns what finds aliases by the key of what they lead to. It is
// made when somebody asks first.
func leadsOf(aliases list[Alias]) func() map[string][]mail.Path {
	return sync.OnceValue(func() map[string][]mail.Path {
		by := map[string][]mail.Path{}
		for _, e := range aliases {
			for _, t := range e.value.Targets {
				by[t.Key()] = append(by[t.Key()], e.value.Address)
			}
		}
		return by
	})
}
