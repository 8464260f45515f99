package admin

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/smtp/queue"
)

func open(t *testing.T, data string, o Options) *Admin {
	t.Helper()
	a, err := Open(data, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// must returns v of a call that must not fail.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestDomainsAndAccounts(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	data := t.TempDir()
	a := open(t, data, Options{Hostname: "mail.example.org"})
	d := must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "Exämple.org"}))
	if d.Name != "xn--exmple-cua.org" || d.Separator != "+" || len(d.Keys) != 2 {
		t.Errorf("domain = %+v", d)
	}
	if _, err := a.AddDomain(ctx, NewDomain{Name: "other.org", AliasOf: "exämple.org"}); err != nil {
		t.Fatal(err)
	}
	must[directory.Setting](t)(a.SetSetting(ctx, "account.quota", "1 MiB"))
	ana := must[Account](t)(a.AddAccount(ctx, NewAccount{Address: "Ana@exämple.org", Password: "correct horse"}))
	messages := int64(5)
	bo := must[Account](t)(a.AddAccount(ctx, NewAccount{Address: "bo@exämple.org", Name: "Bo", QuotaMessages: &messages}))
	if ana.QuotaBytes != 1<<20 || bo.QuotaMessages != 5 || ana.ID == bo.ID {
		t.Errorf("accounts = %+v, %+v", ana, bo)
	}
	must[Alias](t)(a.AddAlias(ctx, "info@exämple.org", []string{"ana@exämple.org", "x@elsewhere.example"}))
	got := must[Account](t)(a.Account(ctx, "ana@EXÄMPLE.org"))
	if !slices.Equal(got.Aliases, []string{"info@xn--exmple-cua.org"}) || got.Usage == nil || got.Usage.Bytes != 0 {
		t.Errorf("ana = %+v", got)
	}
	if got := quota(t, a, ana.ID); got != (mailbox.Usage{LimitBytes: 1 << 20}) {
		t.Errorf("quota of ana = %+v", got)
	}
	zero := int64(0)
	must[Account](t)(a.SetAccount(ctx, "ana@exämple.org", AccountChange{QuotaBytes: &zero}))
	if got := quota(t, a, ana.ID); got != (mailbox.Usage{}) {
		t.Errorf("quota of ana = %+v", got)
	}
	if err := a.SetPassword(ctx, "bo@exämple.org", "battery staple"); err != nil {
		t.Fatal(err)
	}
	if id, err := login(a, "bo@exämple.org", "battery staple"); err != nil || id.Account != bo.ID {
		t.Errorf("bo logs in: %v, %v", id, err)
	}
	all := must[Page[Domain]](t)(a.Domains(ctx, DomainFilter{})).Items
	if len(all) != 2 || all[1].Accounts != 2 || all[1].Aliases != 1 || all[0].AliasOf != "xn--exmple-cua.org" || all[1].Records != nil {
		t.Errorf("domains = %+v", all)
	}
	if list := must[Page[Account]](t)(a.Accounts(ctx, AccountFilter{Domain: "other.org"})).Items; len(list) != 0 {
		t.Errorf("accounts of other.org: %v", list)
	}
	if list := must[Page[Alias]](t)(a.Aliases(ctx, AliasFilter{})).Items; len(list) != 1 || len(list[0].Targets) != 2 {
		t.Errorf("aliases: %v", list)
	}
	if entries := must[Page[directory.AuditEntry]](t)(a.Audit(ctx, AuditFilter{Paging: Paging{Limit: 1}})).Items; entries[0].Actor != "tester" {
		t.Errorf("audit = %+v", entries)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if list := must[Page[Account]](t)(open(t, data, Options{}).Accounts(ctx, AccountFilter{})).Items; len(list) != 2 {
		t.Errorf("accounts after reopening: %v", list)
	}
}

func quota(t *testing.T, a *Admin, id uint32) (u mailbox.Usage) {
	t.Helper()
	err := a.opts.Mailboxes.Account(mailbox.AccountID(id)).View(t.Context(), func(v *mailbox.View) error {
		u = v.Usage()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func login(a *Admin, who, password string) (sasl.Identity, error) {
	return a.opts.Directory.Authenticator(mailAddr, "test").Password(context.Background(), who, password)
}

var mailAddr = netip.MustParseAddr("192.0.2.1")

func TestRemove(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	var ids []uint32
	for _, who := range []string{"ana", "bo", "cy"} {
		ids = append(ids, must[Account](t)(a.AddAccount(ctx, NewAccount{Address: who + "@example.org"})).ID)
	}
	must[Alias](t)(a.AddAlias(ctx, "info@example.org", []string{"ana@example.org", "bo@example.org"}))
	if err := a.RemoveAlias(ctx, "info@example.org", []string{"ana@example.org"}); err != nil {
		t.Error(err)
	}
	if err := a.RemoveAccount(ctx, "ana@example.org"); err != nil {
		t.Error(err)
	}
	if err := a.RemoveDomain(ctx, "example.org", false); !errors.Is(err, directory.ErrInUse) {
		t.Errorf("with accounts: %v", err)
	}
	if err := a.RemoveDomain(ctx, "example.org", true); err != nil {
		t.Error(err)
	}
	for _, id := range ids {
		err := a.opts.Mailboxes.Account(mailbox.AccountID(id)).View(ctx, func(v *mailbox.View) error {
			boxes, err := v.Mailboxes()
			if len(boxes) > 0 {
				t.Errorf("account %d still has mailboxes", id)
			}
			return err
		})
		if err != nil && !errors.Is(err, mailbox.ErrNoAccount) {
			t.Error(err)
		}
	}
}

// brokenBoxes cannot make mailboxes.
type brokenBoxes struct{ Mailboxes }

func (brokenBoxes) CreateAccount(context.Context, mailbox.AccountID) error {
	return errors.New("disk is full")
}

func TestAccountWithoutMailboxesIsNone(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	a.opts.Mailboxes = brokenBoxes{a.opts.Mailboxes}
	if _, err := a.AddAccount(ctx, NewAccount{Address: "ana@example.org"}); err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("error = %v", err)
	}
	if list := must[Page[Account]](t)(a.Accounts(ctx, AccountFilter{})).Items; len(list) != 0 {
		t.Errorf("accounts: %v", list)
	}
}

func TestTyped(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	second := func(_ any, err error) error { return err }
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "b.org"}))
	for name, err := range map[string]error{
		"domain":    second(a.AddDomain(ctx, NewDomain{Name: "a b"})),
		"alias of":  second(a.AddDomain(ctx, NewDomain{Name: "a.org", AliasOf: "-"})),
		"catch-all": second(a.AddDomain(ctx, NewDomain{Name: "a.org", CatchAll: "x"})),
		"address":   second(a.AddAccount(ctx, NewAccount{Address: "ana"})),
		"alias":     second(a.AddAlias(ctx, "x", nil)),
		"target":    second(a.AddAlias(ctx, "x@a.org", []string{"y"})),
		"state":     second(a.Queue(ctx, QueueFilter{QueueMatch: QueueMatch{State: "lost"}})),
		"action":    second(a.ChangeQueue(ctx, "explode", QueueSelection{IDs: []string{"x"}})),
		"no IDs":    second(a.ChangeQueue(ctx, Hold, QueueSelection{})),
	} {
		if !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"queue":  second(a.ChangeQueue(ctx, Hold, QueueSelection{IDs: []string{"x"}})),
		"item":   second(a.QueueItem(ctx, "x")),
		"trace":  second(a.Trace(ctx, "x")),
		"domain": second(a.Domain(ctx, "a.org")),

		"literal":       second(a.Domain(ctx, "[192.0.2.1]")),
		"alias removed": a.RemoveAlias(ctx, "x@a.org", []string{""}),
	} {
		if !errors.Is(err, directory.ErrNotFound) || strings.Contains(err.Error(), "queue: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{"certificates": second(a.Certificates(ctx)), "check": second(a.CheckDNS(ctx, "b.org"))} {
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "mailstead serve") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQueueAndTraces(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	q := a.opts.Queue.(*queue.Queue)
	env := mail.Envelope{ReversePath: mail.Path{Local: "ana", Domain: "example.org"}, Recipients: []mail.Recipient{{Path: mail.Path{Local: "bo", Domain: "far.example"}}}}
	body := "Subject: x\r\n\r\ny\r\n"
	now := time.Now()
	var ids []string
	for range 2 {
		id := trace.NewID(now, constant{})
		now = now.Add(time.Second)
		if err := q.Enqueue(ctx, id, env, nil, strings.NewReader(body), int64(len(body))); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(id))
	}
	if n, err := a.ChangeQueue(ctx, Hold, QueueSelection{IDs: ids[:1]}); n != 1 || err != nil {
		t.Fatal(err)
	}
	held := must[Page[QueueItem]](t)(a.Queue(ctx, QueueFilter{QueueMatch: QueueMatch{State: "held", Address: "@FAR.example"}})).Items
	if len(held) != 1 || held[0].ID != ids[0] || held[0].From != "ana@example.org" || held[0].Recipients[0].Address != "bo@far.example" {
		t.Errorf("held = %+v", held)
	}
	if st := must[QueueGroups](t)(a.QueueGroups(ctx)); st.Messages != 2 || st.States["held"] != 1 || st.States["waiting"] != 1 ||
		len(st.Groups) != 2 || st.Groups[0].Kind != "waiting" || !strings.Contains(st.Groups[0].Title, "far.example") || st.Groups[0].Domains[0] != "far.example" {
		t.Errorf("groups = %+v", st)
	}
	other := WithPrincipal(ctx, Principal{Kind: KindUser, Role: directory.RoleDomainAdmin, Domains: []mail.Domain{"b.example"}, Address: "x@b.example"})
	if st := must[QueueGroups](t)(a.QueueGroups(other)); st.Messages != 0 || len(st.Groups) != 0 {
		t.Errorf("groups for somebody of another domain = %+v", st)
	}
	for _, tt := range []struct {
		do   QueueAction
		to   string
		want int // messages that change
	}{{Release, "", 1}, {RetryNow, "", 1}, {Reroute, "relay.example:587", 2}, {Reroute, "relay.example:587", 0}, {Cancel, "", 2}} {
		if n, err := a.ChangeQueue(ctx, tt.do, QueueSelection{Filter: &QueueMatch{Address: "@far.example"}, To: tt.to}); n != tt.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", tt.do, n, err, tt.want)
		}
		if tt.do == Reroute {
			if list := must[Page[QueueItem]](t)(a.Queue(ctx, QueueFilter{})).Items; len(list) != 2 || list[1].Recipients[0].Relay != tt.to {
				t.Errorf("rerouted: %+v", list)
			}
		}
	}
	if _, err := a.ChangeQueue(ctx, Reroute, QueueSelection{IDs: ids, To: "relay.example"}); !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("a relay without a port: %v", err)
	}
	if list := must[Page[QueueItem]](t)(a.Queue(ctx, QueueFilter{})).Items; len(list) != 0 {
		t.Errorf("after cancel: %v", list)
	}
	entries := must[Page[directory.AuditEntry]](t)(a.Audit(ctx, AuditFilter{})).Items
	if len(entries) != 5 || entries[0].Action != "queue.cancel" || entries[0].Object != "2 messages" || !strings.Contains(string(entries[0].After), ids[1]) ||
		entries[1].Object != "2 messages to relay.example:587" || entries[4].Action != "queue.hold" || entries[4].Object != ids[0] {
		t.Errorf("audit = %+v", entries)
	}

	log := a.opts.Traces.(*trace.Log)
	log.Append(trace.Summary{ID: trace.ID(ids[0]), ReversePath: env.ReversePath, Recipients: []mail.Path{{Local: "bo", Domain: "far.example"}}, Outcome: "delivered"},
		trace.Event{Kind: trace.Done, Text: "done"})
	found := must[Page[TraceSummary]](t)(a.FindTraces(ctx, TraceQuery{Address: "BO@far.example"})).Items
	if len(found) != 1 || found[0].From != "ana@example.org" || !slices.Equal(found[0].To, []string{"bo@far.example"}) {
		t.Errorf("found = %+v", found)
	}
	if story := must[Trace](t)(a.Trace(ctx, ids[0])); story.Outcome != "delivered" || len(story.Story) != 1 {
		t.Errorf("story = %+v", story)
	}
}

// constant is a source of random numbers that are not.
type constant struct{}

func (constant) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestOpenFails(t *testing.T) {
	data := t.TempDir()
	a := open(t, data, Options{})
	if _, err := Open(data, Options{}); !errors.Is(err, directory.ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(data, "system.db"), Options{}); err == nil {
		t.Error("opened a file")
	}
}

func TestActor(t *testing.T) {
	if got := Actor(context.Background()); got != "system" {
		t.Errorf("nobody is %q", got)
	}
	if got := Actor(AsOwner(context.Background(), "ops")); got != "ops" {
		t.Errorf("ops is %q", got)
	}
}
