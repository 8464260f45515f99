package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/deliverability"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/admin/signin"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/queue"
)

// gaugeTimeout bounds what is waited for a number.
const gaugeTimeout = 5 * time.Second

// openMetrics opens what is counted. It comes first, so that all other parts
// can count.
func (n *node) openMetrics() (err error) {
	n.metrics = metrics.New()
	n.metrics.AddDisk(n.cfg.DataDir)
	n.metrics.GaugeFunc("disk.stage", "How full the disk is: 0 plenty of room, 1 low, 2 lower, 3 full (new mail is refused), 4 exhausted (mail can only be read).", func() (float64, bool) {
		return float64(n.disk.Stage()), true
	})
	n.metrics.GaugeFunc("queue.size", "Messages in the queue.", func() (float64, bool) {
		size, _, ok := n.queueSize()
		return float64(size), ok
	})
	n.metrics.GaugeFunc("queue.oldest", "Age in seconds of the oldest message in the queue.", func() (float64, bool) {
		_, oldest, ok := n.queueSize()
		if !ok || oldest.IsZero() {
			return 0, ok
		}
		return max(n.now().Sub(oldest).Seconds(), 0), true
	})
	n.metrics.GaugeFunc("backup.age", "Seconds since a backup was last proved to be one.", func() (float64, bool) {
		if n.admin == nil {
			return 0, false
		}
		at, ok := n.admin.LastProof(context.Background())
		return n.now().Sub(at).Seconds(), ok
	})
	n.addMemory()
	n.metrics.GaugeFunc("certificate.days", "Days until the first of our certificates ends.", n.certificateDays)
	if n.series, err = metrics.Open(n.path("metrics.db"), n.metrics.Registry, metrics.StoreOptions{Now: n.now, Disk: n.disk, Logger: n.cfg.Log}); err != nil {
		return err
	}
	n.arrivals, err = deliverability.Open(context.Background(), n.series.Days("deliverability"), deliverability.Options{Now: n.now, Logger: n.cfg.Log})
	return err
}

func (n *node) queueSize() (messages int, oldest time.Time, ok bool) {
	if n.queue == nil { // not yet opened
		return 0, time.Time{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), gaugeTimeout)
	defer cancel()
	messages, oldest, err := n.queue.Size(ctx)
	return messages, oldest, err == nil
}

func (n *node) certificateDays() (days float64, ok bool) {
	if n.certs == nil {
		return 0, false
	}
	for _, s := range n.certs.Status() {
		if s.NotAfter.IsZero() {
			continue
		}
		left := time.Until(s.NotAfter).Hours() / 24
		if !ok || left < days {
			days, ok = left, true
		}
	}
	return days, ok
}

// countTrace counts how messages came in. Every transaction tells its outcome
// once.
func (n *node) countTrace(s trace.Summary, _ []trace.Event) {
	m := n.metrics
	switch {
	case s.Outcome == "refused":
		m.MailRefused.Add(1)
	case s.Outcome == "accepted" && s.Direction == "in":
		m.MailIn.Add(1)
		if s.Junk {
			m.MailJunk.Add(1)
		}
	case s.Outcome == "accepted" && s.Direction == "out":
		m.MailOut.Add(1)
	}
}

// countAttempt counts what became of mail for others.
func (n *node) countAttempt(o queue.Observation) {
	if o.Local {
		return
	}
	n.arrivals.Observe(o)
	m := n.metrics
	switch o.Outcome {
	case "delivered":
		m.MailDelivered.Add(1)
		m.Delivery.Observe(o.Time.Sub(o.Created).Seconds())
	case "deferred":
		m.MailDeferred.Add(1)
	case "bounced":
		m.MailBounced.Add(1)
	}
}

// countedListener counts the open connections of a service.
type countedListener struct {
	net.Listener
	open *metrics.Gauge
}

// countConnections counts those of l.
func (n *node) countConnections(service string, l net.Listener) net.Listener {
	names := map[string]string{portSubmissions: "submission", portIMAPS: "imap", portHTTPS: "http"}
	if name, ok := names[service]; ok {
		service = name
	}
	return countedListener{l, n.metrics.Connections.Of(service)}
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: c, open: l.open}, nil
}

// countedConn counts until it is closed.
type countedConn struct {
	net.Conn
	open   *metrics.Gauge
	closed sync.Once
}

func (c *countedConn) Close() error {
	c.closed.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// authenticators are what services check logins with; *directory.Directory.
type authenticators interface {
	Authenticator(remote netip.Addr, service string) sasl.Authenticator
}

// countSignIn counts who signs in with a browser.
func (n *node) countSignIn(try signin.Attempt) {
	if try.OK {
		n.metrics.LoginsOK.Of("web").Add(1)
	} else {
		n.metrics.LoginsFailed.Of("web").Add(1)
	}
}

// countedLogins counts logins by service.
type countedLogins struct {
	authenticators
	metrics *metrics.Server
}

func (c countedLogins) Authenticator(remote netip.Addr, service string) sasl.Authenticator {
	return countedLogin{c.authenticators.Authenticator(remote, service), c.metrics, service}
}

type countedLogin struct {
	sasl.Authenticator
	metrics *metrics.Server
	service string
}

// count counts one login. What could not be checked is neither.
func (c countedLogin) count(id sasl.Identity, err error) (sasl.Identity, error) {
	switch {
	case err == nil:
		c.metrics.LoginsOK.Of(c.service).Add(1)
	case errors.Is(err, sasl.ErrFailed), mail.StatusOf(err).Class == 5:
		c.metrics.LoginsFailed.Of(c.service).Add(1)
	}
	return id, err
}

func (c countedLogin) Password(ctx context.Context, login, password string) (sasl.Identity, error) {
	return c.count(c.Authenticator.Password(ctx, login, password))
}

func (c countedLogin) SCRAMDone(ctx context.Context, login string, proved *sasl.SCRAMKey) (sasl.Identity, error) {
	return c.count(c.Authenticator.SCRAMDone(ctx, login, proved))
}

func (c countedLogin) Token(ctx context.Context, login, token string) (sasl.Identity, error) {
	return c.count(c.Authenticator.Token(ctx, login, token))
}

// readyz says whether mail can be taken and read.
func (n *node) readyz() http.Handler {
	return metrics.Readyz(
		func(name string, err error) { n.cfg.Log.Warn("not ready", "part", name, "err", err) },
		metrics.Probe{Name: "store", Run: func(ctx context.Context) error {
			_, _, err := n.queue.Size(ctx)
			return err
		}},
		metrics.Probe{Name: "listeners", Run: func(context.Context) error {
			if !n.listening.Load() {
				return errors.New("the services have not started, or are stopping")
			}
			return nil
		}},
	)
}
