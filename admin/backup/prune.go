package backup

import (
	"context"
	"fmt"
)

// mostlyDead is the share of a pack that has to be needed still, or the rest
// is written anew.
const mostlyDead = 0.5

// Pruned says what prune has done.
type Pruned struct {
	Backups int   // removed
	Packs   int   // removed
	Moved   int   // chunks written anew
	Octets  int64 // of the packs that were removed, less those that were written
}

// prune removes backups, and what then no backup needs. The caller has the
// lock, so that nobody writes. Whatever breaks it off leaves the backups that
// are kept whole: new packs come before the index that names them, the old
// index goes before the packs it names.
func (r *repository) prune(ctx context.Context, remove []string) (Pruned, error) {
	var done Pruned
	for _, id := range remove {
		if err := r.remove(ctx, backupDir+"/"+id); err != nil {
			return done, err
		}
		done.Backups++
	}
	if err := r.loadIndex(ctx); err != nil {
		return done, err
	}
	live, err := r.mark(ctx)
	if err != nil {
		return done, err
	}
	needed := map[uint32]int{} // chunks of packs
	for id := range live {
		if at, ok := r.where[id]; ok {
			needed[at.pack]++
		}
	}
	keep, dead := map[uint32]bool{}, []uint32{}
	for n := range r.packs {
		if float64(needed[uint32(n)]) >= mostlyDead*float64(r.packs[n].chunks) && needed[uint32(n)] > 0 {
			keep[uint32(n)] = true
		} else {
			dead = append(dead, uint32(n))
		}
	}
	if len(dead) == 0 {
		return done, r.sweep(ctx, nil, &done)
	}
	return done, r.sweepPacks(ctx, live, keep, dead, &done)
}

// mark returns the chunks that backups need.
func (r *repository) mark(ctx context.Context) (map[chunkID]bool, error) {
	live := map[chunkID]bool{}
	ids, err := r.backupIDs(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		m, err := r.manifest(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("nothing was removed, because it is not known what %s needs: %w", id, err)
		}
		for i := range m.Files {
			m.Files[i].each(func(_ int, id chunkID) error { live[id] = true; return nil }) //nolint:errcheck // has none
		}
	}
	delete(live, hole)
	return live, nil
}

// sweepPacks writes what is needed of dead packs anew, then an index without
// them, and removes them.
func (r *repository) sweepPacks(ctx context.Context, live map[chunkID]bool, keep map[uint32]bool, dead []uint32, done *Pruned) error {
	old := r.index
	moved, err := r.move(ctx, live, dead, done)
	if err != nil {
		return err
	}
	for n := range moved {
		keep[n] = true
	}
	written := r.index[len(old):]
	if err := r.putIndex(ctx, r.wholeIndex(keep)); err != nil {
		return err
	}
	current := r.index[len(r.index)-1]
	for _, name := range append(old, written...) {
		if err := r.remove(ctx, name); err != nil {
			return err
		}
	}
	r.index = []string{current}
	return r.sweep(ctx, keep, done)
}

// move writes the chunks that are needed of dead packs into new ones, which it
// returns.
func (r *repository) move(ctx context.Context, live map[chunkID]bool, dead []uint32, done *Pruned) (map[uint32]bool, error) {
	first := uint32(len(r.packs))
	byPack := map[uint32][]chunkID{}
	for id := range live {
		if at, ok := r.where[id]; ok {
			byPack[at.pack] = append(byPack[at.pack], id)
		}
	}
	p := newPacker(ctx, r)
	err := func() error {
		for _, n := range dead {
			if len(byPack[n]) == 0 {
				continue
			}
			pack, err := r.readPack(ctx, n)
			if err != nil {
				return err
			}
			for _, id := range byPack[n] {
				at, err := r.find(id)
				if err != nil {
					return err
				}
				if _, err := r.unpackChunk(id, at, pack); err != nil {
					return err
				}
				if err := p.addPacked(id, pack[at.offset:][:at.length]); err != nil {
					return err
				}
				done.Moved++
			}
		}
		return nil
	}()
	if err := p.close(ctx, err); err != nil {
		return nil, err
	}
	moved := map[uint32]bool{}
	for n := first; n < uint32(len(r.packs)); n++ {
		moved[n] = true
	}
	done.Octets -= p.added
	return moved, r.relocate(moved)
}

// relocate lets chunks that were moved be where they are now.
func (r *repository) relocate(moved map[uint32]bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, at := range r.moved {
		if moved[at.pack] {
			r.where[id] = at
		}
	}
	r.moved = nil
	return nil
}

// sweep removes packs that the index does not name; keep nil: all that it
// knows are kept.
func (r *repository) sweep(ctx context.Context, keep map[uint32]bool, done *Pruned) error {
	named := map[string]bool{}
	for n := range r.packs {
		if keep == nil || keep[uint32(n)] {
			named[r.packs[n].object()] = true
		}
	}
	list, err := r.list(ctx, packFolder)
	if err != nil {
		return err
	}
	for _, o := range list {
		if named[o.Name] {
			continue
		}
		if err := r.remove(ctx, o.Name); err != nil {
			return err
		}
		done.Packs++
		done.Octets += o.Size
	}
	return nil
}
