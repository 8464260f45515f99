package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// errProxy means that a trusted proxy did not begin with a PROXY header.
var errProxy = errors.New("wire: PROXY header is malformed")

// Bounds of a PROXY header: version 1 is a line of at most 107 octets; of
// version 2 the rest with extensions is taken up to this.
const (
	maxProxyLine = 107
	maxProxyV2   = 2048
)

const proxyV2Signature = "\r\n\r\n\x00\r\nQUIT\n"

// readProxy reads a PROXY header and nothing beyond it. ok is false where the
// proxy speaks for itself (health checks): the connection's own addresses
// count then.
func readProxy(r io.Reader) (remote, local netip.AddrPort, ok bool, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return remote, local, false, fmt.Errorf("%w: %w", errProxy, err)
	}
	if string(head[:]) == proxyV2Signature {
		return readProxyV2(r)
	}
	return readProxyV1(r, head[:])
}

func readProxyV1(r io.Reader, start []byte) (remote, local netip.AddrPort, ok bool, err error) {
	line := append(make([]byte, 0, maxProxyLine), start...)
	var b [1]byte
	for !strings.HasSuffix(string(line), "\r\n") {
		if len(line) >= maxProxyLine {
			return remote, local, false, errProxy
		}
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return remote, local, false, fmt.Errorf("%w: %w", errProxy, err)
		}
		line = append(line, b[0])
	}
	f := strings.Split(strings.TrimSuffix(string(line), "\r\n"), " ")
	if f[0] != "PROXY" || len(f) < 2 {
		return remote, local, false, errProxy
	}
	if f[1] == "UNKNOWN" {
		return remote, local, false, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return remote, local, false, errProxy
	}
	remote, err1 := parseAddrPort(f[2], f[4])
	local, err2 := parseAddrPort(f[3], f[5])
	if err1 != nil || err2 != nil || remote.Addr().Is4() != (f[1] == "TCP4") {
		return remote, local, false, errProxy
	}
	return remote, local, true, nil
}

func parseAddrPort(addr, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" {
		return netip.AddrPort{}, errProxy
	}
	var n uint32
	for _, c := range port {
		if c < '0' || c > '9' || n > 65535 {
			return netip.AddrPort{}, errProxy
		}
		n = n*10 + uint32(c-'0')
	}
	if port == "" || n > 65535 {
		return netip.AddrPort{}, errProxy
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

func readProxyV2(r io.Reader) (remote, local netip.AddrPort, ok bool, err error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return remote, local, false, fmt.Errorf("%w: %w", errProxy, err)
	}
	n := binary.BigEndian.Uint16(fixed[2:])
	if fixed[0]>>4 != 2 || fixed[0]&15 > 1 || n > maxProxyV2 {
		return remote, local, false, errProxy
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return remote, local, false, fmt.Errorf("%w: %w", errProxy, err)
	}
	if fixed[0]&15 == 0 { // LOCAL
		return remote, local, false, nil
	}
	size := map[byte]int{0x11: 4, 0x21: 16}[fixed[1]]
	if size == 0 || len(rest) < 2*size+4 {
		return remote, local, false, errProxy
	}
	from, _ := netip.AddrFromSlice(rest[:size])
	to, _ := netip.AddrFromSlice(rest[size : 2*size])
	ports := rest[2*size:]
	remote = netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(ports))
	local = netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(ports[2:]))
	return remote, local, true, nil
}
