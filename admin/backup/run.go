package backup

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailstead/mailstead/admin/backup/plan"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Source is the data of a server, open.
type Source struct {
	DataDir   string
	Directory *directory.Directory
	Boxes     *mailbox.Boxes
	Store     interface {
		Backup(ctx context.Context, to store.BackupSink) error
	}
	// Databases are the other bbolt files, by name; each writes a consistent copy
	// of itself.
	Databases map[string]func(io.Writer) error
	// Config is the configuration file; "" if there is none.
	Config string

	Hostname, Version string
}

// certsDir is the folder of certificates in a data folder and in a backup.
const certsDir = "certs"

// importsDir is the folder of imports in a data folder and in a backup: which
// there are and how far they came, but not files that wait to be imported.
const importsDir = "imports"

// configName is the configuration file in a backup.
const configName = "mailstead.toml"

// progress tells how many octets were read, of about how many.
type progress func(done, total int64)

// maxIndex is how many index objects there may be before they become one.
const maxIndex = 24

// run makes one backup. The caller has the lock.
func (r *repository) run(ctx context.Context, src Source, scratch string, tell progress) (*Manifest, error) {
	if err := r.loadIndex(ctx); err != nil {
		return nil, err
	}
	if err := r.forgetLost(ctx); err != nil {
		return nil, err
	}
	last, err := r.latest(ctx)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Format: format, Started: r.now().UTC(), Hostname: src.Hostname, Version: src.Version}
	m.ID = plan.ID(m.Started, strings.ToLower(rand.Text()[:8]))
	if m.Survey, err = survey(ctx, src.Directory, src.Boxes); err != nil {
		return nil, fmt.Errorf("look at the mailboxes: %w", err)
	}
	w := &writer{p: newPacker(ctx, r), scratch: scratch, disk: r.disk, root: filepath.Join(src.DataDir, "store"), old: map[string]*File{}, now: r.now}
	w.ctx = w.p.ctx
	total, done := int64(0), int64(0)
	if last != nil {
		total = last.bytes()
		for i := range last.Files {
			w.old[last.Files[i].Name] = &last.Files[i]
		}
	}
	w.seen = func(n int64) { done += n; tell(done, max(done, total)) }
	if err := w.p.close(ctx, w.copy(src)); err != nil {
		return nil, err
	}
	m.Survey.forget(src.Directory)
	m.Files, m.Added, m.Ended = w.files, w.p.added, r.now().UTC()
	if err := r.mergeIndex(ctx); err != nil {
		return nil, err
	}
	size, err := r.putObject(ctx, backupDir+"/"+m.ID, m)
	m.Added += size
	return m, err
}

// copy writes all files, in the order that doc.go explains.
func (w *writer) copy(src Source) error {
	if err := src.Store.Backup(w.ctx, w); err != nil {
		return err
	}
	if err := w.dump("system.db", src.Directory.Backup); err != nil {
		return err
	}
	for name, write := range src.Databases {
		if err := w.dump(name, write); err != nil {
			return err
		}
	}
	if err := w.folder(certsDir, filepath.Join(src.DataDir, certsDir)); err != nil {
		return fmt.Errorf("copy certificates: %w", err)
	}
	if err := w.records(importsDir, filepath.Join(src.DataDir, importsDir)); err != nil {
		return fmt.Errorf("copy what imports have noted: %w", err)
	}
	if src.Config == "" {
		return nil
	}
	b, err := os.ReadFile(src.Config)
	if err != nil {
		return nil // it may be readable for root alone
	}
	return w.content(configName, b)
}

// mergeIndex makes one index of many, and of one that names packs that are
// lost.
func (r *repository) mergeIndex(ctx context.Context) error {
	if len(r.index) <= maxIndex && !r.lost {
		return nil
	}
	old := r.index
	if err := r.putIndex(ctx, r.wholeIndex(nil)); err != nil {
		return err
	}
	for _, name := range old {
		if err := r.remove(ctx, name); err != nil {
			return err
		}
	}
	r.index = r.index[len(old):]
	return nil
}

// sweepScratch removes what a process that was killed has left in a folder.
func sweepScratch(dir string, log *slog.Logger) {
	left, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, f := range left {
		if !strings.HasPrefix(f.Name(), "copy-") && !strings.HasPrefix(f.Name(), "proof-") && !strings.HasPrefix(f.Name(), "view-") {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			log.Warn("scratch folder of backups", "err", err)
		}
	}
}
