package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Names of settings. The type of a name says what its value is.
type (
	BoolSetting     string
	IntSetting      string // also sizes, in octets
	DurationSetting string
	TextSetting     string
	AddressSetting  string
)

// All settings; definitions says what they mean.
const (
	Postmaster        AddressSetting = "postmaster"
	ServerAddresses   TextSetting    = "server.addresses"
	ServerReceiveOnly BoolSetting    = "server.receive-only"
	ChecksMXHosts     TextSetting    = "checks.mx-hosts"
	ChecksBlocklists  TextSetting    = "checks.blocklists"
	ChecksSignedName  TextSetting    = "checks.signed-name"
	ChecksTimeHost    TextSetting    = "checks.time-host"
	PasswordMinLength IntSetting     = "password.min-length"

	AccountQuota         IntSetting = "account.quota"
	AccountQuotaMessages IntSetting = "account.quota-messages"

	MessageMaxSize       IntSetting = "message.max-size"
	MessageMaxRecipients IntSetting = "message.max-recipients"

	InboundLenientDMARC        BoolSetting = "inbound.lenient-dmarc"
	InboundForwardJunk         BoolSetting = "inbound.forward-junk"
	JunkLearn                  BoolSetting = "junk.learn"
	ARCTrustedSealers          TextSetting = "arc.trusted-sealers"
	DMARCTrustedForwarders     TextSetting = "dmarc.trusted-forwarders"
	SubmissionRecipientsPerDay IntSetting  = "submission.recipients-per-day"

	QueueRetry       TextSetting     = "queue.retry"
	QueueExpire      DurationSetting = "queue.expire"
	QueueDelayNotice DurationSetting = "queue.delay-notice"
	QueueParallel    IntSetting      = "queue.parallel"
	QueuePerDomain   IntSetting      = "queue.per-domain"

	RelayHost     TextSetting = "relay.host"
	RelayTLS      TextSetting = "relay.tls"
	RelayLogin    TextSetting = "relay.login"
	RelayPassword TextSetting = "relay.password"

	LimitConnections        IntSetting = "limits.connections"
	LimitConnectionsAddress IntSetting = "limits.connections-per-address"
	LimitConnectionsNet     IntSetting = "limits.connections-per-net"

	QuarantineKeep      DurationSetting = "quarantine.keep"
	MailboxKeepExpunged DurationSetting = "mailbox.keep-expunged"
	StoreCompress       BoolSetting     = "store.compress"
	StoreReserve        IntSetting      = "store.reserve"
	TraceKeep           DurationSetting = "trace.keep"

	DMARCReports        BoolSetting     = "dmarc.reports"
	DMARCReportsAddress TextSetting     = "dmarc.reports-address"
	TLSReportsAddress   TextSetting     = "tls.reports-address"
	ReportsKeep         DurationSetting = "reports.keep"
)

// definition is one entry of the registry.
type definition struct {
	name     string
	kind     kind
	initial  string // default
	min, max int64  // of numbers; durations in nanoseconds
	secret   bool
	guarded  bool               // see [Setting.Guarded]
	check    func(string) error // of texts
	doc      string
}

const day = 24 * time.Hour

// definitions is the registry of settings, in the order in which people see
// them.
func definitions() []definition {
	return slices.Concat([]definition{
		{name: string(Postmaster), kind: address, guarded: true,
			doc: "Gets the mail for postmaster@ and abuse@ of every domain, unless there is an account or alias of that name. Empty: the domain's first account."},
		{name: string(ServerAddresses), kind: words, check: checkAddresses,
			doc: "Public IP addresses of this server, for the DNS and its checks. Empty: those of its network interfaces, which is wrong behind NAT."},
		{name: string(ServerReceiveOnly), kind: boolean, initial: "false",
			doc: "This server only receives; what people send goes out another way. Checks of sending are left out."},
		{name: string(ChecksMXHosts), kind: words, initial: "gmail-smtp-in.l.google.com outlook-com.olc.protection.outlook.com mta5.am0.yahoodns.net", check: checkNames,
			doc: "Mail servers of others that a check connects to on port 25, to see whether mail can go out."},
		{name: string(ChecksBlocklists), kind: words, initial: "zen.spamhaus.org bl.spamcop.net b.barracudacentral.org psbl.surriel.com", check: checkNames,
			doc: "Blocklists that the addresses of this server are looked up in. Empty: none."},
		{name: string(ChecksSignedName), kind: words, initial: "ietf.org", check: checkNames,
			doc: "A domain with DNSSEC and a TXT record, by which a check sees whether the resolver validates."},
		{name: string(ChecksTimeHost), kind: words, initial: "acme-v02.api.letsencrypt.org", check: checkNames,
			doc: "A web server that a check asks for the time. Empty: none."},
		{name: string(PasswordMinLength), kind: integer, initial: "8", min: 8, max: 128,
			doc: "Characters that a new password must have at least."},
		{name: string(AccountQuota), kind: size, initial: "0", max: 1 << 50,
			doc: "Quota of new accounts. 0: no limit."},
		{name: string(AccountQuotaMessages), kind: integer, initial: "0", max: 1 << 40,
			doc: "Number of messages that new accounts may keep. 0: no limit."},
		{name: string(MessageMaxSize), kind: size, initial: "50 MiB", min: 1 << 20, max: 1 << 30,
			doc: "Largest message that is taken, as it is on the wire; attachments are a third larger there."},
		{name: string(MessageMaxRecipients), kind: integer, initial: "100", min: 100, max: 10_000,
			doc: "Recipients of one message. RFC 5321 section 4.5.3.1.8 asks for at least 100."},
		{name: string(InboundLenientDMARC), kind: boolean, initial: "false",
			doc: "File mail to Junk where its author's domain asks to reject it (DMARC p=reject), instead of refusing it."},
		{name: string(InboundForwardJunk), kind: boolean, initial: "false",
			doc: "Forward mail that was judged to be junk, too. Off: where an account keeps a copy, that is all; where an address leads elsewhere only, the message is refused, unless another recipient takes it. Who forwards junk is soon taken for its sender."},
	}, doorDefinitions(), []definition{
		{name: string(JunkLearn), kind: boolean, initial: "true",
			doc: "Learn what is junk from what people do with their mail: move it to Junk or back, answer it, file it. Off: what was learned stays and is used."},
		{name: string(ARCTrustedSealers), kind: words, check: checkNames,
			doc: "Domains of mailing lists and forwarders whose ARC seals are believed: if one says that a message was proved to be of its author, DMARC does not count against it. Empty: none."},
		{name: string(DMARCTrustedForwarders), kind: words, check: checkForwarders,
			doc: "Forwarders that pass on mail for people here: addresses, networks, and domains with those below them (a confirmed client name, or proved by SPF or DKIM). DMARC does not count against what they bring. Empty: none."},
		{name: string(DMARCReports), kind: boolean, initial: "true",
			doc: "Tell the domains that ask for it once a day what came in their name (DMARC aggregate reports). No addresses of people are in them."},
		{name: string(DMARCReportsAddress), kind: words, initial: "dmarc-reports", check: checkLocalPart,
			doc: "Local part of the address, in every domain, that takes the DMARC reports of others. An account or alias of that name comes first. \"off\": none."},
		{name: string(SubmissionRecipientsPerDay), kind: integer, initial: "2000", max: 1_000_000,
			doc: "Recipients that one account may write to in a day; a stolen password does little harm with it. 0: no limit."},
	}, guard(filterDefinitions()), guard(backupDefinitions()), []definition{
		{name: string(QueueRetry), kind: words, initial: "5m 10m 20m 40m 80m 160m 4h 5h 6h", check: checkSchedule,
			doc: "Times between attempts to deliver; the last one repeats until queue.expire."},
		{name: string(QueueExpire), kind: duration, initial: "5d", min: int64(time.Minute), max: int64(30 * day),
			doc: "After this time mail that could not be delivered goes back to its sender."},
		{name: string(QueueDelayNotice), kind: duration, initial: "4h", max: int64(30 * day),
			doc: "After this time the sender is told that mail is still waiting. 0: never."},
		{name: string(QueueParallel), kind: integer, initial: "100", min: 1, max: 10_000,
			doc: "Deliveries under way at once."},
		{name: string(QueuePerDomain), kind: integer, initial: "10", min: 1, max: 1_000,
			doc: "Deliveries under way at once to one domain."},
		{name: string(RelayHost), kind: words, guarded: true, check: checkHostPort,
			doc: "Hand all outgoing mail to this server (host:port) instead of delivering it, for providers that block port 25. Empty: deliver."},
		{name: string(RelayTLS), kind: words, guarded: true, initial: "required", check: oneOf("required", "implicit", "opportunistic"),
			doc: "TLS to relay.host: \"required\" is STARTTLS with a verified certificate, \"implicit\" TLS from the start (port 465), \"opportunistic\" STARTTLS if offered."},
		{name: string(RelayLogin), kind: words, guarded: true,
			doc: "Login at relay.host or, where that is empty, at the relay that waiting mail is rerouted to. Empty: none."},
		{name: string(RelayPassword), kind: words, guarded: true, secret: true,
			doc: "Password at relay.host."},
		{name: string(LimitConnections), kind: integer, initial: "5000", min: 10, max: 1_000_000,
			doc: "Connections of a service at once."},
		{name: string(LimitConnectionsAddress), kind: integer, initial: "50", min: 1, max: 100_000,
			doc: "Connections of a service at once from one address."},
		{name: string(LimitConnectionsNet), kind: integer, initial: "200", min: 1, max: 100_000,
			doc: "Connections of a service at once from one net: /24 of IPv4, /48 of IPv6."},
		{name: string(QuarantineKeep), kind: duration, initial: "30d", min: int64(time.Hour), max: int64(365 * day),
			doc: "How long mail waits in quarantine for somebody to release it; then it is filed to Junk."},
		{name: string(MailboxKeepExpunged), kind: duration, initial: "30d", min: int64(day), max: int64(365 * day),
			doc: "How long a mail program may stay away and still hear only what changed."},
		{name: string(StoreCompress), kind: boolean, initial: "false",
			doc: "Compress messages on the disk (zstd) where that saves a tenth."},
		{name: string(StoreReserve), kind: size, initial: "0", max: 1 << 40,
			doc: "Room on the disk that new mail leaves free; below four and two times of it other things stop first. 0: a 32nd of the disk, from 4 MiB to 128 MiB."},
		{name: string(TraceKeep), kind: duration, initial: "30d", min: int64(time.Hour), max: int64(365 * day),
			doc: "How long the story of each message is kept."},
		{name: string(TLSReportsAddress), kind: words, initial: "tls-reports", check: checkLocalPart,
			doc: "Local part of the address, in every domain, that takes the TLS reports of others. An account or alias of that name comes first. \"off\": none."},
		{name: string(ReportsKeep), kind: duration, initial: "400d", min: int64(30 * day), max: int64(3650 * day),
			doc: "How long the reports of others are kept; 400d are 13 months."},
	}, alertDefinitions(), systemDefinitions())
}

// Setting is a setting with its value, in the form in which people write it.
type Setting struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Value   string `json:"value"` // of a secret: "[set]" or nothing
	Default string `json:"default"`
	Changed bool   `json:"changed"` // differs from the default
	Doc     string `json:"doc"`
	Secret  bool   `json:"secret,omitempty" doc:"The value is not shown."`
	// Guarded are settings that say where mail, copies of it or passwords go, and
	// who looks at them: an open session alone is not enough to change one.
	Guarded bool `json:"guarded,omitempty" doc:"Changing it wants signing in again."`
}

// guard marks all of a group.
func guard(list []definition) []definition {
	for i := range list {
		list[i].guarded = true
	}
	return list
}

// hidden stands for the value of a secret.
const hidden = "[set]"

func (s *snapshot) setting(def *definition) Setting {
	v, changed := s.settings[def.name]
	if !changed {
		v = def.initial
	}
	if def.secret && v != "" {
		v = hidden
	}
	return Setting{Name: def.name, Kind: string(def.kind), Value: v, Default: def.initial, Changed: changed, Doc: def.doc, Secret: def.secret, Guarded: def.guarded}
}

// Settings returns all settings.
func (d *Directory) Settings() []Setting {
	s := d.current.Load()
	var list []Setting
	for _, def := range definitions() {
		list = append(list, s.setting(&def))
	}
	return list
}

// Setting returns one setting.
func (d *Directory) Setting(name string) (Setting, error) {
	def, err := define(name)
	if err != nil {
		return Setting{}, err
	}
	return d.current.Load().setting(def), nil
}

// SetSetting changes a setting.
func (d *Directory) SetSetting(ctx context.Context, actor, name, value string) (Setting, error) {
	_, err := d.setSettings(ctx, actor, map[string]string{name: value})
	if err != nil {
		return Setting{}, err
	}
	return d.Setting(name)
}

// ResetSetting brings a setting back to its default.
func (d *Directory) ResetSetting(ctx context.Context, actor, name string) (Setting, error) {
	def, err := define(name)
	if err != nil {
		return Setting{}, err
	}
	return d.SetSetting(ctx, actor, name, def.initial)
}

// SettingChange is what an import or change did to one setting.
type SettingChange struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// setSettings changes several settings, all or none, and returns those that
// differ from before.
func (d *Directory) setSettings(ctx context.Context, actor string, values map[string]string) (changed []SettingChange, err error) {
	err = d.update(ctx, actor, func(c *change) error {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			def, err := define(name)
			if err != nil {
				return err
			}
			ch, err := c.putSetting(def, values[name])
			if err != nil {
				return err
			}
			if ch != nil {
				changed = append(changed, *ch)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// putSetting writes one setting; it returns nil if it is that already.
func (c *change) putSetting(def *definition, value string) (*SettingChange, error) {
	value, err := def.normalise(value)
	if err != nil {
		return nil, err
	}
	if p, _ := def.parse(value); def.kind == address {
		if p := p.(mail.Path); !p.IsNull() {
			if err := c.next.checkTarget(p); err != nil {
				return nil, err
			}
		}
	}
	before, set := c.next.settings[def.name]
	if !set {
		before = def.initial
	}
	if before == value {
		return nil, nil
	}
	var row any
	if value == def.initial {
		delete(c.next.settings, def.name)
	} else {
		row = value
		c.next.settings[def.name] = value
	}
	c.next.values = settingValues(c.next.settings)
	if err := c.put(bucketSettings, []byte(def.name), row); err != nil {
		return nil, err
	}
	ch := &SettingChange{def.name, before, value}
	if def.secret {
		ch.Before, ch.After = veil(before), veil(value)
	}
	return ch, c.audit("setting.set", def.name, ch.Before, ch.After)
}

func veil(secret string) string {
	if secret == "" {
		return ""
	}
	return hidden
}

// define finds a setting's definition.
func define(name string) (*definition, error) {
	defs := definitions()
	for i := range defs {
		if defs[i].name == name {
			return &defs[i], nil
		}
	}
	best, least := "", 4 // edits; more is no likeness
	for _, def := range defs {
		if n := distance(name, def.name); n < least || strings.HasSuffix(def.name, "."+name) {
			best, least = def.name, n
		}
	}
	if best != "" {
		return nil, notFound("there is no setting %q; did you mean %s?", name, best)
	}
	return nil, notFound("there is no setting %q; `mailstead settings list` shows all", name)
}

// distance counts the edits between two short texts (Levenshtein).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// settingValues parses all settings. What cannot be read, as a newer version
// may have left it, counts as the default.
func settingValues(set map[string]string) map[string]any {
	values := map[string]any{}
	for _, def := range definitions() {
		text, ok := set[def.name]
		v, err := def.parse(text)
		if !ok || err != nil {
			v, _ = def.parse(def.initial)
		}
		values[def.name] = v
	}
	return values
}

// Bool returns a setting.
func (d *Directory) Bool(s BoolSetting) bool { return d.current.Load().values[string(s)].(bool) }

// Int returns a setting.
func (d *Directory) Int(s IntSetting) int64 { return d.current.Load().values[string(s)].(int64) }

// Duration returns a setting.
func (d *Directory) Duration(s DurationSetting) time.Duration {
	return d.current.Load().values[string(s)].(time.Duration)
}

// Text returns a setting.
func (d *Directory) Text(s TextSetting) string { return d.current.Load().values[string(s)].(string) }

// Address returns a setting, the null path if it is empty.
func (d *Directory) Address(s AddressSetting) mail.Path {
	return d.current.Load().values[string(s)].(mail.Path)
}

// Schedule returns the times between attempts to deliver.
func (d *Directory) Schedule() []time.Duration {
	times, err := parseSchedule(d.Text(QueueRetry))
	if err != nil { // was checked when it was set
		panic(fmt.Sprintf("directory: %s: %v", QueueRetry, err))
	}
	return times
}

// Secrets are all secrets that the directory keeps readable: of settings and of
// DNS providers. They are for whoever makes sure that none gets out.
func (d *Directory) Secrets() []string {
	s := d.current.Load()
	var list []string
	for _, def := range definitions() {
		if v := s.settings[def.name]; def.secret && v != "" {
			list = append(list, v)
			if words := strings.FieldsFunc(v, func(c rune) bool { return c == ' ' || c == '=' }); len(words) > 1 {
				list = append(list, words...) // blocklists.keys has several
			}
		}
	}
	for _, p := range s.dnsProviders {
		list = append(list, p.Secret)
	}
	return list
}
