package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
)

// pairStorage keeps a certificate and its key together. certmagic writes the
// files of a certificate one after the other, and takes all of them away if one
// could not be written: a crash would leave a key that does not fit, and a full
// disk nothing. Here the new files wait beside the old ones until all are there,
// and then take their places in this order:
//
//	certificate   key               what is read
//	old           old, new beside   the old pair
//	new           old, new beside   the new pair: the key is the one that fits
//	new           new               the new pair
type pairStorage struct {
	*certmagic.FileStorage

	mu sync.Mutex
	// unwritten are the parts that certmagic has handed over so far, by what
	// their keys begin with.
	unwritten map[string]map[string][]byte
}

func newPairStorage(dir string) *pairStorage {
	return &pairStorage{FileStorage: &certmagic.FileStorage{Path: dir}, unwritten: map[string]map[string][]byte{}}
}

// Parts of a certificate, as certmagic calls and writes them; partMeta is the
// last one. What waits has beside after its name.
const (
	partKey  = ".key"
	partCert = ".crt"
	partMeta = ".json"
	beside   = ".next"
)

// pairPart takes the key of a part of a certificate apart; part is "" for other
// things.
func pairPart(key string) (stem, part string) {
	if !strings.HasPrefix(key, "certificates/") {
		return "", ""
	}
	for _, part := range []string{partKey, partCert, partMeta} {
		if stem, ok := strings.CutSuffix(key, part); ok {
			return stem, part
		}
	}
	return "", ""
}

// Store is certmagic.Storage. The last part of a certificate writes them all.
func (s *pairStorage) Store(ctx context.Context, key string, value []byte) error {
	stem, part := pairPart(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := s.unwritten[stem]
	switch {
	case part == partKey:
		s.unwritten[stem] = map[string][]byte{partKey: value}
		return nil
	case part == "" || parts == nil: // what is known about a certificate may change alone
		return s.FileStorage.Store(ctx, key, value)
	}
	parts[part] = value
	if part != partMeta {
		return nil
	}
	if err := s.write(ctx, stem, parts); err != nil {
		return err // certmagic takes the parts back
	}
	delete(s.unwritten, stem)
	return nil
}

// write puts the parts of a certificate beside the old ones, and then in their
// places. A file system keeps the order of names within a folder.
func (s *pairStorage) write(ctx context.Context, stem string, parts map[string][]byte) error {
	s.settle(stem)
	for part, value := range parts {
		if err := s.FileStorage.Store(ctx, stem+part+beside, value); err != nil {
			s.discard(stem)
			return err
		}
	}
	for _, part := range []string{partCert, partKey, partMeta} {
		if err := os.Rename(s.Filename(stem+part+beside), s.Filename(stem+part)); err != nil {
			return err
		}
	}
	return nil
}

// discard removes what waits. What cannot be removed does no harm.
func (s *pairStorage) discard(stem string) {
	for _, part := range []string{partCert, partKey, partMeta} {
		_ = os.Remove(s.Filename(stem + part + beside))
	}
}

// settle gives the key that waits its place if the certificate is there that it
// belongs to. What cannot be done now is done by whoever comes next.
func (s *pairStorage) settle(stem string) {
	waiting, err := os.ReadFile(s.Filename(stem + partKey + beside))
	if err != nil {
		return // as nearly always
	}
	cert, err := os.ReadFile(s.Filename(stem + partCert))
	if err != nil {
		return
	}
	if _, err := tls.X509KeyPair(cert, waiting); err == nil {
		_ = os.Rename(s.Filename(stem+partKey+beside), s.Filename(stem+partKey))
	}
}

// useless reports whether all parts of a certificate are there, and make none:
// the key is that of another, or a part is damaged. certmagic would load them
// again and again, and never order. Versions that wrote one file after the other
// left such a pair in a crash, and so does a backup that reads while a renewal
// writes.
func (s *pairStorage) useless(stem string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(stem)
	parts := map[string][]byte{}
	for _, part := range []string{partCert, partKey, partMeta} {
		text, err := os.ReadFile(s.Filename(stem + part))
		if err != nil {
			return false // certmagic orders what is not there, and a disk may recover
		}
		parts[part] = text
	}
	_, err := tls.X509KeyPair(parts[partCert], parts[partKey])
	return err != nil || !json.Valid(parts[partMeta])
}

// remove takes all parts of a certificate away.
func (s *pairStorage) remove(stem string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, part := range []string{partCert, partKey, partMeta} {
		if err := os.Remove(s.Filename(stem + part)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Load is certmagic.Storage.
func (s *pairStorage) Load(ctx context.Context, key string) ([]byte, error) {
	s.mend(key)
	return s.FileStorage.Load(ctx, key)
}

// Exists is certmagic.Storage.
func (s *pairStorage) Exists(ctx context.Context, key string) bool {
	s.mend(key)
	return s.FileStorage.Exists(ctx, key)
}

// mend ends what a crash has broken off.
func (s *pairStorage) mend(key string) {
	if stem, part := pairPart(key); part == partKey {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settle(stem)
	}
}

// Delete is certmagic.Storage. After a failure it is asked to delete the parts
// that it was given before: that is not the old certificate.
func (s *pairStorage) Delete(ctx context.Context, key string) error {
	stem, part := pairPart(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if parts := s.unwritten[stem]; part != "" && parts != nil {
		if part == partKey { // the last one
			delete(s.unwritten, stem)
		}
		return nil
	}
	return s.FileStorage.Delete(ctx, key)
}
