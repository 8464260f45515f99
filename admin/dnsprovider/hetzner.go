package dnsprovider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// hetzner is the DNS of the Hetzner Cloud
// (https://docs.hetzner.cloud/reference/cloud#dns). Zones of the older DNS
// Console have to be moved there first, which Hetzner does in its panel.
type hetzner struct{ *client }

const (
	hetznerTTL  = time.Minute
	hetznerPage = 50
	hetznerPoll = 200 * time.Millisecond
)

func newHetzner(c *client) backend {
	c.said = func(body []byte) string {
		var e struct {
			Error struct{ Code, Message string }
		}
		json.Unmarshal(body, &e)
		return e.Error.Message
	}
	return hetzner{c}
}

type hetznerSet struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	TTL     *int            `json:"ttl,omitempty"`
	Records []hetznerRecord `json:"records"`
}

type hetznerRecord struct {
	Value string `json:"value"`
}

type hetznerAction struct {
	Action struct {
		ID     int64
		Status string // "running", "success", "error"
		Error  *struct{ Code, Message string }
	}
}

func (h hetzner) list(ctx context.Context, zone string) ([]rrset, error) {
	var all []rrset
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			RRSets []hetznerSet `json:"rrsets"`
			Meta   struct {
				Pagination struct {
					Next *int `json:"next_page"`
				}
			}
		}
		if _, err := h.json(ctx, http.MethodGet, fmt.Sprintf("/zones/%s/rrsets?page=%d&per_page=%d", url.PathEscape(zone), page, hetznerPage), nil, &answer); err != nil {
			return nil, err
		}
		for _, s := range answer.RRSets {
			set := rrset{name: relative(s.Name, zone), kind: s.Type}
			if s.TTL != nil {
				set.ttl = time.Duration(*s.TTL) * time.Second
			}
			for _, r := range s.Records {
				set.values = append(set.values, bare(s.Type, r.Value))
			}
			all = append(all, set)
		}
		if answer.Meta.Pagination.Next == nil {
			return all, nil
		}
	}
	return nil, errors.New("hetzner: the zone has too many records")
}

func (h hetzner) replace(ctx context.Context, zone string, old, sets []rrset) error {
	for _, s := range sets {
		in := hetznerSet{Name: s.name, Type: s.kind, Records: []hetznerRecord{}}
		for _, v := range s.values {
			in.Records = append(in.Records, hetznerRecord{quoted(s.kind, v)})
		}
		path := "/zones/" + url.PathEscape(zone) + "/rrsets"
		one := path + "/" + url.PathEscape(s.name) + "/" + s.kind
		var action hetznerAction
		var err error
		switch exists := find(old, s) >= 0; {
		case len(s.values) == 0 && exists:
			_, err = h.json(ctx, http.MethodDelete, one, nil, &action)
		case len(s.values) == 0:
			continue
		case exists:
			_, err = h.json(ctx, http.MethodPost, one+"/actions/set_records", map[string]any{"records": in.Records}, &action)
		default:
			ttl := seconds(s.ttl, hetznerTTL)
			in.TTL = &ttl
			_, err = h.json(ctx, http.MethodPost, path, in, &action)
		}
		if err == nil {
			err = h.wait(ctx, action)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wait waits until a change is done, which the API answers before it is.
func (h hetzner) wait(ctx context.Context, a hetznerAction) error {
	for a.Action.Status == "running" {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(hetznerPoll):
		}
		id := a.Action.ID
		a = hetznerAction{}
		if _, err := h.json(ctx, http.MethodGet, fmt.Sprintf("/actions/%d", id), nil, &a); err != nil {
			return err
		}
	}
	if a.Action.Status == "error" {
		e := &Error{Kind: h.kind, Status: http.StatusUnprocessableEntity}
		if a.Action.Error != nil {
			e.Said = h.redact(a.Action.Error.Message)
		}
		return e
	}
	return nil
}
