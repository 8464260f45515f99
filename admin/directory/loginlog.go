package directory

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bounds of the login history.
const (
	loginKeep       = 90 * day
	maxLogins       = 100_000 // rows in all
	maxLoginsOf     = 500     // of an account that succeeded, and as many that failed
	maxUnknown      = 10_000  // of logins that nobody has
	loginMerge      = 15 * time.Minute
	maxLoginClient  = 200 // octets of what a client calls itself
	maxLoginRecents = 10_000
	maxLoginAged    = 1_000 // rows that one batch drops for their age
)

// LoginEntry is a login, well or not. The same again within a quarter of an
// hour is counted, so that a program that logs in each minute, or guesses,
// leaves few entries.
type LoginEntry struct {
	ID    string    `json:"-"`
	Time  time.Time `json:"time"` // of the first
	Last  time.Time `json:"last"`
	Count int       `json:"count"`
	OK    bool      `json:"ok,omitempty"`
	// Account is 0 where nobody has the login.
	Account  uint32     `json:"account,omitempty"`
	Login    string     `json:"login"` // as it was typed, in its one form
	Protocol Protocol   `json:"protocol"`
	Method   string     `json:"method,omitempty"` // on the web: password, passkey, …
	IP       netip.Addr `json:"ip,omitzero"`
	// Client is what the client calls itself: IMAP ID, the argument of EHLO,
	// User-Agent. Anybody can say anything.
	Client string `json:"client,omitempty"`
	// AppPassword is the ID of the app password or API key, with its label.
	AppPassword string `json:"appPassword,omitempty"`
	Label       string `json:"label,omitempty"`
	Reason      string `json:"reason,omitempty"` // of a failure
}

// attempt is a login on its way into the history.
type attempt struct {
	LoginEntry
	waiting bool   // guarded by journal.mu
	row     uint64 // where it was written; guarded by journal.writing
}

// pendingLogin is an attempt, and what it was when it was taken.
type pendingLogin struct {
	*attempt
	entry LoginEntry
}

// sameLogin is what makes two logins the same: all but their times.
type sameLogin LoginEntry

func (e LoginEntry) same() sameLogin {
	e.ID, e.Time, e.Last, e.Count = "", time.Time{}, time.Time{}, 0
	return sameLogin(e)
}

// loginGroup is what is bounded together: guesses at a login do not drive out
// how its owner logged in.
type loginGroup struct {
	account uint32
	ok      bool
}

func (e *LoginEntry) group() loginGroup { return loginGroup{e.Account, e.OK} }

func (g loginGroup) max() int {
	if g.account == 0 {
		return maxUnknown
	}
	return maxLoginsOf
}

// key begins the keys of a group in the index.
func (g loginGroup) key() []byte {
	k := accountKey(g.account)
	if g.ok {
		return append(k, 1)
	}
	return append(k, 0)
}

// loginLog writes the rows of the history:
//
//	logins        number → LoginEntry
//	login_index   account, 1 or 0 for OK, number → nothing
type loginLog struct {
	counts map[loginGroup]int // nil: not known
	total  int
	recent map[sameLogin]recentLogin
}

// recentLogin is a row that the same login may join.
type recentLogin struct {
	row   uint64
	start time.Time
}

// forget drops what is kept in memory beside the rows.
func (l *loginLog) forget() { l.counts, l.recent = nil, nil }

// count counts what there is.
func (l *loginLog) count(tx *bolt.Tx) {
	l.counts, l.total = map[loginGroup]int{}, 0
	c := tx.Bucket(bucketLoginIndex).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		l.counts[loginGroup{binary.BigEndian.Uint32(k), k[4] == 1}]++
		l.total++
	}
}

// write writes a batch and drops what is too much or too old.
func (l *loginLog) write(tx *bolt.Tx, batch []pendingLogin, now time.Time) error {
	if len(batch) == 0 {
		return nil
	}
	if l.counts == nil {
		l.count(tx)
	}
	if l.recent == nil || len(l.recent) > maxLoginRecents {
		l.recent = map[sameLogin]recentLogin{}
	}
	groups := map[loginGroup]bool{}
	for _, p := range batch {
		if err := l.put(tx, p); err != nil {
			return err
		}
		groups[p.entry.group()] = true
	}
	return l.trim(tx, groups, now)
}

// put writes one login: a new row, one more in a row, or the client of one that
// is written.
func (l *loginLog) put(tx *bolt.Tx, p pendingLogin) error {
	if p.row != 0 {
		return changeLogin(tx, p.row, func(e *LoginEntry) { e.Client = p.entry.Client })
	}
	same := p.entry.same()
	if r, ok := l.recent[same]; ok && p.entry.Time.Sub(r.start) < loginMerge && tx.Bucket(bucketLogins).Get(auditKey(r.row)) != nil {
		p.row = r.row
		return changeLogin(tx, r.row, func(e *LoginEntry) {
			e.Count++
			e.Last = p.entry.Time
		})
	}
	row, err := tx.Bucket(bucketLogins).NextSequence()
	if err != nil {
		return err
	}
	p.row = row
	l.recent[same] = recentLogin{row, p.entry.Time}
	g := p.entry.group()
	l.counts[g]++
	l.total++
	if err := putLogin(tx, row, &p.entry); err != nil {
		return err
	}
	return tx.Bucket(bucketLoginIndex).Put(append(g.key(), auditKey(row)...), nil)
}

func putLogin(tx *bolt.Tx, row uint64, e *LoginEntry) error {
	b, err := encode(e)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketLogins).Put(auditKey(row), b)
}

// changeLogin changes a row, if it is there still.
func changeLogin(tx *bolt.Tx, row uint64, change func(*LoginEntry)) error {
	b := tx.Bucket(bucketLogins).Get(auditKey(row))
	if b == nil {
		return nil
	}
	var e LoginEntry
	if err := decode(b, &e); err != nil {
		return err
	}
	change(&e)
	return putLogin(tx, row, &e)
}

// trim keeps the bounds after logins of these groups were added.
func (l *loginLog) trim(tx *bolt.Tx, groups map[loginGroup]bool, now time.Time) error {
	for g := range groups {
		prefix := g.key()
		c := tx.Bucket(bucketLoginIndex).Cursor()
		for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix) && l.counts[g] > g.max(); k, _ = c.Seek(prefix) {
			if err := l.drop(tx, binary.BigEndian.Uint64(k[len(prefix):]), g); err != nil {
				return err
			}
		}
	}
	c := tx.Bucket(bucketLogins).Cursor()
	aged := 0
	for k, v := c.First(); k != nil; k, v = c.First() {
		var e LoginEntry
		if err := decode(v, &e); err != nil {
			return err
		}
		if old := now.Sub(e.Last) > loginKeep && aged < maxLoginAged; !old && l.total <= maxLogins {
			return nil
		}
		aged++
		if err := l.drop(tx, binary.BigEndian.Uint64(k), e.group()); err != nil {
			return err
		}
	}
	return nil
}

func (l *loginLog) drop(tx *bolt.Tx, row uint64, g loginGroup) error {
	l.counts[g]--
	l.total--
	if err := tx.Bucket(bucketLoginIndex).Delete(append(g.key(), auditKey(row)...)); err != nil {
		return err
	}
	return tx.Bucket(bucketLogins).Delete(auditKey(row))
}
