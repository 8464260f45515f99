package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

// listening is the state of a socket that waits for connections, as
// /proc/net/tcp writes it.
const listening = "0A"

// socket is one end of a TCP connection, as the system keeps it: until its
// program has closed it, and for a while after.
type socket struct {
	state  string
	unread int // octets that wait for the program
}

// sockets returns the server's ends of what there is on the given addresses,
// without those that listen.
func sockets(t *testing.T, addrs ...string) (list []socket) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for _, a := range addrs {
		_, number, _ := net.SplitHostPort(a)
		var n int
		fmt.Sscan(number, &n)
		ours = append(ours, fmt.Sprintf("%04X", n))
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line) // number, local, remote, state, tx:rx, …
		_, local, _ := strings.Cut(f[1], ":")
		if !slices.Contains(ours, local) || f[3] == listening {
			continue
		}
		var sent, received int
		fmt.Sscanf(f[4], "%x:%x", &sent, &received)
		list = append(list, socket{state: f[3], unread: received})
	}
	return list
}

// held counts the connections to an address that the server has not closed.
// One whose client is gone counts until all that it had sent is done.
func held(t *testing.T, addr string) (n int) {
	t.Helper()
	const established, closeWait = "01", "08"
	for _, s := range sockets(t, addr) {
		if s.state == established || s.state == closeWait {
			n++
		}
	}
	return n
}
