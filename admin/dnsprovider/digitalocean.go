package dnsprovider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// digitalOcean is the API v2
// (https://docs.digitalocean.com/reference/api/reference/domain-records/).
type digitalOcean struct{ *client }

const (
	digitalOceanTTL  = 30 * time.Second
	digitalOceanPage = 200
)

func newDigitalOcean(c *client) backend { return bySingles{digitalOcean{c}} }

type digitalOceanRecord struct {
	ID       int64   `json:"id,omitempty"`
	Type     string  `json:"type"`
	Name     string  `json:"name"`
	Data     string  `json:"data"`
	TTL      int     `json:"ttl"`
	Priority *int    `json:"priority,omitempty"`
	Port     *int    `json:"port,omitempty"`
	Weight   *int    `json:"weight,omitempty"`
	Flags    *int    `json:"flags,omitempty"`
	Tag      *string `json:"tag,omitempty"`
}

func (d digitalOcean) path(zone string) string {
	return "/domains/" + url.PathEscape(zone) + "/records"
}

func (d digitalOcean) all(ctx context.Context, zone string) ([]single, error) {
	var list []single
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			Records []digitalOceanRecord `json:"domain_records"`
			Links   struct{ Pages struct{ Next string } }
		}
		if _, err := d.json(ctx, http.MethodGet, fmt.Sprintf("%s?page=%d&per_page=%d", d.path(zone), page, digitalOceanPage), nil, &answer); err != nil {
			return nil, err
		}
		for _, r := range answer.Records {
			list = append(list, r.single(zone))
		}
		if answer.Links.Pages.Next == "" {
			return list, nil
		}
	}
	return nil, errors.New("digitalocean: the domain has too many records")
}

func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func (r *digitalOceanRecord) single(zone string) single {
	s := single{id: strconv.FormatInt(r.ID, 10), name: relative(r.Name, zone), kind: r.Type, ttl: time.Duration(r.TTL) * time.Second}
	data := r.Data
	if data == "@" && r.Type != "TXT" {
		data = zone
	}
	if data == "" && r.Type == "SRV" {
		data = "." // not offered; its dot is cut off like that of other names
	}
	switch r.Type {
	case "MX":
		data = fmt.Sprintf("%d %s", number(r.Priority), data)
	case "SRV":
		data = fmt.Sprintf("%d %d %d %s", number(r.Priority), number(r.Weight), number(r.Port), data)
	case "CAA":
		tag := ""
		if r.Tag != nil {
			tag = *r.Tag
		}
		data = fmt.Sprintf("%d %s %s", number(r.Flags), tag, strings.TrimSuffix(data, "."))
	}
	s.value = bare(r.Type, data)
	return s
}

func (d digitalOcean) create(ctx context.Context, zone string, s single) error {
	r := digitalOceanRecord{Type: s.kind, Name: s.name, Data: s.value, TTL: seconds(s.ttl, digitalOceanTTL)}
	f := strings.Fields(s.value)
	bad := fmt.Errorf("digitalocean: %q is no %s record", s.value, s.kind)
	take := func(to ...**int) error {
		for i, t := range to {
			if i >= len(f) {
				return bad
			}
			n, err := strconv.Atoi(f[i])
			if err != nil {
				return bad
			}
			*t = &n
		}
		return nil
	}
	var err error
	switch s.kind {
	case "MX":
		if err = take(&r.Priority); err == nil {
			r.Data = f[len(f)-1]
		}
	case "SRV":
		if err = take(&r.Priority, &r.Weight, &r.Port); err == nil {
			r.Data = f[len(f)-1]
		}
	case "CAA":
		if err = take(&r.Flags); err == nil && len(f) == 3 {
			r.Tag, r.Data = &f[1], unquote(f[2])
		}
	case "TLSA":
		return errors.New("digitalocean has no TLSA records; leave them out, or host the zone where they are known")
	}
	if err != nil {
		return err
	}
	_, err = d.json(ctx, http.MethodPost, d.path(zone), r, nil)
	return err
}

func (d digitalOcean) delete(ctx context.Context, zone, id string) error {
	_, err := d.json(ctx, http.MethodDelete, d.path(zone)+"/"+url.PathEscape(id), nil, nil)
	return err
}
