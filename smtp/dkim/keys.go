package dkim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// maxKeyRecord is the size of a key record that is looked at: enough for
// RSA keys of 8,192 bits. The time of a verification grows with the square of
// the key's.
const maxKeyRecord = 2_048

// keyring holds the answers about all keys of a message. They are looked up
// before the first signature is verified, so that a signer with slow name
// servers cannot use up the time of the others: a signature of the author's
// domain that is left open for lack of time would keep DMARC from failing.
type keyring map[string]keyAnswer

type keyAnswer struct {
	texts []string
	err   error
}

// keyName is where the library looks for the key of a signature.
func keyName(t tags) string { return t["s"] + "._domainkey." + t["d"] }

func lookupKeys(ctx context.Context, resolver dns.Resolver, signatures []tags) keyring {
	keys := make(keyring)
	for _, t := range signatures {
		keys[keyName(t)] = keyAnswer{}
	}
	if len(keys) == 1 {
		name := keyName(signatures[0])
		keys[name] = lookupKey(ctx, resolver, name)
		return keys
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, name := range slices.Collect(maps.Keys(keys)) {
		wg.Go(func() {
			a := lookupKey(ctx, resolver, name)
			mu.Lock()
			defer mu.Unlock()
			keys[name] = a
		})
	}
	wg.Wait()
	return keys
}

func lookupKey(ctx context.Context, resolver dns.Resolver, name string) keyAnswer {
	ascii := name
	if d, err := mail.ParseDomain(name); err == nil { // U-labels, RFC 8616 section 5
		ascii = string(d)
	}
	texts, _, err := resolver.TXT(ctx, ascii)
	if err != nil {
		notFound := errors.Is(err, dns.ErrNotFound)
		return keyAnswer{err: &net.DNSError{Err: err.Error(), Name: ascii, IsNotFound: notFound, IsTemporary: !notFound}}
	}
	for _, text := range texts {
		if len(text) > maxKeyRecord {
			return keyAnswer{err: fmt.Errorf("key record of %d octets", len(text))}
		}
	}
	return keyAnswer{texts: texts}
}

// lookup is what the library calls, from several goroutines.
func (k keyring) lookup(name string) ([]string, error) {
	a, ok := k[name]
	if !ok {
		return nil, fmt.Errorf("no key %q", name)
	}
	return a.texts, a.err
}

// flags returns the t= flags of a key (RFC 6376 section 3.6.1).
func (k keyring) flags(name string) []string {
	texts := k[name].texts
	if len(texts) != 1 {
		return nil
	}
	return strings.FieldsFunc(parseTags(texts[0])["t"], func(c rune) bool { return c == ':' })
}
