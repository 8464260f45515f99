package backup

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/backup/target/folder"
)

// fuzzRepository is a repository without backups.
func fuzzRepository(t testing.TB, k *Key) *repository {
	t.Helper()
	f, err := folder.Open(filepath.Join(t.TempDir(), "place"))
	if err != nil {
		t.Fatal(err)
	}
	if err := initRepository(t.Context(), f, k, time.Now); err != nil {
		t.Fatal(err)
	}
	r, err := openRepository(t.Context(), f, k, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// FuzzSealed reads any octets as a manifest, an index or a pack: nothing but an
// error comes of what the key has not sealed.
func FuzzSealed(f *testing.F) {
	k, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	const name = backupDir + "/20261129T023000.120Z-k3x7q2ab"
	good, err := k.seal(name, []byte("content"))
	if err != nil {
		f.Fatal(err)
	}
	other, err := k.seal(indexDir+"/x", []byte("content"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(other)
	f.Add(good[:len(good)-1])
	f.Add([]byte("age-encryption.org/v1\n-> X25519 "))
	f.Fuzz(func(t *testing.T, b []byte) {
		content, err := k.open(name, b)
		if err == nil && string(content) != "content" {
			t.Errorf("%q was opened", content)
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
			t.Errorf("%v is neither damaged nor of another key", err)
		}
	})
}

// FuzzManifest reads any JSON that somebody with the key could have written:
// whatever it says, nothing is written outside of the folder, and it ends.
func FuzzManifest(f *testing.F) {
	k, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range []File{
		{Name: "system.db", Size: 40_000, ChunkSize: dbChunk, Chunks: make([]byte, 64)},
		{Name: "../up", Size: 1, ChunkSize: dbChunk, Chunks: make([]byte, 32)},
		{Name: "/etc/passwd", ChunkSize: dbChunk},
		{Name: "a/../../b", ChunkSize: dbChunk},
		{Name: "x", Size: -1, ChunkSize: dbChunk},
		{Name: "x", Size: 1 << 62, ChunkSize: logChunk, Chunks: make([]byte, 32)},
	} {
		b, err := json.Marshal(Manifest{Format: format, Files: []File{file}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Manifest
		if json.Unmarshal(b, &m) != nil || len(m.Files) > 100 {
			return
		}
		for i := range m.Files {
			if m.Files[i].check() == nil && m.Files[i].Size > 1<<20 {
				return // holes take no room, but names do
			}
		}
		parent := t.TempDir()
		dir := filepath.Join(parent, "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		err := fuzzRepository(t, k).restoreFiles(t.Context(), m.Files, dir, func(int64, int64) {})
		if list, lerr := os.ReadDir(parent); lerr != nil || len(list) != 1 {
			t.Errorf("beside the folder there is %v, %v", list, lerr)
		}
		for _, file := range m.Files {
			info, serr := os.Stat(filepath.Join(dir, filepath.FromSlash(file.Name)))
			if err == nil && (serr != nil || info.Size() != file.Size) {
				t.Errorf("%s: %v, %v", file.Name, info, serr)
			}
		}
	})
}

// FuzzIndex reads any index: what it says of chunks is found as it is said, or
// it is damaged.
func FuzzIndex(f *testing.F) {
	k, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	p := indexPack{Name: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", Size: 9}
	p.add(packChunk{chunkID{1}, 0, 5})
	p.add(packChunk{chunkID{2}, 5, 1 << 31})
	for _, ix := range []indexObject{{[]indexPack{p}}, {[]indexPack{p, p}}, {[]indexPack{{Name: "x"}}}, {[]indexPack{{Name: p.Name, Chunks: []byte{1}}}}} {
		b, err := json.Marshal(ix)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte("a pack of some octets"))
	}
	r := fuzzRepository(f, k)
	f.Fuzz(func(t *testing.T, b, pack []byte) {
		var ix indexObject
		if json.Unmarshal(b, &ix) != nil {
			return
		}
		r.where, r.moved, r.packs = map[chunkID]place{}, nil, nil
		for i := range ix.Packs {
			if err := r.know(&ix.Packs[i]); err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("know = %v", err)
				}
				return
			}
		}
		for i := range ix.Packs {
			ix.Packs[i].each(func(c packChunk) {
				at, err := r.find(c.id)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := r.unpackChunk(c.id, at, pack); err == nil && k.chunkID(got) != c.id {
					t.Errorf("a chunk of other octets was taken")
				}
			})
		}
	})
}
