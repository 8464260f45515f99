package directory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

// many is a directory with n domains of one account and one alias each. It is
// written without an audit log and read from its file.
func many(t *testing.T, n int) *Directory {
	t.Helper()
	file := filepath.Join(t.TempDir(), "system.db")
	d := openAt(t, file)
	err := d.update(t.Context(), actor, func(c *change) error {
		for i := range n {
			name := mail.Domain(fmt.Sprintf("d%06d.example", i))
			who, info := mail.Path{Local: "ana", Domain: name}, mail.Path{Local: "info", Domain: name}
			err := errors.Join(
				c.put(bucketDomains, []byte(name), (&Domain{Name: name}).record()),
				c.put(bucketAccounts, accountKey(uint32(i+1)), (&Account{ID: uint32(i + 1), Address: who, Role: RoleUser}).record()),
				c.put(bucketAliases, []byte(info.Key()), (&Alias{Address: info, Targets: []mail.Path{who}}).record()),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	return openAt(t, file)
}

// pages reads all rows in pages, each from a Rows of its own, and counts the
// rows that were looked at.
func pages[V any](t *testing.T, rows func() Rows[V], limit int) (keys []string, looked int) {
	t.Helper()
	after := ""
	for {
		n := 0
		for key := range rows().After(after) {
			looked++
			if n++; n > limit {
				break
			}
			keys, after = append(keys, key), key
		}
		if n <= limit {
			return keys, looked
		}
	}
}

// A page costs its own rows, wherever it is and however many there are.
func TestPagesOfMany(t *testing.T) {
	const n, limit = 100_000, 500
	d := many(t, n)
	check := func(kind string, keys []string, looked int) {
		t.Helper()
		if len(keys) != n || !slices.IsSorted(keys) || len(slices.Compact(keys)) != n {
			t.Errorf("%s: %d rows, sorted %v", kind, len(keys), slices.IsSorted(keys))
		}
		if most := n + n/limit; looked > most {
			t.Errorf("%s: looked at %d rows for all pages, want at most %d", kind, looked, most)
		}
	}
	keys, looked := pages(t, func() Rows[Domain] { return d.DomainRows(nil) }, limit)
	check("domains", keys, looked)
	keys, looked = pages(t, func() Rows[Account] { return d.AccountRows(nil) }, limit)
	check("accounts", keys, looked)
	keys, looked = pages(t, func() Rows[Alias] { return d.AliasRows(nil) }, limit)
	check("aliases", keys, looked)

	// To find the place of a page makes nothing: what is made for one in the
	// middle does not depend on how many there are.
	middle := addressOrder(mail.Path{Local: "ana", Domain: "d050000.example"})
	made := testing.AllocsPerRun(20, func() {
		for key := range d.AccountRows(nil).After(middle) {
			if key <= middle {
				t.Errorf("%q is not behind %q", key, middle)
			}
			break
		}
	})
	if made > 20 {
		t.Errorf("%v things are made for one row", made)
	}
	// One change takes one place, and those who read see what was.
	before := d.AccountRows(nil)
	if _, err := d.SetAccount(t.Context(), actor, 50_001, AccountChange{Name: new("Ana")}); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Account(50_001); err != nil || got.Name != "Ana" || d.AccountRows(nil).Len() != n {
		t.Errorf("after the change: %+v, %v, %d accounts", got, err, d.AccountRows(nil).Len())
	}
	for _, rows := range []struct {
		Rows[Account]
		name string
	}{{before, ""}, {d.AccountRows([]mail.Domain{"d050000.example"}), "Ana"}} {
		for _, a := range rows.After(addressOrder(mail.Path{Domain: "d050000.example"})) {
			if a.Name != rows.name {
				t.Errorf("%s is called %q, want %q", a.Address, a.Name, rows.name)
			}
			break
		}
	}
}

// After any change the lists have what the maps have, in order.
func TestRowsFollowChanges(t *testing.T) {
	d := open(t)
	random := rand.New(rand.NewPCG(1, 2))
	domains := []mail.Domain{"a.test", "aa.test", "b.test"}
	for _, name := range domains {
		d.mustDomain(t, NewDomain{Name: name})
	}
	for range 300 {
		p := mail.Path{Local: string(rune('A' + random.IntN(12))), Domain: domains[random.IntN(3)]}
		to := mail.Path{Local: string(rune('a' + random.IntN(12))), Domain: domains[random.IntN(3)]}
		// Some of these are refused: then nothing changes.
		switch random.IntN(5) {
		case 0, 1:
			d.AddAccount(t.Context(), actor, NewAccount{Address: p})
		case 2:
			d.AddAlias(t.Context(), actor, p, to)
		case 3:
			d.RemoveAlias(t.Context(), actor, p)
		case 4:
			if a, err := d.AccountByAddress(p); err == nil && random.IntN(2) == 0 {
				d.RemoveAccount(t.Context(), actor, a.ID)
			}
		}
		s := d.current.Load()
		if got, want := rowKeys(d.AccountRows(nil)), rowKeys(Rows[Account]{[]list[Account]{newList(s.accounts, byDomain)}}); !slices.Equal(got, want) {
			t.Fatalf("accounts %q, want %q", got, want)
		}
		if got, want := rowKeys(d.AliasRows(nil)), rowKeys(Rows[Alias]{[]list[Alias]{newList(s.aliases, aliasOrder)}}); !slices.Equal(got, want) {
			t.Fatalf("aliases %q, want %q", got, want)
		}
		for key, leads := range s.leads() {
			for _, from := range leads {
				if a := s.aliases[from.Key()]; a == nil || !slices.ContainsFunc(a.Targets, func(t mail.Path) bool { return t.Key() == key }) {
					t.Fatalf("%s is said to lead to %s", from, key)
				}
			}
		}
	}
	if d.AccountRows(nil).Len() == 0 || d.AliasRows(nil).Len() == 0 {
		t.Error("there is nothing left to compare")
	}
	inA, inBoth := rowKeys(d.AccountRows([]mail.Domain{"a.test"})), rowKeys(d.AccountRows([]mail.Domain{"b.test", "a.test", "b.test"}))
	if len(inA) == 0 || len(inA) == len(inBoth) || !slices.IsSorted(inBoth) || !slices.Equal(inBoth[:len(inA)], inA) {
		t.Errorf("in a.test %q, in both %q", inA, inBoth)
	}
	for _, key := range inA {
		if key[:len("a.test\x00")] != "a.test\x00" {
			t.Errorf("%q is not in a.test", key)
		}
	}
	if none := d.AccountRows([]mail.Domain{}); none.Len() != 0 {
		t.Errorf("in no domain there are %d", none.Len())
	}
	if got := rowKeys(d.DomainRows([]mail.Domain{"b.test", "c.test", "a.test"})); !slices.Equal(got, []string{"a.test", "b.test"}) {
		t.Errorf("some domains: %q", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func rowKeys[V any](r Rows[V]) []string {
	var keys []string
	for key := range r.After("") {
		keys = append(keys, key)
	}
	return keys
}
