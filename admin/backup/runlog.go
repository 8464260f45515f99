package backup

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Bounds of what is remembered.
const (
	maxRuns    = 100
	maxProofs  = 200
	maxDamaged = 1000
)

// Run is one backup that was tried.
type Run struct {
	ID      string    `json:"id,omitempty"` // "": there is none
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Bytes   int64     `json:"bytes"`
	Added   int64     `json:"added"`
	Error   string    `json:"error,omitempty"`
	// Cancelled says that somebody wanted it to end.
	Cancelled bool `json:"cancelled,omitempty"`
}

// ErrCancelled is the cause of a context that somebody has ended.
var ErrCancelled = errors.New("somebody has cancelled it")

// runLog is what is remembered of backups.
type runLog struct {
	Runs    []Run    `json:"runs"`              // the newest last
	Proofs  []Proof  `json:"proofs"`            // the newest last, one of a backup
	Good    *Proof   `json:"good"`              // the last that was one
	Damaged []string `json:"damaged,omitempty"` // packs
}

func (l *runLog) add(r Run) {
	l.Runs = append(l.Runs, r)
	l.Runs = l.Runs[max(0, len(l.Runs)-maxRuns):]
}

// prove remembers a proof, and packs that were found to be damaged.
func (l *runLog) prove(p Proof, damaged []string) {
	l.Proofs = slices.DeleteFunc(l.Proofs, func(old Proof) bool { return old.Backup == p.Backup })
	l.Proofs = append(l.Proofs, p)
	l.Proofs = l.Proofs[max(0, len(l.Proofs)-maxProofs):]
	if p.OK {
		l.Good = &p
	} else if l.Good != nil && l.Good.Backup == p.Backup {
		l.Good = nil
		for i := range l.Proofs {
			if l.Proofs[i].OK {
				l.Good = &l.Proofs[i]
			}
		}
	}
	for _, name := range damaged {
		if !slices.Contains(l.Damaged, name) && len(l.Damaged) < maxDamaged {
			l.Damaged = append(l.Damaged, name)
		}
	}
}

// last is the last run; the zero value if there was none.
func (l *runLog) last() Run {
	if len(l.Runs) == 0 {
		return Run{}
	}
	return l.Runs[len(l.Runs)-1]
}

// lastTried is the last run that nobody has cancelled; the zero value if there
// was none.
func (l *runLog) lastTried() Run {
	for _, r := range slices.Backward(l.Runs) {
		if !r.Cancelled {
			return r
		}
	}
	return Run{}
}

// lastFailed is when the last run that nobody has cancelled ended, if it failed.
func (l *runLog) lastFailed() time.Time {
	if r := l.lastTried(); r.Error != "" {
		return r.Ended
	}
	return time.Time{}
}

// lastCancelled is when the last run ended, if it was cancelled.
func (l *runLog) lastCancelled() time.Time {
	if r := l.last(); r.Cancelled {
		return r.Ended
	}
	return time.Time{}
}

// lastGood is when the last backup that went well was begun.
func (l *runLog) lastGood() time.Time {
	for _, r := range slices.Backward(l.Runs) {
		if r.Error == "" {
			return r.Started
		}
	}
	return time.Time{}
}

// runs returns a copy of what is remembered.
func (s *Service) runs(ctx context.Context) (runLog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recall(ctx)
}

// recall reads what is remembered; the caller holds mu.
func (s *Service) recall(ctx context.Context) (runLog, error) {
	if s.log == nil {
		l := &runLog{}
		if _, err := s.opts.State.State(ctx, stateLog, l); err != nil {
			return runLog{}, err
		}
		s.log = l
	}
	l := *s.log
	l.Runs, l.Proofs, l.Damaged = slices.Clone(l.Runs), slices.Clone(l.Proofs), slices.Clone(l.Damaged)
	return l, nil
}

// remember changes what is remembered.
func (s *Service) remember(ctx context.Context, change func(*runLog)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.recall(ctx)
	if err != nil {
		return err
	}
	change(&l)
	if err := s.opts.State.PutState(ctx, stateLog, &l); err != nil {
		return err
	}
	s.log = &l
	return nil
}

// damaged are the packs that a proof has found to be so: what is in them is
// stored again by the next backup.
func (s *Service) damaged(ctx context.Context) (map[string]bool, error) {
	l, err := s.runs(ctx)
	bad := map[string]bool{}
	for _, name := range l.Damaged {
		bad[name] = true
	}
	return bad, err
}

// proofOf returns the last proof of a backup.
func (s *Service) proofOf(ctx context.Context, id string) (Proof, bool, error) {
	l, err := s.runs(ctx)
	if err != nil {
		return Proof{}, false, err
	}
	i := slices.IndexFunc(l.Proofs, func(p Proof) bool { return p.Backup == id })
	if i < 0 {
		return Proof{}, false, nil
	}
	return l.Proofs[i], true, nil
}

// LastProof is the last proof that a backup can be restored.
func (s *Service) LastProof(ctx context.Context) (Proof, bool) {
	l, err := s.runs(ctx)
	if err != nil || l.Good == nil {
		return Proof{}, false
	}
	return *l.Good, true
}

// LastFailure says why the last backup failed that nobody has cancelled; "": it
// did not.
func (s *Service) LastFailure(ctx context.Context) string {
	l, err := s.runs(ctx)
	if err != nil {
		return ""
	}
	r := l.lastTried()
	return r.Error
}

// LastRun is the last backup that was tried.
func (s *Service) LastRun(ctx context.Context) (Run, bool) {
	l, err := s.runs(ctx)
	if err != nil || len(l.Runs) == 0 {
		return Run{}, false
	}
	return l.last(), true
}
