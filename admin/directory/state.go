package directory

import (
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// bucketState is made when it is first written to.
var bucketState = []byte("state")

// maxState bounds what is remembered under one name.
const maxState = 256 << 10

// ErrTooLarge means that a state has more octets than are kept.
var ErrTooLarge = errors.New("directory: state is too large")

// State reads what the server remembers under a name into v: what checks saw
// before, how far the first run has come. It reports whether there is any.
func (d *Directory) State(ctx context.Context, name string, v any) (found bool, err error) {
	err = d.db.View(func(tx *bolt.Tx) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := tx.Bucket(bucketState)
		if b == nil {
			return nil
		}
		row := b.Get([]byte(name))
		if row == nil {
			return nil
		}
		found = true
		return decode(row, v)
	})
	if err != nil {
		return false, fmt.Errorf("state %s: %w", name, err)
	}
	return found, nil
}

// PutState remembers v, which is written as JSON, under a name; nil forgets
// it. It is no change by anybody, so that it is not in the audit log.
func (d *Directory) PutState(ctx context.Context, name string, v any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var row []byte
	if v != nil {
		var err error
		if row, err = encode(v); err != nil {
			return fmt.Errorf("state %s: %w", name, err)
		}
		if len(row) > maxState {
			return fmt.Errorf("%w: %s has %d octets", ErrTooLarge, name, len(row))
		}
	}
	return d.transact(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketState)
		if err != nil {
			return err
		}
		if row == nil {
			return b.Delete([]byte(name))
		}
		return b.Put([]byte(name), row)
	})
}
