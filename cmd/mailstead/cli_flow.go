package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

type queueCmd struct {
	target `embed:""`

	List    queueListCmd    `cmd:"" help:"List what waits, oldest first."`
	Show    queueShowCmd    `cmd:"" help:"Show one message and its recipients."`
	Retry   queueChangeCmd  `cmd:"" help:"Make the next attempt now."`
	Hold    queueChangeCmd  `cmd:"" help:"Do not try until release."`
	Release queueChangeCmd  `cmd:"" help:"End hold."`
	Cancel  queueChangeCmd  `cmd:"" help:"Remove messages without a report to their senders."`
	Reroute queueRerouteCmd `cmd:"" help:"Send by another server, or no longer."`
}

// queueFilter narrows what is listed or changed.
type queueFilter struct {
	Address string `help:"Only from or to this address; @example.org is a whole domain." placeholder:"ADDRESS"`
	State   string `help:"Only waiting, trying, retry or held." placeholder:"STATE"`
	Cause   string `help:"Only what waits for this cause, as list shows it." placeholder:"TEXT"`
}

func (f *queueFilter) match() admin.QueueMatch {
	return admin.QueueMatch{Address: f.Address, State: f.State, Cause: f.Cause}
}

type queueListCmd struct {
	queueFilter
	Limit int `help:"At most so many." default:"100"`
}

func (c *queueListCmd) Run(ctx context.Context, s streams, g *queueCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		items, err := first(c.Limit, func(p admin.Paging) (admin.Page[admin.QueueItem], error) {
			return op.Queue(ctx, admin.QueueFilter{Paging: p, QueueMatch: c.match()})
		})
		if err != nil {
			return err
		}
		stats, err := op.QueueGroups(ctx)
		if err != nil {
			return err
		}
		return out.show(items, func(w io.Writer) {
			describeGroups(w, stats)
			if len(items) > 0 {
				fmt.Fprintln(w)
				table(w, queueRows(items)...)
			}
		})
	})
}

// describeGroups says why mail waits before it says which.
func describeGroups(w io.Writer, st admin.QueueGroups) {
	if st.Messages == 0 {
		fmt.Fprintln(w, "The queue is empty.")
		return
	}
	var states []string
	for _, name := range slices.Sorted(maps.Keys(st.States)) {
		states = append(states, fmt.Sprintf("%d %s", st.States[name], name))
	}
	fmt.Fprintf(w, "%d messages for %d recipients (%s), the oldest from %s\n", st.Messages, st.Recipients, strings.Join(states, ", "), when(st.Oldest))
	rows := [][]string{{"MESSAGES", "STATE", "WHY", "CAUSE"}}
	for _, c := range st.Groups {
		rows = append(rows, []string{strconv.Itoa(c.Messages), c.State, c.Title, c.Cause})
	}
	if len(rows) > 1 {
		fmt.Fprintln(w)
		table(w, rows...)
	}
}

func queueRows(items []admin.QueueItem) [][]string {
	rows := [][]string{{"ID", "SINCE", "SIZE", "FROM", "TO", "STATE", "NEXT ATTEMPT", "CAUSE"}}
	for _, it := range items {
		for i, r := range it.Recipients {
			row := []string{it.ID, when(it.Created), amount(it.Size), "<" + it.From + ">", r.Address, r.State, when(r.Next), orDash(r.Cause)}
			if i > 0 {
				row[0], row[1], row[2], row[3] = "", "", "", ""
			}
			rows = append(rows, row)
		}
	}
	return rows
}

type queueShowCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *queueShowCmd) Run(ctx context.Context, s streams, g *queueCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		it, err := op.QueueItem(ctx, c.ID)
		if err != nil {
			return err
		}
		return out.show(it, func(w io.Writer) {
			table(w, []string{"message", it.ID}, []string{"from", "<" + it.From + ">"}, []string{"size", amount(it.Size)},
				[]string{"since", when(it.Created)}, []string{"goes back", when(it.Expires)})
			for _, r := range it.Recipients {
				fmt.Fprintln(w)
				table(w, []string{"to", r.Address}, []string{"state", r.State}, []string{"attempts", strconv.Itoa(r.Attempts)}, []string{"last", when(r.Last)},
					[]string{"next", when(r.Next)}, []string{"server", orDash(r.MX)}, []string{"reply", orDash(strings.TrimSpace(r.Status + " " + r.Reply))})
			}
			fmt.Fprintf(w, "\n`mailstead trace show %s` has the whole story.\n", it.ID)
		})
	})
}

// queueChangeCmd is retry, hold, release and cancel: the command's name says
// which.
type queueChangeCmd struct {
	IDs []string `arg:"" name:"id" optional:"" help:"Messages, as list shows them."`
	All bool     `help:"All messages that the filter lets through, or just all."`
	queueFilter
}

// queuePage is how many messages that were named are changed at a time.
const queuePage = 1000

func (c *queueChangeCmd) Run(ctx context.Context, s streams, g *queueCmd, typed *kong.Context) error {
	return c.do(ctx, s, g, admin.QueueAction(typed.Selected().Name), "")
}

// do does something with the messages that are meant; to is the relay of a
// reroute.
func (c *queueChangeCmd) do(ctx context.Context, s streams, g *queueCmd, do admin.QueueAction, to string) error {
	if c.All != (len(c.IDs) == 0) || !c.All && c.queueFilter != (queueFilter{}) {
		return usageError("name messages, or say --all, with a filter or without")
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		n, err := c.change(ctx, op, do, to)
		if err != nil {
			return err
		}
		return out.done("%s: %d messages", do, n)
	})
}

// change does something with the messages that are meant, and returns with how
// many.
func (c *queueChangeCmd) change(ctx context.Context, op admin.Operator, do admin.QueueAction, to string) (int, error) {
	if c.All {
		match := c.match()
		return op.ChangeQueue(ctx, do, admin.QueueSelection{Filter: &match, To: to})
	}
	total := 0
	for page := range slices.Chunk(c.IDs, queuePage) {
		n, err := op.ChangeQueue(ctx, do, admin.QueueSelection{IDs: page, To: to})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// queueRerouteCmd is queueChangeCmd for another way out.
type queueRerouteCmd struct {
	To     string `help:"The server that takes the messages; its login is relay.login, unless relay.host names another." placeholder:"HOST:PORT"`
	Direct bool   `help:"To the servers of the domains again, or to relay.host."`
	queueChangeCmd
}

func (c *queueRerouteCmd) Run(ctx context.Context, s streams, g *queueCmd) error {
	if (c.To == "") != c.Direct {
		return usageError("say where to: --to HOST:PORT, or --direct")
	}
	return c.do(ctx, s, g, admin.Reroute, c.To)
}

type traceCmd struct {
	target `embed:""`

	Find traceFindCmd `cmd:"" help:"Find messages by what is known of them, newest first."`
	Show traceShowCmd `cmd:"" help:"Tell the whole story of one message."`
}

type traceFindCmd struct {
	Address   string `arg:"" optional:"" help:"Of sender or recipient; @example.org is a whole domain. Or an IP address, or a net such as 192.0.2.0/24 or 2001:db8:1::/48."`
	MessageID string `help:"Message-ID field." placeholder:"ID"`
	IP        string `name:"ip" help:"Address of the other server or program, or a net of at most 256 addresses of IPv4." placeholder:"ADDR"`
	Subject   string `help:"The whole subject." placeholder:"TEXT"`
	Outcome   string `help:"accepted, refused, delivered, deferred, bounced …" placeholder:"WORD"`
	Since     string `help:"Only of this long back, as in 2h or 3d." placeholder:"DURATION"`
	Limit     int    `help:"At most so many." default:"100"`
}

func isNetwork(s string) bool {
	nets, err := directory.ParseNetworks(s)
	return err == nil && len(nets) == 1
}

func (c *traceFindCmd) Run(ctx context.Context, s streams, g *traceCmd) error {
	if isNetwork(c.Address) {
		c.Address, c.IP = "", c.Address
	}
	q := admin.TraceQuery{Address: c.Address, MessageID: c.MessageID, IP: c.IP, Subject: c.Subject, Outcome: c.Outcome}
	if c.Since != "" {
		d, err := directory.ParseDuration(c.Since)
		if err != nil {
			return usageError("--since: " + err.Error())
		}
		q.After = time.Now().Add(-d)
	}
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		list, err := first(c.Limit, func(p admin.Paging) (admin.Page[admin.TraceSummary], error) {
			q.Paging = p
			return op.FindTraces(ctx, q)
		})
		if err != nil {
			return err
		}
		return out.show(list, func(w io.Writer) {
			if len(list) == 0 {
				fmt.Fprintln(w, "No message matches.")
				return
			}
			rows := [][]string{{"ID", "TIME", "", "FROM", "TO", "OUTCOME", "STATUS"}}
			for _, t := range list {
				rows = append(rows, []string{t.ID, when(t.Start), orDash(t.Direction), "<" + t.From + ">", some(t.To), orDash(t.Outcome), orDash(t.Status)})
			}
			table(w, rows...)
		})
	})
}

// some is the first of a list and how many more there are.
func some(list []string) string {
	switch len(list) {
	case 0:
		return "-"
	case 1:
		return list[0]
	}
	return fmt.Sprintf("%s +%d", list[0], len(list)-1)
}

type traceShowCmd struct {
	ID string `arg:"" name:"id"`
}

func (c *traceShowCmd) Run(ctx context.Context, s streams, g *traceCmd) error {
	return g.run(ctx, s, func(ctx context.Context, op admin.Operator, out *printer) error {
		t, err := op.Trace(ctx, c.ID)
		if err != nil {
			return err
		}
		return out.show(t, func(w io.Writer) {
			table(w, []string{"message", t.ID}, []string{"from", "<" + t.From + ">"}, []string{"to", orDash(strings.Join(t.To, ", "))},
				[]string{"message-id", orDash(t.MessageID)}, []string{"client", orDash(strings.TrimSpace(t.RemoteName + " " + t.RemoteIP))},
				[]string{"login", orDash(t.Login)}, []string{"size", amount(t.Size)}, []string{"outcome", strings.TrimSpace(orDash(t.Outcome) + " " + t.Status)})
			fmt.Fprintln(w)
			var rows [][]string
			for _, l := range t.Story {
				side := map[string]string{"client": "C:", "server": "S:"}[l.Side]
				rows = append(rows, []string{l.Time.Local().Format("2006-01-02 15:04:05.000"), l.Kind, strings.TrimSpace(side + " " + l.Text)})
				if l.Explain != "" && (l.Severity == "warn" || l.Severity == "fail") {
					rows = append(rows, []string{"", "", "= " + l.Explain})
				}
			}
			table(w, rows...)
		})
	})
}
