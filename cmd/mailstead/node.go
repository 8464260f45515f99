package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/autoconfig"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/deliverability"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/dnsprovider"
	"github.com/mailstead/mailstead/admin/logs"
	"github.com/mailstead/mailstead/admin/memory"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/admin/setup"
	"github.com/mailstead/mailstead/admin/webhooks"
	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/delivery/quarantine"
	"github.com/mailstead/mailstead/imap/imapserver"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/clock"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/wire"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/smtp/dnsbl"
	"github.com/mailstead/mailstead/smtp/inbound"
	"github.com/mailstead/mailstead/smtp/outbound"
	"github.com/mailstead/mailstead/smtp/queue"
	"github.com/mailstead/mailstead/smtp/reports"
	"github.com/mailstead/mailstead/smtp/smtpserver"
	"github.com/mailstead/mailstead/smtp/submission"
)

// nodeConfig is what a node is made from; `serve` takes it from the
// configuration file, `try` makes its own.
type nodeConfig struct {
	Hostname mail.Domain
	DataDir  string
	// ConfigFile goes into backups; "" if there is none.
	ConfigFile string
	Certs      certs.Options
	Resolver   dns.Resolver
	Ports      []checks.Port // that checks connect to
	// Authority asks the name servers of zones; nil: there are no checks.
	Authority dnsadvice.Authority
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	// DialWeb reaches the web servers that alerts and webhooks go to; nil: the
	// network.
	DialWeb func(ctx context.Context, network, addr string) (net.Conn, error)
	Self    []netip.Addr   // our own addresses, for the loop check
	Public  []netip.Addr   // our own addresses, as others see them; nil: as settings and interfaces say
	Proxies []netip.Prefix // that speak the PROXY protocol
	// TrustedProxies are web servers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Clients        clientPorts
	Relay          *outbound.Relay // nil: as the settings say
	Retry          *queue.Options  // nil: as the settings say
	// Reload reads the configuration again while the node n serves; nil: there is
	// none to read.
	Reload func(ctx context.Context, n *node) (admin.Reloaded, error)
	// Level is that of the log, where it can be changed.
	Level *liveLevel
	// NoLimits and PlainAuth are for load tests on loopback.
	NoLimits, PlainAuth bool
	// Choose sets fields of the configuration that the next run begins with.
	// nil: it cannot be changed from here.
	Choose func(choices ...config.Choice) (config.Written, error)
	Banner string // on our pages
	Clock  clock.Options
	Web    string // address of our pages; "" is under Hostname
	Log    *slog.Logger
}

// Names of services, as in the configuration file and in systemd's units.
const (
	portSMTP        = "smtp"
	portSubmission  = "submission"
	portSubmissions = "submissions"
	portIMAP        = "imap"
	portIMAPS       = "imaps"
	portHTTP        = "http"
	portHTTPS       = "https"
)

// listeners are the open ports of a node by service.
type listeners map[string][]net.Listener

func (ls listeners) close() {
	for _, list := range ls {
		for _, l := range list {
			l.Close()
		}
	}
}

// node is everything behind the ports of one server.
type node struct {
	cfg        nodeConfig
	directory  *directory.Directory
	traces     *trace.Log
	engine     *store.Engine
	boxes      *mailbox.Boxes
	junk       *junk.Classifier
	queue      *queue.Queue
	transport  *outbound.Transport
	mda        *delivery.MDA
	quarantine *quarantine.Book
	reports    *reports.Book
	certs      *liveCerts
	clients    *autoconfig.Service
	admin      *admin.Admin
	api        *api.Server
	socket     net.Listener // of api
	keys       keyCache
	limiter    *wire.Limiter
	intake     *message.Intake
	clientele  *inbound.Memory
	memory     *memory.Keeper
	disk       *disk.Guard
	lists      *dnsbl.Lists
	door       *inbound.Door

	exemptNets atomic.Pointer[parsedNetworks]

	clock     *clock.Clock     // the time of all others
	doubted   nudge            // whether the clock of the system is believed has changed
	errors    *checks.ErrorLog // of cfg.Log
	lastLines *logs.Ring
	zones     *dnsprovider.Zones // that DNS providers serve for us
	filters   *filters
	wizard    *setup.Wizard
	metrics   *metrics.Server
	series    *metrics.Store
	arrivals  *deliverability.Book
	push      *push.Sender
	webhooks  *webhooks.Book
	tell      *admin.Teller // events for webhooks
	listening atomic.Bool   // services are running
	live      liveConfig
	serve     map[string]func(context.Context, net.Listener) error // by service
	opened    chan service                                         // ports that were opened since
	again     nudge                                                // see reconfigure

	diskChanged nudge // the disk has another stage
}

func (n *node) path(name string) string { return filepath.Join(n.cfg.DataDir, name) }

// close closes what openNode has opened, the highest first. It runs after the
// last service has returned.
func (n *node) close() error {
	var errs []error
	if n.socket != nil {
		n.socket.Close() // if it was served it is closed already
	}
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	if n.junk != nil {
		errs = append(errs, n.junk.Close())
	}
	if n.lists != nil {
		n.lists.Close()
	}
	errs = append(errs, n.clientele.Close())
	if n.engine != nil {
		errs = append(errs, n.engine.Close())
	}
	if n.reports != nil {
		errs = append(errs, n.reports.Close())
	}
	if n.traces != nil {
		errs = append(errs, n.traces.Close())
	}
	errs = append(errs, n.webhooks.Close()) // after the traces, which tell it
	if n.series != nil {
		errs = append(errs, n.series.Close())
	}
	if n.directory != nil {
		errs = append(errs, n.clock.Close(), n.directory.Close())
	}
	return errors.Join(errs...)
}

// accountIDs are the accounts there are.
func (n *node) accountIDs() []mailbox.AccountID {
	all := n.directory.Accounts()
	ids := make([]mailbox.AccountID, len(all))
	for i, a := range all {
		ids[i] = mailbox.AccountID(a.ID)
	}
	return ids
}

// apply turns an accepted record into rows: of the queue, or of an account.
func apply(rw store.RW, a store.Accepted) error {
	if a.To.Owner == store.Queue {
		return queue.Apply(rw, a)
	}
	return mailbox.Apply(rw, a)
}

// limits are what clients may cost.
func (n *node) limits() wire.Limits {
	if n.cfg.NoLimits {
		return wire.NoLimits()
	}
	d := n.directory
	return wire.Limits{
		Total:   min(int(d.Int(directory.LimitConnections)), n.memory.State().Connections),
		PerAddr: int(d.Int(directory.LimitConnectionsAddress)),
		PerNet:  int(d.Int(directory.LimitConnectionsNet)),
	}
}

// inbound is the service of port 25.
func (n *node) inbound() *inbound.Service {
	return inbound.New(inbound.Options{
		Hostname: n.cfg.Hostname, Policies: n.directory, Resolver: n.cfg.Resolver, Deliverer: n.mda, Trace: n.traces, Intake: n.intake, Disk: n.disk, Scorer: n.junk, Door: n.door,
		ForwardJunk:  n.forwardsJunk,
		LenientDMARC: func() bool { return n.directory.Bool(directory.InboundLenientDMARC) }, Logger: n.cfg.Log,
		Trust: n.trust, Observe: n.reports.Observe,
		Filters: n.filters.checks(), FilterBudget: directory.MaxFilterTimeout, Now: n.now,
	})
}

// trust is who may overrule a DMARC failure. It is asked for only then.
func (n *node) trust() inbound.Trust {
	t, err := inbound.ParseTrust(n.directory.Text(directory.ARCTrustedSealers), n.directory.Text(directory.DMARCTrustedForwarders))
	if err != nil { // settings are checked when they are set
		n.cfg.Log.Error("trusted forwarders", "err", err)
	}
	return t
}

// submission is the service of ports 587 and 465.
func (n *node) submission() *submission.Service {
	return submission.New(submission.Options{
		Hostname: n.cfg.Hostname, Senders: n.directory, Domains: n.directory, Deliver: n.mda, Keys: n.dkimKeys, Quota: n.sendingQuota,
		Trace: n.traces, Intake: n.intake, Now: n.now, Disk: n.disk, Logger: n.cfg.Log,
	})
}

func (n *node) sendingQuota(uint32) submission.Quota {
	if n.cfg.NoLimits {
		return submission.Quota{}
	}
	return submission.Quota{RecipientsPerDay: int(n.directory.Int(directory.SubmissionRecipientsPerDay))}
}

func (n *node) smtpServer(h smtpserver.Handler) smtpserver.Server {
	d := n.directory
	return smtpserver.Server{
		Handler: h, Hostname: n.cfg.Hostname, Sizes: func() (int64, int) {
			return d.Int(directory.MessageMaxSize), int(d.Int(directory.MessageMaxRecipients))
		},
		PlainAuth: n.cfg.PlainAuth, Limits: n.limits(), Limiter: n.limiter, Proxies: n.proxies, Logger: n.cfg.Log,
	}
}

// service is one that runs until ctx is done.
type service func(ctx context.Context) error

// services are all that a node runs on its ports, and behind them.
func (n *node) services(ls listeners) []service {
	return append([]service{
		n.memory.Run, forgetServicesStart, n.watchClock, n.watchDisk, n.queue.Run, n.junk.Run, n.quarantine.Run, n.certs.Run, n.serveAdmin, n.admin.WatchDNS, n.admin.Run, n.admin.WatchChecks, n.admin.WatchAlerts, n.admin.RunWebhooks, n.admin.WatchBackups, n.wizard.Watch,
		n.series.Run, n.arrivals.Run, n.reports.Run, n.awaitReconfigure, n.tidyUpgrades, n.servePorts, n.watchHangup,
	}, n.ports(ls)...)
}

// ports are the services of the ports.
func (n *node) ports(ls listeners) (all []service) {
	mx := n.smtpServer(n.inbound())
	mx.TLS = n.certs.NoTickets()
	msa := n.smtpServer(n.submission())
	logins := countedLogins{n.directory, n.metrics}
	msa.TLS, msa.Auth = n.certs.TLSConfig(), logins
	msas := msa
	msas.Implicit = true
	imap := imapserver.Server{
		Boxes: n.boxes, Auth: logins, TLS: n.certs.TLSConfig(), PlainAuth: n.cfg.PlainAuth, Limits: n.limits(), Limiter: n.limiter,
		Proxies: n.proxies, MaxAppend: func() int64 { return n.directory.Int(directory.MessageMaxSize) }, Intake: n.intake, Hostname: n.cfg.Hostname, Now: n.now, Disk: n.disk, Logger: n.cfg.Log,
	}
	imaps := imap
	imaps.Implicit = true
	n.serve = map[string]func(context.Context, net.Listener) error{
		portSMTP: mx.Serve, portSubmission: msa.Serve, portSubmissions: msas.Serve, portIMAP: imap.Serve, portIMAPS: imaps.Serve,
		portHTTP: n.serveHTTP(ls.port(portHTTPS)), portHTTPS: n.serveHTTPS,
	}
	for name := range n.serve {
		for _, l := range ls[name] {
			all = append(all, n.portService(name, l))
		}
	}
	return all
}

// run serves until ctx is done.
func (n *node) run(ctx context.Context, ls listeners) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range n.services(ls) {
		g.Go(func() error { return s(ctx) })
	}
	n.listening.Store(true)
	defer n.listening.Store(false)
	return g.Wait()
}

// adminSocket is where the command line finds a running server.
func adminSocket(data string) string { return filepath.Join(data, "run", "admin.sock") }
