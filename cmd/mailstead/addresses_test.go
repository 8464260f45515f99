package main

import (
	"fmt"
	"net"
	"testing"
)

func TestPublicAddrs(t *testing.T) {
	var list []net.Addr
	for _, s := range []string{"127.0.0.1/8", "10.0.0.5/8", "100.64.3.3/10", "fe80::1/64", "fd00::5/64", "::1/128", "192.0.2.7/24", "2001:db8::7/64", "192.0.2.8/24", "2001:db8::8/64"} {
		ip, n, err := net.ParseCIDR(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, &net.IPNet{IP: ip, Mask: n.Mask})
	}
	if got := fmt.Sprint(publicAddrs(list)); got != "[192.0.2.7 2001:db8::7]" {
		t.Errorf("public addresses: %s", got)
	}
}
