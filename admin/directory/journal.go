package directory

import (
	"net/netip"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How late the journal writes, and how much it keeps until then.
const (
	loginsLate = 2 * time.Second
	usesLate   = time.Minute // so a secret that is used all the time is written once a minute
	maxPending = 10_000      // logins; what comes beyond is not recorded
)

// journal writes what happened at logins, off their way: a login waits for
// memory only. Rows are written in batches by one goroutine; at a crash the
// last moments are missing.
type journal struct {
	dir  *Directory
	once sync.Once
	stop chan struct{}
	done chan struct{}
	wake chan struct{} // there is something to write

	writing sync.Mutex // one batch at a time
	log     loginLog   // of the one who writes

	mu      sync.Mutex
	uses    map[string]use // last use of each secret, by useOf…
	unsaved map[string]bool
	logins  []*attempt // waiting to be written
	dropped int
}

// use is when and from where a secret was used.
type use struct {
	Time     time.Time  `json:"time"`
	IP       netip.Addr `json:"ip,omitzero"`
	Protocol Protocol   `json:"protocol,omitempty"`
}

func useOfApp(id string) string { return "app/" + id }
func useOfKey(id string) string { return "key/" + id }

func newJournal(d *Directory) (*journal, error) {
	j := &journal{dir: d, stop: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1), uses: map[string]use{}, unsaved: map[string]bool{}}
	err := d.db.View(func(tx *bolt.Tx) error {
		j.log.count(tx)
		return tx.Bucket(bucketLastUse).ForEach(func(k, v []byte) error {
			var u use
			err := decode(v, &u)
			j.uses[string(k)] = u
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	go j.run()
	return j, nil
}

// run writes until close.
func (j *journal) run() {
	defer close(j.done)
	var logins, uses <-chan time.Time // nil: nothing waits
	for {
		select {
		case <-j.wake:
			j.mu.Lock()
			if logins == nil && len(j.logins) > 0 {
				logins = time.After(loginsLate)
			}
			if uses == nil && len(j.unsaved) > 0 {
				uses = time.After(usesLate)
			}
			j.mu.Unlock()
		case <-logins:
			logins = nil
			j.flush(false)
		case <-uses:
			uses = nil
			j.flush(true)
		case <-j.stop:
			j.flush(true)
			return
		}
	}
}

// close writes what waits.
func (j *journal) close() {
	j.once.Do(func() { close(j.stop) })
	<-j.done
}

func (j *journal) rouse() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// used remembers that a secret was used.
func (j *journal) used(key string, u use) {
	j.mu.Lock()
	j.uses[key] = u
	first := len(j.unsaved) == 0
	j.unsaved[key] = true
	j.mu.Unlock()
	if first {
		j.rouse()
	}
}

func (j *journal) lastUse(key string) use {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.uses[key]
}

// add has a login written.
func (j *journal) add(a *attempt) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue(a)
}

// describe sets the client of a login, which may be written already.
func (j *journal) describe(a *attempt, client string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a.Client = client
	if !a.waiting {
		j.queue(a)
	}
}

// queue puts a login in line; j.mu is held.
func (j *journal) queue(a *attempt) {
	if len(j.logins) >= maxPending {
		j.dropped++
		return
	}
	a.waiting = true
	j.logins = append(j.logins, a)
	if len(j.logins) == 1 {
		j.rouse()
	}
}

// flush writes the logins that wait, and with all also the last uses.
func (j *journal) flush(all bool) {
	j.writing.Lock()
	defer j.writing.Unlock()
	logins, uses := j.take(all)
	if len(logins) == 0 && len(uses) == 0 {
		return
	}
	err := j.dir.db.Update(func(tx *bolt.Tx) error {
		if err := j.saveUses(tx, uses); err != nil {
			return err
		}
		return j.log.write(tx, logins, j.dir.opts.Now())
	})
	if err != nil {
		j.log.forget() // what it counted was not written
		j.dir.opts.Logger.Error("login history was not written", "err", err)
	}
}

// take takes what is to be written: copies, which nobody changes.
func (j *journal) take(all bool) (logins []pendingLogin, uses map[string]use) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, a := range j.logins {
		a.waiting = false
		logins = append(logins, pendingLogin{a, a.LoginEntry})
	}
	j.logins = nil
	if j.dropped > 0 {
		j.dir.opts.Logger.Warn("more logins than can be recorded", "dropped", j.dropped)
		j.dropped = 0
	}
	if all {
		uses = map[string]use{}
		for key := range j.unsaved {
			uses[key] = j.uses[key]
		}
		clear(j.unsaved)
	}
	return logins, uses
}

// saveUses writes last uses of secrets that are still there.
func (j *journal) saveUses(tx *bolt.Tx, uses map[string]use) error {
	for key, u := range uses {
		if !secretExists(tx, key) {
			j.mu.Lock()
			delete(j.uses, key)
			j.mu.Unlock()
			continue
		}
		row, err := encode(u)
		if err != nil {
			return err
		}
		if err := tx.Bucket(bucketLastUse).Put([]byte(key), row); err != nil {
			return err
		}
	}
	return nil
}

func secretExists(tx *bolt.Tx, key string) bool {
	bucket, id := bucketAppPasswords, key[len("app/"):]
	if key == useOfKey(id) {
		bucket = bucketAPIKeys
	}
	return tx.Bucket(bucket).Get([]byte(id)) != nil
}
