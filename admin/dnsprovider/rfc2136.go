package dnsprovider

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// tsig is the key that updates are signed with.
type tsig struct{ name, algorithm, secret string }

// algorithms are those of RFC 8945 section 6 that are still to be used.
var algorithms = map[string]string{"hmac-sha256": dns.HmacSHA256, "hmac-sha384": dns.HmacSHA384, "hmac-sha512": dns.HmacSHA512, "hmac-sha224": dns.HmacSHA224}

func parseTSIG(s Spec) (tsig, error) {
	algorithm, name, ok := strings.Cut(s.Login, ":")
	if !ok {
		algorithm, name = "hmac-sha256", s.Login
	}
	k := tsig{dns.CanonicalName(name), algorithms[strings.ToLower(algorithm)], string(s.Secret)}
	if k.algorithm == "" {
		return tsig{}, fmt.Errorf("%q is no algorithm of TSIG that is good; use hmac-sha256, hmac-sha384 or hmac-sha512, as in hmac-sha512:update-key", algorithm)
	}
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return tsig{}, errors.New("rfc2136 needs the name of a TSIG key, as in update-key or hmac-sha512:update-key")
	}
	if b, err := base64.StdEncoding.DecodeString(k.secret); err != nil || len(b) == 0 {
		return tsig{}, errors.New("the secret of a TSIG key is base64, as `tsig-keygen` prints it")
	}
	return k, nil
}

// updates are dynamic updates (RFC 2136) over TCP.
type updates struct {
	server string
	key    tsig
	dial   net.Dialer
}

func newRFC2136(s Spec) (Provider, error) {
	key, err := parseTSIG(s)
	if err != nil {
		return nil, err
	}
	server := s.Server
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
	}
	return &provider{backend: &updates{server: server, key: key, dial: net.Dialer{Timeout: requestTimeout}}}, nil
}

// parse makes resource records of sets.
func parse(zone string, sets []rrset) ([]dns.RR, error) {
	var list []dns.RR
	for _, s := range sets {
		for _, v := range s.values {
			line := fmt.Sprintf("%s. %d IN %s %s", absolute(s.name, zone), seconds(s.ttl, 0), s.kind, quoted(s.kind, v))
			rr, err := dns.NewRR(line)
			if err != nil || rr == nil {
				return nil, fmt.Errorf("%q is no %s record", v, s.kind)
			}
			list = append(list, rr)
		}
	}
	return list, nil
}

// heads are records that stand for whole sets.
func heads(zone string, sets []rrset) ([]dns.RR, error) {
	var list []dns.RR
	for _, s := range sets {
		t, ok := dns.StringToType[s.kind]
		if !ok {
			return nil, fmt.Errorf("%q is no type of record", s.kind)
		}
		list = append(list, &dns.ANY{Hdr: dns.RR_Header{Name: absolute(s.name, zone) + ".", Rrtype: t, Class: dns.ClassINET}})
	}
	return list, nil
}

func (u *updates) add(ctx context.Context, zone string, sets []rrset) error {
	rrs, err := parse(zone, sets)
	if err != nil {
		return err
	}
	return u.send(ctx, zone, func(m *dns.Msg) { m.Insert(rrs) })
}

func (u *updates) remove(ctx context.Context, zone string, sets []rrset) error {
	rrs, err := parse(zone, sets)
	if err != nil {
		return err
	}
	var whole []rrset
	for _, s := range sets {
		if len(s.values) == 0 {
			whole = append(whole, s)
		}
	}
	all, err := heads(zone, whole)
	if err != nil {
		return err
	}
	return u.send(ctx, zone, func(m *dns.Msg) {
		m.Remove(rrs)
		m.RemoveRRset(all)
	})
}

func (u *updates) replace(ctx context.Context, zone string, _, sets []rrset) error {
	all, err := heads(zone, sets)
	if err != nil {
		return err
	}
	rrs, err := parse(zone, sets)
	if err != nil {
		return err
	}
	return u.send(ctx, zone, func(m *dns.Msg) {
		m.RemoveRRset(all)
		m.Insert(rrs)
	})
}

// send makes one update, which happens as a whole or not at all.
func (u *updates) send(ctx context.Context, zone string, change func(*dns.Msg)) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m := new(dns.Msg)
	m.SetUpdate(dns.Fqdn(zone))
	change(m)
	m.SetTsig(u.key.name, u.key.algorithm, 300, time.Now().Unix())
	c := &dns.Client{Net: "tcp", Timeout: requestTimeout, Dialer: &u.dial, TsigSecret: map[string]string{u.key.name: u.key.secret}}
	answer, _, err := c.ExchangeContext(ctx, m, u.server)
	switch {
	case err != nil && answer == nil:
		return &Error{Kind: RFC2136, Said: cause(err), Err: ctx.Err()}
	case err != nil || answer.Rcode == dns.RcodeNotAuth:
		return fmt.Errorf("the name server %s does not take the TSIG key %s: see its name, algorithm and secret, and that the clocks agree", u.server, strings.TrimSuffix(u.key.name, "."))
	case answer.Rcode == dns.RcodeRefused:
		return fmt.Errorf("the name server %s refuses updates of %s with the key %s: allow them there (update-policy or allow-update)", u.server, zone, strings.TrimSuffix(u.key.name, "."))
	case answer.Rcode == dns.RcodeNotZone || answer.Rcode == dns.RcodeNotImplemented:
		return fmt.Errorf("the name server %s takes no updates of %s (%s): name the primary server of the zone", u.server, zone, dns.RcodeToString[answer.Rcode])
	case answer.Rcode != dns.RcodeSuccess:
		return &oddAnswer{u.server, answer.Rcode}
	}
	return nil
}

// oddAnswer is a refusal that says nothing about key or zone.
type oddAnswer struct {
	server string
	rcode  int
}

func (e *oddAnswer) Error() string {
	return fmt.Sprintf("the name server %s answers the update with %s", e.server, dns.RcodeToString[e.rcode])
}

// cannotList says why a zone was not transferred: the key is not taken at all,
// which an update without changes shows, or transfers alone are not allowed.
func (u *updates) cannotList(ctx context.Context, zone string) error {
	if err := u.send(ctx, zone, func(*dns.Msg) {}); err != nil && !errors.As(err, new(*oddAnswer)) {
		return err
	}
	return fmt.Errorf("%w: %s allows no transfer of %s with this key", ErrCannotList, u.server, zone)
}

// list transfers the zone (RFC 5936), which servers may not allow.
func (u *updates) list(ctx context.Context, zone string) ([]rrset, error) {
	m := new(dns.Msg).SetAxfr(dns.Fqdn(zone))
	m.SetTsig(u.key.name, u.key.algorithm, 300, time.Now().Unix())
	conn, err := u.dial.DialContext(ctx, "tcp", u.server)
	if err != nil {
		return nil, &Error{Kind: RFC2136, Said: cause(err), Err: ctx.Err()}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	t := &dns.Transfer{Conn: &dns.Conn{Conn: conn}, TsigSecret: map[string]string{u.key.name: u.key.secret}, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout}
	parts, err := t.In(m, u.server)
	if err != nil {
		return nil, u.cannotList(ctx, zone)
	}
	var sets []rrset
	octets, whole := 0, true
	for part := range parts {
		if whole = whole && part.Error == nil && octets <= maxAnswer; !whole {
			continue // until the channel is closed
		}
		for _, rr := range part.RR {
			h := rr.Header()
			value := strings.TrimPrefix(rr.String(), h.String())
			octets += dns.Len(rr)
			s := rrset{name: relative(h.Name, zone), kind: dns.TypeToString[h.Rrtype], ttl: time.Duration(h.Ttl) * time.Second}
			if s.kind == "SOA" {
				continue
			}
			i := find(sets, s)
			if i < 0 {
				sets = append(sets, s)
				i = len(sets) - 1
			}
			sets[i].values = append(sets[i].values, bare(s.kind, value))
		}
	}
	if !whole {
		return nil, u.cannotList(ctx, zone)
	}
	return sets, nil
}
