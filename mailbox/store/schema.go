package store

import (
	"errors"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/schema"
)

// checkSchema refuses a store of another schema than ours, and notes the
// number in one that has none.
func checkSchema(mark *bolt.Bucket) error {
	n, err := schema.OfRow(mark.Get(keySchema))
	if mark.Get(keySchema) == nil && mark.Get(keyLow) == nil {
		n = schema.Current // new
	}
	if err := errors.Join(err, schema.Check("the store", n)); err != nil {
		return err
	}
	if mark.Get(keySchema) != nil {
		return nil
	}
	return mark.Put(keySchema, schema.Row(n))
}

// SetSchema notes in the store in dir, which nobody has open, that it is of a
// schema now: the end of bringing it over.
func SetSchema(dir string, n int) error {
	db, err := openBolt(filepath.Join(dir, "sys.db"), false)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		mark, err := tx.CreateBucketIfNotExists(bucketMark)
		if err != nil {
			return err
		}
		return mark.Put(keySchema, schema.Row(n))
	})
	return errors.Join(err, db.Close())
}
