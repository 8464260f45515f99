package dns

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// rrType returns the type number that goes with a record's Go type.
func rrType[R dns.RR]() uint16 {
	var r R
	switch any(r).(type) {
	case *dns.MX:
		return dns.TypeMX
	case *dns.TXT:
		return dns.TypeTXT
	case *dns.PTR:
		return dns.TypePTR
	case *dns.TLSA:
		return dns.TypeTLSA
	case *dns.CNAME:
		return dns.TypeCNAME
	case *dns.NS:
		return dns.TypeNS
	}
	return dns.TypeNone
}

func addresses(records []dns.RR) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range records {
		switch rr := rr.(type) {
		case *dns.A:
			if a, ok := netip.AddrFromSlice(rr.A); ok {
				addrs = append(addrs, a.Unmap())
			}
		case *dns.AAAA:
			if a, ok := netip.AddrFromSlice(rr.AAAA); ok {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

func tlsaRecord(rr *dns.TLSA) (TLSA, bool) {
	data, err := hex.DecodeString(rr.Certificate)
	return TLSA{Usage: rr.Usage, Selector: rr.Selector, Matching: rr.MatchingType, Data: data}, err == nil
}

// plainName returns a name in lower case without its final dot; the root
// stays ".".
func plainName(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(strings.ToLower(name), ".")
}

// joinText joins the strings of a TXT record (RFC 7208 section 3.3, RFC 6376
// section 3.6.2.2) and undoes the escapes that the DNS library puts in.
func joinText(parts []string) string {
	s := strings.Join(parts, "")
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

// ReverseName returns the name under which an address has its PTR records
// (RFC 1035 section 3.5, RFC 3596 section 2.5), with the final dot.
func ReverseName(addr netip.Addr) string {
	addr = addr.Unmap()
	if addr.Is4() {
		b := addr.As4()
		var s []byte
		for i := 3; i >= 0; i-- {
			s = strconv.AppendUint(s, uint64(b[i]), 10)
			s = append(s, '.')
		}
		return string(s) + "in-addr.arpa."
	}
	const digits = "0123456789abcdef"
	b := addr.As16()
	s := make([]byte, 0, 64)
	for i := 15; i >= 0; i-- {
		s = append(s, digits[b[i]&15], '.', digits[b[i]>>4], '.')
	}
	return string(s) + "ip6.arpa."
}
