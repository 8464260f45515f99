package backup

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"sync"
	"time"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"
)

// Bounds of a writer. Its memory is about (uploads + 2) packs.
const (
	packSize   = 8 << 20
	uploads    = 2
	indexEvery = 16 // packs
)

// packer collects chunks into packs and uploads them.
type packer struct {
	r     *repository
	group *errgroup.Group
	ctx   context.Context

	buf    bytes.Buffer
	age    io.WriteCloser
	plain  uint32
	chunks []packChunk
	queued map[chunkID]bool // in packs that are not in the index of r yet

	mu      sync.Mutex
	done    []indexPack // uploaded, and in no index object yet
	added   int64
	written int
}

func newPacker(ctx context.Context, r *repository) *packer {
	p := &packer{r: r, queued: map[chunkID]bool{}}
	p.group, p.ctx = errgroup.WithContext(ctx)
	p.group.SetLimit(uploads)
	return p
}

// add stores a chunk unless it is stored already. b is not kept.
func (p *packer) add(b []byte) (chunkID, error) {
	if allZero(b) {
		return hole, nil
	}
	id := p.r.key.chunkID(b)
	if p.queued[id] || p.r.have(id) {
		return id, nil
	}
	return id, p.addPacked(id, p.r.encoder.EncodeAll(b, nil))
}

// addPacked stores a chunk that is compressed already.
func (p *packer) addPacked(id chunkID, packed []byte) error {
	if err := p.ctx.Err(); err != nil {
		return context.Cause(p.ctx)
	}
	if p.age == nil {
		w, err := age.Encrypt(&p.buf, p.r.key.identity.Recipient())
		if err != nil {
			return err
		}
		p.age = w
	}
	if _, err := p.age.Write(packed); err != nil {
		return err
	}
	p.chunks = append(p.chunks, packChunk{id, p.plain, uint32(len(packed))})
	p.plain += uint32(len(packed))
	p.queued[id] = true
	if p.plain < packSize {
		return nil
	}
	return p.flush()
}

// flush hands what was collected to an upload; it waits while enough are under
// way.
func (p *packer) flush() error {
	if p.age == nil {
		return nil
	}
	if err := p.age.Close(); err != nil {
		return err
	}
	sealed, chunks := bytes.Clone(p.buf.Bytes()), p.chunks
	p.buf.Reset()
	p.age, p.plain, p.chunks = nil, 0, nil
	p.group.Go(func() error { return p.upload(sealed, chunks) })
	return nil
}

func (p *packer) upload(sealed []byte, chunks []packChunk) error {
	info := packInfo{name: sha256Sum(sealed), size: int64(len(sealed)), chunks: len(chunks)}
	if err := p.r.put(p.ctx, info.object(), sealed); err != nil {
		return err
	}
	ip := indexPack{Name: hex.EncodeToString(info.name[:]), Size: info.size}
	for _, c := range chunks {
		ip.add(c)
	}
	p.r.mu.Lock()
	err := p.r.know(&ip)
	p.r.mu.Unlock()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, ip)
	p.added += info.size
	p.written++
	if len(p.done) >= indexEvery {
		return p.putIndex(p.ctx)
	}
	return nil
}

// putIndex writes down what was uploaded; the caller holds mu.
func (p *packer) putIndex(ctx context.Context) error {
	if len(p.done) == 0 {
		return nil
	}
	if err := p.r.putIndex(ctx, p.done); err != nil {
		return err
	}
	p.done = nil
	return nil
}

// close waits for the uploads and writes the rest of the index. After a
// failure what was uploaded is written down still, so that the next run finds
// it.
func (p *packer) close(ctx context.Context, failed error) error {
	if failed == nil {
		failed = p.flush()
	}
	if err := p.group.Wait(); err != nil {
		failed = err
	}
	if failed != nil { // also when ctx has ended
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.putIndex(ctx); failed == nil {
		failed = err
	}
	return failed
}

// lastWords is how long a run that failed may take to write down what it has.
const lastWords = 5 * time.Second

func allZero(b []byte) bool {
	for len(b) >= len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// blockSize is that of a file system.
const blockSize = 4096

var zeros [blockSize]byte
