package certs

import (
	"context"

	"github.com/mholt/acmez/v3/acme"
)

// DNSChallenge writes the records that prove names to a CA (RFC 8555 section
// 8.4). Its methods may be called concurrently.
type DNSChallenge interface {
	// Covers reports whether records of a name can be written. It is asked in
	// handshakes and does no I/O.
	Covers(name string) bool
	// Present adds a TXT record beside others of the name.
	Present(ctx context.Context, name, value string) error
	// Wait returns when all name servers of the zone have the record.
	Wait(ctx context.Context, name, value string) error
	// Remove takes that record away.
	Remove(ctx context.Context, name, value string) error
}

// dnsSolver is an acmez.Solver.
type dnsSolver struct {
	dns   DNSChallenge
	proof *proofs
}

func (s dnsSolver) Present(ctx context.Context, c acme.Challenge) error {
	s.proof.presented(c)
	return s.dns.Present(ctx, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

func (s dnsSolver) Wait(ctx context.Context, c acme.Challenge) error {
	return s.dns.Wait(ctx, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

func (s dnsSolver) CleanUp(ctx context.Context, c acme.Challenge) error {
	return s.dns.Remove(ctx, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}
