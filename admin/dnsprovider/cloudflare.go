package dnsprovider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cloudflare is the API v4
// (https://developers.cloudflare.com/api/resources/dns/subresources/records/),
// with a token that may edit the DNS of the zone. Records are never proxied:
// its proxies pass no mail on.
type cloudflare struct {
	*client
	mu  sync.Mutex
	ids map[string]string // of zones
}

const (
	cloudflareTTL  = time.Minute
	cloudflarePage = 100
)

func newCloudflare(c *client) backend {
	c.said = func(body []byte) string {
		var e struct {
			Errors []struct {
				Code    int
				Message string
			}
		}
		json.Unmarshal(body, &e)
		var texts []string
		for _, one := range e.Errors {
			texts = append(texts, one.Message)
		}
		return strings.Join(texts, "; ")
	}
	return bySingles{&cloudflare{client: c, ids: map[string]string{}}}
}

type cloudflareRecord struct {
	ID       string         `json:"id,omitempty"`
	Type     string         `json:"type"`
	Name     string         `json:"name"`
	Content  string         `json:"content,omitempty"`
	Priority *int           `json:"priority,omitempty"`
	TTL      int            `json:"ttl"` // 1: as the provider likes
	Proxied  bool           `json:"proxied"`
	Data     map[string]any `json:"data,omitempty"`
}

// zoneID finds the ID of a zone.
func (c *cloudflare) zoneID(ctx context.Context, zone string) (string, error) {
	c.mu.Lock()
	id := c.ids[zone]
	c.mu.Unlock()
	if id != "" {
		return id, nil
	}
	var answer struct{ Result []struct{ ID, Name string } }
	if _, err := c.json(ctx, http.MethodGet, "/zones?name="+url.QueryEscape(zone), nil, &answer); err != nil {
		return "", err
	}
	for _, z := range answer.Result {
		if z.Name == zone {
			c.mu.Lock()
			c.ids[zone] = z.ID
			c.mu.Unlock()
			return z.ID, nil
		}
	}
	return "", c.noZone(zone)
}

func (c *cloudflare) all(ctx context.Context, zone string) ([]single, error) {
	id, err := c.zoneID(ctx, zone)
	if err != nil {
		return nil, err
	}
	var list []single
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			Result []cloudflareRecord
			Info   struct {
				Pages int `json:"total_pages"`
			} `json:"result_info"`
		}
		if _, err := c.json(ctx, http.MethodGet, fmt.Sprintf("/zones/%s/dns_records?page=%d&per_page=%d", url.PathEscape(id), page, cloudflarePage), nil, &answer); err != nil {
			return nil, err
		}
		for _, r := range answer.Result {
			list = append(list, r.single(zone))
		}
		if page >= answer.Info.Pages {
			return list, nil
		}
	}
	return nil, errors.New("cloudflare: the zone has too many records")
}

// parts are the fields of the types that are written in parts.
var cloudflareParts = map[string][]string{
	"SRV": {"priority", "weight", "port", "target"}, "CAA": {"flags", "tag", "value"}, "TLSA": {"usage", "selector", "matching_type", "certificate"},
}

func (r *cloudflareRecord) single(zone string) single {
	s := single{id: r.ID, name: relative(r.Name, zone), kind: r.Type, ttl: time.Duration(r.TTL) * time.Second}
	value := r.Content
	if fields := cloudflareParts[r.Type]; fields != nil && len(r.Data) > 0 {
		var f []string
		for _, name := range fields {
			f = append(f, fmt.Sprint(r.Data[name])) // numbers are small
		}
		value = strings.Join(f, " ")
	} else if r.Type == "MX" && r.Priority != nil {
		value = fmt.Sprintf("%d %s", *r.Priority, r.Content)
	}
	s.value = bare(r.Type, value)
	if r.Proxied {
		s.value = "PROXIED " + s.value
	}
	return s
}

func (c *cloudflare) create(ctx context.Context, zone string, s single) error {
	id, err := c.zoneID(ctx, zone)
	if err != nil {
		return err
	}
	r := cloudflareRecord{Type: s.kind, Name: absolute(s.name, zone), TTL: seconds(s.ttl, cloudflareTTL)}
	switch fields := cloudflareParts[s.kind]; {
	case fields != nil:
		f := strings.SplitN(s.value, " ", len(fields))
		if len(f) != len(fields) {
			return fmt.Errorf("cloudflare: %q is no %s record", s.value, s.kind)
		}
		r.Data = map[string]any{}
		for i, name := range fields {
			r.Data[name] = unquote(strings.TrimSuffix(f[i], "."))
			if n, err := strconv.Atoi(f[i]); err == nil {
				r.Data[name] = n
			}
		}
		if r.Data["target"] == "" {
			r.Data["target"] = "." // not offered
		}
		if s.kind != "SRV" {
			delete(r.Data, "target")
		}
	case s.kind == "MX":
		pref, host, _ := strings.Cut(s.value, " ")
		n, err := strconv.Atoi(pref)
		if err != nil {
			return fmt.Errorf("cloudflare: %q is no MX record", s.value)
		}
		r.Priority, r.Content = &n, strings.TrimSuffix(host, ".")
	case s.kind == "CNAME":
		r.Content = strings.TrimSuffix(s.value, ".")
	default:
		r.Content = quoted(s.kind, s.value)
	}
	_, err = c.json(ctx, http.MethodPost, "/zones/"+url.PathEscape(id)+"/dns_records", r, nil)
	return err
}

func (c *cloudflare) delete(ctx context.Context, zone, record string) error {
	id, err := c.zoneID(ctx, zone)
	if err != nil {
		return err
	}
	_, err = c.json(ctx, http.MethodDelete, "/zones/"+url.PathEscape(id)+"/dns_records/"+url.PathEscape(record), nil, nil)
	return err
}
