package store

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// maxPending is how many accepted records may wait for one owner's rows;
// beyond it Accept waits for them.
const maxPending = 16_384

// owner is one owner's database and the records on their way into it.
type owner struct {
	e  *Engine
	id Owner

	mu       sync.Mutex
	queue    []*updateReq // updates that wait for the next commit
	busy     bool         // somebody is committing
	dropping bool         // the database is being removed; whoever wants it waits
	there    bool         // the database exists
	aside    error        // why the database is not used
	db       *bolt.DB
	users    int // of db
	used     time.Time
	idle     sync.Cond // on mu: users, busy and dropping have become less
	open     *openTx   // of whoever is busy, and of nobody else while db is used

	// waiting guards what Accept needs. It is apart from mu, and taken after
	// it, since mu is held while a database is opened.
	waiting  sync.Mutex
	pending  []pendingRecord // in the order of the log
	watchers map[chan struct{}]struct{}
}

// pendingRecord is a record of the log that this owner's rows lack.
type pendingRecord struct {
	place lsn
	block *metaBlock
	index int // in block.to
	ref   Ref
}

// told is where Apply leaves a number: nobody asks for those of a message to
// several owners, who share its block.
func (p *pendingRecord) told() *uint64 {
	if len(p.block.to) == 1 {
		return &p.block.told
	}
	return new(uint64)
}

func newOwner(e *Engine, id Owner) *owner {
	o := &owner{e: e, id: id, watchers: map[chan struct{}]struct{}{}}
	o.idle.L = &o.mu
	return o
}

// dir is the owner's folder.
func (o *owner) dir() string {
	if o.id == Queue {
		return o.e.dir
	}
	return filepath.Join(o.e.dir, "acct", strconv.FormatUint(uint64(o.id), 10))
}

func (o *owner) file() string {
	if o.id == Queue {
		return filepath.Join(o.e.dir, "queue.db")
	}
	return filepath.Join(o.dir(), "mail.db")
}

// push adds a record; only the committer and recovery call it.
func (o *owner) push(p pendingRecord) {
	o.waiting.Lock()
	o.pending = append(o.pending, p)
	o.waiting.Unlock()
}

// lag is how many records the rows lack.
func (o *owner) lag() int {
	o.waiting.Lock()
	defer o.waiting.Unlock()
	return len(o.pending)
}

// inUse reports whether the owner has rows or accepted mail.
func (o *owner) inUse() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.there && o.id != Queue || o.lag() > 0 || o.aside != nil
}

// watch implements Store.Watch.
func (o *owner) watch() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	o.waiting.Lock()
	o.watchers[c] = struct{}{}
	o.waiting.Unlock()
	return c, func() {
		o.waiting.Lock()
		delete(o.watchers, c)
		o.waiting.Unlock()
	}
}

// arrived lets somebody who watches see new mail at once.
func (o *owner) arrived() {
	o.waiting.Lock()
	watched := len(o.watchers) > 0
	o.waiting.Unlock()
	if watched {
		select {
		case o.e.kick <- o:
		default: // the applier is behind and comes by anyway
		}
	}
}

// wake tells the watchers after a commit.
func (o *owner) wake() {
	o.waiting.Lock()
	defer o.waiting.Unlock()
	for c := range o.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// acquire opens the database, if need be, for one use. make says whether to
// create one that is not there; without it db is nil then.
func (o *owner) acquire(make bool) (*bolt.DB, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.dropping {
		o.idle.Wait()
	}
	if o.aside != nil {
		return nil, o.aside
	}
	if o.db == nil {
		if !o.there && !make {
			return nil, nil
		}
		if err := o.openDB(); err != nil {
			return nil, err
		}
		o.e.opened()
	}
	o.users++
	o.used = time.Now()
	return o.db, nil
}

func (o *owner) release() {
	o.mu.Lock()
	o.users--
	o.idle.Broadcast()
	o.mu.Unlock()
}

// hold keeps others from removing the owner's database, without opening it.
func (o *owner) hold() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.dropping {
		o.idle.Wait()
	}
	o.users++
}

// opened counts open databases and closes idle ones if there are many.
func (e *Engine) opened() {
	e.mu.Lock()
	e.open++
	e.mu.Unlock()
	if e.manyOpen() {
		select {
		case e.kick <- nil: // the applier closes some
		default:
		}
	}
}

func (e *Engine) manyOpen() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open > e.opts.MaxOpen()
}

// closeIdle closes the databases that were used longest ago, until a tenth
// less than MaxOpen are open.
func (e *Engine) closeIdle() {
	most := e.opts.MaxOpen()
	for _, o := range e.byUse() {
		e.mu.Lock()
		enough := e.open <= most-most/10
		e.mu.Unlock()
		if enough {
			return
		}
		o.closeIfIdle()
	}
}

func (o *owner) closeIfIdle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users > 0 || o.busy || o.open != nil {
		return
	}
	if err := o.closeDB(); err != nil {
		o.e.opts.Logger.Error("close database", "owner", o.id, "err", err)
	}
}

func (o *owner) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closeDB()
}

// closeDB closes the database, if it is open; o.mu is held and nobody uses it.
func (o *owner) closeDB() error {
	if o.db == nil {
		return nil
	}
	o.abandon()
	o.keepFreelist()
	err := o.db.Close()
	o.db = nil
	o.e.mu.Lock()
	o.e.open--
	o.e.mu.Unlock()
	return err
}

// scanSize is how large a database may be that bbolt looks through as a whole
// when it opens it, to find the pages that are free.
const scanSize = 16 << 20

// keepFreelist writes down which pages of a large database are free: the next
// opening then reads that and not all pages. The first commit after it drops
// the list, since keeping it up would make each commit dearer. Without a list
// opening takes longer, no more.
func (o *owner) keepFreelist() {
	s, err := os.Stat(o.file())
	if err != nil || s.Size() <= scanSize || o.aside != nil || o.e.usable() != nil {
		return
	}
	o.db.NoFreelistSync = false
	err = guard(func() error { return o.e.writeTx(o.db, func(*bolt.Tx) error { return nil }) }, func(cause error) error { return cause })
	if err != nil {
		o.e.opts.Logger.Warn("the free pages of a database could not be written down; opening it will take longer", "owner", o.id, "err", err)
	}
}

// The engine's own bucket in each owner's database; those of callers have
// names of one octet.
var (
	bucketEngine = []byte("engine")
	bucketDead   = []byte("dead")
	keyApplied   = []byte("applied")
)

// applied returns how far the log was applied.
func applied(tx *bolt.Tx) lsn {
	b := tx.Bucket(bucketEngine)
	if b == nil {
		return 0
	}
	if v := b.Get(keyApplied); len(v) == 8 {
		return lsn(binary.BigEndian.Uint64(v))
	}
	return 0
}

func setApplied(tx *bolt.Tx, l lsn) error {
	b, err := tx.CreateBucketIfNotExists(bucketEngine)
	if err != nil {
		return err
	}
	return b.Put(keyApplied, binary.BigEndian.AppendUint64(nil, uint64(l)))
}

// find learns at start whether there is a database, and whether it was set
// aside.
func (o *owner) find() {
	if _, err := os.Stat(o.file()); err == nil {
		o.there = true
		return
	} else if !errors.Is(err, os.ErrNotExist) {
		o.aside = errors.Join(ErrSetAside, err)
		return
	}
	if damaged, _ := filepath.Glob(o.file() + ".damaged-*"); len(damaged) > 0 {
		o.aside = ErrSetAside
	}
}
