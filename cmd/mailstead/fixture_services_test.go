package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox"
)

// Fixtures of before these had an alert channel, a webhook with what it has to
// be told, an app password, an import, what was learned about junk, and traces.
var fixturesOfMail = []string{"schema-1", "schema-1-no-number", "schema-1-files"}

// What is in a fixture beside mail.
const (
	fixtureHook    = "https://hook.elsewhere.test/mail"
	fixtureChannel = "ops@elsewhere.test"
	fixtureJunk    = "Subject: cheap watches\r\n\r\ncheap watches and replicas, hurry, click, win\r\n"
	fixtureTrace   = trace.ID("06gznr0000000000")
)

// fillFixtureServices puts what services keep into a data folder that has mail.
func fillFixtureServices(t *testing.T, ctx context.Context, n *node) error {
	if _, err := n.admin.AddAlertChannel(ctx, admin.NewAlertChannel{Kind: "mail", To: fixtureChannel, Daily: true}); err != nil {
		return err
	}
	if _, err := n.admin.AddWebhook(ctx, admin.NewWebhook{URL: fixtureHook, Events: []string{"account.changed"}}); err != nil {
		return err
	}
	name := "Ana Costa"
	if _, err := n.admin.SetAccount(ctx, fixtureAna, admin.AccountChange{Name: &name}); err != nil { // the webhook has to be told
		return err
	}
	ana, err := n.directory.AccountByAddress(mail.Path{Local: "ana", Domain: fixtureDomain})
	if err != nil {
		return err
	}
	if _, _, err := n.directory.AddAppPassword(ctx, admin.Actor(ctx), ana.ID, directory.NewAppPassword{Label: "phone"}); err != nil {
		return err
	}
	if _, err := n.junk.Train(ctx, mailbox.AccountID(ana.ID), []byte(fixtureJunk), junk.Junk); err != nil {
		return err
	}
	n.traces.Append(trace.Summary{ID: fixtureTrace, Direction: "in", Outcome: "accepted", Recipients: []mail.Path{fixtureQueued}}, trace.Event{Time: time.Now(), Kind: trace.Done, Text: "accepted for 1 recipient"})
	return errors.Join(n.traces.Flush(ctx), fillFixtureImport(t, ctx, n))
}

// fillFixtureImport brings a Maildir of one message in.
func fillFixtureImport(t *testing.T, ctx context.Context, n *node) error {
	t.Helper()
	dir := filepath.Join(n.cfg.DataDir, "imports", "files", "old", "cur")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.MkdirAll(filepath.Join(dir, "..", "new"), 0o700)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "1.M1.host:2,S"), []byte(fixtureText("from before", 0)), 0o600); err != nil {
		return err
	}
	m, err := n.admin.StartImport(ctx, admin.NewImport{Kind: "maildir", Account: fixtureAna, Mailbox: "Old", Path: "old"})
	if err != nil {
		return err
	}
	eventually(t, "the import is done", func() bool {
		m, err = n.admin.Import(ctx, m.ID)
		return err != nil || m.State == admin.ImportDone || m.State == admin.ImportFailed
	})
	if err == nil && m.State != admin.ImportDone {
		err = fmt.Errorf("the import is %s: %s", m.State, m.Error)
	}
	return err
}

// checkFixtureServices holds what services kept against it.
func checkFixtureServices(t *testing.T, ctx context.Context, n *node) {
	t.Helper()
	channels, err := n.admin.AlertChannels(ctx)
	if err != nil || len(channels.Items) != 1 || channels.Items[0].To != fixtureChannel || !channels.Items[0].Daily {
		t.Errorf("alert channels: %+v, %v", channels, err)
	}
	hooks, err := n.admin.Webhooks(ctx)
	if err != nil || len(hooks.Items) != 1 || hooks.Items[0].URL != fixtureHook {
		t.Fatalf("webhooks: %+v, %v", hooks, err)
	}
	told, err := n.admin.WebhookDeliveries(ctx, hooks.Items[0].ID, admin.Paging{})
	if err != nil || len(told.Items) == 0 || told.Items[len(told.Items)-1].Type != "account.changed" || told.Items[len(told.Items)-1].State != "waiting" {
		t.Errorf("what the webhook has to be told: %+v, %v", told, err)
	}
	devices, err := n.admin.AppPasswords(ctx, fixtureAna)
	if err != nil || len(devices.Items) != 1 || devices.Items[0].Label != "phone" {
		t.Errorf("app passwords: %+v, %v", devices, err)
	}
	if stats, err := n.junk.Stats(); err != nil || stats.Junk != 1 || stats.Words == 0 {
		t.Errorf("learned about junk: %+v, %v", stats, err)
	}
	if tr, err := n.traces.Show(ctx, fixtureTrace); err != nil || len(tr.Events) != 1 || tr.Events[0].Text != "accepted for 1 recipient" {
		t.Errorf("trace: %+v, %v", tr, err)
	}
	list, err := n.admin.Imports(ctx)
	if err != nil || len(list.Items) != 1 || list.Items[0].State != admin.ImportDone {
		t.Fatalf("imports: %+v, %v", list, err)
	}
	m, err := n.admin.Import(ctx, list.Items[0].ID)
	if err != nil || m.Report == nil || len(m.Report.Reports) != 1 || m.Report.Reports[0].Added != 1 || !strings.HasSuffix(m.From, "old") {
		t.Errorf("import: %+v, %v", m, err)
	}
}
