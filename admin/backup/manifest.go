package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mailstead/mailstead/admin/backup/plan"
)

// Sizes of chunks.
const (
	logChunk = 1 << 20  // of what is appended to, or never changes
	dbChunk  = 32 << 10 // of bbolt files
)

// Manifest is one backup: its files, and what is known of them.
type Manifest struct {
	Format   int       `json:"format"`
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Hostname string    `json:"hostname,omitempty"`
	Version  string    `json:"version,omitempty"` // of the program
	Files    []File    `json:"files"`
	Survey   Survey    `json:"survey"`
	// Added is what this backup has added to the target, in octets there.
	Added int64 `json:"added"`
}

// File is a file of a backup. Chunks has 32 octets for each chunk of ChunkSize
// octets; 32 zeros are a chunk of zeros.
type File struct {
	Name      string `json:"name"` // relative, with slashes
	Size      int64  `json:"size"`
	ChunkSize int    `json:"chunkSize"`
	Chunks    []byte `json:"chunks"`
	Stamp     *Stamp `json:"stamp,omitempty"`
}

// Stamp tells whether a file is as it was; of files that are copied from where
// they lie only.
type Stamp struct {
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds since 1970
	Changed  int64  `json:"changed"`
}

// stampAge is how old a change must be for its time to tell it from the next.
const stampAge = 3 * time.Second

// stampOf returns the stamp of a file; nil if it was changed a moment ago.
func stampOf(name string, now time.Time) *Stamp {
	var s unix.Stat_t
	if err := unix.Stat(name, &s); err != nil {
		return nil
	}
	changed := time.Unix(s.Ctim.Unix())
	if now.Sub(changed) < stampAge {
		return nil
	}
	return &Stamp{Inode: s.Ino, Size: s.Size, Modified: s.Mtim.Nano(), Changed: s.Ctim.Nano()}
}

// each yields the chunks of a file in order.
func (f *File) each(fn func(i int, id chunkID) error) error {
	for i := 0; (i+1)*sha256.Size <= len(f.Chunks); i++ {
		if err := fn(i, chunkID(f.Chunks[i*sha256.Size:])); err != nil {
			return err
		}
	}
	return nil
}

// check makes sure that a manifest can be one.
func (f *File) check() error {
	want := (f.Size + int64(f.ChunkSize) - 1) / int64(max(f.ChunkSize, 1))
	if !filepath.IsLocal(filepath.FromSlash(f.Name)) || f.Size < 0 || f.ChunkSize < 4096 || f.ChunkSize > 64<<20 || int64(len(f.Chunks)) != want*sha256.Size {
		return damaged("the manifest has a file %q of %d octets that cannot be", f.Name, f.Size)
	}
	return nil
}

// bytes is the size of all files.
func (m *Manifest) bytes() (n int64) {
	for i := range m.Files {
		n += m.Files[i].Size
	}
	return n
}

// backupIDs returns the backups that there are, the oldest first.
func (r *repository) backupIDs(ctx context.Context) ([]string, error) {
	list, err := r.list(ctx, backupDir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, o := range list {
		id := strings.TrimPrefix(o.Name, backupDir+"/")
		if _, ok := plan.TimeOf(id); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// manifest reads one.
func (r *repository) manifest(ctx context.Context, id string) (*Manifest, error) {
	if _, ok := plan.TimeOf(id); !ok {
		return nil, noBackup(id)
	}
	ids, err := r.backupIDs(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(ids, id) {
		return nil, noBackup(id)
	}
	var m Manifest
	if err := r.getObject(ctx, backupDir+"/"+id, &m); err != nil {
		return nil, err
	}
	if m.Format != format || m.ID != id {
		return nil, damaged("the manifest of %s is one of %s, format %d", id, cmp.Or(m.ID, "nothing"), m.Format)
	}
	for i := range m.Files {
		if err := m.Files[i].check(); err != nil {
			return nil, err
		}
	}
	return &m, nil
}

func noBackup(id string) error {
	return &failure{ErrNoBackup, fmt.Sprintf("there is no backup %s; `mailstead backup list` shows all", id)}
}

// latest reads the newest manifest; nil if there is none.
func (r *repository) latest(ctx context.Context) (*Manifest, error) {
	ids, err := r.backupIDs(ctx)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	m, err := r.manifest(ctx, ids[len(ids)-1])
	if errors.Is(err, ErrDamaged) {
		r.log.Warn("the last backup cannot be read; all files are read again", "err", err)
		return nil, nil
	}
	return m, err
}

// syncDir makes the names in a folder durable.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
