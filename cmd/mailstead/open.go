package main

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/logs"
	"github.com/mailstead/mailstead/admin/signin"
	"github.com/mailstead/mailstead/admin/upgrade"
	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/delivery/quarantine"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/durable"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/schema"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/wire"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/queue"
)

// openNode opens the data and puts the parts together, the lowest first. Only
// one process can have the data open.
func openNode(cfg nodeConfig) (*node, error) {
	n := newNode(cfg)
	for _, open := range []func() error{n.openData, n.openStore, n.openMail, n.openCertificates, n.openAdmin} {
		if err := open(); err != nil {
			return nil, errors.Join(err, n.close())
		}
	}
	forgetStart()
	return n, nil
}

func newNode(cfg nodeConfig) *node {
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	n := &node{opened: make(chan service), again: newNudge(), doubted: newNudge(), diskChanged: newNudge(), lastLines: logs.NewRing(cfg.Log.Handler())}
	n.errors = checks.NewErrorLog(n.lastLines, n.now)
	cfg.Log = slog.New(n.errors)
	n.cfg = cfg
	return n
}

// openData opens what all others ask: the time, who there is, what there is
// room for, and what is counted.
func (n *node) openData() (err error) {
	for _, dir := range []string{n.cfg.DataDir, n.path("spool"), n.path("run")} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err = errors.Join(upgrade.Resume(n.cfg.DataDir), schema.CheckFolder(n.cfg.DataDir)); err != nil {
		return err
	}
	n.openClock()
	if n.directory, err = directory.Open(n.path("system.db"), directory.Options{Now: n.now, NoThrottle: n.cfg.NoLimits, Changed: n.accountChanged, Logger: n.cfg.Log}); err != nil {
		return err
	}
	if n.cfg.Level != nil {
		n.cfg.Level.directory.Store(n.directory)
	}
	n.openDisk()
	if err = n.openMetrics(); err != nil {
		return err
	}
	n.intake = message.NewIntake(n.path("spool")).Guarded(n.disk)
	n.memory = n.newMemory()
	n.filters = &filters{directory: n.directory, hostname: n.cfg.Hostname, log: n.cfg.Log}
	return n.openWebhooks()
}

// openStore opens what keeps mail, and what is known of it.
func (n *node) openStore() (err error) {
	d := n.directory
	if n.traces, err = trace.Open(n.path("trace.db"), trace.Options{Now: n.now, Disk: n.disk, Keep: n.keep(directory.TraceKeep), Observe: n.countTrace, Written: n.traceWritten, Logger: n.cfg.Log}); err != nil {
		return err
	}
	if n.engine, err = store.Open(n.path("store"), store.Options{
		Now: n.now, Disk: n.disk, Apply: apply, Hold: func() bool { return upgrade.Keeps(n.cfg.DataDir) },
		MaxOpen: func() int { return n.memory.State().Databases }, Zstd: func() bool { return d.Bool(directory.StoreCompress) }, Logger: n.cfg.Log,
	}); err != nil {
		return err
	}
	n.boxes = mailbox.Open(n.engine, mailbox.Options{
		KeepExpunged: n.keep(directory.MailboxKeepExpunged), Now: n.now, Logger: n.cfg.Log,
		Touched: func(id mailbox.AccountID) { n.junk.Touched(id) }, // clients come later than n.junk
	})
	n.junk, err = junk.Open(n.path("junk.db"), junk.Options{
		Boxes: n.boxes, Hostname: n.cfg.Hostname, Learn: func() bool { return d.Bool(directory.JunkLearn) && n.hasSpareRoom() }, Words: func() int { return n.memory.State().JunkWords },
		Links: func(ctx context.Context, domains []mail.Domain) []mail.Reason { return n.door.Links(ctx, domains) }, // mail comes later than n.door
		Exists: func(id mailbox.AccountID) bool {
			_, err := d.Account(uint32(id))
			return !errors.Is(err, directory.ErrNotFound)
		},
		Now: n.now, Logger: n.cfg.Log,
	})
	return err
}

// openMail opens the way of a message.
func (n *node) openMail() error {
	if err := n.openReports(); err != nil {
		return err
	}
	n.quarantine = quarantine.New(quarantine.Options{
		Boxes: n.boxes, Accounts: n.accountIDs, Keep: n.keep(directory.QuarantineKeep), Now: n.now, Logger: n.cfg.Log,
	})
	n.mda = delivery.New(delivery.Options{
		Directory: n.directory, Boxes: n.boxes, Reports: n.reports, Enqueue: queue.Entry, Quarantined: n.quarantine.Added, Trace: n.traces, Logger: n.cfg.Log,
		ForwardJunk: n.forwardsJunk, Now: n.now,
	})
	n.transport = n.newTransport()
	n.queue = queue.New(n.engine, n.transport, n.queueOptions())
	n.limiter = wire.NewLimiter(n.limits)
	return n.openDoor()
}

func (n *node) openCertificates() (err error) {
	n.zones = admin.DNSZones(n.directory, n.cfg.Authority)
	o := &n.cfg.Certs
	o.Dir, o.Hostname, o.Now, o.Logger = n.path("certs"), n.cfg.Hostname, n.now, n.cfg.Log
	o.ACME.DNS = n.zones
	o.Domains, o.Hosts, o.LeadsHere, o.FirstRun = n.domainNames, n.directory.IsLocal, n.leadsHere, n.directory.InSetup
	o.Doubted = func() bool { _, doubted := n.clock.Doubt(); return doubted }
	n.certs, err = newLiveCerts(*o)
	return err
}

// openAdmin opens what people and programs ask, and at last the socket: whoever
// is told that the server is ready finds it open.
func (n *node) openAdmin() (err error) {
	cfg := &n.cfg
	n.clients = n.newClients()
	n.admin = admin.New(admin.Options{
		Clients: n.clients, Web: n.web(), DataDir: cfg.DataDir, Disk: n.disk, Store: n.engine, ExportDir: n.path("export"), ImportDir: n.path("imports"), Version: version(), Series: n.series, Arrivals: n.arrivals, Reports: n.reports,
		Quarantine: n.quarantine, Learner: n.junk, DNS: n.zones, Logs: n.lastLines, Reload: n.reload,
		Backup:    n.newBackups(),
		Directory: n.directory, Mailboxes: n.boxes, Queue: n.queue, Traces: n.traces, Hostname: cfg.Hostname, Certificates: n.certs,
		Addresses: n.addresses, CA: caaName(cfg.Certs), Resolver: cfg.Resolver, Authority: cfg.Authority, Server: n.checkServer(), Now: n.now, Clock: n.clock, Logger: cfg.Log,
		SignIn: signin.New(signin.Options{Directory: n.directory, Origins: n.origins, Observe: n.countSignIn, Now: n.now, Logger: cfg.Log}),
		Push:   n.push, Webhooks: n.webhooks, Tell: n.tell, AlertMail: n.mailAlert, ErrorsSince: n.errors.Since,
		Metrics: n.metrics.WriteText,
	})
	n.wizard = n.newWizard()
	if n.api, err = n.newAPI(); err != nil {
		return err
	}
	if err = schema.Write(cfg.DataDir, version()); err != nil {
		return err
	}
	n.socket, err = api.Listen(adminSocket(cfg.DataDir))
	return err
}
