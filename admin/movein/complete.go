package movein

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailstead/mailstead/mailbox"
)

// countAtOnce is how many rows are counted before they are let out of memory.
const countAtOnce = 1000

// taken counts the messages that the account has taken from the folder. Rows
// that were counted are let out of memory as those that were verified.
func (k *Known) taken(ctx context.Context) (n int64, err error) {
	for from := []byte(nil); ; {
		counted, next, err := k.count(ctx, from)
		if err == nil {
			err = k.Account.Trim()
		}
		if err != nil {
			return 0, fmt.Errorf("count imported messages: %w", err)
		}
		if n += counted; next == nil {
			return n, nil
		}
		from = next
	}
}

// count counts up to countAtOnce of them, from a key on; next is where to go on,
// nil at the end.
func (k *Known) count(ctx context.Context, from []byte) (n int64, next []byte, err error) {
	err = k.Account.View(ctx, func(v *mailbox.View) error {
		n, next = 0, nil
		for m, err := range v.AllImported(k.Prefix, from) {
			if err != nil {
				return err
			}
			if n == countAtOnce {
				next = slices.Clone(m.Key)
				return nil
			}
			n++
		}
		return nil
	})
	return n, next, err
}

// lost is how many messages fewer the store has taken than were brought in. It
// may have more: a Maildir that is brought in beside this one.
func (b *batch) lost() int64 {
	if b.run.o.DryRun {
		return 0
	}
	return max(0, b.before+b.rep.Added-b.removed-b.rep.Taken)
}

// account says what is there and what of it is here. A folder that was surveyed
// again is told as it was the last time.
func (b *batch) account() {
	named, since := b.rep.Found, b.rep
	if b.surveyed {
		named = b.survey.Named
		since.Known -= b.earlier.Known
		since.Elsewhere -= b.earlier.Elsewhere
		since.Added -= b.earlier.Added
		since.Gone -= b.earlier.Gone
	}
	b.rep.There = named + b.rep.Unnamed - since.Gone
	b.rep.Here = since.Known + since.Elsewhere
	if !b.run.o.DryRun {
		b.rep.Here += since.Added
	}
}

// complete holds what the source has against what came of it: each message is
// added, was known, is left out by name, or has gone meanwhile. What is missing
// is told.
func (r *run) complete(b *batch) {
	f := &b.rep
	tell := func(format string, args ...any) {
		r.change(func(rep *Report) {
			rep.Incomplete = append(rep.Incomplete, Problem{f.Name, fmt.Sprintf(format, args...)})
		})
	}
	if f.Unnamed > 0 {
		kept := ""
		if b.survey.Kept {
			kept = "; nothing that is gone there was removed here"
		}
		tell("the server says that it has %d messages, and names %d of them, asked twice%s", b.survey.Named+f.Unnamed, b.survey.Named, kept)
	}
	if b.broken != nil {
		tell("it could not be read to its end: %v", b.broken)
	} else if n := f.Found - f.Added - f.Known - f.LeftOut - f.Gone - f.Elsewhere; n != 0 {
		tell("%d messages were found, and %d of them are accounted for", f.Found, f.Found-n)
	}
	if n := b.lost(); n > 0 {
		f.Here -= min(n, f.Here)
		tell("%d messages that were brought in are not in the account; was %s removed here meanwhile?", n, f.Mailbox)
	}
}
