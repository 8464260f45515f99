package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
)

type alertCmd struct {
	target `embed:""`

	List    alertListCmd    `cmd:"" help:"What is wrong now, and what was."`
	Mute    alertMuteCmd    `cmd:"" help:"Tell nobody of an alert for a while."`
	Unmute  alertUnmuteCmd  `cmd:"" help:"Tell of an alert again."`
	Test    alertTestCmd    `cmd:"" help:"Send a test to those who are told of alerts."`
	Channel alertChannelCmd `cmd:"" help:"Whom alerts go to."`
}

type alertListCmd struct {
	All bool `help:"Also what is over."`
}

func (c *alertListCmd) Run(ctx context.Context, s streams, g *alertCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		r, err := op.Alerts(ctx)
		if err != nil {
			return err
		}
		list := []alerts.Alert{}
		for _, a := range r.Items {
			if c.All || a.Phase != alerts.Resolved {
				list = append(list, a)
			}
		}
		return out.show(list, func(w io.Writer) { describeAlerts(w, list, r.Channels) })
	})
}

func describeAlerts(w io.Writer, list []alerts.Alert, channels int) {
	if channels == 0 {
		fmt.Fprint(w, "Nobody is told of alerts: `mailstead alert channel add mail ADDRESS` changes that.\n\n")
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "No alerts.")
	}
	for i, a := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		state := string(a.State)
		switch {
		case a.Phase == alerts.Resolved:
			state = "over since " + when(a.Resolved)
		case a.Phase == alerts.Pending:
			state += ", to be looked at again"
		case a.MutedUntil != nil:
			state += ", muted until " + when(*a.MutedUntil)
		}
		rows := [][]string{{a.ID, a.Title + ": " + state}, {"", a.Saw}, {"since", when(a.Since)}}
		if a.Fix != "" && a.Phase != alerts.Resolved {
			rows = append(rows, []string{"fix", a.Fix})
		}
		table(w, append(rows, []string{"known by", a.How})...)
	}
}

type alertMuteCmd struct {
	ID  string `arg:"" name:"id" help:"The alert, as in check.ptr.v4."`
	For string `arg:"" help:"For how long, as in 7d or 12h."`
}

func (c *alertMuteCmd) Run(ctx context.Context, s streams, g *alertCmd) error {
	span, err := directory.ParseDuration(c.For)
	if err != nil {
		return usageError(err.Error())
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		a, err := op.MuteAlert(ctx, c.ID, time.Now().Add(span))
		if err != nil {
			return err
		}
		return out.show(a, func(w io.Writer) { fmt.Fprintf(w, "Nobody is told of %s until %s.\n", a.ID, when(*a.MutedUntil)) })
	})
}

type alertUnmuteCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *alertUnmuteCmd) Run(ctx context.Context, s streams, g *alertCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		a, err := op.UnmuteAlert(ctx, c.ID)
		if err != nil {
			return err
		}
		return out.show(a, func(w io.Writer) { fmt.Fprintf(w, "%s is told of again.\n", a.ID) })
	})
}

type alertTestCmd struct {
	Channel string `arg:"" optional:"" help:"The channel; all if none is named."`
}

func (c *alertTestCmd) Run(ctx context.Context, s streams, g *alertCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		page, err := op.AlertChannels(ctx)
		if err != nil {
			return err
		}
		type tested struct {
			Channel string `json:"channel"`
			To      string `json:"to"`
			admin.TestResult
		}
		list, failed := []tested{}, 0
		for _, ch := range page.Items {
			if c.Channel != "" && c.Channel != ch.ID {
				continue
			}
			r, err := op.TestAlertChannel(ctx, ch.ID)
			if err != nil {
				return err
			}
			if !r.OK {
				failed++
			}
			list = append(list, tested{ch.ID, ch.To, r})
		}
		if len(list) == 0 {
			return errors.New("there is no such channel; `mailstead alert channel list` shows all")
		}
		if err := out.show(list, func(w io.Writer) {
			for _, t := range list {
				if t.OK {
					fmt.Fprintf(w, "%s: sent\n", clean(t.To))
				} else {
					fmt.Fprintf(w, "%s: %s\n", clean(t.To), clean(t.Problem))
				}
			}
		}); err != nil {
			return err
		}
		if failed > 0 {
			return fmt.Errorf("%d of %d could not be sent", failed, len(list))
		}
		return nil
	})
}

type alertChannelCmd struct {
	List   channelListCmd   `cmd:"" help:"List whom alerts go to."`
	Add    channelAddCmd    `cmd:"" help:"Send alerts to somebody: by mail to an address elsewhere, to a web server, or by ntfy."`
	Set    channelSetCmd    `cmd:"" help:"Change of what somebody is told, or the access token."`
	Remove channelRemoveCmd `cmd:"" help:"Send alerts to somebody no more."`
}

type channelListCmd struct{}

func (*channelListCmd) Run(ctx context.Context, s streams, g *alertCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		page, err := op.AlertChannels(ctx)
		if err != nil {
			return err
		}
		return out.show(page.Items, func(w io.Writer) {
			if len(page.Items) == 0 {
				fmt.Fprintln(w, "Nobody is told of alerts.")
				return
			}
			rows := [][]string{{"ID", "BY", "TO", "OF", "DAILY MAIL", "LAST SENT", "TROUBLE"}}
			for _, c := range page.Items {
				of := "all"
				if c.Least == checks.Fail {
					of = "what fails"
				}
				rows = append(rows, []string{c.ID, c.Kind, c.To, of, yesNo(c.Daily), when(c.LastOK), orDash(c.Problem)})
			}
			table(w, rows...)
		})
	})
}

type channelAddCmd struct {
	Kind  string `arg:"" enum:"mail,webhook,ntfy" help:"mail, webhook or ntfy."`
	To    string `arg:"" help:"An address that is not on this server, https://…, or https://ntfy.sh/TOPIC."`
	Least string `help:"warn: all alerts; fail: only of what fails." enum:"warn,fail" default:"warn"`
	Daily bool   `help:"Of mail: send the daily mail there, too."`

	TokenStdin bool `help:"Of ntfy: read an access token from standard input."`
}

func (c *channelAddCmd) Run(ctx context.Context, s streams, g *alertCmd) error {
	n := admin.NewAlertChannel{Kind: c.Kind, To: c.To, Least: checks.State(c.Least), Daily: c.Daily}
	if c.TokenStdin {
		var err error
		if n.Token, err = readToken(); err != nil {
			return err
		}
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		ch, err := op.AddAlertChannel(ctx, n)
		if err != nil {
			return err
		}
		return out.show(ch, func(w io.Writer) {
			fmt.Fprintf(w, "Alerts go to %s. `mailstead alert test %s` sends a test.\n", clean(ch.To), ch.ID)
			if ch.Secret != "" {
				fmt.Fprintf(w, "Requests are signed with %s\nThis secret is not shown again.\n", string(ch.Secret))
			}
		})
	})
}

// readToken reads an access token from standard input.
func readToken() (string, error) {
	b, err := io.ReadAll(io.LimitReader(os.Stdin, 1000))
	return strings.TrimSpace(string(b)), err
}

type channelSetCmd struct {
	ID    string `arg:"" name:"id"`
	Least string `help:"warn: all alerts; fail: only of what fails." placeholder:"STATE"`
	Daily *bool  `help:"Of mail: send the daily mail there, too." negatable:""`

	TokenStdin bool `help:"Of ntfy: read an access token from standard input."`
}

func (c *channelSetCmd) Run(ctx context.Context, s streams, g *alertCmd) error {
	ch := admin.AlertChannelChange{Daily: c.Daily}
	if c.Least != "" {
		least := checks.State(c.Least)
		ch.Least = &least
	}
	if c.TokenStdin {
		token, err := readToken()
		if err != nil {
			return err
		}
		ch.Token = &token
	}
	if ch == (admin.AlertChannelChange{}) {
		return usageError("say what changes: --least, --daily or --token-stdin")
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		now, err := op.SetAlertChannel(ctx, c.ID, ch)
		if err != nil {
			return err
		}
		return out.show(now, func(w io.Writer) {
			fmt.Fprintf(w, "Alerts to %s are changed. `mailstead alert test %s` sends a test.\n", clean(now.To), now.ID)
		})
	})
}

type channelRemoveCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *channelRemoveCmd) Run(ctx context.Context, s streams, g *alertCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		if err := op.RemoveAlertChannel(ctx, c.ID); err != nil {
			return err
		}
		return out.done("%s gets no more alerts", c.ID)
	})
}
