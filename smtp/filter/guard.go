package filter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Fail says what happens to a message that a filter has no answer about.
type Fail string

const (
	TempFail Fail = "tempfail" // 451: the sender tries again
	Skip     Fail = "skip"     // as if there were no filter
)

// Defaults of Limits.
const (
	defaultTimeout  = 30 * time.Second
	defaultParallel = 10
)

// statusNoAnswer is what a client is told with TempFail (RFC 3463 section
// 3.8): nothing is wrong with the message.
var statusNoAnswer = mail.Status{Class: 4, Subject: 7, Detail: 0}

// Limits bound what a filter may cost.
type Limits struct {
	Fail     Fail          // "": TempFail
	Timeout  time.Duration // of a message, waiting for its turn included; 0 is 30 s
	Parallel int           // messages that are looked at at once; 0 is 10
}

// Guard is a filter that always has a result, in time.
type Guard struct {
	filter Filter
	limits Limits
	turns  chan struct{}
}

// NewGuard puts limits around a filter.
func NewGuard(f Filter, l Limits) *Guard {
	l.Timeout = cmp.Or(l.Timeout, defaultTimeout)
	l.Fail = cmp.Or(l.Fail, TempFail)
	return &Guard{filter: f, limits: l, turns: make(chan struct{}, cmp.Or(l.Parallel, defaultParallel))}
}

// Name is that of the filter.
func (g *Guard) Name() string { return g.filter.Name() }

// Ping asks whether the program is there.
func (g *Guard) Ping(ctx context.Context) error { return g.filter.Ping(ctx) }

// Run asks the filter about a message.
func (g *Guard) Run(ctx context.Context, m *Message) Result {
	ctx, cancel := context.WithTimeout(ctx, g.limits.Timeout)
	defer cancel()
	select {
	case g.turns <- struct{}{}:
		defer func() { <-g.turns }()
	case <-ctx.Done():
		return g.failed(fmt.Errorf("no turn: %w", ctx.Err()))
	}
	r, err := g.filter.Run(ctx, m)
	switch {
	case err != nil && ctx.Err() != nil:
		return g.failed(fmt.Errorf("%w: %w", ctx.Err(), err))
	case err != nil:
		return g.failed(err)
	}
	return r
}

// failed is the result without an answer.
func (g *Guard) failed(err error) Result {
	name := g.filter.Name()
	r := Result{Err: fmt.Errorf("%s: %w", name, err)}
	if g.limits.Fail == Skip {
		r.tell(name, "%s %s, and the message went on without it", title(name), trouble(err))
		return r
	}
	r.Action, r.Status, r.Code = Refuse, statusNoAnswer, 451
	r.Text = "a filter of this server gives no answer now, try again later"
	r.Why = fmt.Sprintf("%s %s, and the sender is asked to try again", title(name), trouble(err))
	return r
}

// trouble says what went wrong, without addresses and paths.
func trouble(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission), errors.As(err, new(*net.DNSError)):
		return "cannot be reached"
	}
	return "gave no answer that can be used"
}

// title is what people call a filter.
func title(name string) string {
	switch name {
	case NameClamd:
		return "ClamAV"
	case NameMilter:
		return "a milter"
	}
	return name
}
