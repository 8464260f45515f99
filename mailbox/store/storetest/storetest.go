// Package storetest is the conformance suite of store.Store: any engine that
// is to stand behind package mailbox must pass it.
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailstead/mailstead/mailbox/store"
)

// Buckets that Apply and the tests use.
const (
	Inbox store.Bucket = 'i' // sequence number → mailbox ‖ flags ‖ ref ‖ size ‖ meta ‖ extra
	State store.Bucket = 's' // "next" → number
	Extra store.Bucket = 'x'
)

// Entry is a row of Inbox.
type Entry struct {
	Seq            uint64
	Mailbox, Flags uint32
	Ref            store.Ref
	Size           int64
	Meta, Extra    string
}

// Apply numbers accepted messages in the order in which they come.
func Apply(rw store.RW, a store.Accepted) error {
	n := next(rw)
	v := binary.BigEndian.AppendUint32(nil, a.To.Mailbox)
	v = binary.BigEndian.AppendUint32(v, a.To.Flags)
	v = append(v, a.Ref[:]...)
	v = binary.BigEndian.AppendUint64(v, uint64(a.Size))
	v = binary.BigEndian.AppendUint32(v, uint32(len(a.Meta)))
	v = append(append(v, a.Meta...), a.To.Extra...)
	if err := rw.Put(Inbox, key(n), v); err != nil {
		return err
	}
	*a.Told = n
	return rw.Put(State, []byte("next"), key(n+1))
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func next(tx store.Tx) uint64 {
	if v := tx.Get(State, []byte("next")); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 1
}

// Entries reads all rows of Inbox.
func Entries(s store.Store, o store.Owner) ([]Entry, error) {
	var all []Entry
	err := s.View(context.Background(), o, func(tx store.Tx) error {
		all = nil
		for k, v := range tx.Scan(Inbox, nil, nil) {
			meta := int(binary.BigEndian.Uint32(v[32:]))
			all = append(all, Entry{
				Seq: binary.BigEndian.Uint64(k), Mailbox: binary.BigEndian.Uint32(v), Flags: binary.BigEndian.Uint32(v[4:]), Ref: store.Ref(v[8:24]),
				Size: int64(binary.BigEndian.Uint64(v[24:])), Meta: string(v[36 : 36+meta]), Extra: string(v[36+meta:]),
			})
		}
		return nil
	})
	return all, err
}

// Message makes a message for owners.
func Message(meta, body string, owners ...store.Owner) *store.Message {
	m := &store.Message{Meta: []byte(meta), Body: strings.NewReader(body), Size: int64(len(body))}
	for _, o := range owners {
		m.To = append(m.To, store.Recipient{Owner: o, Mailbox: 7, Flags: uint32(o), Extra: fmt.Appendf(nil, "extra of %d", o)})
	}
	return m
}

// ReadBody returns all octets of a body.
func ReadBody(s store.Store, r store.Ref) (string, error) {
	b, err := s.Open(context.Background(), r)
	if err != nil {
		return "", err
	}
	defer b.Close()
	var out bytes.Buffer
	_, err = io.Copy(&out, io.NewSectionReader(b, 0, b.Size()))
	return out.String(), err
}

// Run holds an engine against the contract. open makes an empty store with
// Apply of this package; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"accepted mail is seen by View and Update", acceptIsSeen},
		{"one message for many owners", manyOwners},
		{"bodies of all sizes", bodySizes},
		{"bodies one after the other", readAhead},
		{"a body that is cut off is not accepted", cutOff},
		{"a size that is not kept is not accepted", wrongSize},
		{"what Accept refuses", refused},
		{"nothing of the caller is kept", callersMemory},
		{"order of acceptance is the order of rows", order},
		{"many messages at once", acceptAll},
		{"accepted and applied", acceptApplied},
		{"a peek waits for nothing", peek},
		{"rows", rows},
		{"an update that fails leaves nothing", failedUpdate},
		{"updates that fail do not take others with them", failedAmongOthers},
		{"a view is a snapshot", snapshot},
		{"watchers are told", watchers},
		{"owners and drop", ownersAndDrop},
		{"a released body stays for open sessions", released},
		{"concurrent use", concurrent},
		{"a closed store says so", closed},
		{"a context that is done", contextDone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			tt.run(t, s)
		})
	}
}

func accept(t *testing.T, s store.Store, m *store.Message) store.Ref {
	t.Helper()
	r, err := s.Accept(context.Background(), m)
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return r
}

func entries(t *testing.T, s store.Store, o store.Owner) []Entry {
	t.Helper()
	all, err := Entries(s, o)
	if err != nil {
		t.Fatalf("View: %v", err)
	}
	return all
}

func wantBody(t *testing.T, s store.Store, r store.Ref, want string) {
	t.Helper()
	got, err := ReadBody(s, r)
	if err != nil || got != want {
		t.Errorf("body has %d octets (%v), want %d", len(got), err, len(want))
	}
}

func acceptIsSeen(t *testing.T, s store.Store) {
	r := accept(t, s, Message("meta", "body", 5))
	want := []Entry{{1, 7, 5, r, 4, "meta", "extra of 5"}}
	if got := entries(t, s, 5); !slices.Equal(got, want) {
		t.Errorf("rows = %+v, want %+v", got, want)
	}
	accept(t, s, Message("", "", 5))
	err := s.Update(context.Background(), 5, func(rw store.RW) error {
		if n := next(rw); n != 3 {
			t.Errorf("Update sees %d messages, want 2", n-1)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	wantBody(t, s, r, "body")
}

func manyOwners(t *testing.T, s store.Store) {
	owners := []store.Owner{0, 3, 9, 1 << 31}
	for i := range 300 {
		owners = append(owners, store.Owner(1000+i))
	}
	r := accept(t, s, Message("m", "one body", owners...))
	for _, o := range owners {
		got := entries(t, s, o)
		if len(got) != 1 || got[0].Ref != r || got[0].Flags != uint32(o) || got[0].Extra != fmt.Sprint("extra of ", o) {
			t.Fatalf("owner %d has %+v", o, got)
		}
	}
	wantBody(t, s, r, "one body")
}

func bodySizes(t *testing.T, s store.Store) {
	for _, n := range []int{0, 1, 7, 8, 9, 4096, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20, 3<<20 + 5} {
		text := strings.Repeat("0123456789abcdef", n/16+1)[:n]
		known := accept(t, s, Message("m", text, 1))
		m := Message("m", "", 1)
		m.Body, m.Size = iotest.DataErrReader(strings.NewReader(text)), -1
		unknown := accept(t, s, m)
		wantBody(t, s, known, text)
		wantBody(t, s, unknown, text)
		b, err := s.Open(context.Background(), known)
		if err != nil {
			t.Fatal(err)
		}
		if b.Size() != int64(n) {
			t.Errorf("Size of %d octets = %d", n, b.Size())
		}
		if n > 8 {
			p := make([]byte, 4)
			if k, err := b.ReadAt(p, int64(n-2)); k != 2 || err != io.EOF || string(p[:2]) != text[n-2:] {
				t.Errorf("ReadAt at the end of %d octets = %d, %v", n, k, err)
			}
			if k, err := b.ReadAt(p, 3); k != 4 || err != nil || string(p) != text[3:7] {
				t.Errorf("ReadAt in the middle = %d, %v", k, err)
			}
			if k, err := b.ReadAt(p, int64(n)); k != 0 || err != io.EOF {
				t.Errorf("ReadAt behind the end = %d, %v", k, err)
			}
		}
		b.Close()
	}
	if got := entries(t, s, 1); len(got) != 22 {
		t.Errorf("%d rows, want 22", len(got))
	}
}

// readAhead opens bodies of all sizes in order, in reverse, and again while
// more come in.
func readAhead(t *testing.T, s store.Store) {
	var refs []store.Ref
	var texts []string
	add := func(n int) {
		text := strings.Repeat(fmt.Sprintf("%06d.", len(texts)), n/7+1)[:n]
		refs, texts = append(refs, accept(t, s, Message(text[:min(n, 100)], text, 1))), append(texts, text)
	}
	for i := range 200 {
		add([]int{0, 5, 900, 4096, 9000, 40_000, 3}[i%7])
	}
	add(300 << 10) // has a file of its own
	add(200 << 10)
	var a store.ReadAhead
	want := func(i int) {
		t.Helper()
		b, err := s.OpenAhead(t.Context(), refs[i], &a)
		if err != nil {
			t.Fatalf("body %d: %v", i, err)
		}
		defer b.Close()
		got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		if err != nil || string(got) != texts[i] {
			t.Fatalf("body %d has %d octets, want %d; %v", i, len(got), len(texts[i]), err)
		}
	}
	for i := range refs {
		want(i)
	}
	for i := range refs {
		want(len(refs) - 1 - i)
	}
	for i := range 20 {
		add(700)
		want(len(refs) - 1)
		want(i)
	}
	a.Release()
	want(0)
	a.Release()
	if _, err := s.OpenAhead(t.Context(), store.Ref{}, &a); err == nil {
		t.Error("a body that never was can be opened")
	}
}

func cutOff(t *testing.T, s store.Store) {
	for _, n := range []int{10, 300 << 10, 600 << 10} {
		for _, size := range []int64{-1, int64(n) + 5} {
			m := Message("m", "", 1)
			m.Body, m.Size = io.MultiReader(strings.NewReader(strings.Repeat("x", n)), iotest.ErrReader(io.ErrUnexpectedEOF)), size
			if _, err := s.Accept(context.Background(), m); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a body cut off after %d octets: Accept = %v", n, err)
			}
		}
	}
	if got := entries(t, s, 1); len(got) != 0 {
		t.Errorf("rows of bodies that were cut off: %+v", got)
	}
}

func wrongSize(t *testing.T, s store.Store) {
	for _, n := range []int{10, 300 << 10} {
		for _, d := range []int64{-1, 1} {
			m := Message("m", strings.Repeat("x", n), 1)
			m.Size += d
			if _, err := s.Accept(context.Background(), m); err == nil {
				t.Errorf("%d octets announced as %d were accepted", n, m.Size)
			}
		}
	}
	if got := entries(t, s, 1); len(got) != 0 {
		t.Errorf("rows: %+v", got)
	}
}

func refused(t *testing.T, s store.Store) {
	big := Message("m", "b", 1)
	big.To[0].Extra = make([]byte, store.MaxExtra+1)
	meta := Message("", "b", 1)
	meta.Meta = make([]byte, store.MaxMeta+1)
	for name, m := range map[string]*store.Message{
		"no recipient": Message("m", "b"), "an owner twice": Message("m", "b", 1, 2, 1), "too much extra": big, "too much meta": meta,
	} {
		if _, err := s.Accept(context.Background(), m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := entries(t, s, 1); len(got) != 0 {
		t.Errorf("rows of what was refused: %+v", got)
	}
}

func callersMemory(t *testing.T, s store.Store) {
	m := Message("meta", "body", 1)
	accept(t, s, m)
	copy(m.Meta, "XXXX")
	copy(m.To[0].Extra, "XXXX")
	if got := entries(t, s, 1)[0]; got.Meta != "meta" || got.Extra != "extra of 1" {
		t.Errorf("the store kept the caller's memory: %+v", got)
	}
}

func order(t *testing.T, s store.Store) {
	for i := range 50 {
		accept(t, s, Message(fmt.Sprint(i), strings.Repeat("x", i%5*100_000), 1, store.Owner(2+i%3)))
	}
	for i, e := range entries(t, s, 1) {
		if e.Seq != uint64(i+1) || e.Meta != fmt.Sprint(i) {
			t.Fatalf("row %d = %+v", i, e)
		}
	}
}

// acceptAll keeps the order, whatever lane a body takes; of what comes after a
// message that cannot be accepted nothing is there.
func acceptAll(t *testing.T, s store.Store) {
	var all []*store.Message
	for i := range 300 {
		size := 1000
		if i%50 == 7 {
			size = 300_000
		}
		all = append(all, Message(fmt.Sprint(i), strings.Repeat("x", size)+fmt.Sprint(i), 1, store.Owner(2+i%3)))
	}
	if err := s.AcceptAll(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	list := entries(t, s, 1)
	if len(list) != len(all) {
		t.Fatalf("%d rows, want %d", len(list), len(all))
	}
	for i, e := range list {
		if e.Seq != uint64(i+1) || e.Meta != fmt.Sprint(i) {
			t.Fatalf("row %d = %+v", i, e)
		}
	}
	wantBody(t, s, list[7].Ref, strings.Repeat("x", 300_000)+"7")
	wantBody(t, s, list[299].Ref, strings.Repeat("x", 1000)+"299")

	short := Message("short", "body", 1)
	short.Size = 100
	if err := s.AcceptAll(t.Context(), []*store.Message{Message("before", "body", 1), short, Message("after", "body", 1)}); err == nil {
		t.Error("a message with a wrong size was accepted")
	}
	list = entries(t, s, 1)[len(all):]
	if len(list) > 1 || len(list) == 1 && list[0].Meta != "before" {
		t.Errorf("after the failure there is %+v", list)
	}
}

func rows(t *testing.T, s store.Store) {
	ctx := context.Background()
	err := s.Update(ctx, 1, func(rw store.RW) error {
		for _, k := range []string{"b", "a", "d", "c"} {
			if err := rw.Put(Extra, []byte(k), []byte("v"+k)); err != nil {
				return err
			}
		}
		if err := rw.Put(Extra, []byte("empty"), nil); err != nil {
			return err
		}
		if err := errors.Join(rw.Put(Extra, []byte("gone"), []byte("x")), rw.Delete(Extra, []byte("gone")), rw.Delete(Extra, []byte("never"))); err != nil {
			return err
		}
		if got := string(rw.Get(Extra, []byte("c"))); got != "vc" {
			t.Errorf("an update does not see its own row: %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(ctx, 1, func(tx store.Tx) error {
		for _, tt := range []struct{ from, to, want string }{
			{"", "", "abcdE"}, {"b", "", "bcdE"}, {"a", "c", "ab"}, {"bb", "d", "c"}, {"x", "", ""}, {"c", "a", ""},
		} {
			var to []byte
			if tt.to != "" {
				to = []byte(tt.to)
			}
			var up, down string
			for k, v := range tx.Scan(Extra, []byte(tt.from), to) {
				up += name(k, v)
			}
			for k, v := range tx.ScanBack(Extra, []byte(tt.from), to) {
				down = name(k, v) + down
			}
			if up != tt.want || down != tt.want {
				t.Errorf("Scan(%q, %q) = %q, backwards %q; want %q", tt.from, tt.to, up, down, tt.want)
			}
		}
		for range tx.Scan(Extra, nil, nil) {
			break
		}
		if tx.Get(Extra, []byte("gone")) != nil || tx.Get('z', []byte("a")) != nil {
			t.Error("Get finds what is not there")
		}
		if v := tx.Get(Extra, []byte("empty")); v == nil || len(v) != 0 {
			t.Errorf("an empty value is %v", v)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.View(ctx, 99, func(tx store.Tx) error {
		for range tx.Scan(Extra, nil, nil) {
			t.Error("an unknown owner has rows")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func name(k, v []byte) string {
	if len(v) == 0 {
		return "E"
	}
	return string(k)
}

var errMine = errors.New("mine")

func failedUpdate(t *testing.T, s store.Store) {
	ctx := context.Background()
	r := accept(t, s, Message("m", "kept", 1))
	err := s.Update(ctx, 1, func(rw store.RW) error {
		rw.Release(r)
		return errors.Join(rw.Put(Extra, []byte("k"), []byte("v")), rw.Delete(State, []byte("next")), errMine)
	})
	if !errors.Is(err, errMine) {
		t.Errorf("Update = %v, want the function's error", err)
	}
	s.View(ctx, 1, func(tx store.Tx) error {
		if tx.Get(Extra, []byte("k")) != nil || next(tx) != 2 {
			t.Error("a failed update left something")
		}
		return nil
	})
	if err := s.Update(ctx, 1, func(rw store.RW) error { return rw.Put(Extra, []byte("k"), make([]byte, store.MaxValue+1)) }); err == nil {
		t.Error("a value beyond MaxValue was taken")
	}
	wantBody(t, s, r, "kept")
}

func failedAmongOthers(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			err := s.Update(context.Background(), 1, func(rw store.RW) error {
				if err := rw.Put(Extra, key(uint64(i)), []byte("v")); err != nil {
					return err
				}
				if i%3 == 0 {
					return errMine
				}
				return nil
			})
			if (i%3 == 0) != errors.Is(err, errMine) {
				t.Errorf("update %d = %v", i, err)
			}
		})
	}
	wg.Wait()
	n := 0
	s.View(context.Background(), 1, func(tx store.Tx) error {
		for k := range tx.Scan(Extra, nil, nil) {
			if n++; binary.BigEndian.Uint64(k)%3 == 0 {
				t.Errorf("row %x of a failed update", k)
			}
		}
		return nil
	})
	if n != 40 {
		t.Errorf("%d rows, want 40", n)
	}
}

func snapshot(t *testing.T, s store.Store) {
	ctx := context.Background()
	accept(t, s, Message("m", "b", 1))
	if err := s.View(ctx, 1, func(tx store.Tx) error {
		accept(t, s, Message("m", "b", 1))
		if next(tx) != 2 {
			t.Error("a view sees what came after it began")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if got := entries(t, s, 1); len(got) != 2 {
		t.Errorf("%d rows, want 2", len(got))
	}
}

// patience is how long the suite waits for what should happen at once.
const patience = 30 * time.Second

func told(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("watcher was not told of %s", what)
	}
}

func watchers(t *testing.T, s store.Store) {
	c, stop := s.Watch(1)
	accept(t, s, Message("m", "b", 1))
	told(t, c, "accepted mail")
	if got := entries(t, s, 1); len(got) != 1 {
		t.Errorf("%d rows after the signal, want 1", len(got))
	}
	for drained := false; !drained; {
		select {
		case <-c:
		default:
			drained = true
		}
	}
	if err := s.Update(context.Background(), 1, func(rw store.RW) error { return rw.Put(Extra, []byte("k"), nil) }); err != nil {
		t.Fatal(err)
	}
	told(t, c, "an update")
	for range 100 {
		accept(t, s, Message("m", "b", 1))
	}
	told(t, c, "many at once")
	stop()
	stop()
}

func ownersAndDrop(t *testing.T, s store.Store) {
	ctx := context.Background()
	shared := accept(t, s, Message("m", "shared", 3, 4))
	if err := s.Update(ctx, 8, func(rw store.RW) error { return rw.Put(Extra, []byte("k"), nil) }); err != nil {
		t.Fatal(err)
	}
	if got := owners(t, s); !slices.Equal(got, []store.Owner{3, 4, 8}) {
		t.Errorf("owners = %v, want 3 4 8", got)
	}
	if err := s.Drop(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, s, 3); len(got) != 0 {
		t.Errorf("a dropped owner has rows: %+v", got)
	}
	if got := entries(t, s, 4); len(got) != 1 {
		t.Errorf("the other owner has %d rows, want 1", len(got))
	}
	wantBody(t, s, shared, "shared")
	accept(t, s, Message("new", "b", 3))
	if got := entries(t, s, 3); len(got) != 1 || got[0].Seq != 1 || got[0].Meta != "new" {
		t.Errorf("an owner that came again has %+v", got)
	}
}

func owners(t *testing.T, s store.Store) []store.Owner {
	t.Helper()
	var ids []store.Owner
	for id, err := range s.Owners(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func released(t *testing.T, s store.Store) {
	for _, n := range []int{10, 300 << 10} {
		text := strings.Repeat("y", n)
		r := accept(t, s, Message("m", text, 1))
		err := s.Update(context.Background(), 1, func(rw store.RW) error {
			rw.Release(r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantBody(t, s, r, text)
	}
}

func concurrent(t *testing.T, s store.Store) {
	const workers, each = 8, 25
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				meta := fmt.Sprint(w, " ", i)
				if _, err := s.Accept(context.Background(), Message(meta, strings.Repeat(meta, 50), store.Owner(1+w%4), 100)); err != nil {
					t.Error(err)
					return
				}
				if i%5 == 0 {
					if err := s.Update(context.Background(), 100, func(rw store.RW) error { return rw.Put(Extra, []byte(meta), nil) }); err != nil {
						t.Error(err)
					}
					if _, err := Entries(s, store.Owner(1+w%4)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	all := entries(t, s, 100)
	if len(all) != workers*each {
		t.Fatalf("%d rows, want %d", len(all), workers*each)
	}
	last := map[string]int{}
	for i, e := range all {
		if e.Seq != uint64(i+1) {
			t.Fatalf("row %d has number %d", i, e.Seq)
		}
		var w, n int
		fmt.Sscan(e.Meta, &w, &n)
		if had, ok := last[fmt.Sprint(w)]; ok && had >= n {
			t.Errorf("messages of worker %d are out of order", w)
		}
		last[fmt.Sprint(w)] = n
		wantBody(t, s, e.Ref, strings.Repeat(e.Meta, 50))
	}
}

// acceptApplied: what Apply told is what the rows say, whoever comes between.
func acceptApplied(t *testing.T, s store.Store) {
	ctx := context.Background()
	refuse := errors.New("refused")
	var mu sync.Mutex
	told := map[string]uint64{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				meta := fmt.Sprintf("%d-%d", w, i)
				n, err := s.AcceptApplied(ctx, Message(meta, "body", 1))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				told[meta] = n
				mu.Unlock()
				switch i % 5 {
				case 1:
					if err := s.Update(ctx, 1, func(rw store.RW) error { return errors.Join(rw.Put(Extra, []byte("x"), nil), refuse) }); !errors.Is(err, refuse) {
						t.Errorf("Update = %v", err)
					}
				case 2:
					if _, err := s.Accept(ctx, Message("other", "", 1)); err != nil {
						t.Error(err)
					}
				case 3:
					wantTold(t, s, meta, n)
				}
			}
		})
	}
	wg.Wait()
	for meta, n := range told {
		wantTold(t, s, meta, n)
	}
	if got := entries(t, s, 1); len(got) != 8*24 {
		t.Errorf("%d rows, want %d", len(got), 8*24)
	}
	if _, err := s.AcceptApplied(ctx, Message("m", "", 1, 2)); err == nil {
		t.Error("AcceptApplied takes two recipients")
	}
}

func wantTold(t *testing.T, s store.Store, meta string, n uint64) {
	err := s.View(context.Background(), 1, func(tx store.Tx) error {
		v := tx.Get(Inbox, key(n))
		if len(v) < 36 || int(binary.BigEndian.Uint32(v[32:])) != len(meta) || !strings.HasPrefix(string(v[36:]), meta) {
			t.Errorf("row %d is not of %q", n, meta)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func peek(t *testing.T, s store.Store) {
	ctx := context.Background()
	for _, want := range []int{0, 1} {
		seen := 0
		if err := s.Peek(ctx, 1, func(tx store.Tx) error {
			seen = 0
			for range tx.Scan(Inbox, nil, nil) {
				seen++
			}
			return nil
		}); err != nil || seen != want {
			t.Errorf("Peek sees %d rows, %v; want %d", seen, err, want)
		}
		accept(t, s, Message("m", "b", 1))
		entries(t, s, 1) // makes the rows
	}
}

func closed(t *testing.T, s store.Store) {
	r := accept(t, s, Message("m", "b", 1))
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, accepted := s.Accept(ctx, Message("m", "b", 1))
	_, opened := s.Open(ctx, r)
	_, ahead := s.OpenAhead(ctx, r, &store.ReadAhead{})
	_, applied := s.AcceptApplied(ctx, Message("m", "b", 1))
	for what, err := range map[string]error{
		"Accept": accepted, "Open": opened, "OpenAhead": ahead, "AcceptApplied": applied, "Drop": s.Drop(ctx, 1),
		"View":   s.View(ctx, 1, func(store.Tx) error { return nil }),
		"Peek":   s.Peek(ctx, 1, func(store.Tx) error { return nil }),
		"Update": s.Update(ctx, 1, func(store.RW) error { return nil }),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s of a closed store = %v", what, err)
		}
	}
}

func contextDone(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, accepted := s.Accept(ctx, Message("m", "b", 1))
	for what, err := range map[string]error{
		"Accept": accepted,
		"View":   s.View(ctx, 1, func(store.Tx) error { return nil }),
		"Peek":   s.Peek(ctx, 1, func(store.Tx) error { return nil }),
		"Update": s.Update(ctx, 1, func(store.RW) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v", what, err)
		}
	}
}
