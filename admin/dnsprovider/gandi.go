package dnsprovider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// gandi is LiveDNS (https://api.gandi.net/docs/livedns/), with a personal
// access token.
type gandi struct{ *client }

const (
	gandiTTL  = 5 * time.Minute
	gandiPage = 100
)

func newGandi(c *client) backend { return gandi{c} }

type gandiSet struct {
	Name   string   `json:"rrset_name,omitempty"`
	Type   string   `json:"rrset_type,omitempty"`
	TTL    int      `json:"rrset_ttl"`
	Values []string `json:"rrset_values"`
}

func (g gandi) path(zone string) string { return "/domains/" + url.PathEscape(zone) + "/records" }

func (g gandi) list(ctx context.Context, zone string) ([]rrset, error) {
	var all []rrset
	for page := 1; page <= maxPages; page++ {
		var sets []gandiSet
		if _, err := g.json(ctx, http.MethodGet, fmt.Sprintf("%s?page=%d&per_page=%d", g.path(zone), page, gandiPage), nil, &sets); err != nil {
			return nil, err
		}
		for _, s := range sets {
			set := rrset{name: relative(s.Name, zone), kind: s.Type, ttl: time.Duration(s.TTL) * time.Second}
			for _, v := range s.Values {
				set.values = append(set.values, bare(s.Type, v))
			}
			all = append(all, set)
		}
		if len(sets) < gandiPage {
			return all, nil
		}
	}
	return nil, errors.New("gandi: the zone has too many records")
}

func (g gandi) replace(ctx context.Context, zone string, old, sets []rrset) error {
	for _, s := range sets {
		path := g.path(zone) + "/" + url.PathEscape(s.name) + "/" + s.kind
		var err error
		if len(s.values) == 0 {
			if find(old, s) < 0 {
				continue
			}
			_, err = g.json(ctx, http.MethodDelete, path, nil, nil)
		} else {
			in := gandiSet{TTL: seconds(s.ttl, gandiTTL)}
			for _, v := range s.values {
				in.Values = append(in.Values, quoted(s.kind, v))
			}
			_, err = g.json(ctx, http.MethodPut, path, in, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
