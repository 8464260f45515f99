package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/mailstead/mailstead/admin"
)

// disguised is a message that nobody vouches for, with a program that looks
// like a document: bad enough for quarantine, not for a refusal.
const disguised = "From: Invoices <bills@nowhere-known.test>\r\nTo: alice@example.test\r\nSubject: YOUR UNPAID INVOICE\r\n" +
	"X-Mailstead-Verdict: inbox; score=-9.0\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nOpen the attached file, or see http://203.0.113.9/pay\r\n" +
	"--b\r\nContent-Type: application/octet-stream; name=\"invoice.exe\"\r\nContent-Disposition: attachment; filename=\"invoice.exe\"\r\n" +
	"Content-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n--b--\r\n"

// quarantined is what the command line lists.
func quarantined(t *testing.T, i *instance) []admin.Quarantined {
	t.Helper()
	out, errs, code := command(t, "quarantine", "list", "--data", i.Data, "-o", "json")
	var list []admin.Quarantined
	if err := json.Unmarshal([]byte(out), &list); code != 0 || err != nil {
		t.Fatalf("quarantine list: %d, %v: %s%s", code, err, out, errs)
	}
	return list
}

// TestQuarantine lets a bad message wait where no mail program sees it, releases
// it by command line, and finds it in the inbox as it came, with its date.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	i := startTry(t, "--no-limits")
	alice := i.Accounts[0]
	before := time.Now().Truncate(time.Second)
	if err := sendFrom(t.Context(), &net.Dialer{}, i.SMTP, "bills@nowhere-known.test", alice.Address, disguised); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	list := quarantined(t, i)
	if len(list) != 1 || list[0].Account != alice.Address || list[0].Score < 10 || list[0].Subject != "YOUR UNPAID INVOICE" || len(list[0].Reasons) == 0 || list[0].Reasons[0].Text == "" {
		t.Fatalf("in quarantine: %+v", list)
	}
	c := i.dialIMAP(t, alice, nil)
	for _, box := range []string{"INBOX", "Junk"} {
		if got := messages(t, c, box); len(got) != 0 {
			t.Errorf("%s has %q", box, got)
		}
	}
	boxes, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boxes {
		if strings.Contains(strings.ToLower(b.Mailbox), "quarantine") {
			t.Errorf("a mail program sees %q", b.Mailbox)
		}
	}
	id := list[0].ID
	if out, errs, code := command(t, "quarantine", "show", "--data", i.Data, id); code != 0 || !strings.Contains(out, "files.") || !strings.Contains(out, "program") {
		t.Errorf("quarantine show: %d: %s%s", code, out, errs)
	}
	if out, errs, code := command(t, "quarantine", "release", "--data", i.Data, "--train", id); code != 0 || !strings.Contains(out+errs, "1 message released") {
		t.Fatalf("quarantine release: %d: %s%s", code, out, errs)
	}
	if _, errs, code := command(t, "quarantine", "release", "--data", i.Data, id); code != 1 || !strings.Contains(errs, "may have been released") {
		t.Errorf("once more: %d: %s", code, errs)
	}
	got := i.waitMessages(t, alice, "INBOX", 1)
	if !strings.HasSuffix(got[0], disguised[strings.Index(disguised, "MIME-Version"):]) || strings.Count(got[0], "X-Mailstead-Verdict:") != 1 || !strings.Contains(got[0], "X-Mailstead-Verdict: quarantine;") {
		t.Errorf("released: %q", got[0])
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{InternalDate: true, Flags: true}).Collect()
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	if d := rows[0].InternalDate; d.Before(before) || d.After(after) || len(rows[0].Flags) != 0 {
		t.Errorf("date %v, want one between %v and %v; flags %v, want none", d, before, after, rows[0].Flags)
	}
}

// TestListsDecide lets the same message in by an allowed network, refuses it by
// a block, and lets no forged author in.
func TestListsDecide(t *testing.T) {
	t.Parallel()
	i := startTry(t, "--no-limits")
	alice := i.Accounts[0]
	run := func(args ...string) {
		t.Helper()
		if out, errs, code := command(t, append([]string{"list", args[0], "--data", i.Data}, args[1:]...)...); code != 0 {
			t.Fatalf("list %v: %d: %s%s", args, code, out, errs)
		}
	}
	send := func() error {
		return sendFrom(t.Context(), &net.Dialer{}, i.SMTP, "bills@nowhere-known.test", alice.Address, disguised)
	}
	run("block", "@nowhere-known.test", "--account", alice.Address)
	if err := send(); err == nil || !strings.Contains(err.Error(), "5.7.1") || !strings.Contains(err.Error(), "postmaster@example.test") {
		t.Errorf("a blocked sender: %v", err)
	}
	run("remove", "@nowhere-known.test", "--account", alice.Address)
	run("allow", "127.0.0.0/8", "--account", alice.Address)
	if err := send(); err != nil {
		t.Fatal(err)
	}
	i.waitMessages(t, alice, "INBOX", 1)
	run("remove", "127.0.0.0/8", "--account", alice.Address)

	// strict.test has a DMARC policy, which this client does not meet.
	run("allow", "@strict.test")
	forged := strings.Replace(disguised, "bills@nowhere-known.test", "boss@strict.test", 1)
	if err := sendFrom(t.Context(), &net.Dialer{}, i.SMTP, "boss@strict.test", alice.Address, forged); err == nil {
		i.waitMessages(t, alice, "INBOX", 1) // and no more
		if n := len(quarantined(t, i)); n == 0 {
			t.Error("a forged author was let in by the list")
		}
	}
	out, _, _ := command(t, "list", "show", "--data", i.Data)
	if !strings.Contains(out, "allow") || !strings.Contains(out, "@strict.test") {
		t.Errorf("list show: %s", out)
	}
}
