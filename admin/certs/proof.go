package certs

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// proofs remember by which challenge each name was proven last: while a proof
// is under way in memory, after it beside the certificates.
type proofs struct {
	storage *certmagic.FileStorage

	mu    sync.Mutex
	asked map[string]string // type of the challenge that is being met
	met   map[string]string // "" is looked up, and not known
}

func newProofs(dir string) *proofs {
	return &proofs{storage: &certmagic.FileStorage{Path: dir}, asked: map[string]string{}, met: map[string]string{}}
}

// begin forgets what an attempt before has left.
func (p *proofs) begin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.asked, name)
}

// presented notes that a challenge is answered from now on. A CA that is not
// content with one goes on with the next: the last one counts.
func (p *proofs) presented(c acme.Challenge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[c.Identifier.Value] = c.Type
}

// succeeded keeps what was presented. A CA that has not asked, because its
// last look was not long ago, changes nothing. What cannot be written is known
// until the process ends: no reason to do without the certificate.
func (p *proofs) succeeded(ctx context.Context, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind := p.asked[name]
	delete(p.asked, name)
	if kind == "" || kind == p.met[name] {
		return
	}
	p.met[name] = kind
	_ = p.storage.Store(ctx, proofKey(name), []byte(kind))
}

// of returns the type of the challenge (RFC 8555 section 8) by which a name was
// proven last; "" if that is not known.
func (p *proofs) of(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind, ok := p.met[name]
	if !ok {
		b, _ := p.storage.Load(context.Background(), proofKey(name)) // most have none
		switch kind = string(b); kind {
		case acme.ChallengeTypeHTTP01, acme.ChallengeTypeTLSALPN01, acme.ChallengeTypeDNS01:
		default:
			kind = ""
		}
		p.met[name] = kind
	}
	return kind
}

func proofKey(name string) string { return "proofs/" + certmagic.StorageKeys.Safe(name) }

// watchedStorage is certmagic's storage, which is told of every challenge of
// the web, so that any process can answer it.
type watchedStorage struct {
	*pairStorage
	proofs *proofs
}

// Store is certmagic.Storage.
func (s *watchedStorage) Store(ctx context.Context, key string, value []byte) error {
	var c acme.Challenge
	if strings.Contains(key, "/challenge_tokens/") && json.Unmarshal(value, &c) == nil {
		s.proofs.presented(c)
	}
	return s.pairStorage.Store(ctx, key, value)
}
