package inbound

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mail/dns"
)

// stage is checks that run at once, and the time they have for it. The first
// ones, own of them, wait for nothing but the resolver.
type stage struct {
	checks []Check
	own    int
	budget time.Duration // 0: they do not wait
}

// runStage runs the checks of a stage, and adds what they found to m, in their
// order.
func (s *Service) runStage(ctx context.Context, st *stage, m *Mail) []Finding {
	if len(st.checks) == 0 {
		return nil
	}
	before := len(m.Findings)
	all := slices.Grow(m.Findings, len(st.checks))[:before+len(st.checks)]
	r := &stageRun{stage: st, mail: m, findings: all[before:]}
	r.run(ctx)
	m.Findings = all
	return r.findings
}

// stageRun is one run of a stage. What is looked up is nearly always in the
// cache, and then one goroutine runs its own checks one after the other. As
// soon as one has to wait, another goroutine goes on with the rest.
type stageRun struct {
	stage    *stage
	mail     *Mail
	findings []Finding
	others   sync.WaitGroup

	mu   sync.Mutex
	next int // of the own checks, to begin
}

func (r *stageRun) run(ctx context.Context) {
	if r.stage.budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.stage.budget)
		defer cancel()
	}
	for i := max(r.stage.own, 1); i < len(r.stage.checks); i++ {
		r.others.Go(func() { r.check(ctx, i) })
	}
	switch r.stage.own {
	case 0:
		r.check(ctx, 0)
	case 1:
		r.checkRest(ctx)
	default:
		var telling context.Context
		telling = dns.WithWaiting(ctx, func() { r.handOn(telling) })
		r.checkRest(telling)
	}
	r.others.Wait()
}

// handOn has another goroutine begin with the checks that nobody has begun.
func (r *stageRun) handOn(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next < r.stage.own {
		r.others.Go(func() { r.checkRest(ctx) })
	}
}

// checkRest runs own checks until all have begun.
func (r *stageRun) checkRest(ctx context.Context) {
	for {
		r.mu.Lock()
		i := r.next
		r.next++
		r.mu.Unlock()
		if i >= r.stage.own {
			return
		}
		r.check(ctx, i)
	}
}

func (r *stageRun) check(ctx context.Context, i int) {
	c := &r.stage.checks[i]
	r.findings[i] = c.Run(ctx, r.mail)
	r.findings[i].Check = c.Name
}
