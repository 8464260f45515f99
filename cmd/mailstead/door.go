package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/smtp/dnsbl"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// openDoor opens what port 25 remembers, and makes its policy.
func (n *node) openDoor() (err error) {
	if n.clientele, err = inbound.OpenMemory(n.path("inbound.db"), inbound.MemoryOptions{Now: n.now, Disk: n.disk, Logger: n.cfg.Log}); err != nil {
		return err
	}
	n.lists = dnsbl.New(dnsbl.Options{Resolver: n.cfg.Resolver, Settings: n.listSettings, Now: n.now, Logger: n.cfg.Log})
	n.door = inbound.NewDoor(inbound.DoorOptions{
		Hostname: n.cfg.Hostname, Resolver: n.cfg.Resolver, Settings: n.doorSettings, Memory: n.clientele, Lists: n.lists,
		Self: sync.OnceValue(n.ownAddresses), IsLocal: n.directory.IsLocal, Sends: n.directory.Sends, Now: n.now, Logger: n.cfg.Log,
	})
	return nil
}

func (n *node) forwardsJunk() bool { return n.directory.Bool(directory.InboundForwardJunk) }

// ownAddresses are those under which nobody else can come in, as they are at the
// start.
func (n *node) ownAddresses() []netip.Addr { return slices.Concat(n.addresses(), n.cfg.Self) }

// parsedNetworks is a setting that was read.
type parsedNetworks struct {
	text string
	nets []netip.Prefix
}

// exempt returns the networks of our own; reading them takes longer than all
// that is done with them.
func (n *node) exempt() []netip.Prefix {
	text := n.directory.Text(directory.InboundExempt)
	p := n.exemptNets.Load()
	if p == nil || p.text != text {
		p = &parsedNetworks{text, n.directory.Networks(directory.InboundExempt)}
		n.exemptNets.Store(p)
	}
	return p.nets
}

func (n *node) listSettings() dnsbl.Settings {
	d := n.directory
	return dnsbl.Settings{Addresses: d.Text(directory.BlocklistsAddresses), Domains: d.Text(directory.BlocklistsDomains),
		Allow: d.Text(directory.BlocklistsAllow), Keys: d.Text(directory.BlocklistsKeys)}
}

// doorSettings are read for each connection and message, so that a change counts
// at once.
func (n *node) doorSettings() inbound.DoorSettings {
	d := n.directory
	s := inbound.DoorSettings{
		Exempt:              n.exempt(),
		LinkLookups:         int(d.Int(directory.BlocklistsLinks)),
		RefuseUnknownSender: d.Text(directory.InboundUnknownSender) == directory.RefuseSender,
		RefuseListed: map[string]inbound.RefuseListed{
			directory.Score: inbound.RefuseNone, directory.RefuseMarked: inbound.RefuseMarked, directory.RefuseListed: inbound.RefuseAll,
		}[d.Text(directory.BlocklistsRefuse)],
	}
	if n.cfg.NoLimits {
		return s
	}
	s.Pause = d.Duration(directory.InboundPause)
	s.ConnectionsPerAddress, s.ConnectionsPerNet = int(d.Int(directory.InboundConnections)), int(d.Int(directory.InboundConnectionsNet))
	s.MessagesPerAddress, s.MessagesPerNet = int(d.Int(directory.InboundMessages)), int(d.Int(directory.InboundMessagesNet))
	s.UnknownRecipients = int(d.Int(directory.InboundUnknownRecipients))
	s.Greylist, s.GreylistDelay = d.Bool(directory.InboundGreylist), d.Duration(directory.InboundGreylistDelay)
	s.GreylistScore = d.Number(directory.InboundGreylistScore)
	return s
}

// listTestPoints are the records by which the lists that mail is judged by are
// seen to work. They have nobody else on them.
func listTestPoints(d *directory.Directory) string {
	var b strings.Builder
	for kind, text := range map[dnsbl.Kind]string{
		dnsbl.Addresses: d.Text(directory.BlocklistsAddresses), dnsbl.Domains: d.Text(directory.BlocklistsDomains), dnsbl.Allow: d.Text(directory.BlocklistsAllow),
	} {
		lists, _ := dnsbl.Parse(kind, text) // was checked when it was set
		for _, l := range lists {
			name := cmp.Or(l.Test, "2.0.0.127")
			fmt.Fprintf(&b, "%s.%s. 300 IN A 127.0.0.2\n", name, l.Name)
		}
	}
	return b.String()
}
