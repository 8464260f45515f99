package junk

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mailbox"
)

// TestExpire: where there is too much, what is rare and old goes, and the
// layers in memory follow.
func TestExpire(t *testing.T) {
	w := newWorld(t)
	old, now := day(clock.AddDate(0, 0, -100)), day(clock)
	const many = maxOwnTokens * 5 / 4
	err := w.db.Update(func(tx *bolt.Tx) error {
		words, learned := tx.Bucket(bucketWords), tx.Bucket(bucketLearned)
		for i := range uint64(many) {
			c, d := count{junk: 1}, old
			switch i % 4 {
			case 1:
				c.good = 50 // frequent
			case 2:
				d = now // young
			}
			if err := words.Put(rowKey(me, i), appendCount(nil, c, d)); err != nil {
				return err
			}
		}
		for i, d := range []uint16{now, day(clock.AddDate(-2, 0, 0))} {
			n := lesson{class: Good, day: d}
			if err := learned.Put(rowKey(me, uint64(i)), n.encode()); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketCursor).Put(accountKey(me), binary.BigEndian.AppendUint64(nil, 1))
	})
	if err != nil {
		t.Fatal(err)
	}
	w.score(me, good("ana@sender.com", plain))
	if err := w.expire(); err != nil {
		t.Fatal(err)
	}
	left, frequent, young := 0, 0, 0
	err = w.db.View(func(tx *bolt.Tx) error {
		for _, v := range wordRows(tx, me) {
			c, d := decodeCount(v)
			left++
			if c.good > 0 {
				frequent++
			} else if d == now {
				young++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left != maxOwnTokens*9/10 || frequent != many/4 || young != many/4 {
		t.Errorf("%d rows are left, %d of the frequent and %d of the young of %d each", left, frequent, young, many/4)
	}
	w.sameInMemory()
	if n, _ := w.lesson(me, 0); n.class != Good {
		t.Error("a young lesson is gone")
	}
	if n, _ := w.lesson(me, 1); n.class != None {
		t.Error("an old lesson is there")
	}
}

// TestForgetsAccount: of an account that was removed nothing is left but what it
// gave to all.
func TestForgetsAccount(t *testing.T) {
	w := newWorld(t)
	for _, id := range []mailbox.AccountID{me, you} {
		w.move(id, w.deliver(id, good("eve@spam.com", offer), "inbox"), mailbox.RoleJunk)
	}
	w.flush()
	w.opts.Exists = func(id mailbox.AccountID) bool { return id != me }
	if err := w.expire(); err != nil {
		t.Fatal(err)
	}
	err := w.db.View(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			eachRow(tx.Bucket(name), me, nil, func(k, _ []byte) bool {
				t.Errorf("%s still has %x", name, k)
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := w.Stats(); err != nil || s.Junk != 2 || s.Good != 0 || s.Accounts != 1 || s.Words < 20 {
		t.Errorf("stats %+v, %v", s, err)
	}
}

// TestWordsInMemory: the words of those who got mail last stay in memory, no
// more than there may be.
func TestWordsInMemory(t *testing.T) {
	w := newWorld(t)
	most := 250
	w.layers.most = func() int { return most }
	const people, each = 10, 100
	token := uint64(0)
	for id := range mailbox.AccountID(people) {
		s := study{email: 1, class: Junk}
		for range each {
			token++
			s.tokens = append(s.tokens, token)
		}
		if err := w.commit(id+1, []study{s}, 0); err != nil {
			t.Fatal(err)
		}
	}
	want := func(accounts int) {
		t.Helper()
		for id := range mailbox.AccountID(people) {
			w.layers.read(id+1, func(_, own *layer) {
				if len(own.words) != each {
					t.Errorf("account %d has %d words", id+1, len(own.words))
				}
			})
		}
		if got := w.layers.tokens; got != accounts*each || w.Words() != got+len(w.layers.get(shared).words) {
			t.Errorf("%d words of accounts are in memory, %d of all; want those of %d accounts", got, w.Words(), accounts)
		}
	}
	want(2)
	most = 10
	want(1)
	most = 10_000
	want(people)
}

// TestOneAccountDoesNotDecide: beyond its free share, what one account adds to
// the base is no more than half of it.
func TestOneAccountDoesNotDecide(t *testing.T) {
	w := newWorld(t)
	var studies []study
	for i := range 3 * freeShare {
		studies = append(studies, study{email: mailbox.EmailID(i + 1), class: Junk, tokens: []uint64{uint64(i + 1)}})
	}
	if err := w.commit(me, studies, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.commit(you, studies[:freeShare], 0); err != nil {
		t.Fatal(err)
	}
	w.layers.read(me, func(base, own *layer) {
		if own.totals.Junk != 3*freeShare || base.totals.Junk != 2*freeShare {
			t.Errorf("own %v, base %v", own.totals, base.totals)
		}
	})
	for i := range studies {
		studies[i].class = None
	}
	if err := w.commit(me, studies, 0); err != nil {
		t.Fatal(err)
	}
	w.layers.read(you, func(base, own *layer) {
		if base.totals.Junk != freeShare || own.totals.Junk != freeShare {
			t.Errorf("after it was undone: own %v, base %v", own.totals, base.totals)
		}
	})
}

// TestScoreWhileLearning runs deliveries, moves and expiry at once, for the race
// detector; afterwards memory and file are the same.
func TestScoreWhileLearning(t *testing.T) {
	w := newWorld(t)
	m := good("eve@spam.com", offer)
	var ids []mailbox.EmailID
	for range 8 {
		ids = append(ids, w.deliver(me, m, "inbox"))
	}
	e := m.evidence(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					w.Score(t.Context(), e, []mailbox.AccountID{me, you})
				}
			}
		})
	}
	for _, id := range ids {
		w.move(me, id, mailbox.RoleJunk)
		if err := w.expire(); err != nil {
			t.Error(err)
		}
	}
	w.flush()
	close(stop)
	wg.Wait()
	w.sameInMemory()
	w.layers.read(me, func(base, own *layer) {
		if own.totals.Junk != uint32(len(ids)) {
			t.Errorf("%d messages were learned, want %d", own.totals.Junk, len(ids))
		}
	})
}

// TestDay: rows count in days.
func TestDay(t *testing.T) {
	if day(time.Unix(0, 0)) != 0 || day(time.Unix(-1, 0)) != 0 || day(clock) != 20785 {
		t.Errorf("days %d, %d", day(time.Unix(0, 0)), day(clock))
	}
}
