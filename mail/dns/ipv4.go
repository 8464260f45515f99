package dns

import (
	"context"
	"net/netip"
)

// IPv4 looks up IPv4 addresses alone, with one question where r can do that:
// for lists in the DNS, whose answers are such addresses.
func IPv4(ctx context.Context, r Resolver, name string) ([]netip.Addr, error) {
	if one, ok := r.(interface {
		IPv4(ctx context.Context, name string) ([]netip.Addr, error)
	}); ok {
		return one.IPv4(ctx, name)
	}
	addrs, _, err := r.A(ctx, name)
	return addrs, err
}

// CachedIPv4 is IPv4 where the answer is there without I/O; known is false where
// it is not, or r cannot tell.
func CachedIPv4(r Resolver, name string) (addrs []netip.Addr, known bool, err error) {
	if c, ok := r.(interface {
		CachedIPv4(name string) (addrs []netip.Addr, known bool, err error)
	}); ok {
		return c.CachedIPv4(name)
	}
	return nil, false, nil
}

// secretNames marks a context.
type secretNames struct{}

// WithSecretNames says that names looked up under the context hold a secret and
// must not be logged. Errors have them still.
func WithSecretNames(ctx context.Context) context.Context {
	return context.WithValue(ctx, secretNames{}, true)
}

func loggedName(ctx context.Context, q question) string {
	if ctx.Value(secretNames{}) != nil {
		return "[redacted]"
	}
	return q.String()
}
