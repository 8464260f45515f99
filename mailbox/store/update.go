package store

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// updateReq is one Update that waits for a commit.
type updateReq struct {
	fn   func(RW) error
	err  error
	done chan struct{}
	// later says that the commit may come later: what fn looks at is in the log,
	// and fn changes nothing.
	later bool

	panicked any // of fn; raised again where Update was called
}

// maxTogether is how many updates share one commit.
const maxTogether = 64

// openTx is a transaction that waits for its commit, with nothing in it but
// rows of pending records: they are durable in the log, and recovery would make
// the same again. So it can be given up as well.
type openTx struct {
	tx    *bolt.Tx
	count int // of pending records that have rows in it
}

// maxOpenRecords bounds what an openTx has in memory.
const maxOpenRecords = 2000

// update runs fn in a transaction. Whoever finds nobody committing does it,
// for all that have come meanwhile; their syncs are shared.
func (o *owner) update(fn func(RW) error) error { return o.enqueue(&updateReq{fn: fn}) }

func (o *owner) enqueue(r *updateReq) error {
	r.done = make(chan struct{})
	o.mu.Lock()
	o.queue = append(o.queue, r)
	lead := !o.busy
	o.busy = true
	o.mu.Unlock()
	if lead {
		o.commitQueued(r)
	}
	<-r.done
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// drain brings the rows up to the log.
func (o *owner) drain() error {
	if o.lag() == 0 {
		return nil
	}
	return o.update(nil)
}

// commitQueued commits until mine is done; whoever waits then is committed by
// a goroutine of its own.
func (o *owner) commitQueued(mine *updateReq) {
	for {
		group := o.take()
		if group == nil {
			return
		}
		o.commitGroup(group)
		select {
		case <-mine.done:
			o.mu.Lock()
			rest := len(o.queue) > 0
			o.busy = rest
			o.idle.Broadcast()
			o.mu.Unlock()
			if rest {
				go o.commitQueued(&updateReq{done: make(chan struct{})}) // its callers wait for it
			}
			return
		default:
		}
	}
}

// take takes the next group off the queue; nil ends the committing.
func (o *owner) take() []*updateReq {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(o.queue), maxTogether)
	if n == 0 {
		o.busy = false
		o.idle.Broadcast()
		return nil
	}
	group := o.queue[:n:n]
	o.queue = o.queue[n:]
	return group
}

// commitGroup commits a group in one transaction. An update that fails is
// answered and left out, and the others run again: bbolt cannot take back a
// part of a transaction.
func (o *owner) commitGroup(group []*updateReq) {
	for {
		failed, err := o.commitOnce(group)
		if failed < 0 {
			for _, r := range group {
				r.err = err
				close(r.done)
			}
			break
		}
		group[failed].err = err
		close(group[failed].done)
		group = append(group[:failed:failed], group[failed+1:]...)
		if len(group) == 0 {
			return
		}
	}
	if o.open == nil {
		o.wake()
	}
}

// errRollback ends a transaction whose update number failed went wrong.
var errRollback = errors.New("store: rolled back")

// commitOnce applies what is pending, runs the updates and commits, unless all
// of them leave that for later. failed is the number of the update that went
// wrong with err, or -1 when err is the result for all.
func (o *owner) commitOnce(group []*updateReq) (failed int, err error) {
	if err := o.e.failed.Load(); err != nil {
		return -1, *err
	}
	db, err := o.acquire(true)
	if err != nil {
		return -1, err
	}
	defer o.release()
	failed = -1
	var fnErr error
	count := 0
	err = o.guarded(func() error {
		kept := false
		defer func() {
			if !kept {
				o.abandon() // does nothing after the commit
			}
		}()
		w, err := o.begin(db)
		if err != nil {
			return err
		}
		if err := o.applyPending(w); err != nil {
			return err
		}
		for i, r := range group {
			if r.fn == nil {
				continue
			}
			if fnErr = o.run(r, w.tx); fnErr != nil {
				failed = i
				return errRollback
			}
		}
		if w.count < maxOpenRecords && !slices.ContainsFunc(group, func(r *updateReq) bool { return !r.later }) {
			kept = true
			return nil
		}
		count = w.count
		return o.e.commit(w.tx)
	})
	switch {
	case failed >= 0:
		return failed, fnErr
	case err != nil:
		return -1, o.updateError(err)
	case o.open != nil:
		return -1, nil
	}
	o.e.stats.commits.Add(1)
	o.applied(count)
	return -1, nil
}

// begin returns the transaction that is under way, or a new one.
func (o *owner) begin(db *bolt.DB) (*openTx, error) {
	if o.open == nil {
		tx, err := db.Begin(true)
		if err != nil {
			return nil, err
		}
		o.open = &openTx{tx: tx}
	}
	return o.open, nil
}

// abandon gives up the transaction that is under way, if there is one.
func (o *owner) abandon() {
	if o.open != nil {
		o.open.tx.Rollback()
		o.open = nil
	}
}

// writeTx is bolt's Update, but for a panic: it does not walk the whole file
// then, which would end the process if the panic comes from torn pages.
func (e *Engine) writeTx(db *bolt.DB, fn func(*bolt.Tx) error) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if err := fn(tx); err != nil {
		return err
	}
	return e.commit(tx)
}

func (e *Engine) commit(tx *bolt.Tx) error {
	if e.opts.onCommit != nil {
		defer e.opts.onCommit(tx.DB().Path())()
	}
	return tx.Commit()
}

// run runs one update. A panic in it concerns its caller, who may not be the
// one that commits.
func (o *owner) run(r *updateReq, btx *bolt.Tx) (err error) {
	defer func() {
		p := recover()
		switch {
		case p == nil:
		case isDatabasePanic(p):
			panic(databasePanic{p})
		default:
			o.e.opts.Logger.Error("panic in an update", "owner", o.id, "panic", p, "stack", string(debug.Stack()))
			r.panicked, err = p, errRollback
		}
	}()
	rw := newTx(o, btx)
	if err := r.fn(rw); err != nil {
		return err
	}
	return rw.finish()
}

// updateError sorts an error of a commit. What Apply returned and a damaged
// database concern this owner alone.
func (o *owner) updateError(err error) error {
	var refused *applyError
	if errors.As(err, &refused) || errors.Is(err, ErrSetAside) {
		return err
	}
	return o.e.storageError(err)
}

// applied forgets the first n pending records: their rows are durable.
func (o *owner) applied(n int) {
	if n == 0 {
		return
	}
	o.waiting.Lock()
	defer o.waiting.Unlock()
	clear(o.pending[:n])
	o.pending = o.pending[n:]
	if len(o.pending) == 0 {
		o.pending = nil
	}
}

// applyError is an error of the callers' Apply.
type applyError struct{ err error }

func (e *applyError) Error() string {
	return fmt.Sprintf("store: apply an accepted message: %v", e.err)
}
func (e *applyError) Unwrap() error { return e.err }

// applyPending turns pending records into rows, in the order of the log, and
// remembers how far it got in the same transaction.
func (o *owner) applyPending(w *openTx) error {
	o.waiting.Lock()
	pending := o.pending[w.count:]
	o.waiting.Unlock()
	if len(pending) == 0 {
		return nil
	}
	done := applied(w.tx)
	rw := newTx(o, w.tx)
	for _, p := range pending {
		if p.place <= done {
			continue // recovery found it in the log, but the rows have it
		}
		a := Accepted{To: p.block.to[p.index], Meta: p.block.meta, Ref: p.ref, Size: p.block.size, Told: p.told()}
		if err := o.applyOne(rw, a); err != nil {
			return &applyError{err}
		}
		done = p.place
	}
	if err := rw.finish(); err != nil {
		return err
	}
	w.count += len(pending)
	return setApplied(w.tx, done)
}

// applyOne calls the callers' Apply. A panic in it is an error: it would come
// again at the next start, for all owners.
func (o *owner) applyOne(rw RW, a Accepted) (err error) {
	defer func() {
		p := recover()
		switch {
		case p == nil:
		case isDatabasePanic(p):
			panic(databasePanic{p})
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return o.e.opts.Apply(rw, a)
}

// view runs fn on a snapshot that has everything accepted so far.
func (o *owner) view(fn func(Tx) error) error {
	if err := o.drain(); err != nil {
		return err
	}
	return o.peek(fn)
}

// look is view, but for a disk that takes no rows: what there is of an account
// can be read then, without what was accepted since. The queue waits instead,
// or it would do again what is done.
func (o *owner) look(fn func(Tx) error) error {
	err := o.drain()
	if err == nil || o.readable() && (errors.Is(err, ErrFull) || errors.Is(err, ErrFailed)) {
		return o.peek(fn)
	}
	return err
}

// readable reports whether the rows mean something without those that wait.
func (o *owner) readable() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.there && o.id != Queue
}

// peek runs fn on a snapshot of what is committed.
func (o *owner) peek(fn func(Tx) error) error {
	db, err := o.acquire(false)
	if err != nil {
		return err
	}
	if db == nil {
		return fn(noRows{})
	}
	defer o.release()
	return o.guarded(func() error {
		return db.View(func(btx *bolt.Tx) error { return fn(newTx(o, btx)) })
	})
}

// guarded turns a panic of bbolt on a damaged page, and a fault on reading its
// memory map (an I/O error), into the end of this one database.
func (o *owner) guarded(fn func() error) error { return guard(fn, o.setAside) }

// guard runs fn; what becomes of a panic that says that the database is
// damaged, torn decides.
func guard(fn func() error, torn func(cause error) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if !isDatabasePanic(p) {
				panic(p)
			}
			err = torn(fmt.Errorf("%v", p))
		}
	}()
	return fn()
}
