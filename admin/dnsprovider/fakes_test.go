package dnsprovider

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// startZone is what each fake begins with, in the provider's own form.
func (f *fake) startZone(txt string) {
	f.zone = []stored{{"@", "TXT", 3600, []string{txt}}, {"www", "A", 3600, []string{"192.0.2.80", "192.0.2.81"}}}
}

// page cuts a page out of a list, which the fakes make short: two items.
func page[T any](list []T, r *http.Request) (items []T, n int, more bool) {
	const size = 2
	n, _ = strconv.Atoi(r.URL.Query().Get("page"))
	n = max(n, 1)
	from := min(len(list), (n-1)*size)
	to := min(len(list), from+size)
	return list[from:to], n, to < len(list)
}

// isQuoted reports whether a text is written in quotes, in strings that are
// not too long.
func isQuoted(s string) bool {
	for part := range strings.SplitSeq(s, `" "`) {
		if len(strings.Trim(part, `"`)) > 2*maxString {
			return false
		}
	}
	return len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"'
}

func fakeHetzner(t *testing.T, f *fake) string {
	f.startZone(`"google-site-verification=x"`)
	f.header = "Bearer " + secret
	type record struct {
		Value   string `json:"value"`
		Comment string `json:"comment"`
	}
	type set struct {
		Name    string   `json:"name"`
		Type    string   `json:"type"`
		TTL     *int     `json:"ttl"`
		Records []record `json:"records"`
	}
	problem := func(w http.ResponseWriter, code int, name, text string) {
		reply(w, code, map[string]any{"error": map[string]string{"code": name, "message": text}})
	}
	var action struct{ id, asked int }
	running := func(w http.ResponseWriter, code int) {
		action.id++
		action.asked = 0
		reply(w, code, map[string]any{"action": map[string]any{"id": action.id, "status": "running", "progress": 0}})
	}
	return f.serve(t, `{"error":{"code":"unauthorized","message":"wrong key SECRET"}}`, func(w http.ResponseWriter, r *http.Request) {
		if id, ok := strings.CutPrefix(r.URL.Path, "/actions/"); ok {
			status := "running"
			if action.asked++; action.asked > 1 || action.id > 1 {
				status = "success"
			}
			n, _ := strconv.Atoi(id)
			reply(w, 200, map[string]any{"action": map[string]any{"id": n, "status": status}})
			return
		}
		rest, ok := strings.CutPrefix(r.URL.Path, "/zones/example.org/rrsets")
		if !ok {
			problem(w, 404, "not_found", "zone not found")
			return
		}
		path := strings.Split(strings.Trim(rest, "/"), "/")
		put := func(s set, must bool) {
			if must == (f.find(s.Name, s.Type) < 0) {
				problem(w, 409, "uniqueness_error", "the set is there, or is not")
				return
			}
			out := stored{name: s.Name, kind: s.Type, ttl: 3600}
			if s.TTL != nil {
				out.ttl = *s.TTL
			}
			for _, rec := range s.Records {
				if s.Type == "TXT" && !isQuoted(rec.Value) {
					problem(w, 422, "invalid_input", "TXT is not quoted: "+rec.Value)
					return
				}
				out.values = append(out.values, rec.Value)
			}
			if len(out.values) == 0 || out.ttl < 60 {
				problem(w, 422, "invalid_input", "no records, or a TTL below 60")
				return
			}
			f.put(out)
			running(w, 201)
		}
		switch {
		case r.Method == http.MethodGet:
			items, n, more := page(f.zone, r)
			sets := []set{}
			for _, s := range items {
				one := set{Name: s.name, Type: s.kind, TTL: &s.ttl}
				for _, v := range s.values {
					one.Records = append(one.Records, record{Value: v})
				}
				sets = append(sets, one)
			}
			var next any
			if more {
				next = n + 1
			}
			reply(w, 200, map[string]any{"rrsets": sets, "meta": map[string]any{"pagination": map[string]any{"page": n, "next_page": next}}})
		case r.Method == http.MethodPost && rest == "":
			var s set
			if read(t, r, &s) {
				put(s, false)
			}
		case r.Method == http.MethodPost && len(path) == 4 && path[3] == "set_records":
			s := set{Name: path[0], Type: path[1]}
			var in struct {
				Records []record `json:"records"`
			}
			if read(t, r, &in) {
				s.Records = in.Records
				put(s, true)
			}
		case r.Method == http.MethodDelete && len(path) == 2 && f.find(path[0], path[1]) >= 0:
			f.put(stored{name: path[0], kind: path[1]})
			running(w, 201)
		default:
			problem(w, 404, "not_found", r.Method+" "+r.URL.Path)
		}
	})
}

func fakeDeSEC(t *testing.T, f *fake) string {
	f.startZone(`"google-site-verification=x"`)
	f.header = "Token " + secret
	var base string
	base = f.serve(t, `{"detail":"wrong key SECRET"}`, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/domains/example.org/rrsets/" {
			reply(w, 404, map[string]string{"detail": "Not found."})
			return
		}
		switch r.Method {
		case http.MethodGet:
			if !r.URL.Query().Has("cursor") {
				reply(w, 400, map[string]string{"detail": "Pagination required."})
				return
			}
			q := r.URL.Query()
			q.Set("page", q.Get("cursor"))
			r.URL.RawQuery = q.Encode()
			items, n, more := page(f.zone, r)
			sets := []desecSet{}
			for _, s := range items {
				sets = append(sets, desecSet{strings.TrimPrefix(s.name, "@"), s.kind, s.ttl, s.values})
			}
			if more {
				w.Header().Set("Link", fmt.Sprintf(`<%s/domains/example.org/rrsets/?cursor=>; rel="first", <%s/domains/example.org/rrsets/?cursor=%d>; rel="next"`, base, base, n+1))
			}
			reply(w, 200, sets)
		case http.MethodPatch:
			var sets []desecSet
			if !read(t, r, &sets) {
				return
			}
			for _, s := range sets {
				if s.TTL < 3600 {
					reply(w, 400, []any{map[string]any{"ttl": []string{"Ensure this value is greater than or equal to 3600."}}})
					return
				}
				if s.Type == "TXT" && slices.ContainsFunc(s.Records, func(v string) bool { return !isQuoted(v) }) {
					reply(w, 400, []any{map[string]any{"records": []string{"TXT in quotes"}}})
					return
				}
			}
			for _, s := range sets {
				name := s.Subname
				if name == "" {
					name = "@"
				}
				f.put(stored{name, s.Type, s.TTL, s.Records})
			}
			reply(w, 200, sets)
		default:
			w.WriteHeader(405)
		}
	})
	return base
}

func fakeGandi(t *testing.T, f *fake) string {
	f.startZone(`"google-site-verification=x"`)
	f.header = "Bearer " + secret
	// Pages are as long as they are asked for: the zone needs more than one.
	for i := range gandiPage {
		f.zone = append(f.zone, stored{fmt.Sprintf("h%d", i), "NOTED", 3600, nil})
	}
	return f.serve(t, `{"code":401,"message":"wrong key SECRET","object":"HTTPUnauthorized","cause":"Unauthorized"}`, func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, "/domains/example.org/records")
		path := strings.Split(strings.Trim(rest, "/"), "/")
		switch {
		case !ok:
			reply(w, 404, map[string]any{"code": 404, "message": "The resource could not be found."})
		case r.Method == http.MethodGet:
			size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
			n, _ := strconv.Atoi(r.URL.Query().Get("page"))
			from := min(len(f.zone), (n-1)*size)
			sets := []gandiSet{}
			for _, s := range f.zone[from:min(len(f.zone), from+size)] {
				sets = append(sets, gandiSet{s.name, s.kind, s.ttl, s.values})
			}
			reply(w, 200, sets)
		case r.Method == http.MethodPut && len(path) == 2:
			var s gandiSet
			if !read(t, r, &s) {
				return
			}
			if s.TTL < 300 || len(s.Values) == 0 || path[1] == "TXT" && !isQuoted(s.Values[0]) {
				reply(w, 400, map[string]any{"status": "error", "message": "rrset_ttl or rrset_values"})
				return
			}
			f.put(stored{path[0], path[1], s.TTL, s.Values})
			reply(w, 201, map[string]string{"message": "DNS Record Created"})
		case r.Method == http.MethodDelete && len(path) == 2:
			f.put(stored{name: path[0], kind: path[1]})
			w.WriteHeader(204)
		default:
			w.WriteHeader(405)
		}
	})
}

// row is one record of a provider that knows no sets.
type row struct {
	id     int64
	record map[string]any
}

// rows are the records of such a provider, by ID.
type rows struct {
	list []row
	last int64
}

func (rs *rows) add(rec map[string]any) int64 {
	rs.last++
	rs.list = append(rs.list, row{rs.last, rec})
	return rs.last
}

func (rs *rows) remove(id string) bool {
	before := len(rs.list)
	rs.list = slices.DeleteFunc(rs.list, func(r row) bool { return fmt.Sprint(r.id) == id })
	return len(rs.list) < before
}

func fakeCloudflare(t *testing.T, f *fake) string {
	f.header = "Bearer " + secret
	rs := &rows{}
	rs.add(map[string]any{"type": "TXT", "name": "example.org", "content": `"google-site-verification=x"`, "ttl": 1, "proxied": false})
	rs.add(map[string]any{"type": "A", "name": "www.example.org", "content": "192.0.2.80", "ttl": 1, "proxied": false})
	rs.add(map[string]any{"type": "A", "name": "www.example.org", "content": "192.0.2.81", "ttl": 1, "proxied": false})
	problem := func(w http.ResponseWriter, code, number int, text string) {
		reply(w, code, map[string]any{"success": false, "result": nil, "errors": []any{map[string]any{"code": number, "message": text}}})
	}
	return f.serve(t, `{"success":false,"errors":[{"code":10000,"message":"wrong key SECRET"}]}`, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/zones" {
			result := []any{}
			if r.URL.Query().Get("name") == "example.org" {
				result = append(result, map[string]any{"id": "z1", "name": "example.org"})
			}
			reply(w, 200, map[string]any{"success": true, "result": result})
			return
		}
		rest, ok := strings.CutPrefix(r.URL.Path, "/zones/z1/dns_records")
		switch {
		case !ok:
			problem(w, 404, 7003, "no route")
		case r.Method == http.MethodGet:
			items, _, _ := page(rs.list, r)
			result := []any{}
			for _, one := range items {
				rec := map[string]any{"id": fmt.Sprint(one.id)}
				for k, v := range one.record {
					rec[k] = v
				}
				result = append(result, rec)
			}
			reply(w, 200, map[string]any{"success": true, "result": result, "result_info": map[string]any{"total_pages": (len(rs.list) + 1) / 2}})
		case r.Method == http.MethodPost:
			var rec map[string]any
			json.NewDecoder(r.Body).Decode(&rec)
			kind, _ := rec["type"].(string)
			data, _ := rec["data"].(map[string]any)
			content, _ := rec["content"].(string)
			ttl, _ := rec["ttl"].(float64)
			fields := map[string][]string{"SRV": {"port", "priority", "target", "weight"}, "CAA": {"flags", "tag", "value"}, "TLSA": {"certificate", "matching_type", "selector", "usage"}}[kind]
			var have []string
			for k := range data {
				have = append(have, k)
			}
			slices.Sort(have)
			switch {
			case ttl != 1 && ttl < 60, !slices.Equal(have, fields), fields == nil && content == "", kind == "TXT" && !isQuoted(content),
				kind == "MX" && (rec["priority"] == nil || strings.HasSuffix(content, ".")), !strings.HasSuffix(rec["name"].(string), "example.org"):
				problem(w, 400, 9005, fmt.Sprint("the record is not valid: ", rec))
				return
			}
			for _, one := range rs.list {
				if fmt.Sprint(one.record) == fmt.Sprint(rec) {
					problem(w, 400, 81058, "An identical record already exists.")
					return
				}
				if kind == "CNAME" && one.record["name"] == rec["name"] {
					problem(w, 400, 81053, "A CNAME is alone at its name.")
					return
				}
			}
			rs.add(rec)
			reply(w, 200, map[string]any{"success": true, "result": rec})
		case r.Method == http.MethodDelete && rs.remove(strings.Trim(rest, "/")):
			reply(w, 200, map[string]any{"success": true, "result": map[string]string{"id": rest}})
		default:
			problem(w, 404, 81044, "Record does not exist.")
		}
	})
}

func fakeDigitalOcean(t *testing.T, f *fake) string {
	f.header = "Bearer " + secret
	rs := &rows{}
	rs.add(map[string]any{"type": "TXT", "name": "@", "data": `google-site-verification=x`, "ttl": 1800})
	rs.add(map[string]any{"type": "A", "name": "www", "data": "192.0.2.80", "ttl": 1800})
	rs.add(map[string]any{"type": "A", "name": "www", "data": "192.0.2.81", "ttl": 1800})
	return f.serve(t, `{"id":"Unauthorized","message":"wrong key SECRET"}`, func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, "/domains/example.org/records")
		switch {
		case !ok:
			reply(w, 404, map[string]string{"id": "not_found", "message": "The resource you were accessing could not be found."})
		case r.Method == http.MethodGet:
			items, n, more := page(rs.list, r)
			list := []any{}
			for _, one := range items {
				rec := map[string]any{"id": one.id}
				for k, v := range one.record {
					rec[k] = v
				}
				list = append(list, rec)
			}
			pages := map[string]string{}
			if more {
				pages["next"] = fmt.Sprintf("https://api.digitalocean.com/v2/domains/example.org/records?page=%d", n+1)
			}
			reply(w, 200, map[string]any{"domain_records": list, "links": map[string]any{"pages": pages}})
		case r.Method == http.MethodPost:
			var rec map[string]any
			json.NewDecoder(r.Body).Decode(&rec)
			kind, _ := rec["type"].(string)
			data, _ := rec["data"].(string)
			host := map[string]bool{"MX": true, "SRV": true, "CNAME": true}[kind]
			switch {
			case rec["ttl"].(float64) < 30, host && !strings.HasSuffix(data, "."), kind == "CAA" && (rec["tag"] == nil || rec["flags"] == nil || strings.Contains(data, `"`)),
				kind == "MX" && rec["priority"] == nil, kind == "SRV" && (rec["port"] == nil || rec["weight"] == nil):
				reply(w, 422, map[string]string{"id": "unprocessable_entity", "message": fmt.Sprint("Data is not valid: ", rec)})
				return
			}
			if host {
				rec["data"] = strings.TrimSuffix(data, ".") // it gives names back without the dot
			}
			for _, one := range rs.list {
				if kind == "CNAME" && one.record["name"] == rec["name"] {
					reply(w, 422, map[string]string{"id": "unprocessable_entity", "message": "CNAME records cannot share a name with other records"})
					return
				}
			}
			reply(w, 201, map[string]any{"domain_record": map[string]any{"id": rs.add(rec)}})
		case r.Method == http.MethodDelete && rs.remove(strings.Trim(rest, "/")):
			w.WriteHeader(204)
		default:
			reply(w, 404, map[string]string{"id": "not_found", "message": "no such record"})
		}
	})
}

func fakeRoute53(t *testing.T, f *fake) string {
	f.startZone(`"google-site-verification=x"`)
	problem := func(w http.ResponseWriter, code int, name, text string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `<?xml version="1.0"?><ErrorResponse xmlns=%q><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>x</RequestId></ErrorResponse>`, route53Space, name, text)
	}
	denied := `<?xml version="1.0"?><ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>wrong key SECRET</Message></Error></ErrorResponse>`
	return f.serve(t, denied, func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/us-east-1/route53/aws4_request, SignedHeaders=host;x-amz-date, Signature=") || r.Header.Get("X-Amz-Date") != "20231114T221320Z" {
			problem(w, 403, "SignatureDoesNotMatch", a)
			return
		}
		switch {
		case r.URL.Path == "/hostedzonesbyname":
			fmt.Fprint(w, `<?xml version="1.0"?><ListHostedZonesByNameResponse><HostedZones>`+
				`<HostedZone><Id>/hostedzone/ZPRIVATE</Id><Name>example.org.</Name><Config><PrivateZone>true</PrivateZone></Config></HostedZone>`+
				`<HostedZone><Id>/hostedzone/Z1</Id><Name>example.org.</Name><Config><PrivateZone>false</PrivateZone></Config></HostedZone></HostedZones></ListHostedZonesByNameResponse>`)
		case r.URL.Path == "/hostedzone/Z1/rrset" && r.Method == http.MethodGet:
			type answer struct {
				XMLName   xml.Name     `xml:"ListResourceRecordSetsResponse"`
				Sets      []route53Set `xml:"ResourceRecordSets>ResourceRecordSet"`
				Truncated bool         `xml:"IsTruncated"`
				NextName  string       `xml:"NextRecordName,omitempty"`
				NextType  string       `xml:"NextRecordType,omitempty"`
			}
			from := 0
			if q := r.URL.Query(); q.Has("name") {
				from = f.find(relative(q.Get("name"), "example.org"), q.Get("type"))
			}
			var out answer
			for i, s := range f.zone[from:] {
				if i == 2 {
					out.Truncated, out.NextName, out.NextType = true, absolute(s.name, "example.org")+".", s.kind
					break
				}
				out.Sets = append(out.Sets, route53Set{absolute(s.name, "example.org") + ".", s.kind, s.ttl, s.values})
			}
			xml.NewEncoder(w).Encode(out)
		case r.URL.Path == "/hostedzone/Z1/rrset" && r.Method == http.MethodPost:
			var in struct {
				XMLName xml.Name        `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsRequest"`
				Changes []route53Change `xml:"ChangeBatch>Changes>Change"`
			}
			if err := xml.NewDecoder(r.Body).Decode(&in); err != nil {
				problem(w, 400, "MalformedInput", err.Error())
				return
			}
			for _, c := range in.Changes {
				s := stored{relative(c.Set.Name, "example.org"), c.Set.Type, c.Set.TTL, c.Set.Values}
				i := f.find(s.name, s.kind)
				switch {
				case s.kind == "TXT" && slices.ContainsFunc(s.values, func(v string) bool { return !isQuoted(v) }):
					problem(w, 400, "InvalidChangeBatch", "TXT in quotes")
					return
				case c.Action == "DELETE" && (i < 0 || f.zone[i].ttl != s.ttl || !slices.Equal(f.zone[i].values, s.values)):
					problem(w, 400, "InvalidChangeBatch", "the values provided do not match the current values")
					return
				case c.Action == "DELETE":
					s.values = nil
				}
				f.put(s)
			}
			fmt.Fprint(w, `<?xml version="1.0"?><ChangeResourceRecordSetsResponse><ChangeInfo><Status>PENDING</Status></ChangeInfo></ChangeResourceRecordSetsResponse>`)
		default:
			problem(w, 404, "NoSuchHostedZone", r.URL.Path)
		}
	})
}
