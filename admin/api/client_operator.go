package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/smtp/reports"
)

// list is get for a page of a list.
func list[T any](ctx context.Context, c *Client, path string, p admin.Paging, query ...string) (admin.Page[T], error) {
	if p.Limit > 0 {
		query = append(query, "limit", strconv.Itoa(p.Limit))
	}
	return get[admin.Page[T]](ctx, c, path, append(query, "cursor", p.Cursor)...)
}

func domain(name string) string     { return "/domains/" + url.PathEscape(name) }
func account(address string) string { return "/accounts/" + url.PathEscape(address) }
func alias(address string) string   { return "/aliases/" + url.PathEscape(address) }
func setting(name string) string    { return "/settings/" + url.PathEscape(name) }

func (c *Client) Reload(ctx context.Context) (admin.Reloaded, error) {
	return call[admin.Reloaded](ctx, c, request{method: http.MethodPost, path: "/system:reload"})
}

func (c *Client) Clock(ctx context.Context) (admin.Clock, error) {
	return get[admin.Clock](ctx, c, "/clock")
}

func (c *Client) AcceptClock(ctx context.Context) (admin.Clock, error) {
	return call[admin.Clock](ctx, c, request{method: http.MethodPost, path: "/clock:accept"})
}

// Storage is GET /storage.
func (c *Client) Storage(ctx context.Context) (admin.Storage, error) {
	return get[admin.Storage](ctx, c, "/storage")
}

// Reclaim is POST /storage:reclaim.
func (c *Client) Reclaim(ctx context.Context, olderThan time.Duration) (admin.Job, error) {
	if err := admin.CheckReclaim(olderThan); err != nil {
		return admin.Job{}, err
	}
	return c.startJob(ctx, "/storage:reclaim", reclaiming{int64((olderThan + time.Second - 1) / time.Second)})
}

// SupportBundle makes the bundle in the server.
func (c *Client) SupportBundle(ctx context.Context) ([]byte, error) {
	return c.raw(ctx, request{method: http.MethodPost, path: "/system:support-bundle"})
}

func (c *Client) Domains(ctx context.Context, f admin.DomainFilter) (admin.Page[admin.Domain], error) {
	return list[admin.Domain](ctx, c, "/domains", f.Paging, "q", f.Query)
}

func (c *Client) Domain(ctx context.Context, name string) (admin.Domain, error) {
	return get[admin.Domain](ctx, c, domain(name))
}

func (c *Client) AddDomain(ctx context.Context, n admin.NewDomain) (admin.Domain, error) {
	return call[admin.Domain](ctx, c, request{method: http.MethodPost, path: "/domains", body: n})
}

func (c *Client) SetDomain(ctx context.Context, name string, ch admin.DomainChange) (admin.Domain, error) {
	return call[admin.Domain](ctx, c, request{method: http.MethodPatch, path: domain(name), body: ch})
}

func (c *Client) RemoveDomain(ctx context.Context, name string, force bool) error {
	q := url.Values{}
	if force {
		q = url.Values{"force": {"true"}, "confirm": {name}}
	}
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: domain(name), query: q})
	return err
}

func dkimKey(name, selector string) string { return domain(name) + "/dkim/" + url.PathEscape(selector) }

func (c *Client) DKIMKeys(ctx context.Context, name string) (admin.Page[admin.DKIMKey], error) {
	return get[admin.Page[admin.DKIMKey]](ctx, c, domain(name)+"/dkim")
}

func (c *Client) AddDKIMKey(ctx context.Context, name string, n admin.NewDKIMKey) (admin.DKIMKey, error) {
	return call[admin.DKIMKey](ctx, c, request{method: http.MethodPost, path: domain(name) + "/dkim", body: n})
}

func (c *Client) ActivateDKIMKey(ctx context.Context, name, selector string, force bool) (admin.DKIMKey, error) {
	q := url.Values{}
	if force {
		q.Set("force", "true")
	}
	return call[admin.DKIMKey](ctx, c, request{method: http.MethodPost, path: dkimKey(name, selector) + ":activate", query: q})
}

func (c *Client) RetireDKIMKey(ctx context.Context, name, selector string) (admin.DKIMKey, error) {
	return call[admin.DKIMKey](ctx, c, request{method: http.MethodPost, path: dkimKey(name, selector) + ":retire"})
}

func (c *Client) RemoveDKIMKey(ctx context.Context, name, selector string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: dkimKey(name, selector)})
	return err
}

func (c *Client) DomainDNS(ctx context.Context, name string) (dnsadvice.Report, error) {
	return get[dnsadvice.Report](ctx, c, domain(name)+"/dns")
}

func (c *Client) CheckDNS(ctx context.Context, name string) (dnsadvice.Report, error) {
	return call[dnsadvice.Report](ctx, c, request{method: http.MethodPost, path: domain(name) + "/dns:check"})
}

func (c *Client) Accounts(ctx context.Context, f admin.AccountFilter) (admin.Page[admin.Account], error) {
	return list[admin.Account](ctx, c, "/accounts", f.Paging, "domain", f.Domain, "q", f.Query, "state", f.State, "role", f.Role)
}

func (c *Client) Account(ctx context.Context, address string) (admin.Account, error) {
	return get[admin.Account](ctx, c, account(address))
}

func (c *Client) AddAccount(ctx context.Context, n admin.NewAccount) (admin.Account, error) {
	return call[admin.Account](ctx, c, request{method: http.MethodPost, path: "/accounts", body: n})
}

func (c *Client) SetAccount(ctx context.Context, address string, ch admin.AccountChange) (admin.Account, error) {
	return call[admin.Account](ctx, c, request{method: http.MethodPatch, path: account(address), body: ch})
}

func (c *Client) SetPassword(ctx context.Context, address, password string) error {
	_, err := c.raw(ctx, request{method: http.MethodPost, path: account(address) + ":password", body: passwordBody{password}})
	return err
}

func (c *Client) RemoveAccount(ctx context.Context, address string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: account(address)})
	return err
}

func (c *Client) Aliases(ctx context.Context, f admin.AliasFilter) (admin.Page[admin.Alias], error) {
	return list[admin.Alias](ctx, c, "/aliases", f.Paging, "domain", f.Domain, "q", f.Query)
}

func (c *Client) Alias(ctx context.Context, address string) (admin.Alias, error) {
	return get[admin.Alias](ctx, c, alias(address))
}

func (c *Client) AddAlias(ctx context.Context, address string, targets []string) (admin.Alias, error) {
	return call[admin.Alias](ctx, c, request{method: http.MethodPost, path: "/aliases", body: aliasBody{address, targets}})
}

func (c *Client) SetAlias(ctx context.Context, address string, targets []string) (admin.Alias, error) {
	return call[admin.Alias](ctx, c, request{method: http.MethodPut, path: alias(address), body: targetsBody{targets}})
}

func (c *Client) RemoveAlias(ctx context.Context, address string, targets []string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: alias(address), query: url.Values{"target": targets}})
	return err
}

func (c *Client) Queue(ctx context.Context, f admin.QueueFilter) (admin.Page[admin.QueueItem], error) {
	return list[admin.QueueItem](ctx, c, "/queue", f.Paging, "address", f.Address, "state", f.State, "cause", f.Cause)
}

func (c *Client) QueueItem(ctx context.Context, id string) (admin.QueueItem, error) {
	return get[admin.QueueItem](ctx, c, "/queue/"+url.PathEscape(id))
}

func (c *Client) QueueGroups(ctx context.Context) (admin.QueueGroups, error) {
	return get[admin.QueueGroups](ctx, c, "/queue/groups")
}

func (c *Client) ChangeQueue(ctx context.Context, do admin.QueueAction, which admin.QueueSelection) (int, error) {
	n, err := call[Changed](ctx, c, request{method: http.MethodPost, path: "/queue:" + string(do), body: which})
	return n.Changed, err
}

func (c *Client) Quarantine(ctx context.Context, q admin.QuarantineQuery) (admin.Page[admin.Quarantined], error) {
	return list[admin.Quarantined](ctx, c, "/quarantine", q.Paging, "account", q.Account, "domain", q.Domain)
}

func (c *Client) QuarantinedMessage(ctx context.Context, id string) (admin.Quarantined, error) {
	return get[admin.Quarantined](ctx, c, "/quarantine/"+url.PathEscape(id))
}

func (c *Client) ReleaseQuarantined(ctx context.Context, sel admin.QuarantineSelection) (int, error) {
	n, err := call[Changed](ctx, c, request{method: http.MethodPost, path: "/quarantine:release", body: sel})
	return n.Changed, err
}

func (c *Client) DeleteQuarantined(ctx context.Context, sel admin.QuarantineSelection) (int, error) {
	n, err := call[Changed](ctx, c, request{method: http.MethodPost, path: "/quarantine:delete", body: sel})
	return n.Changed, err
}

func (c *Client) JunkStats(ctx context.Context) (junk.Stats, error) {
	return get[junk.Stats](ctx, c, "/junk/stats")
}

func (c *Client) TrainJunk(ctx context.Context, l admin.JunkLesson) (admin.JunkLearned, error) {
	return call[admin.JunkLearned](ctx, c, request{method: http.MethodPost, path: "/junk:train", body: l})
}

func (c *Client) ForgetJunk(ctx context.Context, account string) (junk.Stats, error) {
	return call[junk.Stats](ctx, c, request{method: http.MethodPost, path: "/junk:forget", body: JunkForget{Account: account}})
}

func (c *Client) FindTraces(ctx context.Context, q admin.TraceQuery) (admin.Page[admin.TraceSummary], error) {
	return list[admin.TraceSummary](ctx, c, "/traces", q.Paging, "q", q.Text, "direction", q.Direction, "similar", q.Similar, "messageId", q.MessageID, "address", q.Address, "ip", q.IP,
		"subject", q.Subject, "outcome", q.Outcome, "from", timeText(q.After), "to", timeText(q.Before))
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

func (c *Client) Trace(ctx context.Context, id string) (admin.Trace, error) {
	return get[admin.Trace](ctx, c, "/traces/"+url.PathEscape(id))
}

func (c *Client) Settings(ctx context.Context) (admin.Page[directory.Setting], error) {
	return get[admin.Page[directory.Setting]](ctx, c, "/settings")
}

func (c *Client) Setting(ctx context.Context, name string) (directory.Setting, error) {
	return get[directory.Setting](ctx, c, setting(name))
}

func (c *Client) SetSetting(ctx context.Context, name, value string) (directory.Setting, error) {
	return call[directory.Setting](ctx, c, request{method: http.MethodPut, path: setting(name), body: settingBody{value}})
}

func (c *Client) ResetSetting(ctx context.Context, name string) (directory.Setting, error) {
	return call[directory.Setting](ctx, c, request{method: http.MethodDelete, path: setting(name)})
}

func (c *Client) ExportSettings(ctx context.Context) ([]byte, error) {
	return c.raw(ctx, request{method: http.MethodGet, path: "/settings.toml"})
}

func (c *Client) ImportSettings(ctx context.Context, file []byte) (admin.Page[directory.SettingChange], error) {
	return call[admin.Page[directory.SettingChange]](ctx, c, request{method: http.MethodPut, path: "/settings.toml", body: file})
}

func (c *Client) RenewCertificate(ctx context.Context, name string, r admin.RenewRequest) (admin.Job, error) {
	path := "/certificates:renew"
	if name != "" {
		path = "/certificates/" + url.PathEscape(name) + ":renew"
	}
	q := url.Values{"force": {strconv.FormatBool(r.Force)}, "newKey": {strconv.FormatBool(r.NewKey)}}
	j, err := call[startedJob](ctx, c, request{method: http.MethodPost, path: path, query: q})
	if err != nil {
		return admin.Job{}, err
	}
	return c.Job(ctx, j.Job)
}

func (c *Client) DNSProviders(ctx context.Context) (admin.Page[admin.ZoneProvider], error) {
	return get[admin.Page[admin.ZoneProvider]](ctx, c, "/dns-providers")
}

func (c *Client) PutDNSProvider(ctx context.Context, name string, n admin.NewZoneProvider) (admin.ZoneProvider, error) {
	return call[admin.ZoneProvider](ctx, c, request{method: http.MethodPut, path: "/dns-providers/" + url.PathEscape(name), body: n})
}

func (c *Client) TestDNSProvider(ctx context.Context, name string) (admin.ZoneProviderTest, error) {
	return call[admin.ZoneProviderTest](ctx, c, request{method: http.MethodPost, path: "/dns-providers/" + url.PathEscape(name) + ":test"})
}

func (c *Client) RemoveDNSProvider(ctx context.Context, name string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: "/dns-providers/" + url.PathEscape(name)})
	return err
}

func (c *Client) ApplyDNS(ctx context.Context, name string, r admin.DNSApply) (admin.DNSPlan, error) {
	return call[admin.DNSPlan](ctx, c, request{method: http.MethodPost, path: domain(name) + "/dns:apply", body: r})
}

// CancelJob is POST /jobs/{id}:cancel.
func (c *Client) CancelJob(ctx context.Context, id string) (admin.Job, error) {
	return call[admin.Job](ctx, c, request{method: http.MethodPost, path: "/jobs/" + url.PathEscape(id) + ":cancel"})
}

func (c *Client) Job(ctx context.Context, id string) (admin.Job, error) {
	return get[admin.Job](ctx, c, "/jobs/"+url.PathEscape(id))
}

func (c *Client) Certificates(ctx context.Context) (admin.Page[certs.Status], error) {
	return get[admin.Page[certs.Status]](ctx, c, "/certificates")
}

func (c *Client) Audit(ctx context.Context, f admin.AuditFilter) (admin.Page[directory.AuditEntry], error) {
	return list[directory.AuditEntry](ctx, c, "/audit", f.Paging, "actor", f.Actor, "object", f.Object, "action", f.Action, "from", timeText(f.Since), "to", timeText(f.Till))
}

func (c *Client) DMARCReports(ctx context.Context, q admin.ReportQuery) (reports.Summary, error) {
	return get[reports.Summary](ctx, c, "/reports/dmarc", "domain", q.Domain, "from", timeText(q.From), "to", timeText(q.To))
}

func (c *Client) TLSReports(ctx context.Context, q admin.ReportQuery) (reports.TLSSummary, error) {
	return get[reports.TLSSummary](ctx, c, "/reports/tls", "domain", q.Domain, "from", timeText(q.From), "to", timeText(q.To))
}

func (c *Client) DMARCReport(ctx context.Context, id string) (admin.DMARCReport, error) {
	return get[admin.DMARCReport](ctx, c, "/reports/dmarc/"+url.PathEscape(id))
}

func (c *Client) SentReports(ctx context.Context) (admin.Page[reports.Sent], error) {
	return get[admin.Page[reports.Sent]](ctx, c, "/reports/sent")
}
