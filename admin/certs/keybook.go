package certs

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/mailstead/mailstead/mail/durable"
)

// keyBook remembers the digests of the keys that the host name has had, so that
// their TLSA records can be told from those of others when they are to go.
type keyBook struct {
	file string
	keys []bookedKey // oldest first
}

// bookedKey is one key.
type bookedKey struct {
	Digest string `json:"digest"`
	// Left is when it stopped being the current or the next one; zero: it is.
	Left time.Time `json:"left,omitzero"`
}

// maxBooked bounds the book: those that left longest ago are forgotten, and
// their records, if they are still there, are left alone.
const maxBooked = 32

// settled is how long a key has to be gone before its record goes, too: two
// TTLs of a day, longer than which hardly any record lives. Whoever has the
// records of before the change in a cache has those of both keys (RFC 7671
// section 8.1), so that this is time to see that the new key works, and to go
// back.
const settled = 48 * time.Hour

// openKeyBook reads a book. One that nobody can read is begun anew: it costs
// some records that somebody removes by hand.
func openKeyBook(file string) (*keyBook, error) {
	b := &keyBook{file: file}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(text, &b.keys) != nil {
		b.keys = nil
	}
	return b, nil
}

// note says which keys there are now. It finds out by itself which ones left,
// also by a change that a crash has broken off, or by hand. What cannot be
// written is known until the process ends, and found out again after it.
func (b *keyBook) note(now time.Time, present ...string) {
	keys, changed := slices.Clone(b.keys), false
	for i := range keys {
		k := &keys[i]
		switch here := slices.Contains(present, k.Digest); {
		case here && !k.Left.IsZero():
			k.Left, changed = time.Time{}, true
		case !here && k.Left.IsZero():
			k.Left, changed = now.UTC(), true
		}
	}
	for _, digest := range present {
		if !slices.ContainsFunc(keys, func(k bookedKey) bool { return k.Digest == digest }) {
			keys, changed = append(keys, bookedKey{Digest: digest}), true
		}
	}
	if !changed {
		return
	}
	for len(keys) > maxBooked {
		i := slices.IndexFunc(keys, func(k bookedKey) bool { return !k.Left.IsZero() })
		if i < 0 {
			break
		}
		keys = slices.Delete(keys, i, i+1)
	}
	b.keys = keys
	if text, err := json.MarshalIndent(keys, "", "\t"); err == nil {
		_ = durable.WriteFile(b.file, append(text, '\n'), 0o600)
	}
}

// gone are the keys that left long enough ago. A clock that was wrong when a
// key left does not keep its record for years.
func (b *keyBook) gone(now time.Time) []string {
	var list []string
	for _, k := range b.keys {
		if !k.Left.IsZero() && now.Sub(k.Left).Abs() >= settled {
			list = append(list, k.Digest)
		}
	}
	return list
}
