package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
	"github.com/mailstead/mailstead/mail/durable"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of imports.
const (
	maxImports      = 2000
	runningImports  = 2 // at a time; the others wait
	importType      = ".json"
	tellImportOften = time.Second // between two events of one import that runs
)

// importRecord is an import as it is kept in a file of its own: with its
// secrets, as settings are, in the data folder that only the server reads.
type importRecord struct {
	ID       string
	Spec     NewImport
	State    ImportState
	Runs     int
	Created  time.Time
	Ended    time.Time
	Error    string
	Progress movein.Progress
	Report   *movein.Report

	job       string
	who       Principal
	cancel    context.CancelFunc
	cancelled bool // by somebody, not by the end of the server
	told      time.Time
}

// imports are those there are, the oldest first.
type imports struct {
	mu     sync.Mutex
	loaded bool
	list   []*importRecord
}

func newImportRecord(now time.Time) *importRecord {
	return &importRecord{ID: strings.ToLower(rand.Text()), Created: now.UTC()}
}

func (m *importRecord) view() Import {
	v := Import{ID: m.ID, Kind: m.Spec.Kind, Account: m.Spec.Account, Mailbox: m.Spec.Mailbox, DryRun: m.Spec.DryRun, From: m.Spec.from(), Server: m.Spec.server(), State: m.State,
		Job: m.job, Runs: m.Runs, Created: m.Created, Ended: m.Ended, Error: m.Error, Progress: m.Progress}
	if m.Report != nil {
		rep := *m.Report
		v.Report = &rep
	}
	return v
}

// underWay reports whether a run has not ended.
func (m *importRecord) underWay() bool { return m.State == ImportRunning || m.State == ImportWaiting }

// tellImport tells those who may change the system how far an import is;
// imports.mu is held.
func (a *Admin) tellImport(m *importRecord) {
	m.told = a.opts.Now()
	v := m.view()
	v.Report = nil
	a.Publish(TopicJobs, "import.changed", v)
}

// tellImports tells them that there are others, or that many have changed.
func (a *Admin) tellImports() { a.Publish(TopicJobs, "imports.changed", struct{}{}) }

// loadImports reads the imports, once. What ran when the server ended waits.
func (a *Admin) loadImports() error {
	a.imports.mu.Lock()
	defer a.imports.mu.Unlock()
	if a.imports.loaded || a.opts.ImportDir == "" {
		return nil
	}
	files, err := os.ReadDir(a.opts.ImportDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("imports: %w", err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), importType) {
			continue
		}
		m := &importRecord{}
		b, err := os.ReadFile(filepath.Join(a.opts.ImportDir, f.Name()))
		if err == nil {
			err = json.Unmarshal(b, m)
		}
		if err != nil {
			a.opts.Logger.Error("an import cannot be read", "file", f.Name(), "err", err)
			continue
		}
		if m.State == ImportRunning {
			m.State = ImportWaiting
		}
		a.imports.list = append(a.imports.list, m)
	}
	slices.SortFunc(a.imports.list, func(x, y *importRecord) int { return x.Created.Compare(y.Created) })
	a.imports.loaded = true
	return nil
}

// saveImport writes an import down; imports.mu is held.
func (a *Admin) saveImport(m *importRecord) error {
	b, err := json.Marshal(m)
	if err == nil {
		err = durable.MkdirAll(a.opts.ImportDir, 0o700)
	}
	if err == nil {
		err = durable.WriteFile(a.importFile(m), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("save import: %w", err)
	}
	return nil
}

func (a *Admin) importFile(m *importRecord) string {
	return filepath.Join(a.opts.ImportDir, m.ID+importType)
}

// forgetImport removes an import; imports.mu is held.
func (a *Admin) forgetImport(m *importRecord) error {
	if err := os.Remove(a.importFile(m)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove import: %w", err)
	}
	a.imports.list = slices.DeleteFunc(a.imports.list, func(o *importRecord) bool { return o == m })
	return nil
}

// queueImport lets an import wait for its turn; imports.mu is held.
func (a *Admin) queueImport(p Principal, m *importRecord) (Import, error) {
	m.State, m.Error, m.who, m.cancelled, m.job = ImportWaiting, "", p, false, ""
	m.Progress = movein.Progress{}
	if err := a.saveImport(m); err != nil {
		return Import{}, err
	}
	a.startImports()
	return m.view(), nil
}

// stopImport ends the run of an import; imports.mu is held.
func (a *Admin) stopImport(m *importRecord) error {
	switch m.State {
	case ImportRunning:
		m.cancelled = true
		m.cancel()
	case ImportWaiting:
		m.State = ImportStopped
	}
	return a.saveImport(m)
}

// resumeImports lets those go on that the end of the server has cut off.
func (a *Admin) resumeImports() {
	if err := a.loadImports(); err != nil {
		a.opts.Logger.Error("imports", "err", err)
		return
	}
	a.imports.mu.Lock()
	defer a.imports.mu.Unlock()
	for _, m := range a.imports.list {
		if m.who.Kind == "" {
			m.who = Principal{Kind: KindSystem, Name: "system", Role: directory.RoleOwner}
		}
	}
	a.startImports()
}

// startImports begins those that wait, as many as may run; imports.mu is held.
func (a *Admin) startImports() {
	running := 0
	for _, m := range a.imports.list {
		if m.State == ImportRunning {
			running++
		}
	}
	for _, m := range a.imports.list {
		if m.State != ImportWaiting || m.who.Kind == "" || running >= runningImports {
			continue
		}
		if err := a.beginImport(m); err != nil {
			a.opts.Logger.Error("an import cannot begin", "err", err)
			return
		}
		running++
	}
}

// beginImport starts the job of an import; imports.mu is held.
func (a *Admin) beginImport(m *importRecord) error {
	j, err := a.start(m.who, jobImport, func(ctx context.Context, p *Progress) (any, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		a.imports.mu.Lock()
		m.cancel = cancel
		spec, stop := m.Spec, m.cancelled
		a.imports.mu.Unlock()
		if stop {
			cancel()
		}
		rep, err := a.runImport(ctx, p, m, &spec)
		return nil, a.endImport(m, rep, err)
	})
	if err != nil {
		return err
	}
	m.State, m.job, m.cancel = ImportRunning, j.ID, func() {}
	m.Runs++
	a.tellImport(m)
	return a.saveImport(m)
}

// runImport is the job.
func (a *Admin) runImport(ctx context.Context, p *Progress, m *importRecord, n *NewImport) (movein.Report, error) {
	addr, err := parseAddress(n.Account)
	if err != nil {
		return movein.Report{}, err
	}
	acct, err := a.opts.Directory.AccountByAddress(addr)
	if err != nil {
		return movein.Report{}, err
	}
	if err := n.checkToken(ctx); err != nil {
		return movein.Report{}, err
	}
	id := mailbox.AccountID(acct.ID)
	if err := a.opts.Mailboxes.CreateAccount(ctx, id); err != nil {
		return movein.Report{}, err
	}
	src, err := n.open(a.opts.ImportDir, a.opts.Now)
	if err != nil {
		return movein.Report{}, err
	}
	defer src.Close()
	return movein.Run(ctx, movein.Options{Source: src, Account: a.opts.Mailboxes.Account(id), Bodies: a.opts.Mailboxes, Into: n.Mailbox, DryRun: n.DryRun,
		Spool: a.opts.ImportDir, Disk: a.opts.Disk, Now: a.opts.Now, Logger: a.opts.Logger, Told: func(now movein.Progress) {
			p.Set(now.Messages, now.AllMessages)
			a.imports.mu.Lock()
			m.Progress = now
			if a.opts.Now().Sub(m.told) >= tellImportOften {
				a.tellImport(m)
			}
			a.imports.mu.Unlock()
		}})
}

// unfinished says what is not right with what an import has brought in.
func unfinished(rep *movein.Report) error {
	var wrong, incomplete error
	if n := len(rep.Wrong); n > 0 {
		wrong = fmt.Errorf("%d messages are not here as the source gave them; the report names them", n)
	}
	if n := len(rep.Incomplete); n > 0 {
		first := rep.Incomplete[0]
		incomplete = fmt.Errorf("not complete: the report names what is missing in %d of the folders, as in %s: %s. "+
			"Run the import again; if that changes nothing, look into the folder at the other server, and bring in a copy of it as mbox", n, first.Name, first.Error)
	}
	return errors.Join(wrong, incomplete)
}

// endImport notes what came of a run, and lets the next begin. One that the
// end of the server has cut off goes on with the next.
func (a *Admin) endImport(m *importRecord, rep movein.Report, err error) error {
	a.imports.mu.Lock()
	defer a.imports.mu.Unlock()
	m.Ended, m.Progress = a.opts.Now().UTC(), rep.Progress
	if !rep.Started.IsZero() {
		m.Report = &rep
	}
	cut := errors.Is(err, context.Canceled)
	switch {
	case err == nil:
		if err = unfinished(&rep); err == nil {
			m.State = ImportDone
		} else {
			m.State, m.Error = ImportFailed, err.Error()
		}
	case cut && m.cancelled:
		m.State, err = ImportStopped, errors.New("it was cancelled; resume goes on where it was")
	case cut:
		m.State = ImportWaiting
	default:
		m.State, m.Error = ImportFailed, err.Error()
	}
	a.opts.Logger.Info("import", "account", m.Spec.Account, "kind", m.Spec.Kind, "state", m.State, "added", rep.Added, "known", rep.Known, "left_out", rep.LeftOut, "dur", rep.Ended.Sub(rep.Started))
	err = errors.Join(err, a.saveImport(m))
	a.tellImport(m)
	if m.State != ImportWaiting {
		a.startImports()
	}
	return err
}
