package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// bodyBuffers hold bodies of the log between reading and writing them.
var bodyBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 16<<10)
	return &b
}}

// Accept implements Store.
func (e *Engine) Accept(ctx context.Context, m *Message) (Ref, error) {
	if err := e.enter(); err != nil {
		return Ref{}, err
	}
	defer e.leave()
	r, err := e.send(ctx, m)
	if err != nil {
		return Ref{}, err
	}
	if err := e.settle(r); err != nil {
		return Ref{}, err
	}
	return r.ref, nil
}

// AcceptApplied implements Store.
func (e *Engine) AcceptApplied(ctx context.Context, m *Message) (told uint64, err error) {
	if len(m.To) != 1 {
		return 0, fmt.Errorf("store: %d recipients; 1 is allowed", len(m.To))
	}
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.leave()
	r, err := e.send(ctx, m)
	if err != nil {
		return 0, err
	}
	o := r.owners[0]
	if err := e.settle(r); err != nil {
		return 0, err
	}
	err = o.enqueue(&updateReq{later: true, fn: func(RW) error {
		told = r.block.told
		return nil
	}})
	return told, err
}

// Bounds of what AcceptAll has in the committer's hands at a time.
const (
	maxAhead      = 64
	maxAheadBytes = 1 << 20
)

// AcceptAll implements Store.
func (e *Engine) AcceptAll(ctx context.Context, msgs []*Message) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	var ahead []*request
	size := int64(0)
	settle := func() (err error) {
		for _, r := range ahead {
			err = errors.Join(err, e.settle(r))
		}
		ahead, size = ahead[:0], 0
		return err
	}
	for _, m := range msgs {
		r, err := e.send(ctx, m)
		if err != nil {
			return errors.Join(err, settle())
		}
		ahead = append(ahead, r)
		if size += r.header.size(); len(ahead) == maxAhead || size >= maxAheadBytes {
			if err := settle(); err != nil {
				return err
			}
		}
	}
	return settle()
}

func checkMessage(m *Message) error {
	if len(m.To) == 0 || len(m.To) > MaxRecipients {
		return fmt.Errorf("store: %d recipients; 1 to %d are allowed", len(m.To), MaxRecipients)
	}
	if len(m.Meta) > MaxMeta {
		return fmt.Errorf("store: meta has %d octets; %d are allowed", len(m.Meta), MaxMeta)
	}
	extra := 0
	for _, r := range m.To {
		if len(r.Extra) > MaxExtra {
			return fmt.Errorf("store: extra of owner %d has %d octets; %d are allowed", r.Owner, len(r.Extra), MaxExtra)
		}
		extra += len(r.Extra)
	}
	if extra > 4*MaxExtra {
		return fmt.Errorf("store: extras have %d octets together; %d are allowed", extra, 4*MaxExtra)
	}
	return checkTwice(m.To)
}

// checkTwice keeps the invariant that an owner occurs once in a record: else
// "applied" could pass its first entry and a crash lose the second.
func checkTwice(to []Recipient) error {
	if len(to) == 1 {
		return nil
	}
	seen := make(map[Owner]struct{}, len(to))
	for _, r := range to {
		if _, twice := seen[r.Owner]; twice {
			return fmt.Errorf("store: owner %d occurs twice in one message", r.Owner)
		}
		seen[r.Owner] = struct{}{}
	}
	return nil
}

// roomFor returns the recipients' owners, after those with too much pending
// have caught up.
func (e *Engine) roomFor(to []Recipient) ([]*owner, error) {
	owners := make([]*owner, len(to))
	for i, r := range to {
		o := e.owner(r.Owner)
		if o.lag() >= maxPending {
			if err := o.drain(); err != nil && !errors.Is(err, ErrSetAside) {
				return nil, err
			}
		}
		owners[i] = o
	}
	return owners, nil
}

// send makes the record and hands it to the committer; settle must follow.
func (e *Engine) send(ctx context.Context, m *Message) (*request, error) {
	r, err := e.request(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := e.log.send(ctx, r); err != nil {
		e.discard(r)
		return nil, err
	}
	return r, nil
}

// request makes the record of a message.
func (e *Engine) request(ctx context.Context, m *Message) (*request, error) {
	if err := errors.Join(e.usable(), ctx.Err(), checkMessage(m)); err != nil {
		return nil, err
	}
	if err := e.room(m.use(), max(m.Size, 0)); err != nil {
		return nil, err
	}
	owners, err := e.roomFor(m.To)
	if err != nil {
		return nil, err
	}
	r := &request{owners: owners, block: metaBlock{meta: m.Meta, to: m.To}, buffer: bodyBuffers.Get().(*[]byte), done: make(chan struct{})}
	if err := e.makeRecord(ctx, r, m); err != nil {
		e.discard(r)
		return nil, err
	}
	return r, nil
}

// settle waits until the record is on stable storage.
func (e *Engine) settle(r *request) error {
	<-r.done
	owners, err := r.owners, r.err
	r.owners = nil // the request lives until all owners have it
	if err != nil {
		e.discard(r)
		return err
	}
	r.giveBuffer()
	for _, o := range owners {
		o.arrived()
	}
	return nil
}

// discard ends a request that did not get into the log.
func (e *Engine) discard(r *request) {
	r.giveBuffer()
	if n, ok := r.block.big.big(); ok {
		e.big.abandon(n)
	}
}

func (r *request) giveBuffer() {
	if cap(*r.buffer) <= 2*maxInLog {
		bodyBuffers.Put(r.buffer)
	}
	r.buffer = nil
}

// makeRecord reads the body, which decides in which lane it goes.
func (e *Engine) makeRecord(ctx context.Context, r *request, m *Message) error {
	small, err := readBody(m, r.buffer)
	switch {
	case err != nil:
		return err
	case small:
		err = e.prepareSmall(r, *r.buffer)
	default:
		err = e.prepareBig(ctx, r, m, *r.buffer)
	}
	if err != nil {
		return err
	}
	return e.own(r)
}

// readBody reads up to maxInLog octets and reports whether that was all. A
// body that is not as long as it was said to be is not accepted.
func readBody(m *Message, buf *[]byte) (all bool, err error) {
	b := (*buf)[:0]
	limit := maxInLog + 1
	if m.Size >= 0 && m.Size <= maxInLog && cap(b) < int(m.Size)+1 {
		b = make([]byte, 0, int(m.Size)+1)
	}
	for len(b) < limit {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := m.Body.Read(b[len(b):min(cap(b), limit)])
		b = b[:len(b)+n]
		if err == io.EOF {
			*buf = b
			return len(b) <= maxInLog, checkSize(m, int64(len(b)))
		}
		if err != nil {
			*buf = b
			return false, err
		}
	}
	*buf = b
	return false, nil
}

func checkSize(m *Message, n int64) error {
	if m.Size >= 0 && n != m.Size {
		return fmt.Errorf("store: body has %d octets, %d were announced: %w", n, m.Size, io.ErrUnexpectedEOF)
	}
	return nil
}

// prepareSmall makes a record with its body.
func (e *Engine) prepareSmall(r *request, body []byte) error {
	r.block.size = int64(len(body))
	r.body = body
	if e.opts.Zstd() {
		if packed := encoder().EncodeAll(body, nil); len(packed) < len(body)-len(body)/10 {
			r.body, r.header.codec = packed, codecZstd
		}
	}
	r.header.storedLen, r.header.bodyCRC = int64(len(r.body)), checksum(r.body)
	return nil
}

// own encodes the meta block and lets the record share its memory, so that
// nothing of the caller's is kept.
func (e *Engine) own(r *request) error {
	size := len(r.block.meta) + 64
	for _, to := range r.block.to {
		size += len(to.Extra) + 16
	}
	r.meta = appendMeta(make([]byte, 0, size), &r.block)
	block, err := parseMeta(r.meta)
	if err != nil {
		return err
	}
	r.block = block
	r.header.metaLen, r.header.metaCRC = uint32(len(r.meta)), checksum(r.meta)
	return nil
}

// encoder and decoderFor are safe for concurrent use and cost memory to make.
var encoder = sync.OnceValue(func() *zstd.Encoder {
	w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	return w
})

var unpacker = sync.OnceValue(func() *zstd.Decoder {
	r, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxInLog+1))
	return r
})
