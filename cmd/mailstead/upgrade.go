package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/upgrade"
	"github.com/mailstead/mailstead/mail/schema"
)

// upgradeCmd is `mailstead upgrade`.
type upgradeCmd struct {
	target `embed:""`

	Service   string `help:"Unit of systemd that runs the server." default:"mailstead.service"`
	Control   string `help:"Program that is called with stop and start, where there is no systemd." type:"path" placeholder:"FILE"`
	Installed string `help:"Where the service starts the program from; else where this one is." type:"path" placeholder:"FILE"`

	To       upgradeToCmd       `cmd:"" default:"withargs" help:"Upgrade to another version, with a way back: --binary FILE."`
	Back     upgradeBackCmd     `cmd:"" help:"Go back to the version, and the data, from before the last upgrade."`
	Accept   upgradeAcceptCmd   `cmd:"" help:"Keep an upgrade that was interrupted while it was watched."`
	Status   upgradeStatusCmd   `cmd:"" help:"Show what the last upgrade did."`
	SetAside upgradeSetAsideCmd `cmd:"" name:"set-aside" hidden:"" help:"Keep this program beside the one that a package is about to install."`
	SelfTest upgradeSelfTestCmd `cmd:"" name:"self-test" hidden:"" help:"Bring a copy of the data over, and try it out."`
	Leave    upgradeLeaveCmd    `cmd:"" hidden:"" help:"Write down what came in since a switch."`
	TakeBack upgradeTakeBackCmd `cmd:"" name:"take-back" hidden:"" help:"Take in what another version has left."`
}

// plan is what all ways have in common.
func (c *upgradeCmd) plan(s streams) (upgrade.Plan, error) {
	data, _, err := c.dataDir()
	if err != nil {
		return upgrade.Plan{}, err
	}
	p := upgrade.Plan{Data: data, Config: c.Config, Installed: c.Installed, Say: func(format string, args ...any) { fmt.Fprintln(s.err, clean(fmt.Sprintf(format, args...))) }}
	if p.Installed == "" {
		if p.Installed, err = os.Executable(); err != nil {
			return upgrade.Plan{}, err
		}
	}
	p.Before = p.Installed + ".before"
	p.Control = &upgrade.Systemd{Unit: c.Service}
	if c.Control != "" {
		p.Control = upgrade.Script(c.Control)
	}
	p.Healthy = func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		client, err := api.Dial(ctx, adminSocket(data), actorName())
		if err != nil {
			return "", err
		}
		defer client.Close()
		started, err := client.Ready(ctx)
		return started.String(), err
	}
	p.Running = func(ctx context.Context) bool {
		client, err := api.Dial(ctx, adminSocket(data), actorName())
		if err == nil {
			client.Close()
		}
		return !errors.Is(err, api.ErrNotRunning)
	}
	return p, nil
}

type upgradeToCmd struct {
	Binary   string        `help:"The program of the version to upgrade to." type:"path" placeholder:"FILE" xor:"what"`
	Previous string        `help:"The new program is installed already, by a package; this is the one from before." type:"path" placeholder:"FILE" xor:"what"`
	Patience time.Duration `hidden:"" default:"15s"`
	Watch    time.Duration `help:"How long to look at the new version before it is trusted; else the setting upgrade.watch." placeholder:"TIME"`
}

// Run upgrades.
func (c *upgradeToCmd) Run(ctx context.Context, s streams, g *upgradeCmd) error {
	p, err := g.plan(s)
	if err != nil {
		return err
	}
	switch {
	case c.Binary != "":
		p.New = c.Binary
	case c.Previous != "":
		p.New, p.Aside = p.Installed, c.Previous
	default:
		return usageError("say which version to upgrade to: mailstead upgrade --binary FILE")
	}
	if p.Watch = c.Watch; p.Watch == 0 {
		p.Watch = g.watchSetting(ctx)
	}
	p.Patience = c.Patience
	outliveTerminal()
	st, err := p.Run(ctx)
	return errors.Join(err, g.showState(s, st))
}

// watchSetting asks the server, or its data, how long to look at a new version.
func (c *upgradeCmd) watchSetting(ctx context.Context) time.Duration {
	const usual = 5 * time.Minute
	op, err := c.operator(ctx)
	if err != nil {
		return usual
	}
	defer op.Close()
	st, err := op.Setting(ctx, string(directory.UpgradeWatch))
	if err != nil {
		return usual
	}
	d, err := directory.ParseDuration(st.Value)
	if err != nil {
		return usual
	}
	return d
}

func (c *upgradeCmd) showState(s streams, st *upgrade.State) error {
	if st == nil {
		return nil
	}
	out := &printer{w: s.out, notes: s.err, json: c.Output == "json"}
	return out.show(st, func(w io.Writer) {
		rows := [][]string{{"from", program(st.From)}, {"to", program(st.To)}, {"state", string(st.Phase)}, {"began", when(st.Began)}, {"ended", when(st.Ended)}}
		if st.Cause != "" {
			rows = append(rows, []string{"because", st.Cause})
		}
		if n := st.Since; n != nil {
			rows = append(rows, []string{"since then", fmt.Sprintf("an upgrade to %s was refused at %s: %s", cmp.Or(n.Version, "a program that does not say its version"), when(n.At), n.Cause)})
		}
		if c := st.Carried; c != nil {
			rows = append(rows, []string{"carried back", fmt.Sprintf("%d messages in mailboxes, %d that wait to be sent", c.Messages, c.Queued)})
			for _, n := range c.Notes {
				rows = append(rows, []string{"", n})
			}
		}
		table(w, rows...)
	})
}

func program(p upgrade.Program) string { return fmt.Sprintf("%s (schema %d)", p.Version, p.Schema) }

type upgradeBackCmd struct{}

// Run goes back.
func (c *upgradeBackCmd) Run(ctx context.Context, s streams, g *upgradeCmd) error {
	p, err := g.plan(s)
	if err != nil {
		return err
	}
	outliveTerminal()
	st, err := p.GoBack(ctx, "asked for by "+actorName())
	return errors.Join(err, g.showState(s, st))
}

type upgradeAcceptCmd struct{}

// Run keeps what is.
func (c *upgradeAcceptCmd) Run(s streams, g *upgradeCmd) error {
	data, _, err := g.dataDir()
	if err != nil {
		return err
	}
	st, err := upgrade.Accept(data)
	return errors.Join(err, g.showState(s, st))
}

type upgradeStatusCmd struct{}

// Run shows the last upgrade.
func (c *upgradeStatusCmd) Run(s streams, g *upgradeCmd) error {
	data, _, err := g.dataDir()
	if err != nil {
		return err
	}
	st, err := upgrade.Load(data)
	if err == nil && st == nil {
		_, err = fmt.Fprintln(s.out, "There was no upgrade yet.")
	}
	return errors.Join(err, g.showState(s, st))
}

type upgradeSetAsideCmd struct {
	To string `type:"path" required:"" help:"Where to keep it."`
}

// Run copies this program. A package calls it before it unpacks another. A
// configuration that cannot be read keeps nobody from a program that can.
func (c *upgradeSetAsideCmd) Run(g *upgradeCmd, s streams) error {
	data, _, err := g.dataDir()
	if err != nil {
		fmt.Fprintln(s.err, "mailstead:", err)
		data = ""
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return upgrade.SetAside(data, program, c.To)
}

// outliveTerminal lets an upgrade come to its end when the terminal goes away,
// or whoever reads what it prints.
func outliveTerminal() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
}

type upgradeSelfTestCmd struct {
	Scratch string `help:"Folder for the copy that is used up." type:"path" required:""`
}

// Run brings the folder --data over and tests a copy of it. It prints JSON.
func (c *upgradeSelfTestCmd) Run(ctx context.Context, s streams, g *upgradeCmd) error {
	if err := upgrade.Migrate(ctx, g.Data, version(), func(format string, args ...any) { fmt.Fprintf(s.err, format+"\n", args...) }); err != nil {
		return err
	}
	var marks upgrade.Marks
	err := upgrade.OnCopy(ctx, g.Data, c.Scratch, func(ctx context.Context, dir string) (err error) {
		marks, err = selfTest(ctx, dir)
		return err
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(s.out).Encode(marks)
}

type upgradeLeaveCmd struct {
	Marks string `type:"path" required:"" help:"What was so when the data was copied."`
	To    string `type:"path" required:"" help:"Folder to write to."`
}

// Run writes down what came in since.
func (c *upgradeLeaveCmd) Run(ctx context.Context, g *upgradeCmd) error {
	b, err := os.ReadFile(c.Marks)
	if err != nil {
		return err
	}
	var m upgrade.Marks
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("%s: %w", c.Marks, err)
	}
	n, err := openAside(g.Data)
	if err != nil {
		return err
	}
	return errors.Join(n.parts().Leave(ctx, m, c.To), n.close())
}

type upgradeTakeBackCmd struct {
	Left string `type:"path" help:"Folder that another version has written; none: what its log had was put into the store."`
}

// Run takes it in, and prints what that was as JSON.
func (c *upgradeTakeBackCmd) Run(ctx context.Context, s streams, g *upgradeCmd) error {
	n, err := openAside(g.Data)
	if err != nil {
		return err
	}
	take := n.parts().TakeLog
	if c.Left != "" {
		take = func(ctx context.Context) (*upgrade.Carried, error) { return n.parts().TakeBack(ctx, c.Left) }
	}
	carried, err := take(ctx)
	if err := errors.Join(err, n.close()); err != nil {
		return err
	}
	return json.NewEncoder(s.out).Encode(carried)
}

// bringOver brings older data to the schema of this program before a server
// opens it.
func bringOver(ctx context.Context, s streams, data string) error {
	if err := os.MkdirAll(filepath.Dir(data), 0o755); err != nil {
		return err
	}
	test := func(ctx context.Context, dir string) error { _, err := selfTest(ctx, dir); return err }
	return upgrade.BringOver(ctx, data, version(), test, func(format string, args ...any) { fmt.Fprintf(s.err, "mailstead: "+format+"\n", args...) })
}

// tidyEvery is how often somebody looks whether something is kept for too long.
const tidyEvery = time.Hour

// tidyUpgrades removes what an upgrade has kept for a way back, when it has been
// well for long enough.
func (n *node) tidyUpgrades(ctx context.Context) error {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if removed, err := upgrade.Tidy(n.cfg.DataDir, n.keep(directory.UpgradeKeep)(), n.now()); err != nil {
			n.cfg.Log.Error("data from before an upgrade", "err", err)
		} else if removed {
			n.cfg.Log.Info("data from before an upgrade was removed")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// versionCmd is `mailstead version`.
type versionCmd struct {
	Output string `short:"o" help:"text or json." enum:"text,json" default:"text"`
}

// Run prints the version, and which schemas of data the program works with.
func (c versionCmd) Run(s streams) error {
	if c.Output == "json" {
		return json.NewEncoder(s.out).Encode(upgrade.Program{Version: version(), Schema: schema.Current})
	}
	_, err := fmt.Fprintln(s.out, "mailstead", version())
	return err
}
