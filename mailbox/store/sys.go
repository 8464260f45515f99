package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// sysDB is sys.db: what belongs to no owner. It is small and rarely written.
//
//	mark     low → LSN, next → number, writing → numbers, schema → number
//	dropped  owner → LSN: older records do not count for it
//	remove   owner → nothing: dropped, but the folder may still be there
//	stuck    owner ‖ LSN → nothing: records that wait for a database set aside
//	sweep    owner → nothing: dropped, and its bodies are to be looked for
type sysDB struct {
	e  *Engine
	db *bolt.DB

	mu      sync.Mutex
	marks   marks
	dropped map[Owner]lsn
}

// marks are what recovery starts from.
type marks struct {
	low     lsn
	nextBig uint32
	writing []uint32
}

var (
	bucketMark    = []byte("mark")
	bucketDropped = []byte("dropped")
	bucketRemove  = []byte("remove")
	bucketStuck   = []byte("stuck")
	bucketSweep   = []byte("sweep")
	keyLow        = []byte("low")
	keyNext       = []byte("next")
	keyWriting    = []byte("writing")
	keySchema     = []byte("schema")
)

func openSys(e *Engine) (*sysDB, error) {
	name := filepath.Join(e.dir, "sys.db")
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		if err := errors.Join(createBolt(name, e.opts.noSync), e.opts.fs.SyncDir(e.dir)); err != nil {
			return nil, fmt.Errorf("sys.db: %w", err)
		}
	}
	db, err := openBolt(name, e.opts.noSync)
	if err != nil {
		return nil, fmt.Errorf("sys.db: %w", err)
	}
	s := &sysDB{e: e, db: db, dropped: map[Owner]lsn{}}
	err = s.update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMark, bucketDropped, bucketRemove, bucketStuck, bucketSweep} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if err := checkSchema(tx.Bucket(bucketMark)); err != nil {
			return err
		}
		return s.load(tx)
	})
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("sys.db: %w", err)
	}
	return s, nil
}

func (s *sysDB) load(tx *bolt.Tx) error {
	b := tx.Bucket(bucketMark)
	s.marks.low = lsn(uint64Of(b.Get(keyLow)))
	s.marks.nextBig = uint32(uint64Of(b.Get(keyNext)))
	for w := b.Get(keyWriting); len(w) >= 4; w = w[4:] {
		s.marks.writing = append(s.marks.writing, binary.BigEndian.Uint32(w))
	}
	return tx.Bucket(bucketDropped).ForEach(func(k, v []byte) error {
		if len(k) == 4 {
			s.dropped[Owner(binary.BigEndian.Uint32(k))] = lsn(uint64Of(v))
		}
		return nil
	})
}

func uint64Of(v []byte) uint64 {
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

func beUint64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func (s *sysDB) low() lsn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marks.low
}

func (s *sysDB) setMarks(m marks) error {
	var writing []byte
	for _, n := range m.writing {
		writing = binary.BigEndian.AppendUint32(writing, n)
	}
	err := s.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketMark)
		for k, v := range map[string][]byte{string(keyLow): beUint64(uint64(m.low)), string(keyNext): beUint64(uint64(m.nextBig)), string(keyWriting): writing} {
			if err := b.Put([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.mu.Lock()
		s.marks = m
		s.mu.Unlock()
	}
	return err
}

func (s *sysDB) update(fn func(*bolt.Tx) error) error {
	if err := s.e.failed.Load(); err != nil {
		return *err
	}
	if err := s.e.writeTx(s.db, fn); err != nil {
		return s.e.storageError(err)
	}
	return nil
}

// droppedAt returns the place before which records do not count for id.
func (s *sysDB) droppedAt(id Owner) lsn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped[id]
}

func (s *sysDB) setDropped(id Owner, at lsn) error {
	err := s.update(func(tx *bolt.Tx) error {
		if err := tx.Bucket(bucketDropped).Put(ownerKey(id), beUint64(uint64(at))); err != nil {
			return err
		}
		if err := tx.Bucket(bucketRemove).Put(ownerKey(id), nil); err != nil {
			return err
		}
		c := tx.Bucket(bucketStuck).Cursor()
		for k, _ := c.Seek(ownerKey(id)); len(k) == 12 && Owner(binary.BigEndian.Uint32(k)) == id; k, _ = c.Next() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketSweep).Put(ownerKey(id), nil)
	})
	if err == nil {
		s.mu.Lock()
		s.dropped[id] = at
		s.mu.Unlock()
	}
	return err
}

// removing lists the owners that were dropped but whose folders may still be
// there.
func (s *sysDB) removing() ([]Owner, error) { return s.ownersIn(bucketRemove) }

// sweepWanted lists the owners that were dropped since their bodies were last
// looked for.
func (s *sysDB) sweepWanted() ([]Owner, error) { return s.ownersIn(bucketSweep) }

func (s *sysDB) ownersIn(bucket []byte) (ids []Owner, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, _ []byte) error {
			if len(k) == 4 {
				ids = append(ids, Owner(binary.BigEndian.Uint32(k)))
			}
			return nil
		})
	})
	return ids, err
}

func (s *sysDB) removed(id Owner) error {
	return s.update(func(tx *bolt.Tx) error { return tx.Bucket(bucketRemove).Delete(ownerKey(id)) })
}

func ownerKey(id Owner) []byte { return binary.BigEndian.AppendUint32(nil, uint32(id)) }

func (s *sysDB) addStuck(id Owner, places []lsn) error {
	return s.update(func(tx *bolt.Tx) error {
		for _, p := range places {
			if err := tx.Bucket(bucketStuck).Put(binary.BigEndian.AppendUint64(ownerKey(id), uint64(p)), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// stuck returns the places noted for each owner, in order.
func (s *sysDB) stuck() (map[Owner][]lsn, error) {
	found := map[Owner][]lsn{}
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketStuck).ForEach(func(k, _ []byte) error {
			if len(k) == 12 {
				id := Owner(binary.BigEndian.Uint32(k))
				found[id] = append(found[id], lsn(binary.BigEndian.Uint64(k[4:])))
			}
			return nil
		})
	})
	return found, err
}

func (s *sysDB) clearStuck(id Owner, places []lsn) error {
	return s.update(func(tx *bolt.Tx) error {
		for _, p := range places {
			if err := tx.Bucket(bucketStuck).Delete(binary.BigEndian.AppendUint64(ownerKey(id), uint64(p))); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *sysDB) sweepDone(ids []Owner) error {
	return s.update(func(tx *bolt.Tx) error {
		for _, id := range ids {
			if err := tx.Bucket(bucketSweep).Delete(ownerKey(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *sysDB) close() error { return s.db.Close() }
