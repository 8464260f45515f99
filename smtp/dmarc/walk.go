package dmarc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dns"
)

// maxQueries is how many names one walk asks (RFC 9989 section 4.10).
const maxQueries = 8

// finding is a DMARC record and the domain it stands at.
type finding struct {
	domain mail.Domain
	record Record
}

// finder asks for records, each name once per evaluation.
type finder struct {
	ctx      context.Context
	resolver dns.Resolver
	asked    map[mail.Domain]*finding // nil: has none
}

// at returns the one record of a domain, nil if it has none. Several count as
// none (RFC 9989 section 4.10 step 2). An error is DNS trouble.
func (f *finder) at(d mail.Domain) (*finding, error) {
	if found, ok := f.asked[d]; ok {
		return found, nil
	}
	texts, _, err := f.resolver.TXT(f.ctx, "_dmarc."+string(d))
	if err != nil && !errors.Is(err, dns.ErrNotFound) {
		return nil, fmt.Errorf("look up the DMARC record of %s: %w", d, err)
	}
	var found *finding
	count := 0
	for _, text := range texts {
		if record, err := ParseRecord(text); err == nil {
			found = &finding{d, record}
			count++
		}
	}
	if count != 1 {
		found = nil
	}
	f.asked[d] = found
	return found, nil
}

// walk collects the records at d and above it, longest name first, up to one
// that ends the walk.
func (f *finder) walk(d mail.Domain) ([]finding, error) {
	var found []finding
	for _, target := range targets(d) {
		here, err := f.at(target)
		if err != nil {
			return nil, err
		}
		if here == nil {
			continue
		}
		found = append(found, *here)
		if here.record.PSD != PSDUnknown {
			break
		}
	}
	return found, nil
}

// targets returns the names a walk asks about: d, and the names above it with
// at most seven labels (RFC 9989 section 4.10 steps 3 to 7).
func targets(d mail.Domain) []mail.Domain {
	names := []mail.Domain{d}
	for rest, ok := parent(d); ok; rest, ok = parent(rest) {
		if strings.Count(string(rest), ".")+1 < maxQueries {
			names = append(names, rest)
		}
	}
	return names
}

func parent(d mail.Domain) (mail.Domain, bool) {
	_, rest, ok := strings.Cut(string(d), ".")
	return mail.Domain(rest), ok
}

// organizational chooses the organizational domain from what a walk from d
// found (RFC 9989 section 4.10.2).
func organizational(d mail.Domain, found []finding) mail.Domain {
	for _, f := range found {
		switch {
		case f.record.PSD == PSDNo:
			return f.domain
		case f.record.PSD == PSDYes && f.domain != d:
			return below(f.domain, d)
		}
	}
	if len(found) > 0 {
		return found[len(found)-1].domain
	}
	return d
}

// below returns the domain one label below suffix on the way to d.
func below(suffix, d mail.Domain) mail.Domain {
	for {
		up, ok := parent(d)
		if !ok || up == suffix {
			return d
		}
		d = up
	}
}

// applicable chooses the record that applies to the author: its own, that of
// its organizational domain, or that of the public suffix (RFC 9989 section
// 4.10.1).
func applicable(author, org mail.Domain, found []finding) *finding {
	for _, d := range []mail.Domain{author, org} {
		for i := range found {
			if found[i].domain == d {
				return &found[i]
			}
		}
	}
	for i := range found {
		if found[i].record.PSD == PSDYes {
			return &found[i]
		}
	}
	return nil
}
