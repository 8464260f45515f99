package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// Resolver looks names up. Names are A-labels with or without the final dot.
// authentic is the DNSSEC bit of a resolver that may be trusted, false
// otherwise. A name or type that does not exist gives [ErrNotFound]; anything
// that may be different later, [ErrTemporary]. The authentic bit also counts
// for ErrNotFound. CNAMEs are followed by all methods but CNAME.
type Resolver interface {
	A(ctx context.Context, name string) (addrs []netip.Addr, authentic bool, err error) // A and AAAA, v6 first
	MX(ctx context.Context, name string) (mxs []MX, authentic bool, err error)          // by preference
	TXT(ctx context.Context, name string) (texts []string, authentic bool, err error)   // strings of one record joined
	PTR(ctx context.Context, addr netip.Addr) (names []string, authentic bool, err error)
	TLSA(ctx context.Context, name string) (records []TLSA, authentic bool, err error)
	CNAME(ctx context.Context, name string) (target string, authentic bool, err error)
}

// MX is one MX record. Host is "." for a null MX (RFC 7505), else without the
// final dot.
type MX struct {
	Preference uint16
	Host       string
}

// TLSA is one TLSA record (RFC 6698).
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

var (
	// ErrNotFound says that the name does not exist or has no record of the
	// type that was asked for.
	ErrNotFound = errors.New("dns: no such name or record")
	// ErrNoSuchName is the case of ErrNotFound in which the name that was asked
	// for does not exist at all, and nothing below it (NXDOMAIN, RFC 8020).
	ErrNoSuchName = fmt.Errorf("%w: no such name", ErrNotFound)
	// ErrTemporary says that no usable answer came; asking later may help.
	ErrTemporary = errors.New("dns: no answer")
)
