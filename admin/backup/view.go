package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// Bounds of a view.
const (
	viewIdle  = 5 * time.Minute // after which it is closed
	viewPacks = 3               // that are kept in memory
)

// view is one account of a backup, opened to be read: its rows are in a scratch
// folder, and bodies come when they are asked for.
type view struct {
	id, address string
	account     AccountSurvey
	dir         string
	m           *Manifest
	r           *repository
	t           target.Target
	o           *opened
	idle        *time.Timer

	filled map[string]map[int]bool // chunks of files; nil: all of it
	packs  map[uint32][]byte
	order  []uint32 // of packs, the oldest first
}

// viewing is the view that is open; one at a time.
type viewing struct {
	turn      chan struct{} // holds one value while nobody uses it
	restoring atomic.Bool   // it is used for long
	last      *view
}

func (v *viewing) free() { v.turn <- struct{}{} }

// withView runs fn on an account of a backup. The view stays open for a while,
// because who looks at a backup looks again.
func (s *Service) withView(ctx context.Context, id, address string, fn func(v *view) error) error {
	select {
	case <-s.viewing.turn:
		defer s.viewing.free()
	case <-ctx.Done():
		return ctx.Err()
	}
	if v := s.viewing.last; v == nil || v.id != id || v.address != address {
		if v != nil {
			s.viewing.last = nil
			if err := v.close(); err != nil {
				return err
			}
		}
		v, err := s.openView(ctx, id, address)
		if err != nil {
			return err
		}
		v.idle = time.AfterFunc(viewIdle, s.closeIdle)
		s.viewing.last = v
	}
	v := s.viewing.last
	v.idle.Stop()
	defer v.idle.Reset(viewIdle)
	return fn(v)
}

// closeIdle closes a view that nobody has used for a while.
func (s *Service) closeIdle() {
	if err := s.Close(); err != nil {
		s.opts.Logger.Warn("view of a backup", "err", err)
	}
}

// Close closes what is open.
func (s *Service) Close() error {
	<-s.viewing.turn
	defer s.viewing.free()
	v := s.viewing.last
	if v == nil {
		return nil
	}
	s.viewing.last = nil
	v.idle.Stop()
	return v.close()
}

func (v *view) close() error {
	var errs []error
	if v.o != nil {
		errs = append(errs, v.o.close())
	}
	if v.r != nil {
		v.r.close()
	}
	return errors.Join(append(errs, v.t.Close(), os.RemoveAll(v.dir))...)
}

func (s *Service) openView(ctx context.Context, id, address string) (_ *view, err error) {
	set := s.opts.Settings()
	k, err := s.Key(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{id: id, address: address, filled: map[string]map[int]bool{}, packs: map[uint32][]byte{}}
	if v.t, err = s.openTarget(ctx, &set); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.close())
		}
	}()
	if v.r, err = openRepository(ctx, v.t, k, s.opts.Now, s.opts.Logger); err != nil {
		return nil, err
	}
	if v.m, err = v.r.manifest(ctx, id); err != nil {
		return nil, err
	}
	if v.account, err = v.m.accountOf(address); err != nil {
		return nil, err
	}
	if err := v.r.loadIndex(ctx); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.scratch(), 0o700); err != nil {
		return nil, err
	}
	if v.dir, err = os.MkdirTemp(s.scratch(), "view-*"); err != nil {
		return nil, err
	}
	return v, v.open(ctx)
}

// accountOf finds an account of a backup.
func (m *Manifest) accountOf(address string) (AccountSurvey, error) {
	for _, a := range m.Survey.Accounts {
		if strings.EqualFold(a.Address, address) {
			return a, nil
		}
	}
	return AccountSurvey{}, &failure{ErrNotInBackup, fmt.Sprintf("the backup %s has no account %s", m.ID, address)}
}

// open restores what is needed to read the rows of the account: its database,
// and the log from where recovery begins.
func (v *view) open(ctx context.Context) error {
	none := func(int64, int64) {}
	own := fmt.Sprintf("store/acct/%d/mail.db", v.account.ID)
	var first, tail []File
	for _, f := range v.m.Files {
		if f.Name == "system.db" || f.Name == "store/sys.db" || f.Name == own {
			first = append(first, f)
		}
	}
	if err := v.r.restoreFiles(ctx, first, v.dir, none); err != nil {
		return err
	}
	from, err := store.LogBefore(filepath.Join(v.dir, "store", "sys.db"))
	if err != nil {
		return damaged("store/sys.db: %v", err)
	}
	for _, f := range v.m.Files {
		if strings.HasPrefix(f.Name, "store/log/") && f.Name >= storePrefix+from {
			tail = append(tail, f)
			v.filled[f.Name] = nil
		}
	}
	if err := v.r.restoreFiles(ctx, tail, v.dir, none); err != nil {
		return err
	}
	v.o, err = openFolder(v.dir)
	return err
}

// fetch brings the octets of a body, if they are not there yet.
func (v *view) fetch(ctx context.Context, ref store.Ref) error {
	name, off, n := ref.Extent()
	name = storePrefix + name
	filled, known := v.filled[name]
	if known && filled == nil {
		return nil
	}
	var f *File
	for i := range v.m.Files {
		if v.m.Files[i].Name == name {
			f = &v.m.Files[i]
		}
	}
	if f == nil {
		return damaged("%s is not in the backup", name)
	}
	if !known {
		if err := makeFile(v.dir, f); err != nil {
			return err
		}
		filled = map[int]bool{}
		v.filled[name] = filled
	}
	from, to := int(off/int64(f.ChunkSize)), int((off+n-1)/int64(f.ChunkSize))
	return f.each(func(i int, id chunkID) error {
		if i < from || i > to || filled[i] || id == hole {
			return nil
		}
		if err := v.fill(ctx, f, i, id); err != nil {
			return err
		}
		filled[i] = true
		return nil
	})
}

// fill writes one chunk to its place.
func (v *view) fill(ctx context.Context, f *File, i int, id chunkID) error {
	at, err := v.r.find(id)
	if err != nil {
		return err
	}
	pack, ok := v.packs[at.pack]
	if !ok {
		if pack, err = v.r.readPack(ctx, at.pack); err != nil {
			return err
		}
		if len(v.order) >= viewPacks {
			delete(v.packs, v.order[0])
			v.order = v.order[1:]
		}
		v.packs[at.pack] = pack
		v.order = append(v.order, at.pack)
	}
	b, err := v.r.unpackChunk(id, at, pack)
	if err != nil {
		return err
	}
	w, err := os.OpenFile(filepath.Join(v.dir, filepath.FromSlash(f.Name)), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(writeChunk(w, f, i, b), w.Close())
}

// body opens a message.
func (v *view) body(ctx context.Context, ref mailbox.BodyRef) (store.Body, error) {
	if err := v.fetch(ctx, ref.Ref); err != nil {
		return nil, err
	}
	return v.o.boxes.OpenBody(ctx, ref)
}

func (v *view) mail() *mailbox.Account { return v.o.boxes.Account(mailbox.AccountID(v.account.ID)) }
