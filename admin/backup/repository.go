package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/mail/disk"
)

// Names in a target.
const (
	headName   = "mailstead-backup.json"
	packFolder = "packs"
	indexDir   = "index"
	backupDir  = "backups"
	lockDir    = "locks"
)

// format is the version of what is in a target.
const format = 1

// head is mailstead-backup.json: what is known without the key.
type head struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Key     string    `json:"key"` // the public half
}

// repository is the backups in one target.
type repository struct {
	target target.Target
	key    *Key
	head   head
	now    func() time.Time
	log    *slog.Logger
	disk   *disk.Guard                                      // of the scratch folder, where mail is on the same disk; nil: there is room
	wait   time.Duration                                    // before the second attempt
	reopen func(ctx context.Context) (target.Target, error) // the target anew; nil: that cannot be done

	encoder *zstd.Encoder
	decoder *zstd.Decoder

	mu    sync.Mutex
	where map[chunkID]place
	moved map[chunkID]place // second places, of chunks that prune writes anew
	packs []packInfo
	index []string        // names of index objects that were read
	bad   map[string]bool // packs that count as missing
	lost  bool            // the index names packs that are lost
	found []string        // packs that were found to be damaged
}

// place is where a chunk lies.
type place struct {
	pack   uint32 // in packs
	offset uint32 // in the decrypted pack
	length uint32 // compressed
}

// packInfo is a pack with what is in it.
type packInfo struct {
	name   [32]byte // SHA-256 of the file
	size   int64    // of the file
	chunks int
}

func (p *packInfo) object() string {
	name := hex.EncodeToString(p.name[:])
	return packFolder + "/" + name[:2] + "/" + name
}

// openRepository looks at a target. It fails with ErrEmpty where there are no
// backups, and with ErrWrongKey where the key is another's.
func openRepository(ctx context.Context, t target.Target, k *Key, now func() time.Time, log *slog.Logger) (*repository, error) {
	r := &repository{target: t, key: k, now: now, log: log, wait: firstWait, where: map[chunkID]place{}}
	var err error
	if r.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(logChunk)); err != nil {
		return nil, err
	}
	if r.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(target.MaxObject)); err != nil {
		return nil, err
	}
	b, err := t.Get(ctx, headName)
	if errors.Is(err, target.ErrNotFound) {
		return nil, &failure{ErrEmpty, "there are no backups of a Mailstead server in this place"}
	}
	if err != nil {
		return nil, fmt.Errorf("the place for backups cannot be read: %w", err)
	}
	if err := json.Unmarshal(b, &r.head); err != nil || r.head.ID == "" {
		return nil, damaged("%s in the place for backups cannot be read", headName)
	}
	if r.head.Format != format {
		return nil, damaged("these backups have the format %d, and this program knows %d; use a newer version of Mailstead", r.head.Format, format)
	}
	if r.head.Key != k.Public() {
		return nil, &failure{ErrWrongKey, fmt.Sprintf("the key does not fit: these backups are encrypted for %s, and the key is that of %s", r.head.Key, k.Public())}
	}
	return r, nil
}

// initRepository makes a target one for backups with a key, if it has none.
func initRepository(ctx context.Context, t target.Target, k *Key, now func() time.Time) error {
	_, err := t.Get(ctx, headName)
	if !errors.Is(err, target.ErrNotFound) {
		return err
	}
	h := head{Format: format, ID: rand.Text(), Created: now().UTC(), Key: k.Public()}
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	return t.Put(ctx, headName, append(b, '\n'))
}

// close lets go of memory; the target stays open.
func (r *repository) close() {
	r.decoder.Close()
	r.encoder.Close() //nolint:errcheck // writes nowhere
}

// putObject writes v as an encrypted object.
func (r *repository) putObject(ctx context.Context, name string, v any) (int64, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	sealed, err := r.key.seal(name, r.encoder.EncodeAll(plain, nil))
	if err != nil {
		return 0, err
	}
	return int64(len(sealed)), r.put(ctx, name, sealed)
}

// getObject reads an encrypted object into v.
func (r *repository) getObject(ctx context.Context, name string, v any) error {
	sealed, err := r.get(ctx, name)
	if err != nil {
		return err
	}
	packed, err := r.key.open(name, sealed)
	if err != nil {
		return err
	}
	plain, err := r.decoder.DecodeAll(packed, nil)
	if err != nil {
		return damaged("%s cannot be unpacked", name)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return damaged("%s cannot be read: %v", name, err)
	}
	return nil
}

// Attempts to reach a target, and the waits between them.
const (
	attempts  = 4
	firstWait = time.Second
)

// again does what a network may have broken a few times.
func (r *repository) again(ctx context.Context, do func() error) error {
	wait := r.wait
	for i := 1; ; i++ {
		err := do()
		if err == nil || errors.Is(err, target.ErrNotFound) || errors.Is(err, target.ErrTooLarge) || i == attempts || ctx.Err() != nil {
			return err
		}
		r.log.Warn("place for backups; trying again", "attempt", i, "err", err)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
		wait *= 2
	}
}

func (r *repository) put(ctx context.Context, name string, b []byte) error {
	err := r.again(ctx, func() error { return r.target.Put(ctx, name, b) })
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (r *repository) get(ctx context.Context, name string) (b []byte, err error) {
	err = r.again(ctx, func() (err error) {
		b, err = r.target.Get(ctx, name)
		return err
	})
	if errors.Is(err, target.ErrNotFound) {
		return nil, damaged("%s is missing", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}

func (r *repository) list(ctx context.Context, folder string) (list []target.Object, err error) {
	err = r.again(ctx, func() (err error) {
		list, err = r.target.List(ctx, folder)
		return err
	})
	return list, err
}

func (r *repository) remove(ctx context.Context, name string) error {
	return r.again(ctx, func() error { return r.target.Delete(ctx, name) })
}

// readPack reads a pack and decrypts it.
func (r *repository) readPack(ctx context.Context, n uint32) ([]byte, error) {
	p := &r.packs[n]
	sealed, err := r.get(ctx, p.object())
	if sum := sha256Sum(sealed); err == nil && sum != p.name {
		sealed, err = r.get(ctx, p.object()) // once more: it may have been on its way
	}
	if errors.Is(err, ErrDamaged) {
		r.found = append(r.found, p.object())
	}
	if err != nil {
		return nil, err
	}
	if sum := sha256Sum(sealed); sum != p.name {
		r.found = append(r.found, p.object())
		return nil, damaged("%s is not as it was written: it has %d octets of %d", p.object(), len(sealed), p.size)
	}
	plain, err := r.key.decrypt(sealed)
	if err != nil {
		return nil, fmt.Errorf("%s %w", p.object(), err)
	}
	return plain, nil
}

// unpackChunk takes a chunk out of a pack that was read, and proves it.
func (r *repository) unpackChunk(id chunkID, at place, pack []byte) ([]byte, error) {
	if uint64(at.offset)+uint64(at.length) > uint64(len(pack)) {
		return nil, damaged("%s is too short for what the index says", r.packs[at.pack].object())
	}
	b, err := r.decoder.DecodeAll(pack[at.offset:][:at.length], nil)
	if err != nil || r.key.chunkID(b) != id {
		return nil, damaged("a chunk in %s is not what was written", r.packs[at.pack].object())
	}
	return b, nil
}
