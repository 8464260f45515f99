package main

import (
	"net"

	"github.com/mailstead/mailstead/admin/checks"
)

// checkServer is what checks look at besides what admin knows.
func (n *node) checkServer() *checks.Server {
	s := &checks.Server{Dial: n.cfg.Dial, DialLocal: (&net.Dialer{}).DialContext, DataDir: n.cfg.DataDir, Disk: checks.Statfs, Guard: n.disk, Ports: n.cfg.Ports}
	s.Filters = n.filters.checked
	s.Memory = n.memory.State
	if n.lists != nil {
		s.Lists = n.lists.Test
	}
	if n.errors != nil {
		s.LastErrors = n.errors.Last
	}
	return s
}

// checkedPorts are the ports that checks connect to; a number is 0 where there
// is no such service.
func checkedPorts(smtp int, c clientPorts) []checks.Port {
	var list []checks.Port
	for _, p := range []checks.Port{
		{Name: portSMTP, Number: smtp, Greets: "220"}, {Name: portSubmission, Number: c.Submission, Greets: "220"},
		{Name: portSubmissions, Number: c.Submissions, TLS: true, Greets: "220"}, {Name: portIMAP, Number: c.IMAP, Greets: "* OK"},
		{Name: portIMAPS, Number: c.IMAPS, TLS: true, Greets: "* OK"}, {Name: portHTTPS, Number: c.HTTPS, TLS: true},
	} {
		if p.Number != 0 {
			list = append(list, p)
		}
	}
	return list
}
