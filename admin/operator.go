package admin

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/certs"
	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox/transfer"
	"github.com/mailstead/mailstead/smtp/reports"
)

// Operator is everything that the command line can ask for.
type Operator interface {
	// Reload reads the configuration file again; only a running server does.
	Reload(ctx context.Context) (Reloaded, error)
	// Clock says how late it is. AcceptClock believes the clock of the system
	// after a jump.
	Clock(ctx context.Context) (Clock, error)
	AcceptClock(ctx context.Context) (Clock, error)
	// Storage says what takes room on the disk. Reclaim begins to give back the
	// room of mail that was deleted longer ago than olderThan.
	Storage(ctx context.Context) (Storage, error)
	Reclaim(ctx context.Context, olderThan time.Duration) (Job, error)
	// CancelJob ends a job; what it has done stays.
	CancelJob(ctx context.Context, id string) (Job, error)

	Domains(ctx context.Context, f DomainFilter) (Page[Domain], error)
	Domain(ctx context.Context, name string) (Domain, error)
	// AddDomain adds a domain and makes its DKIM keys.
	AddDomain(ctx context.Context, n NewDomain) (Domain, error)
	SetDomain(ctx context.Context, name string, ch DomainChange) (Domain, error)
	// RemoveDomain removes a domain; with force also its accounts and their
	// mail.
	RemoveDomain(ctx context.Context, name string, force bool) error
	// DKIMKeys returns the keys of a domain. One that is added does not sign
	// before it is activated, which takes the place of others of its algorithm.
	DKIMKeys(ctx context.Context, domain string) (Page[DKIMKey], error)
	AddDKIMKey(ctx context.Context, domain string, n NewDKIMKey) (DKIMKey, error)
	// ActivateDKIMKey refuses a key that the DNS does not have, without force.
	ActivateDKIMKey(ctx context.Context, domain, selector string, force bool) (DKIMKey, error)
	RetireDKIMKey(ctx context.Context, domain, selector string) (DKIMKey, error)
	RemoveDKIMKey(ctx context.Context, domain, selector string) error
	// DomainDNS says what the DNS of a domain should have, and had when it was
	// last looked at.
	DomainDNS(ctx context.Context, name string) (dnsadvice.Report, error)
	// CheckDNS looks at it now.
	CheckDNS(ctx context.Context, name string) (dnsadvice.Report, error)

	Accounts(ctx context.Context, f AccountFilter) (Page[Account], error)
	// Account also says what the account uses.
	Account(ctx context.Context, address string) (Account, error)
	// AddAccount adds an account with its mailboxes.
	AddAccount(ctx context.Context, n NewAccount) (Account, error)
	SetAccount(ctx context.Context, address string, ch AccountChange) (Account, error)
	SetPassword(ctx context.Context, address, password string) error
	// ExportMail gives all mail of an account to w.
	ExportMail(ctx context.Context, address string, w transfer.Writer) error
	// RemoveAccount removes an account with all its mail.
	RemoveAccount(ctx context.Context, address string) error

	Aliases(ctx context.Context, f AliasFilter) (Page[Alias], error)
	Alias(ctx context.Context, address string) (Alias, error)
	// AddAlias makes an alias, or adds targets to one.
	AddAlias(ctx context.Context, address string, targets []string) (Alias, error)
	// SetAlias lets an address lead to these targets and no others.
	SetAlias(ctx context.Context, address string, targets []string) (Alias, error)
	// RemoveAlias takes targets out of an alias; none named: the whole alias.
	RemoveAlias(ctx context.Context, address string, targets []string) error

	// Queue returns messages in the queue, oldest first.
	Queue(ctx context.Context, f QueueFilter) (Page[QueueItem], error)
	QueueItem(ctx context.Context, id string) (QueueItem, error)
	QueueGroups(ctx context.Context) (QueueGroups, error)
	// ChangeQueue does something with messages and returns with how many.
	ChangeQueue(ctx context.Context, do QueueAction, which QueueSelection) (int, error)

	// Quarantine returns what waits for somebody to say whether it is wanted,
	// newest first; only a running server knows.
	Quarantine(ctx context.Context, q QuarantineQuery) (Page[Quarantined], error)
	QuarantinedMessage(ctx context.Context, id string) (Quarantined, error)
	// ReleaseQuarantined moves messages to the inboxes of their accounts,
	// DeleteQuarantined removes them for good; both return with how many.
	ReleaseQuarantined(ctx context.Context, sel QuarantineSelection) (int, error)
	DeleteQuarantined(ctx context.Context, sel QuarantineSelection) (int, error)

	// List returns whose mail is always taken, or never.
	List(ctx context.Context, s RuleScope) (Page[ListEntry], error)
	PutListEntry(ctx context.Context, s RuleScope, e ListEntry) (ListEntry, error)
	RemoveListEntry(ctx context.Context, s RuleScope, entry string) error
	// JunkPolicy returns what is done at which score.
	JunkPolicy(ctx context.Context, s PolicyScope) (JunkPolicy, error)
	SetJunkPolicy(ctx context.Context, s PolicyScope, p verdict.Policy) (JunkPolicy, error)
	ResetJunkPolicy(ctx context.Context, s PolicyScope) (JunkPolicy, error)
	// OwnRules returns who has a list or a policy of their own.
	OwnRules(ctx context.Context) (Page[OwnRules], error)
	// WhatIf says what another policy or list would have done with the mail of
	// the last 30 days.
	WhatIf(ctx context.Context, s PolicyScope, p Proposal) (WhatIf, error)

	// JunkStats says how much was learned about junk; only a running server
	// knows.
	JunkStats(ctx context.Context) (junk.Stats, error)
	// TrainJunk has an account learn messages; ForgetJunk forgets what one has
	// learned, or with "" what all have.
	TrainJunk(ctx context.Context, l JunkLesson) (JunkLearned, error)
	ForgetJunk(ctx context.Context, account string) (junk.Stats, error)

	// FindTraces returns traces, newest first.
	FindTraces(ctx context.Context, q TraceQuery) (Page[TraceSummary], error)
	Trace(ctx context.Context, id string) (Trace, error)

	Settings(ctx context.Context) (Page[directory.Setting], error)
	Setting(ctx context.Context, name string) (directory.Setting, error)
	SetSetting(ctx context.Context, name, value string) (directory.Setting, error)
	ResetSetting(ctx context.Context, name string) (directory.Setting, error)
	ExportSettings(ctx context.Context) ([]byte, error)
	ImportSettings(ctx context.Context, file []byte) (Page[directory.SettingChange], error)

	// Checks returns what the checks of the server found last; RunChecks runs
	// them now, all if none are named.
	Checks(ctx context.Context) (CheckReport, error)
	RunChecks(ctx context.Context, ids []string) (CheckReport, error)
	MuteCheck(ctx context.Context, id string, until time.Time) (checks.Result, error)
	UnmuteCheck(ctx context.Context, id string) (checks.Result, error)

	// Alerts returns what is wrong, and what was.
	Alerts(ctx context.Context) (AlertReport, error)
	MuteAlert(ctx context.Context, id string, until time.Time) (alerts.Alert, error)
	UnmuteAlert(ctx context.Context, id string) (alerts.Alert, error)
	// AlertChannels returns the ways by which people are told of alerts.
	AlertChannels(ctx context.Context) (Page[AlertChannel], error)
	AddAlertChannel(ctx context.Context, n NewAlertChannel) (AlertChannel, error)
	SetAlertChannel(ctx context.Context, id string, ch AlertChannelChange) (AlertChannel, error)
	RemoveAlertChannel(ctx context.Context, id string) error
	// TestAlertChannel sends a message through a channel now; only a running
	// server can.
	TestAlertChannel(ctx context.Context, id string) (TestResult, error)

	// Webhooks returns the web servers that are told of events.
	Webhooks(ctx context.Context) (Page[Webhook], error)
	Webhook(ctx context.Context, id string) (Webhook, error)
	AddWebhook(ctx context.Context, n NewWebhook) (Webhook, error)
	SetWebhook(ctx context.Context, id string, ch WebhookChange) (Webhook, error)
	RemoveWebhook(ctx context.Context, id string) error
	// TestWebhook sends an event to a webhook now; only a running server can.
	TestWebhook(ctx context.Context, id string) (TestResult, error)
	// WebhookDeliveries returns what a webhook was told, newest first.
	WebhookDeliveries(ctx context.Context, id string, p Paging) (Page[WebhookDelivery], error)
	// ReplayWebhook sends a delivery again, or all that have failed if none is
	// named, and returns how many.
	ReplayWebhook(ctx context.Context, id, delivery string) (int, error)

	// Certificates says how certificates stand; only a running server knows.
	Certificates(ctx context.Context) (Page[certs.Status], error)
	// RenewCertificate begins to get the certificate of a name, or all that
	// are due if it is "".
	RenewCertificate(ctx context.Context, name string, r RenewRequest) (Job, error)
	// DNSProviders change records where zones are hosted.
	DNSProviders(ctx context.Context) (Page[ZoneProvider], error)
	PutDNSProvider(ctx context.Context, name string, n NewZoneProvider) (ZoneProvider, error)
	RemoveDNSProvider(ctx context.Context, name string) error
	// TestDNSProvider asks one for its zones; only a running server does.
	TestDNSProvider(ctx context.Context, name string) (ZoneProviderTest, error)
	// ApplyDNS publishes what a domain needs, or says what would be.
	ApplyDNS(ctx context.Context, name string, r DNSApply) (DNSPlan, error)
	// Job says how far work is that was begun.
	Job(ctx context.Context, id string) (Job, error)
	// Audit returns changes, newest first.
	Audit(ctx context.Context, f AuditFilter) (Page[directory.AuditEntry], error)

	// DMARCReports and TLSReports sum up what others report.
	DMARCReports(ctx context.Context, q ReportQuery) (reports.Summary, error)
	TLSReports(ctx context.Context, q ReportQuery) (reports.TLSSummary, error)
	DMARCReport(ctx context.Context, id string) (DMARCReport, error)
	// SentReports returns what this server has told others, newest first.
	SentReports(ctx context.Context) (Page[reports.Sent], error)

	// Bans returns whose failed logins make them wait; only a running server
	// knows.
	Bans(ctx context.Context) (Page[Ban], error)
	LiftBan(ctx context.Context, key BanKey) error

	// Imports returns imports of mail from other systems, newest first.
	Imports(ctx context.Context) (Page[Import], error)
	Import(ctx context.Context, id string) (Import, error)
	// StartImport begins an import, or the next run of one.
	StartImport(ctx context.Context, n NewImport) (Import, error)
	// StartImports begins one for each line of a list.
	StartImports(ctx context.Context, l ImportList) (ImportListResult, error)
	// ImportPeople makes the accounts and aliases of another mail system.
	ImportPeople(ctx context.Context, l PeopleList) (PeopleResult, error)
	// ImportSetup sets the server up as the file of another one says.
	ImportSetup(ctx context.Context, f SetupFile) (SetupReport, error)
	ResumeImport(ctx context.Context, id string) (Import, error)
	CancelImport(ctx context.Context, id string) (Import, error)
	RemoveImport(ctx context.Context, id string) error
	// ResumeImports, CancelImports and RemoveImports do the same with many.
	ResumeImports(ctx context.Context, c ImportChoice) (ImportsResult, error)
	CancelImports(ctx context.Context, c ImportChoice) (ImportsResult, error)
	RemoveImports(ctx context.Context, c ImportChoice) (ImportsResult, error)
	// Backups says how backups stand, and lists them.
	Backups(ctx context.Context) (Backups, error)
	RunBackup(ctx context.Context) (Job, error)
	VerifyBackup(ctx context.Context, id, key string) (Job, error)
	RemoveBackup(ctx context.Context, id string) error
	BackupKey(ctx context.Context) (BackupKey, error)
	ForgetBackupHost(ctx context.Context) error
	// BackupAccounts and BackupMessages say what is in a backup.
	BackupAccounts(ctx context.Context, id string) (Page[backup.AccountSurvey], error)
	BackupMessages(ctx context.Context, id, account string, sel backup.Selection, p Paging) (Page[backup.Message], error)
	// StartRestore brings messages back into an account, or says which it would.
	StartRestore(ctx context.Context, n NewRestore) (Job, error)

	Close() error
}

// Domain is a domain as an operator sees it.
type Domain struct {
	Name      string             `json:"name"` // A-labels
	AliasOf   string             `json:"aliasOf,omitempty"`
	CatchAll  string             `json:"catchAll,omitempty"`
	Separator string             `json:"separator"`
	Disabled  bool               `json:"disabled,omitempty"`
	AppOnly   bool               `json:"appPasswordsOnly,omitempty"`
	Created   time.Time          `json:"created"`
	Accounts  int                `json:"accounts"`
	Aliases   int                `json:"aliases"`
	Keys      []DKIMKey          `json:"dkim"`
	DNS       *DNSState          `json:"dns,omitempty" doc:"Absent: not looked at yet, or not since its keys or addresses changed."`
	Records   []dnsadvice.Record `json:"records,omitempty"` // only of one domain, not in lists
	Provider  string             `json:"dnsProvider,omitempty" doc:"The name of the DNS provider that changes its zone. Only of one domain, not in lists."`
}

// DNSState says how the DNS of a domain stood when it was last looked at.
type DNSState struct {
	CheckedAt time.Time `json:"checkedAt"`
	dnsadvice.Summary
}

// DKIMKey is the public side of a signing key.
type DKIMKey struct {
	State     string    `json:"state" enum:"new,signing,retired"`
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"`
	Created   time.Time `json:"created"`
	Name      string    `json:"name"`   // of the DNS record
	Record    string    `json:"record"` // its text
}

// NewDomain is a domain to add; only Name must be there.
type NewDomain struct {
	Name      string `json:"name"`
	AliasOf   string `json:"aliasOf,omitempty"`
	CatchAll  string `json:"catchAll,omitempty"`
	Separator string `json:"separator,omitempty"`
}

// DomainChange says what changes: what is not nil.
type DomainChange struct {
	CatchAll  *string `json:"catchAll,omitempty"` // "": none any more
	Separator *string `json:"separator,omitempty"`
	Disabled  *bool   `json:"disabled,omitempty"`

	AppPasswordsOnly *bool `json:"appPasswordsOnly,omitempty"` // of all its accounts
}

// Account is an account as an operator sees it.
type Account struct {
	ID            uint32    `json:"id"`
	Address       string    `json:"address"`
	Name          string    `json:"name,omitempty"`
	Suspended     bool      `json:"suspended,omitempty"`
	QuotaBytes    int64     `json:"quotaBytes"` // 0: no limit
	QuotaMessages int64     `json:"quotaMessages"`
	Created       time.Time `json:"created"`
	Aliases       []string  `json:"aliases,omitempty"` // that lead to it directly
	Usage         *Usage    `json:"usage,omitempty"`   // only of one account, not in lists

	Role             string   `json:"role"`              // user, support, domain-admin, admin, owner
	Domains          []string `json:"domains,omitempty"` // of a domain-admin
	Forward          []string `json:"forward,omitempty"` // where its mail goes on to
	KeepCopy         bool     `json:"keepCopy,omitempty"`
	AppPasswordsOnly bool     `json:"appPasswordsOnly,omitempty"`
}

// Usage is what an account uses.
type Usage struct {
	Bytes    int64 `json:"bytes"`
	Messages int64 `json:"messages"`
}

// NewAccount is an account to add; only Address must be there. Without quotas
// those of the settings are used.
type NewAccount struct {
	Address       string `json:"address"`
	Name          string `json:"name,omitempty"`
	Password      string `json:"password,omitempty"`
	QuotaBytes    *int64 `json:"quotaBytes,omitempty"`
	QuotaMessages *int64 `json:"quotaMessages,omitempty"`

	Role    string   `json:"role,omitempty" enum:"user,support,domain-admin,admin,owner"`
	Domains []string `json:"domains,omitempty"`
}

// AccountChange says what changes: what is not nil.
type AccountChange struct {
	Name          *string `json:"name,omitempty"`
	Suspended     *bool   `json:"suspended,omitempty"`
	QuotaBytes    *int64  `json:"quotaBytes,omitempty"`
	QuotaMessages *int64  `json:"quotaMessages,omitempty"`

	Role             *string   `json:"role,omitempty" enum:"user,support,domain-admin,admin,owner"`
	Domains          *[]string `json:"domains,omitempty"`
	Forward          *[]string `json:"forward,omitempty"` // empty: no more
	KeepCopy         *bool     `json:"keepCopy,omitempty"`
	AppPasswordsOnly *bool     `json:"appPasswordsOnly,omitempty"`
}

// Alias is an address that leads to others.
type Alias struct {
	Address string    `json:"address"`
	Targets []string  `json:"targets"`
	Created time.Time `json:"created"`
}

// DomainFilter narrows a list of domains; empty fields do not.
type DomainFilter struct {
	Paging
	Query string // part of the name
}

// AccountFilter narrows a list of accounts; empty fields do not.
type AccountFilter struct {
	Paging
	Domain string
	Query  string // part of address or name
	State  string // "active", "suspended"
	Role   string
}

// AliasFilter narrows a list of aliases; empty fields do not.
type AliasFilter struct {
	Paging
	Domain string
	Query  string // part of the address or of a target
}

// AuditFilter narrows the audit log; empty fields do not.
type AuditFilter struct {
	Paging
	Actor, Object string // a part of it
	Action        string // as in "account.set"; "account" is all of accounts
	Since, Till   time.Time
}

// QueueFilter narrows a list of the queue; empty fields do not.
type QueueFilter struct {
	Paging
	QueueMatch
}

// QueueMatch says which messages in the queue are meant; empty fields do not.
type QueueMatch struct {
	Address string `json:"address,omitempty" query:"address" doc:"Sender or recipient; @example.org is a whole domain."`
	State   string `json:"state,omitempty" query:"state" enum:"waiting,trying,retry,held"`
	Cause   string `json:"cause,omitempty" query:"cause" doc:"What the messages wait for, as the groups name it."`
}

// QueueSelection names messages, or says which are meant.
type QueueSelection struct {
	IDs    []string    `json:"ids,omitempty" maxItems:"1000"`
	Filter *QueueMatch `json:"filter,omitempty" doc:"All recipients that match; {} is all."`
	To     string      `json:"to,omitempty" maxLength:"300" doc:"Of reroute: the relay as host:port; empty: to the servers of the domains again."`
}

// QueueItem is a message in the queue.
type QueueItem struct {
	ID         string           `json:"id"`
	From       string           `json:"from"` // "" is the null reverse-path
	Created    time.Time        `json:"created"`
	Expires    time.Time        `json:"expires"`
	Size       int64            `json:"size"`
	Recipients []QueueRecipient `json:"recipients"`
	Others     int              `json:"others,omitempty" doc:"Recipients of other domains, whom a domain admin does not see."`
}

// QueueRecipient is a recipient that is not done.
type QueueRecipient struct {
	Address  string    `json:"address"`
	State    string    `json:"state"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	Status   string    `json:"status,omitempty"`
	Reply    string    `json:"reply,omitempty"`
	MX       string    `json:"mx,omitempty"`
	Cause    string    `json:"cause,omitempty"`
	Relay    string    `json:"relay,omitempty" doc:"That it was rerouted to."`
}

// QueueGroups is an overview of the queue: why mail waits.
type QueueGroups struct {
	Messages   int            `json:"messages"`
	Recipients int            `json:"recipients"`
	States     map[string]int `json:"states"`
	Oldest     time.Time      `json:"oldest,omitzero"`
	Groups     []QueueGroup   `json:"groups"`
}

// QueueGroup is recipients that wait for one reason.
type QueueGroup struct {
	Cause    string    `json:"cause" doc:"For filters: the destination and what it said."`
	Kind     string    `json:"kind" doc:"One of a closed set, such as greylisted, blocked-ip, no-answer."`
	Title    string    `json:"title"`
	Explain  string    `json:"explain"`
	Fix      string    `json:"fix,omitempty" doc:"What to do; absent: nothing, it passes."`
	State    string    `json:"state"`
	Reply    string    `json:"reply,omitempty" doc:"One of them, in full."`
	Messages int       `json:"messages"`
	Senders  int       `json:"senders" doc:"Different ones; at most 1,000 are told apart."`
	Oldest   time.Time `json:"oldest,omitzero"`
	NextTry  time.Time `json:"nextTry,omitzero"`
	Expires  time.Time `json:"expires,omitzero" doc:"When the first of them is given up."`
	Domains  []string  `json:"domains" doc:"Of recipients, up to 20, those with most of them first."`
}

// QueueAction is what ChangeQueue does.
type QueueAction string

const (
	RetryNow QueueAction = "retry"   // make the next attempt now
	Hold     QueueAction = "hold"    // do not try until Release
	Release  QueueAction = "release" // go on
	Cancel   QueueAction = "cancel"  // remove without a report
	Reroute  QueueAction = "reroute" // send by another relay, or no longer
)

// TraceQuery narrows FindTraces; empty fields do not.
type TraceQuery struct {
	Paging
	// Text is what somebody has typed: an address, "@example.org", a Message-ID,
	// an ID, an IP address, or a whole subject.
	Text string

	ID, MessageID, Address, IP, Subject, Direction, Outcome string
	Refusals                                                bool   // refused, or filed to Junk
	Similar                                                 string // has the same trouble as this one

	After, Before time.Time
}

// TraceSummary is what a trace is found by.
type TraceSummary struct {
	ID          string    `json:"id"`
	Start       time.Time `json:"start"`
	Last        time.Time `json:"last"`
	Direction   string    `json:"direction,omitempty"`
	From        string    `json:"from"`
	To          []string  `json:"to"`
	MessageID   string    `json:"messageId,omitempty"`
	RemoteIP    string    `json:"remoteIp,omitempty"`
	RemoteName  string    `json:"remoteName,omitempty"`
	Login       string    `json:"login,omitempty"`
	Size        int64     `json:"size,omitempty"`
	Outcome     string    `json:"outcome,omitempty"`
	Status      string    `json:"status,omitempty"`
	Reason      string    `json:"reason,omitempty" doc:"Why, in one line."`
	Junk        bool      `json:"junk,omitempty" doc:"Filed to Junk."`
	Quarantined bool      `json:"quarantined,omitempty" doc:"Kept in quarantine when it came; it may have been released."`
}

// Trace is the whole story of a message.
type Trace struct {
	TraceSummary
	Story   []StoryLine `json:"story"`
	Similar int         `json:"similar,omitempty" doc:"Other messages with the same trouble; 100 stands for 100 or more."`
}

// StoryLine is one thing that happened, or one line of a dialogue.
type StoryLine struct {
	Time     time.Time         `json:"time"`
	Kind     string            `json:"kind" enum:"connect,dialogue,check,verdict,route,filed,queued,attempt,report,done"`
	Text     string            `json:"text"`
	Fields   map[string]string `json:"fields,omitempty"`
	Side     string            `json:"side,omitempty" enum:"client,server" doc:"Who says it, in a dialogue."`
	Command  string            `json:"command,omitempty"`
	Code     int               `json:"code,omitempty" doc:"Reply code."`
	Status   string            `json:"status,omitempty" doc:"Enhanced status code."`
	Explain  string            `json:"explain,omitempty" doc:"What it means, in plain words."`
	Severity string            `json:"severity" enum:"ok,info,warn,fail"`
}
