package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// eventKind is what a powerTrace records.
type eventKind int

const (
	evWrite eventKind = iota
	evTruncate
	evPunch
	evCreate
	evRemove
	evSyncing    // a sync of a file or folder begins
	evSynced     // and has returned; n is the number of its beginning
	evCommitting // a bbolt file is about to change; data is what it is now
	evCommitted
	evTold // a promise was made; name is the line
)

// event is one thing that happened, in the order in which it happened.
type event struct {
	kind   eventKind
	name   string
	off, n int64
	data   []byte
}

// powerTrace records what a store does to its files, so that a test can make
// the disks that a loss of power could have left.
type powerTrace struct {
	osFS
	dir string

	mu     sync.Mutex
	events []event
}

func (p *powerTrace) add(e event) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.kind != evTold {
		e.name, _ = filepath.Rel(p.dir, e.name)
	}
	p.events = append(p.events, e)
	return int64(len(p.events) - 1)
}

// onCommit is Options.onCommit.
func (p *powerTrace) onCommit(file string) func() {
	before, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	p.add(event{kind: evCommitting, name: file, data: before})
	return func() {
		after, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		p.add(event{kind: evCommitted, name: file, data: after})
	}
}

func (p *powerTrace) Create(name string) (file, error) {
	p.add(event{kind: evCreate, name: name})
	f, err := p.osFS.Create(name)
	return traceFile{f, p, name}, err
}

func (p *powerTrace) Open(name string) (file, error) {
	f, err := p.osFS.Open(name)
	return traceFile{f, p, name}, err
}

func (p *powerTrace) Remove(name string) error {
	p.add(event{kind: evRemove, name: name})
	return p.osFS.Remove(name)
}

func (p *powerTrace) SyncDir(name string) error {
	n := p.add(event{kind: evSyncing, name: name})
	err := p.osFS.SyncDir(name)
	p.add(event{kind: evSynced, name: name, n: n})
	return err
}

type traceFile struct {
	file
	p    *powerTrace
	name string
}

func (f traceFile) WriteVec(off int64, bufs [][]byte) error {
	f.p.add(event{kind: evWrite, name: f.name, off: off, data: bytes.Join(bufs, nil)})
	return f.file.WriteVec(off, bufs)
}

func (f traceFile) Truncate(n int64) error {
	f.p.add(event{kind: evTruncate, name: f.name, n: n})
	return f.file.Truncate(n)
}

func (f traceFile) Punch(off, n int64) error {
	f.p.add(event{kind: evPunch, name: f.name, off: off, n: n})
	return f.file.Punch(off, n)
}

func (f traceFile) Datasync() error {
	n := f.p.add(event{kind: evSyncing, name: f.name})
	err := f.file.Datasync()
	f.p.add(event{kind: evSynced, name: f.name, n: n})
	return err
}

// change is an event that a sync has to make durable, with its number.
type change struct {
	event
	at int64
}

// diskFile is a file while an image is made of a trace.
type diskFile struct {
	content  []byte   // on stable storage
	unsynced []change // what was done since
	created  int64    // when its name came, and when it went; -1: not
	removed  int64
	named    bool // its name is on stable storage
}

// simDisk is what is known of a disk after a part of the trace.
type simDisk struct {
	files map[string]*diskFile
	dbs   map[string][]byte // bbolt files
	next  map[string][]byte // of those that are being changed: what they become
	told  []string
}

// playTrace follows a trace up to an event.
func playTrace(events []event, cut int) *simDisk {
	d := &simDisk{files: map[string]*diskFile{}, dbs: map[string][]byte{}, next: map[string][]byte{}}
	for i, e := range events[:cut] {
		at := int64(i)
		switch e.kind {
		case evWrite, evTruncate, evPunch:
			d.files[e.name].unsynced = append(d.files[e.name].unsynced, change{e, at})
		case evCreate:
			d.files[e.name] = &diskFile{created: at, removed: -1}
		case evRemove:
			d.files[e.name].removed = at
		case evSynced:
			d.sync(e.name, e.n)
		case evCommitting:
			d.dbs[e.name], d.next[e.name] = e.data, e.data
			for _, later := range events[cut:] {
				if later.kind == evCommitted && later.name == e.name {
					d.next[e.name] = later.data
					break
				}
			}
		case evCommitted:
			d.dbs[e.name] = e.data
			delete(d.next, e.name)
		case evTold:
			d.told = append(d.told, e.name)
		}
	}
	return d
}

// sync makes durable what was done to a file, or to the names in a folder,
// before a moment.
func (d *simDisk) sync(name string, before int64) {
	if f := d.files[name]; f != nil {
		for len(f.unsynced) > 0 && f.unsynced[0].at < before {
			f.content = f.unsynced[0].apply(f.content, 0, len(f.unsynced[0].data))
			f.unsynced = f.unsynced[1:]
		}
		return
	}
	for path, f := range d.files {
		if filepath.Dir(path) != name {
			continue
		}
		f.named = f.named || f.created < before
		if f.removed >= 0 && f.removed < before {
			delete(d.files, path)
		}
	}
}

// apply does a change to a file; of a write the octets from..to.
func (c *change) apply(b []byte, from, to int) []byte {
	switch c.kind {
	case evTruncate:
		return resize(b, c.n)
	case evPunch:
		clear(b[min(c.off, int64(len(b))):min(c.off+c.n, int64(len(b)))])
	case evWrite:
		if end := c.off + int64(to); end > int64(len(b)) {
			b = resize(b, end)
		}
		copy(b[c.off+int64(from):], c.data[from:to])
	}
	return b
}

func resize(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return b[:n:n]
	}
	return append(b[:len(b):len(b)], make([]byte, n-int64(len(b)))...)
}

// loss is what a disk does with what was not synced.
type loss int

const (
	lossAll loss = iota
	lossNone
	lossSectors // keeps some sectors
	lossWrites  // keeps some writes
	lossEarly   // keeps the later half
	losses
)

const sector = 512

// image writes a state into dir that the disk may have been in.
func (d *simDisk) image(dir string, kind loss, random *rand.Rand) error {
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		unsure := !f.named || f.removed >= 0
		if unsure && (kind == lossAll && !f.named || kind == lossNone && f.removed >= 0 || kind > lossNone && random.IntN(2) == 0) {
			continue
		}
		if err := writeUnder(dir, name, f.after(kind, random)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.dbs)) {
		content := d.dbs[name]
		if next, ok := d.next[name]; ok {
			content = tornCommit(content, next, random)
		}
		if err := writeUnder(dir, name, content); err != nil {
			return err
		}
		if name != "sys.db" && random.IntN(4) == 0 {
			if err := writeUnder(dir, name+openingMark, []byte{'o'}); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeUnder(dir, name string, b []byte) error {
	path := filepath.Join(dir, name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600))
}

// after is what the file may hold.
func (f *diskFile) after(kind loss, random *rand.Rand) []byte {
	b := bytes.Clone(f.content)
	for i := range f.unsynced {
		c := &f.unsynced[i]
		whole := kind == lossNone || kind == lossEarly && i >= len(f.unsynced)/2 || kind == lossWrites && random.IntN(2) == 0
		switch {
		case whole:
			b = c.apply(b, 0, len(c.data))
		case kind == lossSectors && c.kind != evWrite:
			if random.IntN(2) == 0 {
				b = c.apply(b, 0, 0)
			}
		case kind == lossSectors:
			for from := 0; from < len(c.data); {
				to := min(len(c.data), from+sector-int((c.off+int64(from))%sector))
				if random.IntN(2) == 0 {
					b = c.apply(b, from, to)
				}
				from = to
			}
		}
	}
	return b
}

// tornCommit is a state of a bbolt file while it changes: it writes pages,
// syncs, writes one of the two meta pages, and syncs.
func tornCommit(before, after []byte, random *rand.Rand) []byte {
	metas := 2 * os.Getpagesize()
	switch random.IntN(5) {
	case 0:
		return before
	case 1:
		return after
	case 2: // all pages, old meta
		return append(bytes.Clone(before[:metas]), after[metas:]...)
	case 3: // meta pages by sectors: the meta itself lies in one
		b := bytes.Clone(after)
		copySectors(b[:metas], before[:metas], random)
		return b
	default: // pages by sectors, and perhaps a file that has not grown
		b := bytes.Clone(before)
		if random.IntN(2) == 0 {
			b = resize(b, int64(max(len(before), len(after))))
		}
		n := min(len(b), len(after))
		copySectors(b[metas:n], after[metas:n], random)
		return b
	}
}

func copySectors(to, from []byte, random *rand.Rand) {
	for i := 0; i < len(to); i += sector {
		if random.IntN(2) == 0 {
			copy(to[i:min(i+sector, len(to))], from[i:])
		}
	}
}

// recordTrace lets a store work, and returns all that happened.
func recordTrace(t *testing.T, steps int, noSync bool) []event {
	t.Helper()
	dir := t.TempDir()
	p := &powerTrace{dir: dir}
	opts := crashOptions()
	opts.fs, opts.onCommit, opts.noSync = p, p.onCommit, noSync
	e, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	load := crashLoad{e: e, steps: steps, tell: func(line string) { p.add(event{kind: evTold, name: line}) }}
	if err := errors.Join(load.work(), e.Close()); err != nil {
		t.Fatal(err)
	}
	return p.events
}

// checkImage cuts a trace somewhere and checks what a disk may hold then.
func checkImage(t *testing.T, events []event, random *rand.Rand) (what string, problems []string) {
	t.Helper()
	cut := random.IntN(len(events) + 1)
	kind := loss(random.IntN(int(losses)))
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	d := playTrace(events, cut)
	if err := d.image(dir, kind, random); err != nil {
		t.Fatal(err)
	}
	state, err := readCrashLines(d.told)
	if err != nil {
		t.Fatal(err)
	}
	opts := crashOptions()
	opts.noSync = true // for speed; this disk does not lose power
	return fmt.Sprintf("cut at event %d of %d, loss %d, %d promises", cut, len(events), kind, len(d.told)), state.check(dir, opts)
}

// TestCrashPower makes many disks that a loss of power could have left, and
// looks whether everything that had been promised is there.
func TestCrashPower(t *testing.T) {
	t.Parallel()
	rounds := crashRounds(t, 1)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 2))
	for round := range rounds {
		events := recordTrace(t, 10, false)
		for range 14 {
			what, problems := checkImage(t, events, random)
			if len(problems) > 0 {
				t.Fatalf("round %d, seed %d, %s:\n%s", round, seed, what, strings.Join(problems[:min(len(problems), 20)], "\n"))
			}
		}
	}
}

// A store that does not sync loses mail, and the test sees it.
func TestCrashPowerNegativeControl(t *testing.T) {
	t.Parallel()
	crashRounds(t, 1)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	events := recordTrace(t, 6, true)
	for range 100 {
		if _, problems := checkImage(t, events, random); strings.Contains(strings.Join(problems, "\n"), "is lost (acknowledged: true)") {
			return
		}
	}
	t.Error("100 disks without syncs have all that was acknowledged: the test sees nothing")
}
