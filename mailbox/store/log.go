package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Bounds of one group: what one write and one sync make durable.
const (
	maxGroup      = 256
	maxGroupBytes = 8 << 20
	allocateAhead = 16 << 20 // room asked of the file system before it is needed, where it has much
	zeroAhead     = 128 << 10
	zeroBehind    = 32 << 10 // a group up to this size is followed by zeroAhead zeros
	maxSegFiles   = 256      // sealed segments kept open for reading
)

// appendLog is the shared log. One committer writes; anybody reads.
type appendLog struct {
	e        *Engine
	dir      string
	requests chan *request

	// The committer's own.
	seg       uint32
	off       int64
	allocated int64
	zeroed    int64 // end of what was written at least once
	current   file
	inherited bool     // current was written by an earlier process
	lists     [][]byte // scratch for one write

	mu    sync.Mutex
	files map[uint32]*segFile // open segments
	end   lsn                 // after the last record whose owners know of it
}

// segFile is an open segment with those who read it.
type segFile struct {
	file
	users int
	used  uint64 // for finding the one used longest ago
}

// request is one record on its way into the log.
type request struct {
	header header
	head   [headerSize]byte
	meta   []byte // the encoded meta block; kept until all owners have it
	block  metaBlock
	body   []byte
	buffer *[]byte // what body may be in
	owners []*owner
	ref    Ref
	err    error
	done   chan struct{}
}

func newAppendLog(e *Engine) *appendLog {
	return &appendLog{e: e, dir: filepath.Join(e.dir, "log"), requests: make(chan *request, maxGroup), files: map[uint32]*segFile{}}
}

func (l *appendLog) name(seg uint32) string {
	return filepath.Join(l.dir, fmt.Sprintf("%08x.log", seg))
}

// segments lists the segments there are, in order.
func (l *appendLog) segments() ([]uint32, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	var segs []uint32
	for _, d := range entries {
		hex, ok := strings.CutSuffix(d.Name(), ".log")
		n, err := strconv.ParseUint(hex, 16, 31)
		if ok && err == nil {
			segs = append(segs, uint32(n))
		}
	}
	slices.Sort(segs)
	return segs, nil
}

// send hands a request to the committer. From then on ctx no longer counts.
func (l *appendLog) send(ctx context.Context, r *request) error {
	select {
	case l.requests <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the committer, until the channel is closed: it takes all that wait, writes and syncs them at once,
// gives them to their owners in the order of the log, and answers.
func (l *appendLog) run() {
	group := make([]*request, 0, maxGroup)
	for r := range l.requests {
		group = append(group[:0], r)
		size := r.header.size()
		for len(group) < maxGroup && size < maxGroupBytes {
			select {
			case r, ok := <-l.requests:
				if ok {
					group = append(group, r)
					size += r.header.size()
					continue
				}
			default:
			}
			break
		}
		l.commitGroup(group)
		clear(group)
	}
}

func (l *appendLog) commitGroup(group []*request) {
	err := l.e.usable()
	if err == nil {
		err = l.write(group)
	}
	if err == nil {
		l.publish(group)
	}
	for _, r := range group {
		r.err, r.body = err, nil
		close(r.done)
	}
}

// publish gives the records to their owners and moves the end of the log.
func (l *appendLog) publish(group []*request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range group {
		place := makeLSN(r.header.seg, r.header.off)
		for i, o := range r.owners {
			o.push(pendingRecord{place: place, block: &r.block, index: i, ref: r.ref})
		}
		if big, ok := r.block.big.big(); ok {
			l.e.big.committed(big)
		}
	}
	l.end = makeLSN(l.seg, l.off)
	l.e.stats.records.Add(int64(len(group)))
}

// write makes a group durable at the end of the log.
func (l *appendLog) write(group []*request) error {
	if l.off >= l.e.opts.SegmentSize || l.inherited {
		if err := l.roll(); err != nil {
			return err
		}
	}
	off, lists := l.off, l.lists[:0]
	for _, r := range group {
		r.header.seg, r.header.off, r.header.back = l.seg, off, off-l.off
		r.header.put(r.head[:])
		r.ref = l.refOf(r)
		lists = append(lists, r.head[:], r.meta)
		if len(r.body) > 0 {
			lists = append(lists, r.body)
		}
		if pad := r.header.size() - headerSize - int64(r.header.metaLen) - r.header.storedLen; pad > 0 {
			lists = append(lists, zeros[:pad])
		}
		off += r.header.size()
	}
	end := off
	if end > l.zeroed && end-l.off <= zeroBehind {
		lists = append(lists, zeros[:])
		end += zeroAhead
	}
	l.lists = lists
	defer clear(lists)
	if err := l.allocate(end); err != nil {
		return l.e.passingError(err)
	}
	if err := l.current.WriteVec(l.off, lists); err != nil {
		return errors.Join(l.e.storageError(err), l.unwrite())
	}
	if err := l.sync(l.current); err != nil {
		return l.e.fail(err) // what reached the disk is not known
	}
	l.e.stats.logBytes.Add(off - l.off)
	l.off, l.zeroed = off, max(l.zeroed, end)
	return nil
}

// unwrite removes what a failed write has left, on stable storage: behind a
// later record of the right length it would look as if it had been accepted.
func (l *appendLog) unwrite() error {
	if err := errors.Join(l.current.Truncate(l.off), l.sync(l.current)); err != nil {
		return l.e.fail(err)
	}
	l.allocated, l.zeroed = l.off, l.off
	return nil
}

// zeros fill records up to their alignment. They are also written behind a
// small group, together with it: the groups that follow then overwrite what is
// there, and their syncs need not wait for the file system's journal, which
// would have to note that the file has grown. That halves what a message costs
// that comes alone. Large groups would gain little, and write twice as much.
var zeros [zeroAhead]byte

// refOf is what callers keep of a record.
func (l *appendLog) refOf(r *request) Ref {
	if r.header.flags&flagBig != 0 {
		return r.block.big
	}
	return makeRef(makeLSN(r.header.seg, r.header.off), r.header.metaLen, r.header.storedLen)
}

// allocate asks for room ahead of the end, so that a sync has less to do and a
// full disk shows before anything is written.
func (l *appendLog) allocate(end int64) error {
	if end <= l.allocated {
		return nil
	}
	want := max(end, min(l.allocated+l.e.ahead(), l.e.opts.SegmentSize))
	if err := l.current.Allocate(l.allocated, want-l.allocated); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	l.allocated = want
	return nil
}

func (l *appendLog) sync(f file) error {
	l.e.stats.syncs.Add(1)
	if l.e.opts.noSync {
		return nil
	}
	return f.Datasync()
}

func (l *appendLog) syncDir(dir string) error {
	l.e.stats.syncs.Add(1)
	if l.e.opts.noSync {
		return nil
	}
	return l.e.opts.fs.SyncDir(dir)
}

// roll seals the current segment and begins the next. All records of the
// sealed one are durable already.
func (l *appendLog) roll() error {
	if err := l.current.Truncate(l.off); err != nil { // gives back what was allocated
		return l.e.storageError(err)
	}
	l.allocated = l.off
	return l.begin(l.seg + 1)
}

// begin makes segment seg the current one, empty.
func (l *appendLog) begin(seg uint32) error {
	f, err := l.e.opts.fs.Create(l.name(seg))
	if err != nil {
		return l.e.passingError(err)
	}
	if err := l.syncDir(l.dir); err != nil {
		f.Close()
		return l.e.fail(err)
	}
	l.attach(seg, f, 0)
	return nil
}

// attach makes an open file the current segment, with its end at off.
func (l *appendLog) attach(seg uint32, f file, off int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files[seg] = &segFile{file: f, users: 1} // the committer uses it
	if old := l.files[l.seg]; old != nil && seg != l.seg {
		old.users--
	}
	l.seg, l.off, l.allocated, l.zeroed, l.current = seg, off, off, off, f
	l.end = makeLSN(seg, off)
	l.inherited = false
}

// inherit is attach for a segment of an earlier process. Nothing is written to
// it any more: if a disk that lied about a sync has lost its end, rows may have
// more than it, and would take new records for those that they have.
func (l *appendLog) inherit(seg uint32, f file, off int64) {
	l.attach(seg, f, off)
	l.inherited = true
}

// acquire opens a segment for reading; release must follow.
func (l *appendLog) acquire(seg uint32) (*segFile, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.files[seg]
	if s == nil {
		f, err := l.e.opts.fs.Open(l.name(seg))
		if errors.Is(err, os.ErrNotExist) {
			return nil, ErrNoBody // all of it was reclaimed
		}
		if err != nil {
			return nil, err
		}
		l.evict()
		s = &segFile{file: f}
		l.files[seg] = s
	}
	s.users++
	s.used = l.e.stats.clock.Add(1)
	return s, nil
}

func (l *appendLog) release(s *segFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.users--
}

// evict closes the segment that was read longest ago, if many are open; l.mu
// is held.
func (l *appendLog) evict() {
	if len(l.files) < maxSegFiles {
		return
	}
	var oldest *segFile
	var id uint32
	for seg, s := range l.files {
		if s.users == 0 && (oldest == nil || s.used < oldest.used) {
			oldest, id = s, seg
		}
	}
	if oldest != nil {
		oldest.Close()
		delete(l.files, id)
	}
}

// drop closes and removes a segment that has nothing alive. It fails with
// errInUse while somebody reads it.
func (l *appendLog) drop(seg uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.files[seg]; s != nil {
		if s.users > 0 {
			return errInUse
		}
		s.Close()
		delete(l.files, seg)
	}
	return l.e.opts.fs.Remove(l.name(seg))
}

var errInUse = errors.New("store: in use at the moment")

// position returns the end of what owners know.
func (l *appendLog) position() lsn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// published returns how much behind a place is final: in the current segment
// what comes after the end can still become something else.
func (l *appendLog) published(place lsn) int64 {
	if end := l.position(); end.seg() == place.seg() {
		return end.off() - place.off()
	}
	return maxSegment
}

func (l *appendLog) closeFiles() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seg, s := range l.files {
		s.Close()
		delete(l.files, seg)
	}
}
