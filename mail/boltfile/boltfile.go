// Package boltfile opens the bbolt files that may be lost: traces, numbers over
// time, what was learned about junk and about senders, reports. None of them
// holds mail, and mail does not wait for one that is damaged: it is put aside as
// FILE.damaged, and a new one is begun. One that a newer program has written is
// not damaged: it is refused as all newer data is (package schema).
//
// It is the one package with a type of bbolt in its signature: each of its
// users is a door of bbolt already.
package boltfile

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/mailstead/mailstead/mail/schema"
)

// ErrDamaged is what Options.Init returns for a file that cannot be used.
var ErrDamaged = errors.New("boltfile: the file is damaged")

// lockWait is how long another process may hold the file.
const lockWait = time.Second

// Options of a file.
type Options struct {
	What    string   // is in it, for the log: "traces"
	Buckets [][]byte // that are made if they are missing
	// Init prepares or reads what Open needs, once the buckets are there; it may
	// be nil.
	Init func(*bolt.Tx) error
	// NoFreelistSync saves a page at each commit, and costs a look at all pages
	// when the file is opened: for small files.
	NoFreelistSync bool
	Logger         *slog.Logger
}

// Open opens the file at path, or makes it.
func Open(path string, o Options) (*bolt.DB, error) {
	db, err := open(path, &o)
	if !slices.ContainsFunc([]error{bolterrors.ErrInvalid, bolterrors.ErrChecksum, bolterrors.ErrVersionMismatch, ErrDamaged}, func(damage error) bool { return errors.Is(err, damage) }) {
		return db, err
	}
	o.Logger.Warn(o.What+" cannot be read; beginning anew", "err", err)
	if err := os.Rename(path, path+".damaged"); err != nil {
		return nil, err
	}
	return open(path, &o)
}

func open(path string, o *Options) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType, NoFreelistSync: o.NoFreelistSync})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range o.Buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if err := checkSchema(tx, o.What); err != nil {
			return err
		}
		if o.Init == nil {
			return nil
		}
		return o.Init(tx)
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// bucketSchema has one row: the schema of the program that wrote the file.
var bucketSchema, keySchema = []byte("schema"), []byte("number")

// checkSchema refuses a file that a newer program has written, and notes our
// number in all others: what is older than the data folder says has been brought
// over with it.
func checkSchema(tx *bolt.Tx, what string) error {
	b, err := tx.CreateBucketIfNotExists(bucketSchema)
	if err != nil {
		return err
	}
	n, err := schema.OfRow(b.Get(keySchema))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if newer := new(schema.Newer); errors.As(schema.Check("the file of "+what, n), &newer) {
		return newer
	}
	if n == schema.Current && b.Get(keySchema) != nil {
		return nil
	}
	return b.Put(keySchema, schema.Row(schema.Current))
}

// Copy writes a consistent copy of a file that is in use.
func Copy(db *bolt.DB, w io.Writer) error {
	return db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
}
