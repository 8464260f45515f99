package checks

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// pingTimeout is how long a filter may take to say that it is there.
const pingTimeout = 5 * time.Second

// Filter is a program beside the server that looks at mail.
type Filter struct {
	Name   string // with its address: "ClamAV at unix:/run/clamav/clamd.ctl"
	Needed bool   // mail waits at its senders while it does not answer
	Ping   func(ctx context.Context) error
}

func filterCheck(list []Filter) Check {
	return Check{ID: "filters", Group: Mail, Title: "External filters", Want: "all of them answer", Every: 5 * time.Minute,
		Why: "While a filter does not answer, mail is put off or goes on unseen by it, as its setting says.",
		Run: func(ctx context.Context) Finding {
			errs := pingAll(ctx, list)
			var names, down []string
			state := Warn
			for i, f := range list {
				names = append(names, f.Name)
				if errs[i] == nil {
					continue
				}
				what := "mail goes on without it"
				if f.Needed {
					state, what = Fail, "mail from outside is put off"
				}
				down = append(down, fmt.Sprintf("%s does not answer, and %s: %v", f.Name, what, errs[i]))
			}
			if len(down) == 0 {
				return ok("%s", strings.Join(names, ", "))
			}
			return state.because("%s", strings.Join(down, "; ")).
				fix("Start it, or correct its address: `mailstead settings list` shows the settings that begin with filter.").link("/admin/system/settings")
		}}
}

// pingAll asks all filters at once.
func pingAll(ctx context.Context, list []Filter) []error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, f := range list {
		wg.Go(func() { errs[i] = f.Ping(ctx) })
	}
	wg.Wait()
	return errs
}
