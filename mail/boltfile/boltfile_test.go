package boltfile

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail/schema"
)

// What is damaged, whoever says so, is put aside; any other error is told.
func TestDamageIsPutAside(t *testing.T) {
	name := []byte("rows")
	var log bytes.Buffer
	o := Options{What: "rows", Buckets: [][]byte{name}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	path := filepath.Join(t.TempDir(), "rows.db")
	put := func(text string) {
		t.Helper()
		db, err := Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bolt.Tx) error {
			if got := string(tx.Bucket(name).Get([]byte("k"))); got != "" {
				t.Errorf("a new file has %q", got)
			}
			return tx.Bucket(name).Put([]byte("k"), []byte(text))
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	put("first")
	first := true
	o.Init = func(tx *bolt.Tx) error {
		if first {
			first = false
			return fmt.Errorf("%w: a row", ErrDamaged)
		}
		return nil
	}
	put("second")
	if !strings.Contains(log.String(), "rows cannot be read; beginning anew") {
		t.Errorf("the log says %q", log.String())
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	put("third")
	other := errors.New("no room")
	o.Init = func(*bolt.Tx) error { return other }
	if _, err := Open(path, o); !errors.Is(err, other) {
		t.Errorf("another error: %v", err)
	}
	if kept, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.HasPrefix(kept, []byte("no database")) {
		t.Errorf("put aside: %.20q, %v", kept, err)
	}
}

// A file of a newer program is refused and stays as it is; one without a number,
// or with an older one, gets ours.
func TestSchemaOfFile(t *testing.T) {
	o := Options{What: "rows", Buckets: [][]byte{[]byte("rows")}, Logger: slog.New(slog.DiscardHandler)}
	for _, tt := range []struct {
		name, row string
		ok        bool
	}{{"none", "", true}, {"ours", fmt.Sprint(schema.Current), true}, {"newer", fmt.Sprint(schema.Current + 1), false}} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rows.db")
			db, err := Open(path, o)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bolt.Tx) error {
				if tt.row == "" {
					return tx.DeleteBucket(bucketSchema)
				}
				return tx.Bucket(bucketSchema).Put(keySchema, []byte(tt.row))
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			db, err = Open(path, o)
			newer := new(schema.Newer)
			if (err == nil) != tt.ok || errors.As(err, &newer) == tt.ok {
				t.Fatalf("Open: %v", err)
			}
			if _, err := os.Stat(path + ".damaged"); err == nil {
				t.Error("it was put aside")
			}
			if err != nil {
				if !strings.Contains(err.Error(), "the file of rows") {
					t.Errorf("%v does not say which file", err)
				}
				return
			}
			err = db.View(func(tx *bolt.Tx) error {
				if got := string(tx.Bucket(bucketSchema).Get(keySchema)); got != fmt.Sprint(schema.Current) {
					t.Errorf("it has %q afterwards", got)
				}
				return nil
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}
