package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

func sha256Sum(b []byte) [32]byte { return sha256.Sum256(b) }

// indexObject says which chunks lie in which packs.
type indexObject struct {
	Packs []indexPack `json:"packs"`
}

// indexPack is a pack in an index. Chunks has 40 octets for each: its name,
// and as big-endian numbers of 4 octets where it begins in the decrypted pack
// and how long it is there.
type indexPack struct {
	Name   string `json:"name"` // SHA-256 of the file, in hex
	Size   int64  `json:"size"`
	Chunks []byte `json:"chunks"`
}

const indexEntry = sha256.Size + 8

// packChunk is a chunk in a pack.
type packChunk struct {
	id             chunkID
	offset, length uint32
}

func (p *indexPack) add(c packChunk) {
	p.Chunks = append(p.Chunks, c.id[:]...)
	p.Chunks = binary.BigEndian.AppendUint32(p.Chunks, c.offset)
	p.Chunks = binary.BigEndian.AppendUint32(p.Chunks, c.length)
}

// each yields the chunks of a pack.
func (p *indexPack) each(fn func(packChunk)) {
	for b := p.Chunks; len(b) >= indexEntry; b = b[indexEntry:] {
		fn(packChunk{chunkID(b[:sha256.Size]), binary.BigEndian.Uint32(b[sha256.Size:]), binary.BigEndian.Uint32(b[sha256.Size+4:])})
	}
}

// loadIndex reads all of the index.
func (r *repository) loadIndex(ctx context.Context) error {
	list, err := r.list(ctx, indexDir)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.where, r.moved, r.packs, r.index = map[chunkID]place{}, nil, nil, nil
	r.mu.Unlock()
	for _, o := range list {
		var ix indexObject
		if err := r.getObject(ctx, o.Name, &ix); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		r.mu.Lock()
		r.index = append(r.index, o.Name)
		for i := range ix.Packs {
			if err := r.know(&ix.Packs[i]); err != nil {
				r.mu.Unlock()
				return err
			}
		}
		r.mu.Unlock()
	}
	return nil
}

// know adds a pack to what is known; the caller holds mu.
func (r *repository) know(p *indexPack) error {
	name, err := hex.DecodeString(p.Name)
	if err != nil || len(name) != sha256.Size || len(p.Chunks)%indexEntry != 0 {
		return damaged("the index names a pack %q", p.Name)
	}
	n := uint32(len(r.packs))
	info := packInfo{name: [32]byte(name), size: p.Size, chunks: len(p.Chunks) / indexEntry}
	p.each(func(c packChunk) {
		if _, have := r.where[c.id]; have { // the first place is as good
			if r.moved == nil {
				r.moved = map[chunkID]place{}
			}
			r.moved[c.id] = place{n, c.offset, c.length}
			return
		}
		r.where[c.id] = place{n, c.offset, c.length}
	})
	r.packs = append(r.packs, info)
	return nil
}

// have reports whether a chunk is stored.
func (r *repository) have(id chunkID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.where[id]
	return ok || id == hole
}

// find says where a chunk is.
func (r *repository) find(id chunkID) (place, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.where[id]
	if !ok {
		return place{}, damaged("a chunk is in no pack that the index knows")
	}
	return p, nil
}

// putIndex writes an index of some packs.
func (r *repository) putIndex(ctx context.Context, packs []indexPack) error {
	name := indexDir + "/" + strings.ToLower(rand.Text())
	if _, err := r.putObject(ctx, name, indexObject{packs}); err != nil {
		return err
	}
	r.mu.Lock()
	r.index = append(r.index, name)
	r.mu.Unlock()
	return nil
}

// wholeIndex is what is known of all packs; of those in keep only, unless it is
// nil.
func (r *repository) wholeIndex(keep map[uint32]bool) []indexPack {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]indexPack, len(r.packs))
	for i := range r.packs {
		list[i] = indexPack{Name: hex.EncodeToString(r.packs[i].name[:]), Size: r.packs[i].size}
	}
	for id, at := range r.where {
		list[at.pack].add(packChunk{id, at.offset, at.length})
	}
	kept := list[:0]
	for i := range list {
		if len(list[i].Chunks) > 0 && (keep == nil || keep[uint32(i)]) {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// forgetLost forgets chunks whose packs are missing, have another size or are
// known to be damaged: they are stored again, if they are needed.
func (r *repository) forgetLost(ctx context.Context) error {
	list, err := r.list(ctx, packFolder)
	if err != nil {
		return err
	}
	sizes := make(map[string]int64, len(list))
	for _, o := range list {
		sizes[o.Name] = o.Size
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := map[uint32]bool{}
	for n := range r.packs {
		p := &r.packs[n]
		if size, ok := sizes[p.object()]; !ok || size != p.size || r.bad[p.object()] {
			lost[uint32(n)], r.lost = true, true
			r.log.Warn("a pack of the backups is lost or damaged; what is needed of it is stored again", "pack", p.object())
		}
	}
	for id, at := range r.where {
		if lost[at.pack] {
			delete(r.where, id)
		}
	}
	return nil
}
