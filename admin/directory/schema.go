package directory

import (
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/schema"
)

// checkSchema refuses a file of another schema than ours, and notes the number
// in one that has none.
func checkSchema(meta *bolt.Bucket) error {
	n, err := schema.OfRow(meta.Get(keySchema))
	if meta.Get(keySchema) == nil && meta.Get(keySecret) == nil {
		n = schema.Current // new
	}
	if err := errors.Join(err, schema.Check("system.db", n)); err != nil {
		return err
	}
	return meta.Put(keySchema, schema.Row(n))
}

// SetSchema notes in the file at path, which nobody has open, that it is of a
// schema now: the end of bringing it over.
func SetSchema(path string, n int) error {
	db, err := openBolt(path)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		return meta.Put(keySchema, schema.Row(n))
	})
	return errors.Join(err, db.Close())
}
