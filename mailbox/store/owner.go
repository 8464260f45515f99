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
	pending  []pendingRecord // in the order of the log
	queue    []*updateReq    // updates that wait for the next commit
	busy     bool            // somebody is committing
	watchers map[chan struct{}]struct{}
	there    bool  // the database exists
	aside    error // why the database is not used
	db       *bolt.DB
	users    int // of db
	used     time.Time
	idle     sync.Cond // on mu: users and busy have become less
}

// pendingRecord is a record of the log that this owner's rows lack.
type pendingRecord struct {
	place lsn
	block *metaBlock
	index int // in block.to
	ref   Ref
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
	o.mu.Lock()
	o.pending = append(o.pending, p)
	o.mu.Unlock()
}

func (o *owner) crowded() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pending) >= maxPending
}

// inUse reports whether the owner has rows or accepted mail.
func (o *owner) inUse() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.there && o.id != Queue || len(o.pending) > 0 || o.aside != nil
}

// watch implements Store.Watch.
func (o *owner) watch() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	o.mu.Lock()
	o.watchers[c] = struct{}{}
	o.mu.Unlock()
	return c, func() {
		o.mu.Lock()
		delete(o.watchers, c)
		o.mu.Unlock()
	}
}

// arrived lets somebody who watches see new mail at once.
func (o *owner) arrived() {
	o.mu.Lock()
	watched := len(o.watchers) > 0
	o.mu.Unlock()
	if watched {
		select {
		case o.e.kick <- o:
		default: // the applier is behind and comes by anyway
		}
	}
}

// wake tells the watchers after a commit.
func (o *owner) wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
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
	if o.aside != nil {
		return nil, o.aside
	}
	if o.db == nil {
		if !o.there && !make {
			return nil, nil
		}
		if err := o.open(); err != nil {
			return nil, err
		}
		o.e.opened(o)
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

// waitIdle returns when nobody uses the owner, for a moment at least.
func (o *owner) waitIdle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.users > 0 || o.busy {
		o.idle.Wait()
	}
}

// opened counts open databases and closes idle ones if there are many.
func (e *Engine) opened(newest *owner) {
	e.mu.Lock()
	e.open++
	many := e.open > e.opts.MaxOpen
	e.mu.Unlock()
	if many {
		select {
		case e.kick <- nil: // the applier closes some
		default:
		}
	}
}

// closeIdle closes the databases that were used longest ago, until a tenth
// less than MaxOpen are open.
func (e *Engine) closeIdle() {
	for _, o := range e.byUse() {
		e.mu.Lock()
		enough := e.open <= e.opts.MaxOpen-e.opts.MaxOpen/10
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
	if o.db == nil || o.users > 0 {
		return
	}
	if err := o.db.Close(); err != nil {
		o.e.opts.Logger.Error("close database", "owner", o.id, "err", err)
	}
	o.db = nil
	o.e.mu.Lock()
	o.e.open--
	o.e.mu.Unlock()
}

func (o *owner) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.db == nil {
		return nil
	}
	err := o.db.Close()
	o.db = nil
	return err
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

// look learns at start whether there is a database, and whether it was set
// aside.
func (o *owner) look() {
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
