package directory

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// addPasskey adds a passkey with a counter.
func (d *Directory) addPasskey(t *testing.T, account uint32, id string, count uint32) Passkey {
	t.Helper()
	p, err := d.AddPasskey(t.Context(), actor, Passkey{Account: account, CredentialID: []byte(id), PublicKey: []byte("key"), RPID: "mail.example.org", SignCount: count})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUserHandle(t *testing.T) {
	d, other := town(t), town(t)
	for account := range uint32(3) {
		handle := d.UserHandle(account + 1)
		if a, err := d.AccountByHandle(handle); err != nil || a.ID != account+1 {
			t.Errorf("account %d: %d, %v", account+1, a.ID, err)
		}
		if _, err := other.AccountByHandle(handle); !errors.Is(err, ErrNotFound) {
			t.Errorf("account %d is known elsewhere: %v", account+1, err)
		}
		for i := range handle {
			changed := bytes.Clone(handle)
			changed[i]++
			if _, err := d.AccountByHandle(changed); !errors.Is(err, ErrNotFound) {
				t.Errorf("account %d, octet %d: %v", account+1, i, err)
			}
		}
		for _, wrong := range [][]byte{nil, handle[1:], append(handle, 0)} {
			if _, err := d.AccountByHandle(wrong); !errors.Is(err, ErrNotFound) {
				t.Errorf("account %d, %d octets: %v", account+1, len(wrong), err)
			}
		}
	}
	if _, err := d.AccountByHandle(d.UserHandle(99)); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such account: %v", err)
	}
}

func TestAddPasskey(t *testing.T) {
	d := town(t)
	d.addPasskey(t, 1, "first", 0)
	for _, tt := range []struct {
		name string
		p    Passkey
		want error
	}{
		{"again", Passkey{Account: 1, CredentialID: []byte("first"), PublicKey: []byte("key")}, ErrExists},
		{"of another account", Passkey{Account: 2, CredentialID: []byte("first"), PublicKey: []byte("key")}, nil},
		{"no ID", Passkey{Account: 1, PublicKey: []byte("key")}, ErrInvalid},
		{"no key", Passkey{Account: 1, CredentialID: []byte("second")}, ErrInvalid},
		{"long ID", Passkey{Account: 1, CredentialID: make([]byte, maxCredentialID+1), PublicKey: []byte("key")}, ErrInvalid},
		{"long label", Passkey{Account: 1, CredentialID: []byte("second"), PublicKey: []byte("key"), Label: strings.Repeat("x", maxLabel+1)}, ErrInvalid},
		{"nobody", Passkey{Account: 99, CredentialID: []byte("second"), PublicKey: []byte("key")}, ErrNotFound},
	} {
		if _, err := d.AddPasskey(t.Context(), actor, tt.p); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for i := range maxPasskeys - 1 {
		d.addPasskey(t, 1, fmt.Sprint("more", i), 0)
	}
	_, err := d.AddPasskey(t.Context(), actor, Passkey{Account: 1, CredentialID: []byte("last"), PublicKey: []byte("key")})
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("one too many: %v", err)
	}
	list, err := d.Passkeys(t.Context(), 1)
	if err != nil || len(list) != maxPasskeys {
		t.Fatalf("%d passkeys, %v", len(list), err)
	}
	if err := d.RemovePasskey(t.Context(), actor, 2, list[0].ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed by somebody else: %v", err)
	}
}

func TestSignCount(t *testing.T) {
	for _, tt := range []struct {
		stored, count uint32
		want          error
	}{
		{0, 0, nil},
		{0, 1, nil},
		{5, 6, nil},
		{5, 5, ErrSignCount},
		{5, 4, ErrSignCount},
		{5, 0, ErrSignCount},
		{1<<32 - 1, 0, ErrSignCount},
	} {
		d := town(t)
		p := d.addPasskey(t, 1, "id", tt.stored)
		if err := d.UsePasskey(t.Context(), 1, p.ID, tt.count, true); !errors.Is(err, tt.want) {
			t.Errorf("%d after %d: %v", tt.count, tt.stored, err)
		}
		list, err := d.Passkeys(t.Context(), 1)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		want := tt.count
		if tt.want != nil {
			want = tt.stored
		}
		if got := list[0]; got.SignCount != want || got.BackupState != (tt.want == nil) || got.LastUsed.IsZero() != (tt.want != nil) {
			t.Errorf("%d after %d: %+v", tt.count, tt.stored, got)
		}
	}
}
