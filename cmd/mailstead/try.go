package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin/autoconfig"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/mail/clock"
	"github.com/mailstead/mailstead/smtp/outbound"
	"github.com/mailstead/mailstead/smtp/queue"
)

// tryCmd is `mailstead try`: everything on loopback.
type tryCmd struct {
	Dir        string `help:"Keep the data in this folder and use it again; without it a temporary folder is used and removed." type:"path"`
	PortOffset int    `help:"Added to each standard port: 25 becomes 10025." default:"10000"`
	JSON       bool   `name:"json" help:"Print one line of JSON when everything is ready, and nothing else on standard output."`
	Resolver   string `help:"Ask this DNS server (127.0.0.1:PORT) instead of the simulated one." placeholder:"ADDR"`
	RelayTo    string `help:"Hand all outgoing mail to this server (127.0.0.1:PORT)." placeholder:"ADDR"`
	NoLimits   bool   `help:"Lift the limits per client address, for load tests."`
	PlainAuth  bool   `help:"Allow logins without TLS, for load tests."`
	Verbose    bool   `short:"v" help:"Log to standard error."`
	Pprof      string `help:"Serve profiles on this loopback address." placeholder:"ADDR" hidden:""`

	Setup bool `help:"Begin with an empty server and the first-run wizard, and let its DNS be changed on port N + 53 (HTTP)."`

	Retry time.Duration `help:"Try mail again after this time, and tell of its delay after twice as long." hidden:""`
}

// tryInfo is what --json prints. The field names are a contract.
type tryInfo struct {
	Hostname    string       `json:"hostname"`
	Data        string       `json:"data"`
	Admin       tryAdmin     `json:"admin"`
	Accounts    []tryAccount `json:"accounts"`
	SMTP        string       `json:"smtp"`
	Submission  string       `json:"submission"`
	Submissions string       `json:"submissions"`
	IMAP        string       `json:"imap"`
	IMAPS       string       `json:"imaps"`
	HTTPS       string       `json:"https"`
	HTTP        string       `json:"http"`
	CA          string       `json:"ca"`
	PID         int          `json:"pid"`
	Setup       *trySetup    `json:"setup,omitempty"`
}

type tryAccount struct {
	Address  string `json:"address"`
	Password string `json:"password"`
}

// tryAdmin is the owner of the server.
type tryAdmin struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
}

const (
	tryDomain   = "example.test"
	tryHostname = "mail.example.test"
)

// trySchedule lets a person see within a minute what takes days out there:
// retries, a delay notice, and a bounce.
var trySchedule = queue.Options{
	Schedule:    []time.Duration{4 * time.Second, 8 * time.Second, 15 * time.Second},
	DelayNotice: 10 * time.Second,
	Expire:      45 * time.Second,
}

// Run starts everything and stays until ctx is done.
func (c *tryCmd) Run(ctx context.Context, s streams) error {
	out, logOut := s.out, s.err
	if err := c.check(); err != nil {
		return err
	}
	dir, temporary, err := c.dataDir()
	if err != nil {
		return err
	}
	if temporary {
		defer os.RemoveAll(dir)
	}
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		log = slog.New(slog.NewTextHandler(logOut, nil))
	}
	ls, err := c.listen()
	if err != nil {
		return err
	}
	defer ls.close()
	world, err := newTryWorld(c, log)
	if err != nil {
		return err
	}
	if c.Setup {
		stop, err := world.takeUpdates()
		if err != nil {
			return err
		}
		defer stop()
	}
	for first := true; ; first = false {
		err := c.once(ctx, out, world, dir, ls, first)
		if !errors.Is(err, errReconfigure) {
			return err
		}
	}
}

// once runs until ctx is done, or the first run has changed the configuration.
func (c *tryCmd) once(ctx context.Context, out io.Writer, world *tryWorld, dir string, ports listeners, first bool) (err error) {
	ls, err := ports.lasting()
	if err != nil {
		return err
	}
	cfg, err := c.nodeConfig(dir, world)
	if err != nil {
		return err
	}
	n, err := openNode(cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closed := n.close(); closed != nil {
			err = closed
		}
	}()
	info := c.info(dir, n.certs.CAFile())
	switch {
	case !c.Setup:
		err = info.people(asTry(ctx), n)
	case first:
		info.Setup, err = c.beginSetup(ctx, n, world)
	}
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	if err := world.start(ctx, g, n, ls, first); err != nil {
		return err
	}
	g.Go(func() error { return n.run(ctx, ls) })
	for _, l := range ls[portPprof] {
		g.Go(func() error { return servePprof(ctx, l) })
	}
	for _, l := range ls[portControl] {
		g.Go(func() error { return world.serveControl(ctx, n, l) })
	}
	if first {
		c.announce(out, info)
	}
	return g.Wait()
}

// nodeConfig is what the server is made from.
func (c *tryCmd) nodeConfig(dir string, world *tryWorld) (nodeConfig, error) {
	cfg := nodeConfig{Hostname: tryHostname, DataDir: dir, Log: world.log, NoLimits: c.NoLimits, PlainAuth: c.PlainAuth, Retry: c.schedule(),
		Certs: certs.Options{Mode: certs.SelfSigned}, Clients: c.clientPorts(), Ports: checkedPorts(c.PortOffset+25, c.clientPorts()), Banner: "Nothing leaves this computer.",
		Web: origin("localhost", c.PortOffset+443), Clock: clock.Options{Rest: math.MaxInt64}} // a demo is looked at when somebody likes to
	if c.RelayTo != "" {
		cfg.Relay = &outbound.Relay{Addr: c.RelayTo}
	}
	world.around(c, &cfg)
	if !c.Setup {
		return cfg, nil
	}
	err := c.configure(dir, &cfg)
	return cfg, err
}

// schedule is trySchedule, or faster.
func (c *tryCmd) schedule() *queue.Options {
	o := trySchedule
	if c.Retry > 0 {
		o.Schedule, o.DelayNotice = []time.Duration{c.Retry}, 2*c.Retry
	}
	return &o
}

// check looks at the flags before anything is made.
func (c *tryCmd) check() error {
	if c.PortOffset < 0 || c.PortOffset > 65535-4190 {
		return usageError(fmt.Sprintf("--port-offset %d: give a number from 0 to %d", c.PortOffset, 65535-4190))
	}
	for flag, v := range map[string]string{"--resolver": c.Resolver, "--relay-to": c.RelayTo, "--pprof": c.Pprof} {
		if v != "" && !onLoopback(v) {
			return usageError(fmt.Sprintf("%s %s: give an address on loopback with its port, such as 127.0.0.1:5353", flag, v))
		}
	}
	return nil
}

func (c *tryCmd) dataDir() (dir string, temporary bool, err error) {
	if c.Dir != "" {
		return c.Dir, false, os.MkdirAll(c.Dir, 0o700)
	}
	dir, err = os.MkdirTemp("", "mailstead-try-")
	return dir, true, err
}

func (c *tryCmd) addr(standard int) string { return "127.0.0.1:" + strconv.Itoa(c.PortOffset+standard) }

// clientPorts are those that listen opens for clients.
func (c *tryCmd) clientPorts() clientPorts {
	p := autoconfig.StandardPorts()
	for _, port := range []*int{&p.IMAPS, &p.IMAP, &p.Submissions, &p.Submission} {
		*port += c.PortOffset
	}
	return clientPorts{Ports: p, HTTPS: c.PortOffset + 443}
}

// listen opens all ports, so that a port in use is told before anything runs.
func (c *tryCmd) listen() (listeners, error) {
	addrs := map[string]string{portSMTP: c.addr(25), portSubmission: c.addr(587), portSubmissions: c.addr(465), portIMAP: c.addr(143), portIMAPS: c.addr(993),
		portHTTP: c.addr(80), portHTTPS: c.addr(443)}
	if c.Pprof != "" {
		addrs[portPprof] = c.Pprof
	}
	if c.Setup {
		addrs[portControl] = c.addr(53)
	}
	ls := listeners{}
	for name, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			ls.close()
			return nil, fmt.Errorf("%w; is another `mailstead try` running? --port-offset N uses other ports", err)
		}
		ls[name] = append(ls[name], l)
	}
	return ls, nil
}

func (c *tryCmd) info(dir, ca string) tryInfo {
	return tryInfo{
		Hostname: tryHostname, Data: dir, Admin: tryAdmin{URL: "https://" + c.addr(443) + "/admin/"}, CA: ca, PID: os.Getpid(),
		SMTP: c.addr(25), Submission: c.addr(587), Submissions: c.addr(465), IMAP: c.addr(143), IMAPS: c.addr(993), HTTPS: c.addr(443), HTTP: c.addr(80),
	}
}

// people makes those who have accounts.
func (i *tryInfo) people(ctx context.Context, n *node) error {
	p, err := ensureTryPeople(ctx, n, i.Data)
	i.Admin.User, i.Admin.Password, i.Accounts = p.owner.Address, p.owner.Password, p.users
	return err
}

// announce tells how to connect.
func (c *tryCmd) announce(out io.Writer, i tryInfo) {
	if c.JSON {
		line, _ := json.Marshal(i)
		fmt.Fprintf(out, "%s\n", line)
		return
	}
	if i.Setup != nil {
		fmt.Fprintf(out, "Mailstead is running on this computer only. Nothing leaves it.\n\n  First run    %s\n  certificate  %s\n  its DNS      %s/zone\n\n  Ctrl-C ends it.\n", i.Setup.URL, i.CA, i.Setup.Control)
		return
	}
	fmt.Fprintf(out, `Mailstead is running on this computer only. Nothing leaves it.

  Accounts
`)
	for _, a := range i.Accounts {
		fmt.Fprintf(out, "    %-24s password  %s\n", a.Address, a.Password)
	}
	fmt.Fprintf(out, "    %-24s password  %s   owner of the server\n", i.Admin.User, i.Admin.Password)
	_, smtps, _ := net.SplitHostPort(i.Submissions)
	_, smtp, _ := net.SplitHostPort(i.Submission)
	_, imaps, _ := net.SplitHostPort(i.IMAPS)
	_, imap, _ := net.SplitHostPort(i.IMAP)
	fmt.Fprintf(out, `
  Console
    %s   sign in as %s
    It asks whether to trust this computer's own certificate: that is as it should be here.

  Your mail program
    server                   127.0.0.1
    IMAP                     port %s with TLS, or %s with STARTTLS
    SMTP                     port %s with TLS, or %s with STARTTLS
    user name                the whole address
    certificate              %s

  People out there to write to (simulated)
    anyone@bigmail.test      accepts, and answers with what SPF and DKIM looked like
    anyone@slow.test         makes you wait a moment (greylisting), then accepts
    anyone@strict.test       refuses: you get a bounce
    anyone@down.test         never answers: a delay notice, then a bounce

  See what happened
    mailstead queue list --data %s
    mailstead trace find alice@%s --data %[8]s

  Data is in %[8]s
  Ctrl-C ends it.
`, i.Admin.URL, i.Admin.User, imaps, imap, smtps, smtp, i.CA, i.Data, tryDomain)
}
