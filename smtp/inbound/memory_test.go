package inbound

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
)

func openMemory(t *testing.T, path string, o MemoryOptions) *Memory {
	t.Helper()
	m, err := OpenMemory(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMemoryStays: what was remembered is there after a restart, and gone when
// it is too old.
func TestMemoryStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbound.db")
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	opts := MemoryOptions{Now: func() time.Time { return now }}
	good, host := netip.MustParseAddr("203.0.113.25"), netip.MustParseAddr("2001:db8::25")
	env := &mail.Envelope{ReversePath: mail.Path{Local: "ana", Domain: "sender.test"}, Recipients: []mail.Recipient{{Path: mail.Path{Local: "bo", Domain: "example.org"}}}}

	m := openMemory(t, path, opts)
	m.sawGood(good)
	m.sawGood(host)
	if wait := m.comeAgain(good, env, 5*time.Minute); wait != 5*time.Minute {
		t.Errorf("wait %v", wait)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = openMemory(t, path, opts)
	defer func() { m.Close() }()
	now = now.Add(5 * time.Minute)
	if !m.good(good) || !m.good(netip.MustParseAddr("::ffff:203.0.113.25")) || !m.good(netip.MustParseAddr("2001:db8::99")) || m.good(netip.MustParseAddr("203.0.113.26")) {
		t.Error("who was good is not known after a restart")
	}
	if wait := m.comeAgain(good, env, 5*time.Minute); wait != 0 {
		t.Errorf("wait %v for who has come again", wait)
	}
	m.flush()
	now = now.Add(keepGood - time.Hour)
	m.sawGood(host)
	m.flush()
	now = now.Add(2 * time.Hour)
	m.sweep()
	if m.good(good) || !m.good(host) || m.rows != 1 {
		t.Errorf("good %v, good lately %v, %d rows; want one", m.good(good), m.good(host), m.rows)
	}
}

// TestMemoryInGroups: rows that were noted in a moment are written together, and
// known before.
func TestMemoryInGroups(t *testing.T) {
	m := openMemory(t, filepath.Join(t.TempDir(), "inbound.db"), MemoryOptions{})
	defer m.Close()
	stats := m.db.Stats()
	before := stats.TxStats.GetWrite()
	for i := range 1000 {
		a := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
		m.sawGood(a)
		if !m.good(a) {
			t.Fatalf("%v is not known", a)
		}
	}
	m.flush()
	stats = m.db.Stats()
	if after := stats.TxStats.GetWrite(); after-before > 200 {
		t.Errorf("%d writes for 1,000 rows", after-before)
	}
	if rows, pending := m.counts(); rows != 1000 || pending != 0 {
		t.Errorf("%d rows, %d pending", rows, pending)
	}
}

// counts is how many rows there are, and how many wait to be written.
func (m *Memory) counts() (rows, pending int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows, len(m.pending)
}

func TestMemoryIsBounded(t *testing.T) {
	m := openMemory(t, filepath.Join(t.TempDir(), "inbound.db"), MemoryOptions{})
	defer m.Close()
	have := func(rows int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.rows = rows
	}
	have(maxMemory)
	env := &mail.Envelope{Recipients: []mail.Recipient{{Path: mail.Path{Local: "bo", Domain: "example.org"}}}}
	if wait := m.comeAgain(netip.MustParseAddr("203.0.113.25"), env, time.Minute); wait != 0 {
		t.Errorf("wait %v, though nobody would know of it", wait)
	}
	have(0)
	for i := range maxPending + 10 {
		m.put(memoryKey(fmt.Sprint("x", i)), row{}, true)
		if _, pending := m.counts(); pending > maxPending {
			t.Fatalf("%d rows are pending", pending)
		}
	}
}

func TestDamagedMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbound.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("damaged "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	m := openMemory(t, path, MemoryOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer m.Close()
	if _, err := os.Stat(path + ".damaged"); err != nil || !strings.Contains(log.String(), "beginning anew") {
		t.Errorf("%v, log %s", err, &log)
	}
}

func TestNoMemory(t *testing.T) {
	var m *Memory
	m.sawGood(netip.MustParseAddr("203.0.113.25"))
	if m.good(netip.MustParseAddr("203.0.113.25")) || m.Close() != nil {
		t.Error("nil remembers")
	}
}

func FuzzDecodeRow(f *testing.F) {
	f.Add(row{first: time.Unix(1, 0), last: time.Unix(2, 0), done: true}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := decodeRow(b); ok {
			if again, ok := decodeRow(r.encode()); !ok || again != r {
				t.Errorf("%+v became %+v", r, again)
			}
		}
	})
}
