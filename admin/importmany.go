package admin

import (
	"context"
	"errors"
	"slices"
)

// ImportChoice chooses imports by what they have in common: all of them if it
// says nothing.
type ImportChoice struct {
	Kind   ImportKind  `json:"kind,omitempty" enum:"maildir,mbox,imap"`
	Server string      `json:"server,omitempty" maxLength:"300" doc:"As an import names it."`
	State  ImportState `json:"state,omitempty" enum:"waiting,running,done,failed,stopped"`
}

func (c *ImportChoice) has(m *importRecord) bool {
	return (c.Kind == "" || c.Kind == m.Spec.Kind) && (c.Server == "" || c.Server == m.Spec.server()) && (c.State == "" || c.State == m.State)
}

// ImportsResult is what came of a change of many imports.
type ImportsResult struct {
	Changed int `json:"changed"`
	Passed  int `json:"passed" doc:"Chosen, but passed over: what is under way is not run again or forgotten, what has ended is not stopped, and a dry run is not run again."`
}

// ResumeImports runs every chosen import again that has ended: before and after
// mail comes here, that brings what is new at the source. Dry runs stay.
func (a *Admin) ResumeImports(ctx context.Context, c ImportChoice) (ImportsResult, error) {
	p, err := authorize(ctx, ChangeSystem)
	if err == nil {
		err = a.roomForImport(false)
	}
	if err != nil {
		return ImportsResult{}, err
	}
	return a.manyImports(ctx, "import.resume", &c, func(m *importRecord) (bool, error) {
		if m.underWay() || m.Spec.DryRun {
			return false, nil
		}
		_, err := a.queueImport(p, m)
		return true, err
	})
}

// CancelImports stops every chosen import that is under way; what was brought
// in stays.
func (a *Admin) CancelImports(ctx context.Context, c ImportChoice) (ImportsResult, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return ImportsResult{}, err
	}
	return a.manyImports(ctx, "import.cancel", &c, func(m *importRecord) (bool, error) {
		if !m.underWay() {
			return false, nil
		}
		return true, a.stopImport(m)
	})
}

// RemoveImports forgets every chosen import that has ended, as RemoveImport
// does.
func (a *Admin) RemoveImports(ctx context.Context, c ImportChoice) (ImportsResult, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return ImportsResult{}, err
	}
	return a.manyImports(ctx, "import.remove", &c, func(m *importRecord) (bool, error) {
		if m.underWay() {
			return false, nil
		}
		return true, a.forgetImport(m)
	})
}

// manyImports does something with each chosen import, and records it once. do
// reports whether it did. Each is written to disk by itself, and what runs
// tells how far it is in between.
func (a *Admin) manyImports(ctx context.Context, action string, c *ImportChoice, do func(*importRecord) (bool, error)) (r ImportsResult, err error) {
	if err := a.loadImports(); err != nil {
		return r, err
	}
	// The newest first: those that wait are stopped before those that run, so
	// that none begins in between.
	for _, m := range slices.Backward(a.chosenImports(c)) {
		if err = ctx.Err(); err != nil {
			break
		}
		var did bool
		if did, err = a.oneOfMany(m, do); err != nil {
			break
		}
		if did {
			r.Changed++
		} else {
			r.Passed++
		}
	}
	if r.Changed == 0 {
		return r, err
	}
	a.tellImports()
	return r, errors.Join(err, a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), action, c.Server, map[string]any{"choice": c, "imports": r.Changed}))
}

func (a *Admin) chosenImports(c *ImportChoice) []*importRecord {
	a.imports.mu.Lock()
	defer a.imports.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.imports.list), func(m *importRecord) bool { return !c.has(m) })
}

// oneOfMany does something with an import, unless somebody has removed it.
func (a *Admin) oneOfMany(m *importRecord, do func(*importRecord) (bool, error)) (bool, error) {
	a.imports.mu.Lock()
	defer a.imports.mu.Unlock()
	if !slices.Contains(a.imports.list, m) {
		return false, nil
	}
	return do(m)
}
