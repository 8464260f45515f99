package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/autoconfig"
	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/deliverability"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/dnsprovider"
	"github.com/mailstead/mailstead/admin/logs"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/admin/signin"
	"github.com/mailstead/mailstead/admin/upgrade"
	"github.com/mailstead/mailstead/admin/webhooks"
	"github.com/mailstead/mailstead/delivery/quarantine"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/clock"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/schema"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
	"github.com/mailstead/mailstead/mailbox/transfer"
	"github.com/mailstead/mailstead/smtp/queue"
	"github.com/mailstead/mailstead/smtp/reports"
)

// ErrUnavailable means that only a running server can tell.
var ErrUnavailable = errors.New("admin: needs a running server")

// Mailboxes are the mailboxes of accounts; *mailbox.Boxes.
type Mailboxes interface {
	CreateAccount(ctx context.Context, id mailbox.AccountID) error
	DropAccount(ctx context.Context, id mailbox.AccountID) error
	Account(id mailbox.AccountID) *mailbox.Account
	OpenBody(ctx context.Context, r mailbox.BodyRef) (store.Body, error)
	transfer.Bodies
}

// Queue is the outbound queue; *queue.Queue.
type Queue interface {
	List(ctx context.Context, f queue.Filter) ([]queue.Item, error)
	Size(ctx context.Context) (messages int, oldest time.Time, err error)
	Show(ctx context.Context, id queue.ID) (queue.Item, error)
	Stats(ctx context.Context, domains ...mail.Domain) (queue.Stats, error)
	RetryWhere(ctx context.Context, sel queue.Selection) ([]queue.ID, error)
	HoldWhere(ctx context.Context, sel queue.Selection) ([]queue.ID, error)
	ReleaseWhere(ctx context.Context, sel queue.Selection) ([]queue.ID, error)
	CancelWhere(ctx context.Context, sel queue.Selection) ([]queue.ID, error)
	Reroute(ctx context.Context, relay string, sel queue.Selection) ([]queue.ID, error)
}

// Traces are the stories of messages; *trace.Log.
type Traces interface {
	Flush(ctx context.Context) error
	Page(ctx context.Context, q trace.Query) (trace.Page, error)
	Count(ctx context.Context, q trace.Query, most int) (n int, more bool, err error)
	Show(ctx context.Context, id trace.ID) (trace.Trace, error)
}

// Certificates are those that the server shows; *certs.Manager.
type Certificates interface {
	Status() []certs.Status
	Renew(ctx context.Context, r certs.Renewal) (certs.Status, error)
	TLSA() (d certs.Digests, ok bool)
}

// Options are what an Admin works with. Directory, Mailboxes, Queue and Traces
// are needed.
type Options struct {
	Directory *directory.Directory
	Mailboxes Mailboxes
	Queue     Queue
	Traces    Traces

	Hostname     mail.Domain         // for DNS records; "" if it is not known
	Addresses    func() []netip.Addr // public ones of this server; nil: not known
	CA           string              // of certificates, as CAA records name it; "" for none
	Resolver     dns.Resolver        // for checks; nil: there are none
	Authority    dnsadvice.Authority // likewise
	Certificates Certificates        // nil: no server is running
	DNS          *dnsprovider.Zones  // that have a provider
	DataDir      string              // whose disk may fill; "": there is none
	Disk         *disk.Guard         // of DataDir; nil: nobody guards it
	Store        Reclaimer           // nil: there is no mail
	ExportDir    string              // for copies of mailboxes; "": there are none
	ImportDir    string              // for imports of mail; "": there are none
	Version      string              // of the program
	SignIn       *signin.Service
	Clients      *autoconfig.Service  // how mail programs are set up
	Web          string               // address of our pages, as in https://mail.example.org
	Series       *metrics.Store       // numbers over time
	Logs         *logs.Ring           // the last lines of the log; nil: nobody keeps them
	Arrivals     *deliverability.Book // how mail of ours arrives
	Reports      *reports.Book        // of others, about our domains
	Quarantine   *quarantine.Book     // nil: no server is running
	Learner      Learner              // nil: nobody learns from what is released
	Backup       *backup.Service      // nil: there are no backups
	// Reload reads the configuration file again; nil: no server is running.
	Reload func(ctx context.Context) (Reloaded, error)
	// Server is what checks look at that nobody else here knows: ports, the
	// network, the disk. nil: there are no checks.
	Server *checks.Server
	// CheckChanged is told of each check that has another state than before.
	CheckChanged func(id string, from, to checks.State, at time.Time)
	// Push sends alerts to web servers, AlertMail to addresses elsewhere, and
	// returns the trace of the mail. nil: no server is running.
	Push      *push.Sender
	AlertMail func(ctx context.Context, to mail.Path, subject, text string) (trace string, err error)
	Webhooks  *webhooks.Book // nil: there are none
	Tell      *Teller        // events for them
	// Metrics writes all numbers as Prometheus reads them. nil: nobody counts.
	Metrics func(w io.Writer) error
	// ErrorsSince counts errors in the log. nil: nobody counts.
	ErrorsSince func(span time.Duration) (count int, last string)
	Clock       *clock.Clock // nil: nobody watches the clock of the system
	Now         func() time.Time
	Logger      *slog.Logger
}

// Admin does what an operator asks for. Its methods may be called
// concurrently.
type Admin struct {
	opts   Options
	close  func() error
	hub    *hub
	jobs   *jobs
	looks  looks                 // into backups
	checks *checks.Registry      // nil: there are none
	server func() *checks.Server // what they look at; nil: likewise
	alerts *alerts.Service

	exports exports
	imports imports
	storage storage
	started time.Time

	signed atomic.Bool // the zone of the host name, when it was last looked at
	dnsMu  sync.Mutex  // over what is remembered of the DNS
}

var _ Operator = (*Admin)(nil)

// New makes an Admin for the parts of a running server, which stay open when
// it is closed.
func New(o Options) *Admin {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Admin{hub: newHub(o.Now()), jobs: newJobs(), opts: o, started: o.Now(), close: func() error { return nil }}
	if o.Server != nil && o.Resolver != nil {
		a.checks = a.newChecks(*o.Server)
	}
	a.alerts = a.newAlerts()
	return a
}

// Open opens the data of a server that is not running, or makes it.
// Directory, Mailboxes, Queue and Traces of o are set by Open.
func Open(data string, o Options) (*Admin, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("open data: %w", err)
	}
	if o.Clock == nil {
		o.Clock = clock.Open(clock.Options{File: filepath.Join(data, ClockFile)})
	}
	if o.Now == nil {
		o.Now = o.Clock.Now
	}
	var closers []func() error
	closeAll := func() error {
		var errs []error
		for i := len(closers) - 1; i >= 0; i-- {
			errs = append(errs, closers[i]())
		}
		return errors.Join(errs...)
	}
	fail := func(err error) (*Admin, error) { return nil, errors.Join(err, closeAll()) }

	if err := schema.CheckFolder(data); err != nil {
		return nil, err
	}
	// system.db comes first: it keeps a second process out.
	dir, err := directory.Open(filepath.Join(data, "system.db"), directory.Options{Now: o.Now})
	if err != nil {
		return fail(err)
	}
	closers = append(closers, dir.Close)
	traces, err := trace.Open(filepath.Join(data, "trace.db"), trace.Options{Keep: func() time.Duration { return o.Clock.Keep(dir.Duration(directory.TraceKeep)) }, Now: o.Now})
	if err != nil {
		return fail(err)
	}
	closers = append(closers, traces.Close)
	eng, err := store.Open(filepath.Join(data, "store"), store.Options{
		Apply: apply, Now: o.Now, Hold: func() bool { return upgrade.Keeps(data) }, Zstd: func() bool { return dir.Bool(directory.StoreCompress) },
	})
	if err != nil {
		return fail(err)
	}
	closers = append(closers, eng.Close)
	book, err := reports.Open(filepath.Join(data, "reports.db"), reports.Options{Now: o.Now})
	if err != nil {
		return fail(err)
	}
	closers = append(closers, book.Close)
	hooks, err := webhooks.Open(filepath.Join(data, "webhooks.db"), webhooks.Options{Store: dir, Hostname: string(o.Hostname), Now: o.Now})
	if err != nil {
		return fail(err)
	}
	closers = append(closers, hooks.Close)
	o.Directory, o.Traces, o.Reports, o.Webhooks = dir, traces, book, hooks
	boxes := mailbox.Open(eng, mailbox.Options{Now: o.Now})
	o.Mailboxes, o.Store, o.DataDir = boxes, eng, data
	o.Backup = NewBackups(backup.Options{Now: o.Now, Logger: o.Logger, Source: backup.Source{
		DataDir: data, Directory: dir, Boxes: boxes, Store: eng, Hostname: string(o.Hostname), Version: o.Version,
		Databases: map[string]func(io.Writer) error{"reports.db": book.Backup, "junk.db": copyOf(data, "junk.db"), "inbound.db": copyOf(data, "inbound.db")},
	}})
	o.Queue = queue.New(eng, nil, queue.Options{Expire: dir.Duration(directory.QueueExpire), Now: o.Now})
	if o.ImportDir == "" {
		o.ImportDir = filepath.Join(data, "imports")
	}
	a := New(o)
	a.close = closeAll
	return a, nil
}

// apply files what is still in the log of the store.
func apply(rw store.RW, a store.Accepted) error {
	if a.To.Owner == store.Queue {
		return queue.Apply(rw, a)
	}
	return mailbox.Apply(rw, a)
}

// running reports whether this is a running server, and not a command that has
// opened its data.
func (a *Admin) running() bool { return a.opts.Server != nil }

// Hostname is the name of this server; "" if it is not known.
func (a *Admin) Hostname() string { return string(a.opts.Hostname) }

// Close ends the jobs, and closes what Open has opened.
func (a *Admin) Close() error {
	a.stopJobs()
	a.jobs.group.Wait()
	if a.opts.Backup != nil {
		return errors.Join(a.opts.Backup.Close(), a.close())
	}
	return a.close()
}

func invalid(format string, args ...any) error {
	return &directory.Problem{Kind: directory.ErrInvalid, Text: fmt.Sprintf(format, args...)}
}

// parseDomain reads a domain that somebody has typed.
func parseDomain(s string) (mail.Domain, error) {
	d, err := mail.ParseDomain(s)
	if err != nil || d.IsLiteral() {
		return "", invalid("%q is not a domain name; write it as in example.org", s)
	}
	return d, nil
}

// parseAddress reads an address that somebody has typed.
func parseAddress(s string) (mail.Path, error) {
	p, err := mail.ParseAddress(s)
	if err != nil {
		return mail.Path{}, invalid("%q is not an address; write it as in ana@example.org", s)
	}
	return p, nil
}

func parseAddresses(list []string) ([]mail.Path, error) {
	paths := make([]mail.Path, 0, len(list))
	for _, s := range list {
		p, err := parseAddress(s)
		if err != nil {
			return nil, err
		}
		paths = append(paths, p)
	}
	return paths, nil
}
