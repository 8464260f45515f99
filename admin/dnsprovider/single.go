package dnsprovider

import (
	"context"
	"slices"
	"time"
)

// single is one record of a provider that knows no record sets.
type single struct {
	id    string
	name  string
	kind  string
	ttl   time.Duration
	value string // as in rrset
}

// singles are the records of such a provider.
type singles interface {
	all(ctx context.Context, zone string) ([]single, error)
	create(ctx context.Context, zone string, s single) error
	delete(ctx context.Context, zone, id string) error
}

// bySingles makes a backend of single records. What is new comes first, so
// that a change that breaks off leaves too much and not too little.
type bySingles struct{ singles }

func (b bySingles) list(ctx context.Context, zone string) ([]rrset, error) {
	list, err := b.all(ctx, zone)
	if err != nil {
		return nil, err
	}
	var sets []rrset
	for _, r := range list {
		s := rrset{name: r.name, kind: r.kind, ttl: r.ttl}
		i := find(sets, s)
		if i < 0 {
			sets = append(sets, s)
			i = len(sets) - 1
		}
		sets[i].values = append(sets[i].values, r.value)
	}
	return sets, nil
}

func (b bySingles) replace(ctx context.Context, zone string, _, sets []rrset) error {
	list, err := b.all(ctx, zone)
	if err != nil {
		return err
	}
	for _, s := range sets {
		var have []string
		var gone []single
		for _, r := range list {
			switch {
			case !s.is(r.name, r.kind):
			case slices.Contains(s.values, r.value) && !slices.Contains(have, r.value):
				have = append(have, r.value)
			default:
				gone = append(gone, r)
			}
		}
		// A name has one CNAME at most: the old one has to go first.
		if s.kind == "CNAME" {
			if err := b.deleteAll(ctx, zone, gone); err != nil {
				return err
			}
			gone = nil
		}
		for _, v := range s.values {
			if !slices.Contains(have, v) {
				if err := b.create(ctx, zone, single{name: s.name, kind: s.kind, ttl: s.ttl, value: v}); err != nil {
					return err
				}
			}
		}
		if err := b.deleteAll(ctx, zone, gone); err != nil {
			return err
		}
	}
	return nil
}

func (b bySingles) deleteAll(ctx context.Context, zone string, list []single) error {
	for _, r := range list {
		if err := b.delete(ctx, zone, r.id); err != nil {
			return err
		}
	}
	return nil
}
