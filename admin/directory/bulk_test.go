package directory

import (
	"context"
	"errors"
	"fmt"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

// writes is how many changes the file has seen.
func writes(t *testing.T, d *Directory) (n int) {
	t.Helper()
	if err := d.db.View(func(tx *bolt.Tx) error {
		n = tx.ID()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAddAccounts: many accounts, and the links to them, are one change each,
// however many there are; those that cannot be are left out.
func TestAddAccounts(t *testing.T) {
	d := open(t)
	if _, err := d.AddDomain(t.Context(), actor, NewDomain{Name: "many.example"}); err != nil {
		t.Fatal(err)
	}
	var list []NewAccount
	for i := range 500 {
		list = append(list, NewAccount{Address: mail.Path{Local: fmt.Sprint("u", i), Domain: "many.example"}})
	}
	list = append(list, list[7], NewAccount{Address: mail.Path{Local: "u", Domain: "nowhere.example"}})
	before := writes(t, d)
	var r Rehearsal
	if _, refused, err := d.AddAccounts(Rehearse(t.Context(), &r), actor, list); !errors.Is(err, ErrRehearsed) || len(r.Entries) != 500 || refused[500] == nil {
		t.Errorf("rehearsed: %v, %d entries, %v", err, len(r.Entries), refused[500])
	}
	made, refused, err := d.AddAccounts(t.Context(), actor, list)
	if err != nil || writes(t, d) != before+1 {
		t.Fatalf("%d changes, %v", writes(t, d)-before, err)
	}
	var ids []uint32
	for i, a := range made[:500] {
		if refused[i] != nil || a.ID == 0 {
			t.Fatalf("%s: %v", list[i].Address, refused[i])
		}
		if got, err := d.AccountByAddress(a.Address); err != nil || got.ID != a.ID {
			t.Fatalf("%s: %+v, %v", a.Address, got, err)
		}
		ids = append(ids, a.ID)
	}
	if !errors.Is(refused[500], ErrExists) || refused[501] == nil || made[501].ID != 0 {
		t.Errorf("refused: %v, %v", refused[500], refused[501])
	}
	tokens, links, err := d.AddLinks(t.Context(), actor, ids, Invite)
	if err != nil || writes(t, d) != before+2 {
		t.Fatalf("links: %d changes, %v", writes(t, d)-before, err)
	}
	if got, err := d.Link(t.Context(), tokens[499]); err != nil || got.Account.ID != ids[499] || !got.Expires.Equal(links[499].Expires) {
		t.Errorf("link: %+v, %v", got, err)
	}
	if _, _, err := d.AddLinks(t.Context(), actor, append(ids, 1<<20), Invite); !errors.Is(err, ErrNotFound) {
		t.Errorf("a link for nobody: %v", err)
	}
	if _, err := d.Link(context.Background(), tokens[0]); err != nil {
		t.Errorf("one that could not be has replaced the others: %v", err)
	}
}
