package main

import (
	"net"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/smtp/outbound"
	"github.com/mailstead/mailstead/smtp/queue"
)

func (n *node) newTransport() *outbound.Transport {
	relay := func() *outbound.Relay { return relaySetting(n.directory) }
	if n.cfg.Relay != nil {
		relay = func() *outbound.Relay { return n.cfg.Relay }
	}
	return outbound.New(outbound.Options{
		Hostname: n.cfg.Hostname, Resolver: n.cfg.Resolver, Dial: n.cfg.Dial, Self: n.cfg.Self, RelayTo: relay, Reroute: n.reroute, Now: n.now, Logger: n.cfg.Log,
	})
}

// relaySetting reads the smarthost from the settings.
func relaySetting(d *directory.Directory) *outbound.Relay {
	host := d.Text(directory.RelayHost)
	if host == "" {
		return nil
	}
	return &outbound.Relay{Addr: host, TLS: relayTLS(d), Login: d.Text(directory.RelayLogin), Password: d.Text(directory.RelayPassword)}
}

func relayTLS(d *directory.Directory) outbound.RelayTLS {
	return map[string]outbound.RelayTLS{
		"required": outbound.Required, "implicit": outbound.Implicit, "opportunistic": outbound.Opportunistic,
	}[d.Text(directory.RelayTLS)]
}

// reroute says how to use a relay that an operator has named for some messages.
// The login of the settings is for the smarthost that is named there, or for
// any when none is; no other server gets to see it.
func (n *node) reroute(addr string) outbound.Relay {
	d := n.directory
	host := d.Text(directory.RelayHost)
	if login := d.Text(directory.RelayLogin); host == addr || host == "" && login != "" {
		return outbound.Relay{Addr: addr, TLS: relayTLS(d), Login: login, Password: d.Text(directory.RelayPassword)}
	}
	r := outbound.Relay{Addr: addr, TLS: outbound.Opportunistic}
	if _, port, err := net.SplitHostPort(addr); err == nil && port == "465" { // RFC 8314 section 7.3
		r.TLS = outbound.Implicit
	}
	return r
}

func (n *node) queueOptions() queue.Options {
	o := queue.Options{Policy: n.queuePolicy}
	if n.cfg.Retry != nil {
		o = *n.cfg.Retry
	}
	o.Keep, o.Now = n.clock.Keep, n.now
	o.Hostname = n.cfg.Hostname
	o.Local = &localDelivery{node: n}
	o.Trace, o.Observe, o.Logger = n.traces, n.countAttempt, n.cfg.Log
	return o
}

// queuePolicy is what applies to the queue now.
func (n *node) queuePolicy() queue.Policy {
	p := queuePolicy(n.directory)
	p.Parallel = min(p.Parallel, n.memory.State().Deliveries)
	return p
}

// queuePolicy reads what the settings say of the queue.
func queuePolicy(d *directory.Directory) queue.Policy {
	p := queue.Policy{
		Schedule: d.Schedule(), Expire: d.Duration(directory.QueueExpire), DelayNotice: d.Duration(directory.QueueDelayNotice),
		Parallel: int(d.Int(directory.QueueParallel)), PerDomain: int(d.Int(directory.QueuePerDomain)), Postmaster: d.Address(directory.Postmaster),
	}
	if p.DelayNotice == 0 { // "never", which is less than 0 to the queue
		p.DelayNotice = -1
	}
	return p
}
