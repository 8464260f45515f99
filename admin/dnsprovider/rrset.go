package dnsprovider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
)

// rrset is all records of one type at one name.
type rrset struct {
	name string // below the zone, "@" is its top; lower case
	kind string // "TXT"
	ttl  time.Duration
	// values are as in a zone file: names are whole and end with a dot. Texts
	// are bare and whole.
	values []string
}

func (s *rrset) is(name, kind string) bool { return s.name == name && s.kind == kind }

// backend is what a kind of provider can do. zone is in lower case and without
// the final dot.
type backend interface {
	// list returns all record sets of a zone, or ErrCannotList.
	list(ctx context.Context, zone string) ([]rrset, error)
	// replace gives record sets the values that they are to have; none takes
	// the set away. old are those sets as they are now, where they are known.
	replace(ctx context.Context, zone string, old, sets []rrset) error
}

// adder is a backend that changes single records without knowing the others.
type adder interface {
	add(ctx context.Context, zone string, sets []rrset) error
	remove(ctx context.Context, zone string, sets []rrset) error
}

// provider has the interfaces of libdns over a backend. One change at a time:
// between listing and replacing nobody of this process comes in between.
type provider struct {
	backend
	mu sync.Mutex
}

func zoneName(zone string) string { return strings.ToLower(strings.TrimSuffix(zone, ".")) }

// GetRecords is libdns.RecordGetter.
func (p *provider) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	sets, err := p.list(ctx, zoneName(zone))
	if err != nil {
		return nil, err
	}
	return records(sets), nil
}

// AppendRecords is libdns.RecordAppender.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	zone = zoneName(zone)
	add := group(zone, recs)
	if b, ok := p.backend.(adder); ok {
		return records(add), b.add(ctx, zone, add)
	}
	old, err := p.list(ctx, zone)
	if err != nil {
		return nil, err
	}
	var change []rrset
	for _, s := range add {
		merged := s
		if i := find(old, s); i >= 0 {
			merged.values = slices.Clone(old[i].values)
			for _, v := range s.values {
				if !slices.Contains(merged.values, v) {
					merged.values = append(merged.values, v)
				}
			}
			if len(merged.values) == len(old[i].values) {
				continue
			}
		}
		change = append(change, merged)
	}
	return records(add), p.change(ctx, zone, old, change)
}

// SetRecords is libdns.RecordSetter. It is atomic with rfc2136, desec and
// route53.
func (p *provider) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	zone = zoneName(zone)
	sets := group(zone, recs)
	var old []rrset
	if _, ok := p.backend.(adder); !ok {
		var err error
		if old, err = p.list(ctx, zone); err != nil {
			return nil, err
		}
	}
	return records(sets), p.change(ctx, zone, old, sets)
}

// DeleteRecords is libdns.RecordDeleter. A record without data means all of
// its type at its name. The TTL does not matter.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	zone = zoneName(zone)
	gone := group(zone, recs)
	if b, ok := p.backend.(adder); ok {
		return records(gone), b.remove(ctx, zone, gone)
	}
	old, err := p.list(ctx, zone)
	if err != nil {
		return nil, err
	}
	var change, deleted []rrset
	for _, s := range gone {
		i := find(old, s)
		if i < 0 {
			continue
		}
		left, out := old[i], old[i]
		left.values, out.values = nil, nil
		for _, v := range old[i].values {
			if len(s.values) == 0 || slices.Contains(s.values, v) {
				out.values = append(out.values, v)
			} else {
				left.values = append(left.values, v)
			}
		}
		if len(out.values) > 0 {
			change, deleted = append(change, left), append(deleted, out)
		}
	}
	return records(deleted), p.change(ctx, zone, old, change)
}

// change replaces sets, and hands on what they were before.
func (p *provider) change(ctx context.Context, zone string, old, sets []rrset) error {
	if len(sets) == 0 {
		return nil
	}
	before := make([]rrset, 0, len(sets))
	for _, s := range sets {
		if i := find(old, s); i >= 0 {
			before = append(before, old[i])
		}
	}
	return p.replace(ctx, zone, before, sets)
}

func find(sets []rrset, s rrset) int {
	return slices.IndexFunc(sets, func(o rrset) bool { return o.is(s.name, s.kind) })
}

// group makes record sets of records.
func group(zone string, recs []libdns.Record) []rrset {
	var sets []rrset
	for _, rec := range recs {
		rr := rec.RR()
		s := rrset{name: relative(rr.Name, zone), kind: strings.ToUpper(rr.Type), ttl: rr.TTL}
		i := find(sets, s)
		if i < 0 {
			sets = append(sets, s)
			i = len(sets) - 1
		}
		if rr.Data != "" {
			sets[i].values = append(sets[i].values, canonical(s.kind, rr.Data))
		}
	}
	return sets
}

// records makes records of record sets.
func records(sets []rrset) []libdns.Record {
	list := []libdns.Record{}
	for _, s := range sets {
		for _, v := range s.values {
			rr := libdns.RR{Name: s.name, Type: s.kind, TTL: s.ttl, Data: v}
			if typed, err := rr.Parse(); err == nil {
				list = append(list, typed)
			} else {
				list = append(list, rr)
			}
		}
	}
	return list
}

// relative is a name below a zone.
func relative(name, zone string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || name == "@" || name == zone {
		return "@"
	}
	return strings.TrimSuffix(name, "."+zone)
}

// absolute is the whole name, without the final dot.
func absolute(name, zone string) string {
	if name == "@" {
		return zone
	}
	return name + "." + zone
}

// canonical is the form in which values are compared: names in lower case with
// their final dot, numbers without signs of how they were written.
func canonical(kind, value string) string {
	switch kind {
	case "MX", "CNAME", "SRV", "NS", "PTR":
		f := strings.Fields(value)
		if len(f) == 0 {
			return value
		}
		last := strings.ToLower(f[len(f)-1])
		if !strings.HasSuffix(last, ".") {
			last += "."
		}
		f[len(f)-1] = last
		return strings.Join(f, " ")
	case "A", "AAAA":
		return strings.ToLower(value)
	case "TLSA":
		f := strings.Fields(strings.ToLower(value))
		if len(f) > 4 {
			f = append(f[:3:3], strings.Join(f[3:], ""))
		}
		return strings.Join(f, " ")
	case "CAA":
		f := strings.SplitN(value, " ", 3)
		if len(f) == 3 {
			return fmt.Sprintf("%s %s %q", f[0], strings.ToLower(f[1]), unquote(f[2]))
		}
	}
	return value
}

// maxString is the length of one string of a TXT record (RFC 1035 section
// 3.3.14).
const maxString = 255

// quote writes a text as the strings of a TXT record.
func quote(s string) string {
	one := func(s string) string {
		var b strings.Builder
		b.WriteByte('"')
		for i := range len(s) {
			switch c := s[i]; {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, `\%03d`, c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
		return b.String()
	}
	var parts []string
	for len(s) > maxString {
		parts, s = append(parts, one(s[:maxString])), s[maxString:]
	}
	return strings.Join(append(parts, one(s)), " ")
}

// unquote reads the strings of a TXT record as one text. What has no quotes is
// taken as it is.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	var b strings.Builder
	inside := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			inside = !inside
		case !inside: // between two strings
		case c == '\\' && i+3 < len(s) && digits(s[i+1:i+4]):
			n := int(s[i+1]-'0')*100 + int(s[i+2]-'0')*10 + int(s[i+3]-'0')
			b.WriteByte(byte(n))
			i += 3
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// quoted is a value as in a zone file, texts in quotes.
func quoted(kind, value string) string {
	if kind == "TXT" || kind == "SPF" {
		return quote(value)
	}
	return value
}

// bare is the other way round.
func bare(kind, value string) string {
	if kind == "TXT" || kind == "SPF" {
		return unquote(value)
	}
	return canonical(kind, value)
}

// seconds is a TTL that is not below the provider's shortest.
func seconds(ttl, least time.Duration) int {
	if ttl == 0 {
		ttl = time.Hour
	}
	return int(max(ttl, least) / time.Second)
}
