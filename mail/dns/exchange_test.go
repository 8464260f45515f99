package dns_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	miekg "github.com/miekg/dns"

	"github.com/mailstead/mailstead/mail/dns"
)

// stub answers every query that comes over UDP with what handle returns.
type stub struct {
	mu      sync.Mutex
	wg      sync.WaitGroup
	queries []*miekg.Msg
	handle  func(query *miekg.Msg) *miekg.Msg
}

func (s *stub) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	s.wg.Go(func() {
		defer server.Close()
		wire := make([]byte, 512)
		n, err := server.Read(wire)
		query := new(miekg.Msg)
		if err != nil || query.Unpack(wire[:n]) != nil {
			return
		}
		s.mu.Lock()
		s.queries = append(s.queries, query)
		s.mu.Unlock()
		if reply, err := s.handle(query).Pack(); err == nil {
			server.Write(reply)
		}
	})
	return client, nil
}

func (s *stub) client(t *testing.T, opts dns.Options) *dns.Client {
	t.Helper()
	t.Cleanup(s.wg.Wait)
	opts.Dial = s.dial
	if opts.Servers == nil {
		opts.Servers = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}
	}
	return dns.NewClient(opts)
}

func records(query *miekg.Msg, rrs ...string) *miekg.Msg {
	m := new(miekg.Msg).SetReply(query)
	for _, s := range rrs {
		rr, err := miekg.NewRR(s)
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return m
}

func TestServerWithoutEDNS(t *testing.T) {
	s := &stub{handle: func(query *miekg.Msg) *miekg.Msg {
		if query.IsEdns0() != nil {
			return &miekg.Msg{MsgHdr: miekg.MsgHdr{Id: query.Id, Response: true, Rcode: miekg.RcodeFormatError}}
		}
		return records(query, `example.test. 60 TXT "old"`)
	}}
	texts, _, err := s.client(t, dns.Options{}).TXT(t.Context(), "example.test")
	if err != nil || len(texts) != 1 || len(s.queries) != 2 {
		t.Errorf("TXT = %q, %v after %d queries", texts, err, len(s.queries))
	}
}

func TestQueryIsUnpredictableAndAsksForDNSSECOnlyWhereItCounts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		opts    dns.Options
		wantDO  bool
		wantRaw string // as the name goes out
	}{
		{"not trusted", dns.Options{}, false, "example.test."},
		{"trusted", dns.Options{TrustAD: true}, true, "example.test."},
		{"loopback", dns.Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("[::1]:53")}}, true, "example.test."},
		{"random case", dns.Options{RandomCase: true}, false, "EXAMPLE.TEST."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{handle: func(query *miekg.Msg) *miekg.Msg { return records(query, `example.test. 60 TXT "x"`) }}
			tt.opts.Rand = bytes.NewReader(bytes.Repeat([]byte{0x5b}, 1000))
			if texts, _, err := s.client(t, tt.opts).TXT(t.Context(), "Example.test"); err != nil || len(texts) != 1 {
				t.Fatalf("TXT = %q, %v", texts, err)
			}
			q := s.queries[0]
			if q.Id != 0x5b5b {
				t.Errorf("ID %#x is not from Rand", q.Id)
			}
			if do := q.IsEdns0().Do(); do != tt.wantDO || q.AuthenticatedData != tt.wantDO {
				t.Errorf("DO %v, AD %v; want %v", do, q.AuthenticatedData, tt.wantDO)
			}
			if got := q.Question[0].Name; got != tt.wantRaw {
				t.Errorf("asked for %q, want %q", got, tt.wantRaw)
			}
		})
	}
	if _, _, err := (&stub{}).client(t, dns.Options{Rand: strings.NewReader("")}).TXT(t.Context(), "example.test"); !errors.Is(err, dns.ErrTemporary) {
		t.Errorf("without randomness: %v, want no query and ErrTemporary", err)
	}
}

func TestAliasWithoutItsTarget(t *testing.T) {
	s := &stub{handle: func(query *miekg.Msg) *miekg.Msg {
		if strings.EqualFold(query.Question[0].Name, "alias.test.") {
			return records(query, "alias.test. 60 CNAME one.test.", "one.test. 60 CNAME two.test.")
		}
		return records(query, `two.test. 60 TXT "end"`)
	}}
	texts, _, err := s.client(t, dns.Options{}).TXT(t.Context(), "alias.test")
	if err != nil || len(texts) != 1 || texts[0] != "end" || s.queries[1].Question[0].Name != "two.test." {
		t.Errorf("TXT = %q, %v", texts, err)
	}
}

func TestRecordsOfOtherNamesAreIgnored(t *testing.T) {
	s := &stub{handle: func(query *miekg.Msg) *miekg.Msg {
		return records(query, `evil.test. 60 TXT "not asked for"`, `example.test. 60 CH TXT "other class"`, `example.test. 60 TXT "right"`)
	}}
	texts, _, err := s.client(t, dns.Options{}).TXT(t.Context(), "example.test")
	if err != nil || len(texts) != 1 || texts[0] != "right" {
		t.Errorf("TXT = %q, %v", texts, err)
	}
}
