package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/setup"
	"github.com/mailstead/mailstead/mail"
)

// setupCmd is `mailstead setup`: the first run on a real host.
type setupCmd struct {
	Config   string `help:"Configuration file; it is made if there is none." type:"path" default:"${config}"`
	Data     string `help:"Data folder, in place of the one in the configuration file." type:"path"`
	Hostname string `help:"Name of this server, for a new configuration file." placeholder:"NAME"`
	Yes      bool   `help:"Make a configuration file without asking."`
	Text     bool   `help:"Ask here, in the terminal, in place of a browser."`
	Answers  string `help:"Take the answers from this TOML file, and ask nothing." type:"existingfile" placeholder:"FILE"`
	DryRun   bool   `help:"Look at the machine, say what would be done, and change nothing."`
}

// wizard is the first run, here or in the running server.
type wizard interface {
	Setup(ctx context.Context) (setup.View, error)
	AnswerSetup(ctx context.Context, step setup.Step, in setup.Input) (setup.View, error)
	CheckSetup(ctx context.Context, step setup.Step) (setup.View, error)
	FinishSetup(ctx context.Context) error
}

// Run leads to the wizard.
func (c *setupCmd) Run(ctx context.Context, s streams) error {
	if !fileExists(c.Config) {
		if err := c.makeConfig(ctx, s); err != nil || c.DryRun {
			return err
		}
	}
	cfg, err := c.place().load()
	if err != nil {
		return err
	}
	given, err := c.given()
	if err != nil {
		return err
	}
	client, err := api.Dial(ctx, adminSocket(cfg.Data), actorName())
	if errors.Is(err, api.ErrNotRunning) && !c.DryRun && c.ofService() {
		client, err = startService(ctx, s, adminSocket(cfg.Data))
	}
	if err != nil && !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	if client != nil {
		defer client.Close()
	}
	running := err == nil
	if c.DryRun {
		return c.rehearse(s.out, cfg, running)
	}
	switch {
	case (c.Text || c.Answers != "") && running:
		return c.ask(ctx, s, runningWizard{client}, given)
	case c.Text || c.Answers != "":
		return c.askHere(ctx, s, cfg, given)
	case running:
		code, err := client.SetupCode(ctx)
		if err != nil {
			return err
		}
		printLink(s.out, cfg, code.Code, "")
		return nil
	}
	return c.serve(ctx, s, cfg)
}

func (c *setupCmd) place() configPlace { return configPlace{c.Config, c.Data} }

// serve starts the server with the wizard open, as serve does.
func (c *setupCmd) serve(ctx context.Context, s streams, cfg config.Config) error {
	return serveConfig(ctx, s, c.place(), func(n *node) error {
		if !n.wizard.Open(ctx) {
			fmt.Fprintln(s.out, "This server is set up already; it is running now.")
			return nil
		}
		code, _, err := n.admin.SignIn().SetupCode(ctx)
		if err != nil {
			return err
		}
		report, err := n.admin.RunChecks(admin.AsOwner(ctx, actorName()), nil)
		if err != nil {
			return err
		}
		printChecks(s.out, report)
		printLink(s.out, cfg, code, n.certs.Fingerprint())
		return nil
	})
}

// printChecks is a line for each check that is about the machine.
func printChecks(w io.Writer, r admin.CheckReport) {
	for _, res := range r.Items {
		if res.Domain == "" && res.State != checks.Unknown && res.ID != "certificate" {
			fmt.Fprintf(w, "  %s %s: %s\n", marks[res.State], clean(res.Title), clean(res.Saw))
		}
	}
}

// printLink tells how to come to the wizard. The code is in the fragment, which
// browsers keep to themselves.
func printLink(w io.Writer, cfg config.Config, code, fingerprint string) {
	host, port := setupHost(cfg), httpsPort(cfg)
	fmt.Fprintf(w, "\n  Open  %s/setup/#%s\n        one use, 60 minutes\n", origin(host, port), code)
	fmt.Fprintf(w, "\n  no way for a browser?  ssh -L 8443:localhost:%d root@%s  and  https://localhost:8443/setup/#%s\n", port, host, code)
	if fingerprint != "" {
		fmt.Fprintf(w, "  your browser will warn of the certificate, which is this server's own: SHA-256 %s\n", fingerprint)
	}
	fmt.Fprintf(w, "  in the terminal        mailstead setup --text\n\n")
}

// setupHost is where a browser finds this server before there is any DNS: by
// its address if it has a public one.
func setupHost(cfg config.Config) string {
	addrs := interfaceAddrs()
	switch {
	case len(addrs) == 0:
		return cfg.Hostname
	case addrs[0].Is4():
		return addrs[0].String()
	}
	return "[" + addrs[0].String() + "]"
}

func httpsPort(cfg config.Config) int {
	for _, addr := range cfg.Listen.HTTPS {
		if _, port, err := net.SplitHostPort(addr); err == nil {
			if n, err := strconv.Atoi(port); err == nil {
				return n
			}
		}
	}
	return 443
}

// makeConfig writes a commented configuration file, after a question.
func (c *setupCmd) makeConfig(_ context.Context, s streams) error {
	host := c.Hostname
	if host == "" {
		host, _ = os.Hostname()
	}
	if d, err := mail.ParseDomain(host); err != nil || d.IsLiteral() || !strings.Contains(host, ".") {
		return usageError(fmt.Sprintf("this server is called %q, which is not a complete name; say --hostname mail.example.org", host))
	}
	text := strings.Replace(config.Describe(), "\nhostname = \"\"", "\nhostname = "+strconv.Quote(host), 1)
	if c.Data != "" {
		text = strings.Replace(text, "\ndata = "+strconv.Quote(config.Default().Data), "\ndata = "+strconv.Quote(c.Data), 1)
	}
	if c.DryRun {
		_, err := fmt.Fprintf(s.out, "Would write %s for the host %s, and start the server with the wizard open.\n", c.Config, host)
		return err
	}
	if !c.Yes && c.Answers == "" {
		yes, err := newQuestions(s).yes(fmt.Sprintf("There is no configuration. Write %s for the host %s?", c.Config, host))
		if err != nil {
			return err
		}
		if !yes {
			return errors.New("nothing was changed")
		}
	}
	if err := os.MkdirAll(filepath.Dir(c.Config), 0o755); err != nil {
		return err
	}
	return os.WriteFile(c.Config, []byte(text), 0o644)
}

// rehearse says what a run would do.
func (c *setupCmd) rehearse(w io.Writer, cfg config.Config, running bool) error {
	what := "start the server on " + cfg.Data + " with the wizard open"
	if running {
		what = "make a link to the wizard of the server that is running"
	}
	if c.Text || c.Answers != "" {
		what = "ask the questions of the wizard, and make domain and account on " + cfg.Data
	}
	_, err := fmt.Fprintf(w, "%s is fine, for the host %s. Would %s.\n", c.Config, cfg.Hostname, what)
	return err
}
