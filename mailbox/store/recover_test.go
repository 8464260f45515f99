package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// Whatever part of the last record a crash has left, at the end of the file or
// with zeros behind it, all before it is there, and the store goes on from there.
func TestRecoverTornTail(t *testing.T) {
	for _, behind := range []int{0, 100, zeroAhead} {
		t.Run(fmt.Sprint(behind, " zeros"), func(t *testing.T) { testRecoverTornTail(t, zeros[:behind]) })
	}
}

func testRecoverTornTail(t *testing.T, behind []byte) {
	t.Parallel()
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	mustAccept(t, e, "a", "first body", 1, 2)
	before := e.log.position().off()
	b := mustAccept(t, e, "b", pattern(1, 70), 1)
	after := e.log.position().off()
	image := crash(t, dir)
	whole, err := os.ReadFile(filepath.Join(image, "log", "00000001.log"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := before; cut <= after; cut++ {
		opts := quiet()
		opts.noSync = true // many rounds
		name := filepath.Join(image, "log", "00000001.log")
		if err := os.WriteFile(name, append(slices.Clone(whole[:cut]), behind...), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, later := range []string{"acct", "sys.db", "queue.db", filepath.Join("log", "00000002.log")} {
			if err := os.RemoveAll(filepath.Join(image, later)); err != nil {
				t.Fatal(err)
			}
		}
		e := mustOpen(t, image, opts)
		want := "a"
		if cut >= before+headerSize+int64(b.metaLen())+b.storedLen() { // the padding may be missing
			want = "a b"
		}
		wantMetas(t, e, 1, want)
		wantMetas(t, e, 2, "a")
		r := mustAccept(t, e, "c", "third", 1)
		wantBody(t, e, r, "third")
		mustClose(t, e)
		e = mustOpen(t, image, opts)
		wantMetas(t, e, 1, want+" c")
		mustClose(t, e)
		if t.Failed() {
			t.Fatalf("cut at %d of %d to %d", cut, before, after)
		}
	}
}

// A small group is followed by zeros, so that those after it need not make the
// file longer; a large one is not. None of the zeros outlives the process.
func TestZerosAhead(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	name := filepath.Join(dir, "log", "00000001.log")
	size := func() int64 {
		s, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return s.Size()
	}
	mustAccept(t, e, "0", pattern(0, 1000), 1)
	if got, want := size(), e.log.position().off()+zeroAhead; got != want {
		t.Errorf("after a small message the file has %d octets, want %d", got, want)
	}
	before := size()
	for i := 1; e.log.position().off()+3_000 < before; i++ {
		mustAccept(t, e, fmt.Sprint(i), pattern(i, 1000), 1)
		if size() != before {
			t.Fatalf("message %d made the file longer: %d octets, before %d", i, size(), before)
		}
	}
	mustAccept(t, e, "large", pattern(0, zeroBehind+1000), 1)
	if got, want := size(), e.log.position().off(); got != want {
		t.Errorf("after a large message the file has %d octets, want %d", got, want)
	}
	r := mustAccept(t, e, "last", "the last", 1)
	end := e.log.position().off()
	mustClose(t, e)
	e = mustOpen(t, dir, quiet())
	defer mustClose(t, e)
	wantBody(t, e, r, "the last")
	if size() != end {
		t.Errorf("after the next start the segment has %d octets, want %d", size(), end)
	}
}

// A flipped bit in a segment that was sealed is reported; all other mail is
// kept, in order.
func TestRecoverDamageInSealedSegment(t *testing.T) {
	dir := t.TempDir()
	opts := quiet()
	opts.SegmentSize = 600
	e := mustOpen(t, dir, opts)
	var refs []Ref
	for i := range 12 {
		refs = append(refs, mustAccept(t, e, fmt.Sprint(i), pattern(i, 120), 1))
	}
	if refs[1].place().seg() == e.currentSegment() {
		t.Fatal("the segment of the second message is not sealed")
	}
	image := crash(t, dir)
	name := filepath.Join(image, "log", "00000001.log")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, off := range map[string]int64{"header": 20, "meta": headerSize + 2, "body": headerSize + int64(refs[1].metaLen()) + 3} {
		t.Run(what, func(t *testing.T) {
			image := crash(t, image)
			broken := append([]byte(nil), b...)
			broken[refs[1].place().off()+off] ^= 4
			if err := os.WriteFile(filepath.Join(image, "log", "00000001.log"), broken, 0o600); err != nil {
				t.Fatal(err)
			}
			var said logBuffer
			opts := opts
			opts.Logger = slog.New(slog.NewTextHandler(&said, nil))
			e := mustOpen(t, image, opts)
			wantMetas(t, e, 1, "0 2 3 4 5 6 7 8 9 10 11")
			if !strings.Contains(said.String(), "damage in the log") {
				t.Errorf("damage was not reported: %q", said.String())
			}
			var problems []string
			if err := e.Scrub(context.Background(), func(p string) { problems = append(problems, p) }); err != nil || len(problems) != 1 {
				t.Errorf("Scrub reports %q, %v; want one problem", problems, err)
			}
			if _, err := readAll(e, refs[1]); what != "meta" && !errors.Is(err, ErrDamaged) {
				t.Errorf("opening the damaged body: %v", err)
			}
		})
	}
}

// A power cut can leave any part of the last group unwritten. That is no
// damage: what reached the disk of it is kept, and the rest is gone for good.
// In a group before it the same is damage.
func TestRecoverTornGroup(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	var groups [][]*request
	for g := range 2 {
		var group []*request
		for i := range 4 {
			body := pattern(i, 120)
			r, err := e.request(context.Background(), &Message{Meta: fmt.Appendf(nil, "%d-%d", g, i), Body: strings.NewReader(body), Size: int64(len(body)), To: []Recipient{{Owner: 1}}})
			if err != nil {
				t.Fatal(err)
			}
			group = append(group, r)
		}
		e.log.commitGroup(group)
		groups = append(groups, group)
	}
	image := crash(t, dir)
	mustClose(t, e)
	for _, tt := range []struct {
		name    string
		torn    *request
		at      int64
		want    string
		damaged bool
	}{
		{"header of the last group", groups[1][1], 20, "0-0 0-1 0-2 0-3 1-0 1-2 1-3", false},
		{"meta of the last group", groups[1][0], headerSize + 2, "0-0 0-1 0-2 0-3 1-1 1-2 1-3", false},
		{"body of the last group", groups[1][2], headerSize + int64(groups[1][2].header.metaLen) + 3, "0-0 0-1 0-2 0-3 1-0 1-1 1-3", false},
		{"end of the last group", groups[1][3], headerSize + 2, "0-0 0-1 0-2 0-3 1-0 1-1 1-2", false},
		{"end of the group before", groups[0][3], headerSize + 2, "0-0 0-1 0-2 1-0 1-1 1-2 1-3", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			image := crash(t, image)
			flipBit(t, filepath.Join(image, "log", "00000001.log"), tt.torn.header.off+tt.at)
			var said logBuffer
			opts := quiet()
			opts.Logger = slog.New(slog.NewTextHandler(&said, nil))
			e := mustOpen(t, image, opts)
			wantMetas(t, e, 1, tt.want)
			if got := strings.Contains(said.String(), "damage in the log"); got != tt.damaged {
				t.Errorf("damage reported: %v, want %v: %q", got, tt.damaged, said.String())
			}
			var problems []string
			if err := e.Scrub(context.Background(), func(p string) { problems = append(problems, p) }); err != nil || (len(problems) > 0) != tt.damaged {
				t.Errorf("Scrub reports %q, %v", problems, err)
			}
			mustClose(t, e)
			again := mustOpen(t, image, quiet())
			defer mustClose(t, again)
			wantMetas(t, again, 1, tt.want)
		})
	}
}

// flipBit damages one octet of a file.
func flipBit(t *testing.T, name string, at int64) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 4
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a message holds must not pass for a record when the log is searched.
func TestRecoverForgedRecord(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	probe := mustAccept(t, e, "probe", "x", 1)
	// The body of the next message holds a record for owner 9 that knows its place.
	meta := appendMeta(nil, &metaBlock{to: []Recipient{{Owner: 9}}, meta: []byte("forged")})
	place := probe.place()
	at := place.off() + headerSize + int64(probe.metaLen()) + probe.storedLen()
	at = alignUp(at) + headerSize + int64(len(appendMeta(nil, &metaBlock{to: []Recipient{{Owner: 1}}, meta: []byte("evil"), size: 400})))
	pad := alignUp(at) - at
	h := header{seg: place.seg(), off: at + pad, metaLen: uint32(len(meta)), metaCRC: checksum(meta)}
	body := make([]byte, 400)
	h.put(body[pad:])
	copy(body[pad+headerSize:], meta)
	evil := mustAccept(t, e, "evil", string(body), 1)
	mustAccept(t, e, "after", "y", 1)
	image := crash(t, dir)
	f, err := os.OpenFile(filepath.Join(image, "log", "00000001.log"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if h, _, err := readRecord(f, place.seg(), at+pad, 1<<20); err != nil || h.off != at+pad {
		t.Fatalf("the forged record is not where the test wants it: %v", err)
	}
	if _, err := f.WriteAt([]byte{'X'}, evil.place().off()+headerSize+int64(evil.metaLen())+399); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, image, quiet())
	wantMetas(t, e, 1, "probe after")
	wantMetas(t, e, 9, "")
}

// Large bodies whose record never got into the log are removed at start.
func TestRecoverOrphanedLargeBodies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	kept := mustAccept(t, e, "kept", pattern(1, maxInLog+5), 1)
	n := e.big.take() // under way at the checkpoint
	if err := e.checkpoint(); err != nil {
		t.Fatal(err)
	}
	late := mustAccept(t, e, "late", pattern(2, maxInLog+5), 1)
	var orphans []string
	for _, n := range []uint32{n, e.big.take()} {
		name := strings.Replace(e.big.name(n), dir, "", 1)
		orphans = append(orphans, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(dir+name), 0o700), os.WriteFile(dir+name, []byte("half"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	image := crash(t, dir)
	e = mustOpen(t, image, quiet())
	wantBody(t, e, kept, pattern(1, maxInLog+5))
	wantBody(t, e, late, pattern(2, maxInLog+5))
	for _, name := range orphans {
		if _, err := os.Stat(image + name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", name, err)
		}
	}
	another := mustAccept(t, e, "another", pattern(3, maxInLog+5), 1)
	wantBody(t, e, another, pattern(3, maxInLog+5))
	wantBody(t, e, kept, pattern(1, maxInLog+5))
}

func TestSecondProcessIsKeptOut(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	if second, err := Open(dir, quiet()); err == nil {
		second.Close()
		t.Fatal("the folder was opened twice")
	}
	mustAccept(t, e, "a", "body", 1)
	mustClose(t, e)
	wantMetas(t, mustOpen(t, dir, quiet()), 1, "a")
}

// tearPages overwrites all of a database but its meta pages.
func tearPages(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 2 * os.Getpagesize(); i < len(b); i++ {
		b[i] = 0xa5
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A torn database is set aside at the start after the one that it ended: only
// its owner notices, and mail waits for a good copy.
func TestSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	mustAccept(t, e, "a", "body a", 1, 2)
	mustClose(t, e)
	good, err := os.ReadFile(filepath.Join(dir, "acct/1/mail.db"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "acct/1/mail.db")
	// The copy is older than the last checkpoint.
	e = mustOpen(t, dir, quiet())
	mustAccept(t, e, "a1", "body", 1)
	mustAccept(t, e, "a2", pattern(1, maxInLog+1), 1, 2)
	mustClose(t, e)
	tearPages(t, name)
	if checkPages(name) == nil {
		t.Fatal("the walk through the pages sees nothing")
	}
	// The process that opened it is gone, and has left its mark.
	if err := os.WriteFile(name+openingMark, []byte{'o'}, 0o600); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, dir, quiet())
	mustAccept(t, e, "b", "body b", 1, 2)
	view := func() error { return e.View(context.Background(), 1, func(Tx) error { return nil }) }
	update := e.Update(context.Background(), 1, func(RW) error { return nil })
	if err := view(); !errors.Is(err, ErrSetAside) || !errors.Is(update, ErrSetAside) {
		t.Errorf("View: %v, Update: %v; want ErrSetAside", err, update)
	}
	wantMetas(t, e, 2, "a a2 b")
	if err := e.checkpoint(); err != nil { // what waits is noted, and the mark moves
		t.Fatal(err)
	}
	if low, end := e.sys.low(), e.log.position(); low != end {
		t.Errorf("low-water mark %x, end %x", low, end)
	}
	mustAccept(t, e, "c", "body c", 1)
	mustClose(t, e)

	e = mustOpen(t, dir, quiet()) // still no copy
	if err := view(); !errors.Is(err, ErrSetAside) {
		t.Errorf("View after a restart: %v, want ErrSetAside", err)
	}
	mustAccept(t, e, "d", "body d", 1, 2)
	mustClose(t, e)
	if kept, _ := filepath.Glob(name + ".damaged-*"); len(kept) != 1 {
		t.Errorf("damaged files: %q", kept)
	}

	if err := os.WriteFile(name, good, 0o600); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, dir, quiet())
	wantMetas(t, e, 1, "a a1 a2 b c d")
	wantMetas(t, e, 2, "a a2 b d")
	mustClose(t, e)
	e = mustOpen(t, dir, quiet())
	wantMetas(t, e, 1, "a a1 a2 b c d")
}

// A process that is killed while it opens a sound database does not cost the
// owner anything; one that is sound to our eyes but ends the process again and
// again does.
func TestOpeningMark(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "acct/1/mail.db")
	e := mustOpen(t, dir, quiet())
	for i := range 300 {
		mustAccept(t, e, fmt.Sprint(i), pattern(i, 10), 1)
	}
	want := metas(t, e, 1)
	err := e.Update(context.Background(), 1, func(rw RW) error {
		return rw.Put('z', []byte("large"), make([]byte, MaxValue)) // a page with overflow
	})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, e)
	for attempts := range maxAttempts {
		if err := os.WriteFile(name+openingMark, make([]byte, attempts), 0o600); err != nil {
			t.Fatal(err)
		}
		e = mustOpen(t, dir, quiet())
		wantMetas(t, e, 1, want)
		mustClose(t, e)
		if _, err := os.Stat(name + openingMark); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the mark is still there: %v", err)
		}
	}
	if err := os.WriteFile(name+openingMark, make([]byte, maxAttempts), 0o600); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, dir, quiet())
	if err := e.View(context.Background(), 1, func(Tx) error { return nil }); !errors.Is(err, ErrSetAside) {
		t.Errorf("View = %v, want ErrSetAside", err)
	}
}

// A mark that was there before goes for good, or it would come back with each
// loss of power; one that was not costs no sync.
func TestOpeningMarkGoesForGood(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	mustAccept(t, e, "a", "b", 1)
	mustClose(t, e)
	for _, before := range []bool{false, true} {
		if before {
			if err := os.WriteFile(filepath.Join(dir, "acct/1/mail.db")+openingMark, []byte{'o'}, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		fs := &faultFS{}
		opts := quiet()
		opts.fs = fs
		e := mustOpen(t, dir, opts)
		wantMetas(t, e, 1, "a")
		mustClose(t, e)
		if got := slices.Contains(fs.did, "syncdir 1"); got != before {
			t.Errorf("with a mark before: %t, its removal was synced: %t", before, got)
		}
	}
}

// A database that is not even one is set aside at once.
func TestSetAsideGarbage(t *testing.T) {
	for what, content := range map[string]string{"garbage": strings.Repeat("no database ", 4096), "short": "x", "zeros": string(make([]byte, 32<<10))} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "acct/1/mail.db")
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(content), 0o600)); err != nil {
				t.Fatal(err)
			}
			e := mustOpen(t, dir, quiet())
			mustAccept(t, e, "a", "b", 1, 2)
			if err := e.View(context.Background(), 1, func(Tx) error { return nil }); !errors.Is(err, ErrSetAside) {
				t.Errorf("View = %v, want ErrSetAside", err)
			}
			wantMetas(t, e, 2, "a")
			if err := e.Drop(context.Background(), 1); err != nil {
				t.Fatal(err)
			}
			mustAccept(t, e, "new", "b", 1)
			wantMetas(t, e, 1, "new")
		})
	}
}

// Pages that tear while the database is in use end it, and nothing else.
func TestDamageInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	for i := range 200 {
		mustAccept(t, e, fmt.Sprint(i), "body", 1, 2)
	}
	entriesOf(t, e, 1)
	tearPages(t, filepath.Join(dir, "acct/1/mail.db")) // the map shows it
	ctx := context.Background()
	if err := e.Update(ctx, 1, func(rw RW) error { testEntries(rw); return nil }); !errors.Is(err, ErrSetAside) {
		t.Errorf("Update = %v, want ErrSetAside", err)
	}
	if err := e.View(ctx, 1, func(tx Tx) error { testEntries(tx); return nil }); !errors.Is(err, ErrSetAside) {
		t.Errorf("View = %v, want ErrSetAside", err)
	}
	mustAccept(t, e, "late", "body", 1, 2)
	if n := len(entriesOf(t, e, 2)); n != 201 {
		t.Errorf("the other owner has %d messages, want 201", n)
	}
	mustClose(t, e)
	e = mustOpen(t, dir, quiet())
	if err := e.View(ctx, 1, func(Tx) error { return nil }); !errors.Is(err, ErrSetAside) {
		t.Errorf("View after restart = %v, want ErrSetAside", err)
	}
}

// checkPages agrees with bbolt about sound files of many shapes.
func TestCheckPages(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "x.db")
	if err := createBolt(name, true); err != nil {
		t.Fatal(err)
	}
	if err := checkPages(name); err != nil {
		t.Errorf("empty: %v", err)
	}
	db, err := openBolt(name, true)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for round := range 20 {
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte{byte('a' + round%7)})
			if err != nil {
				return err
			}
			for i := range 40 * round {
				if err := b.Put(fmt.Appendf(nil, "%d", i*7919%1000), make([]byte, i*37%9000)); err != nil {
					return err
				}
			}
			for i := range 20 * round {
				if err := b.Delete(fmt.Appendf(nil, "%d", i*31)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkPages(name); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
}

// A database whose making a crash cut short is made anew.
func TestCreateCutShort(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, dir, quiet())
	mustAccept(t, e, "a", "body", 0, 1)
	image := crash(t, dir)
	for _, name := range []string{"acct/1/mail.db.new", "queue.db.new", "sys.db.new"} {
		if err := writeUnder(image, name, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(image, "sys.db")); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, image, quiet())
	wantMetas(t, e, 0, "a")
	wantMetas(t, e, 1, "a")
}

// A disk that said it had synced, and had not, takes away the end of the log,
// while rows that were made from it are there. The mail is lost, but what comes
// in afterwards is not taken for what the rows have already, and their
// references do not lead to it.
func TestLogLostItsEnd(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed %t", closed), func(t *testing.T) {
			dir := t.TempDir()
			e := mustOpen(t, dir, quiet())
			mustAccept(t, e, "a", "first body", 1, 2)
			kept := e.log.position().off()
			lost := mustAccept(t, e, "b", "other body", 1)
			mustAccept(t, e, "c", "third body", 1)
			wantMetas(t, e, 1, "a b c") // writes the rows
			image := dir
			if closed {
				mustClose(t, e)
			} else {
				image = crash(t, dir)
			}
			if err := os.Truncate(filepath.Join(image, "log", "00000001.log"), kept); err != nil {
				t.Fatal(err)
			}
			e = mustOpen(t, image, quiet())
			mustAccept(t, e, "d", "later body", 1, 2)
			e = mustOpen(t, crash(t, image), quiet()) // before any rows are written
			r := mustAccept(t, e, "e", "other body", 1, 2)
			wantBody(t, e, r, "other body")
			wantMetas(t, e, 1, "a b c d e")
			wantMetas(t, e, 2, "a d e")
			if text, err := readAll(e, lost); !errors.Is(err, ErrNoBody) && !errors.Is(err, ErrDamaged) {
				t.Errorf("the body that was lost is %q, %v", text, err)
			}
		})
	}
}
