package dnsprovider

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// desec is deSEC (https://desec.readthedocs.io/en/latest/dns/rrsets.html). A
// change of many sets is one request, which happens as a whole or not at all.
type desec struct{ *client }

// desecTTL is the shortest TTL of domains without an agreement.
const desecTTL = time.Hour

func newDeSEC(c *client) backend {
	c.said = func(body []byte) string {
		var e struct{ Detail string }
		if json.Unmarshal(body, &e) == nil && e.Detail != "" {
			return e.Detail
		}
		return string(body) // errors by field
	}
	return desec{c}
}

type desecSet struct {
	Subname string   `json:"subname"`
	Type    string   `json:"type"`
	TTL     int      `json:"ttl"`
	Records []string `json:"records"`
}

func (d desec) path(zone string) string { return "/domains/" + url.PathEscape(zone) + "/rrsets/" }

func (d desec) list(ctx context.Context, zone string) ([]rrset, error) {
	var all []rrset
	next := d.path(zone) + "?cursor="
	for range maxPages {
		var sets []desecSet
		header, err := d.json(ctx, http.MethodGet, next, nil, &sets)
		if err != nil {
			return nil, err
		}
		for _, s := range sets {
			set := rrset{name: relative(s.Subname, zone), kind: s.Type, ttl: time.Duration(s.TTL) * time.Second}
			for _, v := range s.Records {
				set.values = append(set.values, bare(s.Type, v))
			}
			all = append(all, set)
		}
		if next = d.nextPage(header); next == "" {
			return all, nil
		}
	}
	return nil, errors.New("desec: the zone has too many records")
}

// nextPage is the address of the next page in a Link header (RFC 8288). Only
// one of the same API is followed.
func (d desec) nextPage(h http.Header) string {
	for link := range strings.SplitSeq(strings.Join(h.Values("Link"), ","), ",") {
		target, rel, _ := strings.Cut(link, ";")
		target = strings.Trim(strings.TrimSpace(target), "<>")
		if strings.Contains(rel, `rel="next"`) && strings.HasPrefix(target, d.base+"/") {
			return target
		}
	}
	return ""
}

func (d desec) replace(ctx context.Context, zone string, _, sets []rrset) error {
	var in []desecSet
	for _, s := range sets {
		set := desecSet{Subname: strings.TrimPrefix(s.name, "@"), Type: s.kind, TTL: seconds(s.ttl, desecTTL), Records: []string{}}
		for _, v := range s.values {
			set.Records = append(set.Records, quoted(s.kind, v))
		}
		in = append(in, set)
	}
	_, err := d.json(ctx, http.MethodPatch, d.path(zone), in, nil)
	return err
}
