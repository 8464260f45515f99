package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestLargeDatabaseOpensAtOnce closes a large database and opens it again:
// that looks neither at all pages nor forgets which of them are free.
func TestLargeDatabaseOpensAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := quiet()
	opts.noSync = true
	file := filepath.Join(dir, "acct", "1", "mail.db")
	const rows = 24_000
	put := func(e *Engine, round byte) {
		t.Helper()
		err := e.Update(context.Background(), 1, func(rw RW) error {
			for i := range uint32(rows) {
				if err := rw.Put('z', key(i), append(key(i), bytes.Repeat([]byte{round}, 1000)...)); err != nil {
					return err
				}
			}
			return rw.Put('a', []byte("round"), []byte{round})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		s, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return s.Size()
	}
	e := mustOpen(t, dir, opts)
	put(e, 1)
	put(e, 2)
	put(e, 3)
	image := crash(t, dir)
	mustClose(t, e)
	wantRound(t, mustOpen(t, image, opts), 3) // without a list
	if size() <= scanSize {
		t.Fatalf("%d octets are not large", size())
	}
	full := size()
	for round := byte(4); round < 8; round++ {
		e = mustOpen(t, dir, opts)
		put(e, round)
		mustClose(t, e)
	}
	if size() > full+full/10 {
		t.Errorf("the file has grown from %d to %d octets: free pages were forgotten", full, size())
	}
	if err := checkPages(file); err != nil {
		t.Error(err)
	}

	tear(t, file, append(key(rows/2), 7))
	e = mustOpen(t, dir, opts)
	wantRound(t, e, 7) // opening has not looked at that page
	mustClose(t, e)
}

func wantRound(t *testing.T, e *Engine, want byte) {
	t.Helper()
	err := e.View(context.Background(), 1, func(tx Tx) error {
		if got := tx.Get('a', []byte("round")); !bytes.Equal(got, []byte{want}) {
			return fmt.Errorf("round %d, want %d", got, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func key(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// tear spoils the page that holds text, where bbolt sees it.
func tear(t *testing.T, file string, text []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, text)
	if at < 0 {
		t.Fatal("the row is not there")
	}
	copy(b[at/os.Getpagesize()*os.Getpagesize():], make([]byte, 16))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTrim: rows can be read and written as before once they were let go of.
func TestTrim(t *testing.T) {
	e, err := Open(t.TempDir(), Options{Apply: func(RW, Accepted) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Trim(5); err != nil {
		t.Errorf("an owner without rows: %v", err)
	}
	for n := range byte(3) {
		err := e.Update(t.Context(), 5, func(rw RW) error {
			for i := range 1000 {
				if err := rw.Put('x', []byte{n, byte(i >> 8), byte(i)}, make([]byte, 100)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Trim(5); err != nil {
			t.Fatal(err)
		}
		rows := 0
		err = e.View(t.Context(), 5, func(tx Tx) error {
			for range tx.Scan('x', nil, nil) {
				rows++
			}
			return nil
		})
		if want := 1000 * (int(n) + 1); err != nil || rows != want {
			t.Errorf("%d rows, %v; want %d", rows, err, want)
		}
	}
}
