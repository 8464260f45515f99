package dns

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// maxServers is as many as resolv.conf(5) heeds.
const maxServers = 3

// SystemServers returns the resolvers that /etc/resolv.conf names, and
// whether its "options trust-ad" declares their AD bit trustworthy.
func SystemServers() (servers []netip.AddrPort, trustAD bool, err error) {
	f, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil, false, fmt.Errorf("find the system's resolvers: %w", err)
	}
	defer f.Close()
	servers, trustAD, err = parseResolvConf(f)
	if err != nil {
		return nil, false, fmt.Errorf("find the system's resolvers: %w", err)
	}
	return servers, trustAD, nil
}

// parseResolvConf reads resolv.conf(5), and skips what it does not know.
func parseResolvConf(r io.Reader) (servers []netip.AddrPort, trustAD bool, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(fields[1]); err == nil && len(servers) < maxServers {
				servers = append(servers, netip.AddrPortFrom(addr, 53))
			}
		case "options":
			trustAD = trustAD || slices.Contains(fields[1:], "trust-ad")
		}
	}
	if err := lines.Err(); err != nil {
		return nil, false, err
	}
	if len(servers) == 0 {
		servers = defaultServers()
	}
	return servers, trustAD, nil
}
