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
