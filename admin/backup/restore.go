package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"
)

// spot is where a chunk belongs.
type spot struct {
	file  int
	chunk int
}

// restoreFiles writes files of a backup below dir, which has none of them.
// Each pack is read once. Holes stay holes.
func (r *repository) restoreFiles(ctx context.Context, files []File, dir string, tell progress) error {
	spots := map[uint32]map[chunkID][]spot{} // by pack
	total := int64(0)
	for i := range files {
		f := &files[i]
		if err := f.check(); err != nil {
			return err
		}
		if err := makeFile(dir, f); err != nil {
			return err
		}
		err := f.each(func(n int, id chunkID) error {
			if id == hole {
				return nil
			}
			at, err := r.find(id)
			if err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
			if spots[at.pack] == nil {
				spots[at.pack] = map[chunkID][]spot{}
			}
			spots[at.pack][id] = append(spots[at.pack][id], spot{i, n})
			return nil
		})
		if err != nil {
			return err
		}
	}
	for n := range spots {
		total += r.packs[n].size
	}
	if err := r.fill(ctx, files, dir, spots, func(done int64) { tell(done, total) }); err != nil {
		return err
	}
	return syncTree(dir)
}

// makeFile makes a file of zeros, as sparse as can be.
func makeFile(dir string, f *File) error {
	path := filepath.Join(dir, filepath.FromSlash(f.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(f.Size), file.Close())
}

// fill reads packs, the next one while the chunks of one are written.
func (r *repository) fill(ctx context.Context, files []File, dir string, spots map[uint32]map[chunkID][]spot, tell func(int64)) error {
	type read struct {
		n     uint32
		plain []byte
	}
	packs := make(chan read)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(packs)
		for _, n := range slices.Sorted(maps.Keys(spots)) {
			plain, err := r.readPack(ctx, n)
			if err != nil {
				return err
			}
			select {
			case packs <- read{n, plain}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		done := int64(0)
		for p := range packs {
			if err := r.fillFrom(p.plain, files, dir, spots[p.n]); err != nil {
				return err
			}
			done += r.packs[p.n].size
			tell(done)
		}
		return nil
	})
	return g.Wait()
}

// fillFrom writes the chunks of one pack to their places.
func (r *repository) fillFrom(pack []byte, files []File, dir string, spots map[chunkID][]spot) (err error) {
	open := map[int]*os.File{}
	defer func() {
		for _, f := range open {
			err = errors.Join(err, f.Close())
		}
	}()
	for id, list := range spots {
		at, err := r.find(id)
		if err != nil {
			return err
		}
		b, err := r.unpackChunk(id, at, pack)
		if err != nil {
			return err
		}
		for _, s := range list {
			f := &files[s.file]
			if open[s.file] == nil {
				if len(open) >= maxOpen {
					for i, old := range open {
						delete(open, i)
						if err := old.Close(); err != nil {
							return err
						}
						break
					}
				}
				if open[s.file], err = os.OpenFile(filepath.Join(dir, filepath.FromSlash(f.Name)), os.O_WRONLY, 0); err != nil {
					delete(open, s.file)
					return err
				}
			}
			if err := writeChunk(open[s.file], f, s.chunk, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxOpen bounds files that are open at once.
const maxOpen = 64

// writeChunk writes a chunk to its place, without its blocks of zeros.
func writeChunk(w io.WriterAt, f *File, n int, b []byte) error {
	off := int64(n) * int64(f.ChunkSize)
	if want := min(int64(f.ChunkSize), f.Size-off); int64(len(b)) != want {
		return damaged("%s: a chunk has %d octets instead of %d", f.Name, len(b), want)
	}
	for len(b) > 0 {
		zero := zeroBlocks(b)
		b, off = b[zero:], off+int64(zero)
		data := dataBlocks(b)
		if data == 0 {
			continue
		}
		if _, err := w.WriteAt(b[:data], off); err != nil {
			return err
		}
		b, off = b[data:], off+int64(data)
	}
	return nil
}

// zeroBlocks is how many octets of zeros b begins with, in whole blocks.
func zeroBlocks(b []byte) (n int) {
	for n < len(b) && allZero(b[n:min(n+blockSize, len(b))]) {
		n = min(n+blockSize, len(b))
	}
	return n
}

// dataBlocks is how many octets come before the next block of zeros.
func dataBlocks(b []byte) (n int) {
	for n < len(b) && !allZero(b[n:min(n+blockSize, len(b))]) {
		n = min(n+blockSize, len(b))
	}
	return n
}

// syncTree makes all files and folders below dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncDir(path)
	})
}
