package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/backup/plan"
	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/turns"
)

// State remembers things; *directory.Directory.
type State interface {
	State(ctx context.Context, name string, v any) (found bool, err error)
	PutState(ctx context.Context, name string, v any) error
}

// Names of what is remembered.
const (
	stateKey = "backup/key"
	stateLog = "backup/log"
)

// Options of a Service; all but Logger, Now and Changed are needed.
type Options struct {
	Source   Source
	Settings func() Settings
	State    State
	// Disk guards the disk of the data: backups to it, and copies on it, must not
	// take the room of mail. nil: there is room.
	Disk *disk.Guard
	// Changed is told after a backup or a proof has ended; it may be nil.
	Changed func()
	Now     func() time.Time
	Logger  *slog.Logger
}

// Service makes, proves and restores the backups of a running server. Its
// methods may be called concurrently; one works at a time.
type Service struct {
	opts Options
	busy *turns.Turns // one, of whoever uses the target

	viewing viewing

	mu       sync.Mutex
	key      *Key
	log      *runLog            // nil: not read yet
	details  map[string]details // of backups, by ID
	schedule string             // that is followed
	since    time.Time          // when that was begun
	setBack  time.Time          // when the last good backup was first found to be of a time to come
	declined time.Time          // when a backup ended that is not remembered
}

// details are what List says of a backup, from its manifest.
type details struct {
	started, ended         time.Time
	bytes, added, messages int64
	accounts               int
}

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	s := &Service{opts: o, details: map[string]details{}, busy: turns.New(1), viewing: viewing{turn: make(chan struct{}, 1)}}
	s.viewing.free()
	sweepScratch(s.scratch(), o.Logger)
	return s
}

// scratch is the folder for copies and proofs.
func (s *Service) scratch() string {
	if dir := s.opts.Settings().Scratch; dir != "" {
		return dir
	}
	return filepath.Join(s.opts.Source.DataDir, "scratch")
}

// keyRecord is what is remembered under stateKey.
type keyRecord struct {
	Secret string `json:"secret"`
}

// Key returns the key of the backups, which is made when it is first asked for.
func (s *Service) Key(ctx context.Context) (*Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	var rec keyRecord
	found, err := s.opts.State.State(ctx, stateKey, &rec)
	if err != nil {
		return nil, err
	}
	if found {
		s.key, err = ParseKey(rec.Secret)
		return s.key, err
	}
	k, err := NewKey()
	if err != nil {
		return nil, err
	}
	if err := s.opts.State.PutState(ctx, stateKey, keyRecord{k.Secret()}); err != nil {
		return nil, err
	}
	s.key = k
	return k, nil
}

// with runs fn with the repository open.
func (s *Service) with(ctx context.Context, k *Key, init bool, fn func(r *repository, t target.Target) error) (err error) {
	set := s.opts.Settings()
	if k == nil {
		if k, err = s.Key(ctx); err != nil {
			return err
		}
	}
	t, err := s.openTarget(ctx, &set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if init {
		if err := initRepository(ctx, t, k, s.opts.Now); err != nil {
			return fmt.Errorf("the place for backups cannot be used: %w", err)
		}
	}
	r, err := openRepository(ctx, t, k, s.opts.Now, s.opts.Logger)
	if err != nil {
		return err
	}
	defer r.close()
	r.reopen = func(ctx context.Context) (target.Target, error) { return s.openTarget(ctx, &set) }
	if disk.Same(s.opts.Source.DataDir, existing(s.scratch())) {
		r.disk = s.opts.Disk
	}
	return fn(r, t)
}

// Phases of a run.
const (
	PhaseCopy  = "copy"
	PhaseProve = "prove"
	PhasePrune = "prune"
)

// Telling is how far a run is: in octets, of about how many.
type Telling func(phase string, done, total int64)

// Run makes a backup, proves it, and removes those that need not be kept. The
// result is remembered whatever it is.
func (s *Service) Run(ctx context.Context, tell Telling) (Run, error) {
	if err := s.busy.Take(ctx); err != nil {
		s.decline(ctx)
		return Run{}, err
	}
	defer s.busy.Give()
	run := Run{Started: s.opts.Now().UTC()}
	err := s.Room()
	if err == nil {
		err = s.with(ctx, nil, true, func(r *repository, _ target.Target) error { return s.run(ctx, r, &run, tell) })
	}
	run.Ended = s.opts.Now().UTC()
	switch {
	case err == nil:
		s.opts.Logger.InfoContext(ctx, "backup", "backup", run.ID, "added", run.Added, "dur", run.Ended.Sub(run.Started))
	case errors.Is(context.Cause(ctx), ErrCancelled):
		run.Error, run.Cancelled = ErrCancelled.Error(), true
		s.opts.Logger.InfoContext(ctx, "backup", "backup", run.ID, "err", ErrCancelled)
	case ctx.Err() != nil:
		run.Error = "it was interrupted"
		s.opts.Logger.InfoContext(ctx, "backup", "backup", run.ID, "err", run.Error)
	default:
		run.Error = err.Error()
		s.opts.Logger.ErrorContext(ctx, "backup", "backup", run.ID, "err", err)
	}
	if rerr := s.remember(context.WithoutCancel(ctx), func(l *runLog) { l.add(run) }); rerr != nil {
		s.putOff() // the disk may be full to the last octet
		err = cmp.Or(err, rerr)
	}
	s.opts.Changed()
	return run, err
}

func (s *Service) run(ctx context.Context, r *repository, run *Run, tell Telling) error {
	err := r.locked(ctx, "backup", func(ctx context.Context) error {
		return inScratch(s.scratch(), "copy", func(dir string) error {
			bad, err := s.damaged(ctx)
			if err != nil {
				return err
			}
			r.bad = bad
			m, err := r.run(ctx, s.opts.Source, dir, func(done, total int64) { tell(PhaseCopy, done, total) })
			if err != nil {
				return err
			}
			run.ID, run.Added, run.Bytes = m.ID, m.Added, m.bytes()
			s.know(m)
			return nil
		})
	})
	if err != nil {
		return err
	}
	if err := s.prove(ctx, r, run.ID, tell); err != nil {
		return err
	}
	return s.retain(ctx, r, tell)
}

// prove proves a backup and remembers the proof; a backup that cannot be
// restored is an error.
func (s *Service) prove(ctx context.Context, r *repository, id string, tell Telling) error {
	var p Proof
	err := inScratch(s.scratch(), "proof", func(dir string) (err error) {
		p, err = r.prove(ctx, id, dir, func(done, total int64) { tell(PhaseProve, done, total) })
		return err
	})
	if err != nil {
		return fmt.Errorf("the backup could not be proved: %w", err)
	}
	if err := s.remember(ctx, func(l *runLog) { l.prove(p, r.found) }); err != nil {
		return err
	}
	if !p.OK {
		return &failure{ErrDamaged, "the backup " + id + " cannot be restored: " + p.Text()}
	}
	return nil
}

// retain removes backups that need not be kept, and what only they needed. The
// last one that was proved is kept.
func (s *Service) retain(ctx context.Context, r *repository, tell Telling) error {
	ids, err := r.backupIDs(ctx)
	if err != nil {
		return err
	}
	kept := s.opts.Settings().Keep.Keep(ids, s.opts.Now().Location())
	if p, ok := s.LastProof(ctx); ok {
		kept[p.Backup] = true
	}
	remove := slices.DeleteFunc(ids, func(id string) bool { return kept[id] })
	if len(remove) == 0 {
		return nil
	}
	tell(PhasePrune, 0, 0)
	return s.prune(ctx, r, remove)
}

func (s *Service) prune(ctx context.Context, r *repository, remove []string) error {
	return r.locked(ctx, "removal", func(ctx context.Context) error {
		done, err := r.prune(ctx, remove)
		s.opts.Logger.InfoContext(ctx, "old backups removed", "backups", done.Backups, "packs", done.Packs, "octets", done.Octets, "err", err)
		return err
	})
}

// Verify proves a backup; "" is the last one. k is another copy of the key that
// is tried; nil: the server's own.
func (s *Service) Verify(ctx context.Context, id string, k *Key, tell Telling) (p Proof, err error) {
	if err := s.busy.Take(ctx); err != nil {
		return Proof{}, err
	}
	defer s.busy.Give()
	err = s.with(ctx, k, false, func(r *repository, _ target.Target) error {
		if id == "" {
			ids, err := r.backupIDs(ctx)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				return &failure{ErrNoBackup, "there is no backup yet; `mailstead backup run` makes one"}
			}
			id = ids[len(ids)-1]
		}
		if err := s.prove(ctx, r, id, tell); err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		return nil
	})
	defer s.opts.Changed()
	if errors.Is(err, ErrWrongKey) || errors.Is(err, ErrDamaged) { // it was not even opened
		p = Proof{Backup: id, At: s.opts.Now().UTC(), Steps: []Step{{"key", false, err.Error()}}}
		return p, s.remember(ctx, func(l *runLog) { l.prove(p, nil) })
	}
	if err != nil {
		return Proof{}, err
	}
	p, _, err = s.proofOf(ctx, id)
	return p, err
}

// Remove removes a backup and what only it needed.
func (s *Service) Remove(ctx context.Context, id string) error {
	if err := s.busy.Take(ctx); err != nil {
		return err
	}
	defer s.busy.Give()
	return s.with(ctx, nil, false, func(r *repository, _ target.Target) error {
		ids, err := r.backupIDs(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(ids, id) {
			return noBackup(id)
		}
		return s.prune(ctx, r, []string{id})
	})
}

func (s *Service) know(m *Manifest) {
	d := details{started: m.Started, ended: m.Ended, bytes: m.bytes(), added: m.Added, accounts: len(m.Survey.Accounts)}
	for i := range m.Survey.Accounts {
		d.messages += m.Survey.Accounts[i].Messages
	}
	s.mu.Lock()
	s.details[m.ID] = d
	s.mu.Unlock()
}

// Backup is one in the target.
type Backup struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	Bytes    int64     `json:"bytes" doc:"Of all files in it, holes included."`
	Added    int64     `json:"added" doc:"Octets that it has added to the target."`
	Accounts int       `json:"accounts"`
	Messages int64     `json:"messages"`
	Proof    *Proof    `json:"proof,omitempty" doc:"The last one."`
	Error    string    `json:"error,omitempty" doc:"Why it cannot be read."`
}

// List returns the backups in the target, the newest first; none if there are
// none yet.
func (s *Service) List(ctx context.Context) (list []Backup, err error) {
	list = []Backup{}
	err = s.with(ctx, nil, false, func(r *repository, _ target.Target) error {
		ids, err := r.backupIDs(ctx)
		if err != nil {
			return err
		}
		slices.Reverse(ids)
		for _, id := range ids {
			b, err := s.describe(ctx, r, id)
			if err != nil {
				return err
			}
			list = append(list, b)
		}
		return nil
	})
	if errors.Is(err, ErrEmpty) {
		return list, nil
	}
	return list, err
}

func (s *Service) describe(ctx context.Context, r *repository, id string) (Backup, error) {
	s.mu.Lock()
	d, known := s.details[id]
	s.mu.Unlock()
	b := Backup{ID: id}
	if !known {
		m, err := r.manifest(ctx, id)
		if errors.Is(err, ErrDamaged) || errors.Is(err, ErrWrongKey) {
			b.Started, _ = plan.TimeOf(id)
			b.Error = err.Error()
			return b, nil
		}
		if err != nil {
			return b, err
		}
		s.know(m)
		s.mu.Lock()
		d = s.details[id]
		s.mu.Unlock()
	}
	b.Started, b.Ended, b.Bytes, b.Added, b.Accounts, b.Messages = d.started, d.ended, d.bytes, d.added, d.accounts, d.messages
	if p, ok, err := s.proofOf(ctx, id); err != nil {
		return b, err
	} else if ok {
		b.Proof = &p
	}
	return b, nil
}
