package directory

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/mailstead/mailstead/mail/durable"
)

var (
	bucketMeta        = []byte("meta")
	bucketDomains     = []byte("domains")
	bucketAccounts    = []byte("accounts")
	bucketCredentials = []byte("credentials")
	bucketAliases     = []byte("aliases")
	bucketSettings    = []byte("settings")
	bucketAudit       = []byte("audit")
	bucketSessions    = []byte("sessions")
	bucketLinks       = []byte("links")
	bucketTOTP        = []byte("totp")
	bucketRecovery    = []byte("recovery")
	bucketPasskeys    = []byte("passkeys")

	bucketAppPasswords = []byte("app_passwords")
	bucketAPIKeys      = []byte("api_keys")
	bucketLastUse      = []byte("last_use")
	bucketLogins       = []byte("logins")
	bucketLoginIndex   = []byte("login_index")

	keySecret = []byte("secret")
	keySchema = []byte("schema")
)

// lockWait is how long Open waits for another process to close the file.
const lockWait = time.Second

// longestTogether is many times what 5,000 people take.
const longestTogether = 5 * time.Second

// Options of a Directory; the zero value works.
type Options struct {
	// Cost is what a guess of a password costs; zero fields mean the default.
	Cost Cost
	// NoThrottle lets logins fail as often as they like, for load tests.
	NoThrottle bool
	// LongestTogether is how long the many changes of Together may hold up others;
	// 5 s if 0.
	LongestTogether time.Duration
	// Changed is told of each entry of the audit log after it is written, in the
	// goroutine of the change, which holds up other changes.
	Changed func(AuditEntry)

	Now    func() time.Time
	Random io.Reader // crypto/rand if nil
	Logger *slog.Logger
}

// Directory is an open system.db. Its methods may be called concurrently.
type Directory struct {
	opts     Options
	db       *bolt.DB
	secret   []byte // for made-up salts; stays the same as long as the file
	hasher   *hasher
	throttle *throttle
	journal  *journal
	watchers watchers

	mu      sync.Mutex // serialises changes
	current atomic.Pointer[snapshot]
	within  *change // see Together; nil: changes stand each for itself
}

// Open opens or creates system.db at path.
func Open(path string, opts Options) (*Directory, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.LongestTogether = cmp.Or(opts.LongestTogether, longestTogether)
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("create directory: %w", err)
	}
	db, err := openBolt(path)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, inUse("another process has %s open; stop it first, or talk to it through its admin socket", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	d := &Directory{opts: opts, db: db}
	if err := d.load(); err != nil {
		db.Close()
		return nil, fmt.Errorf("open directory %s: %w", path, err)
	}
	if d.hasher, err = newHasher(opts); err != nil {
		db.Close()
		return nil, fmt.Errorf("open directory: %w", err)
	}
	d.throttle = newThrottle(opts.Now)
	if d.journal, err = newJournal(d); err != nil {
		db.Close()
		return nil, fmt.Errorf("open directory %s: %w", path, err)
	}
	return d, nil
}

// Close writes what waits and closes the file. Nothing may be asked after it.
func (d *Directory) Close() error {
	d.journal.close()
	return d.db.Close()
}

// buckets are all that there are.
func buckets() [][]byte {
	return [][]byte{
		bucketMeta, bucketDomains, bucketAccounts, bucketCredentials, bucketAliases, bucketSettings, bucketAudit,
		bucketSessions, bucketLinks, bucketTOTP, bucketRecovery, bucketPasskeys,
		bucketRules, bucketDNSProviders, bucketAppPasswords, bucketAPIKeys, bucketLastUse, bucketLogins, bucketLoginIndex,
	}
}

// create makes an empty file if there is none, whole or not at all.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.Create(path, func(unfinished string) error {
		db, err := openBolt(unfinished)
		if err != nil {
			return err
		}
		return db.Close()
	})
}

func openBolt(path string) (*bolt.DB, error) {
	return bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
}

// load makes buckets and the secret, and reads everything.
func (d *Directory) load() error {
	return d.db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		if err := checkSchema(meta); err != nil {
			return err
		}
		d.secret = append([]byte(nil), meta.Get(keySecret)...)
		if len(d.secret) == 0 {
			d.secret = make([]byte, 32)
			if _, err := io.ReadFull(d.opts.Random, d.secret); err != nil {
				return fmt.Errorf("random numbers: %w", err)
			}
			if err := meta.Put(keySecret, d.secret); err != nil {
				return err
			}
		}
		s, err := readSnapshot(tx)
		if err != nil {
			return err
		}
		d.current.Store(s)
		return nil
	})
}

// change is one change of the directory: rows in a transaction, and the
// snapshot that takes the old one's place after the commit.
type change struct {
	tx    *bolt.Tx
	next  *snapshot
	actor string
	now   time.Time

	undoes  string // ID of the audit entry that is undone
	audited string // ID of the last audit entry
	entries []AuditEntry
	rows    int       // that were written
	torn    error     // a part of it failed after it had written something
	until   time.Time // of Together: when it is too late for more
}

// update runs fn in a transaction. When fn fails nothing has changed.
func (d *Directory) update(ctx context.Context, actor string, fn func(*change) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.within != nil {
		return d.within.part(actor, fn)
	}
	return d.commit(ctx, func(c *change) error {
		c.actor = actor
		return fn(c)
	})
}

// commit is update for what names its actors itself.
func (d *Directory) commit(ctx context.Context, fn func(*change) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.current.Load()
	next := before.clone()
	var made []AuditEntry
	err := d.db.Update(func(tx *bolt.Tx) error {
		c := &change{tx: tx, next: next, now: d.opts.Now()}
		if err := fn(c); err != nil {
			return err
		}
		if err := checkOwners(before, next); err != nil {
			return err
		}
		made = c.entries
		return c.end(ctx)
	})
	if err != nil {
		return err
	}
	next.index()
	d.current.Store(next)
	d.watchers.check(next)
	for i := 0; d.opts.Changed != nil && i < len(made); i++ {
		d.opts.Changed(made[i])
	}
	return nil
}

// Counts returns how many domains and accounts there are.
func (d *Directory) Counts() (domains, accounts int) {
	s := d.current.Load()
	return len(s.domains), len(s.accounts)
}

// Backup writes a consistent copy of system.db while it is in use.
func (d *Directory) Backup(w io.Writer) error {
	return d.db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
}
