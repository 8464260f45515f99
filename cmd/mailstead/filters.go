package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/filter"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// filters are the external filters that the settings name. A change of the
// settings holds from the next message on.
type filters struct {
	directory *directory.Directory
	hostname  mail.Domain
	log       *slog.Logger

	mu   sync.Mutex
	made filterSettings // what all was made from
	all  []guarded
}

// guarded is a filter under its limits.
type guarded struct {
	*filter.Guard
	addr string // as the setting has it
	fail filter.Fail
}

// filterSettings are all settings that filters are made from.
type filterSettings struct {
	rspamd, rspamdPassword, clamd, milters string
	rspamdFail, clamdFail, miltersFail     filter.Fail
	weight, maxSize, parallel              int64
	timeout                                time.Duration
}

func readFilterSettings(d *directory.Directory) filterSettings {
	return filterSettings{
		rspamd: d.Text(directory.FilterRspamd), rspamdPassword: d.Text(directory.FilterRspamdPassword),
		clamd: d.Text(directory.FilterClamd), milters: d.Text(directory.FilterMilters),
		rspamdFail: filter.Fail(d.Text(directory.FilterRspamdFail)), clamdFail: filter.Fail(d.Text(directory.FilterClamdFail)),
		miltersFail: filter.Fail(d.Text(directory.FilterMiltersFail)),
		weight:      d.Int(directory.FilterRspamdWeight), maxSize: d.Int(directory.FilterMaxSize), parallel: d.Int(directory.FilterParallel),
		timeout: d.Duration(directory.FilterTimeout),
	}
}

// current returns the filters of the settings as they are.
func (f *filters) current() []guarded {
	s := readFilterSettings(f.directory)
	f.mu.Lock()
	defer f.mu.Unlock()
	if s != f.made {
		f.made, f.all = s, s.build(f.log)
	}
	return f.all
}

// build makes the filters. Addresses were checked when they were set; what a
// newer version may have left that cannot be read is told, and left out.
func (s filterSettings) build(log *slog.Logger) []guarded {
	var all []guarded
	add := func(f filter.Filter, addr string, fail filter.Fail) {
		g := filter.NewGuard(f, filter.Limits{Fail: fail, Timeout: s.timeout, Parallel: int(s.parallel)})
		all = append(all, guarded{g, addr, fail})
	}
	if s.rspamd != "" {
		if u, err := url.Parse(s.rspamd); err != nil {
			log.Error("filter.rspamd", "err", err)
		} else {
			add(filter.NewRspamd(filter.RspamdOptions{URL: u, Password: s.rspamdPassword, Scale: float64(s.weight) / 100, MaxSize: s.maxSize}), s.rspamd, s.rspamdFail)
		}
	}
	for _, addr := range strings.Fields(s.clamd) {
		if network, where, err := directory.ParseSocket(addr); err != nil {
			log.Error("filter.clamd", "err", err)
		} else {
			add(&filter.Clamd{Network: network, Addr: where, MaxSize: s.maxSize}, addr, s.clamdFail)
		}
	}
	for _, addr := range strings.Fields(s.milters) {
		if network, where, err := directory.ParseSocket(addr); err != nil {
			log.Error("filter.milters", "err", err)
		} else {
			add(&filter.Milter{Network: network, Addr: where, MaxSize: s.maxSize}, addr, s.miltersFail)
		}
	}
	return all
}

// checks are what smtp/inbound runs, one for each kind of filter.
func (f *filters) checks() []inbound.Check {
	var list []inbound.Check
	for _, name := range []string{filter.NameRspamd, filter.NameClamd, filter.NameMilter} {
		list = append(list, inbound.Check{Name: name, Run: func(ctx context.Context, m *inbound.Mail) inbound.Finding { return f.run(ctx, name, m) }})
	}
	return list
}

// run asks all filters of a kind at once. Each sees the message as it came.
func (f *filters) run(ctx context.Context, name string, m *inbound.Mail) inbound.Finding {
	all := slices.DeleteFunc(slices.Clone(f.current()), func(g guarded) bool { return g.Name() != name })
	if len(all) == 0 {
		return inbound.Finding{}
	}
	shown := filterMessage(m, f.hostname)
	results := make([]filter.Result, len(all))
	var wg sync.WaitGroup
	for i, g := range all {
		wg.Go(func() { results[i] = g.Run(ctx, shown) })
	}
	wg.Wait()
	return filterFinding(filter.Merge(results))
}

// filterMessage is what a filter gets to see: the message without what others
// wrote in our name, and what we found out about it.
func filterMessage(m *inbound.Mail, us mail.Domain) *filter.Message {
	header := append(m.ResultsField(us), m.Kept...)
	size := m.Index.Size + int64(len(header)-len(m.Kept))
	if m.Index.NeedsEmptyLine() {
		header = append(header, "\r\n"...)
		size += 2
	}
	return &filter.Message{
		ID: string(m.ID), Hostname: us, Envelope: m.Envelope, Header: header, Body: m.Body, Size: size,
		Client: filter.Client{Addr: m.Client.Addr, Name: m.ClientName(), Hello: m.Client.Hello,
			TLS: strings.ReplaceAll(m.Client.TLS, " ", "v"), Cipher: m.Client.Cipher},
	}
}

// filterActions say what the action of a filter is to smtp/inbound.
var filterActions = [...]inbound.Action{filter.Accept: inbound.Accept, filter.Quarantine: inbound.Quarantine, filter.Refuse: inbound.Refuse}

func filterFinding(r filter.Result) inbound.Finding {
	found := inbound.Finding{
		Action: filterActions[r.Action], Status: r.Status, Code: r.Code, Text: r.Text, Reason: r.Why, Reasons: r.Reasons,
		Header: r.Add, ReversePath: r.Sender, Err: r.Err,
	}
	for _, e := range r.Edit {
		if strings.EqualFold(e.Name, "Authentication-Results") && e.Nth > 0 {
			if e.Nth--; e.Nth == 0 { // ours, which is not in the message yet
				continue
			}
		}
		found.Edit = append(found.Edit, e)
	}
	return found
}

// filterTitles are what people call filters.
var filterTitles = map[string]string{filter.NameRspamd: "rspamd", filter.NameClamd: "ClamAV", filter.NameMilter: "the milter"}

// checked are the filters as admin/checks knows them.
func (f *filters) checked() []checks.Filter {
	var list []checks.Filter
	for _, g := range f.current() {
		list = append(list, checks.Filter{Name: cmp.Or(filterTitles[g.Name()], g.Name()) + " at " + g.addr, Needed: g.fail == filter.TempFail, Ping: g.Ping})
	}
	return list
}
