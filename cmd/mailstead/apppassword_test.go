package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/smtp"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

// person is somebody signed in with a browser.
type person struct {
	t    *testing.T
	base string
	http *http.Client
}

// signIn signs in by password.
func (i *instance) signIn(t *testing.T, who tryAccount) *person {
	t.Helper()
	p := &person{t: t, base: "https://" + i.HTTPS + "/api/v1", http: i.browser(t)}
	var err error
	if p.http.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	p.must("POST", "/session", map[string]string{"address": who.Address, "password": who.Password}, nil)
	return p
}

// must does a request that has to succeed, and reads its answer.
func (p *person) must(method, path string, body, answer any) {
	p.t.Helper()
	var b []byte
	var err error
	if body != nil {
		if b, err = json.Marshal(body); err != nil {
			p.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, p.base+path, bytes.NewReader(b))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		p.t.Fatalf("%s %s: %s, %v\n%s", method, path, resp.Status, err, got)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(got, answer); err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, got)
	}
}

// submits logs in on the submission port, and sends a message if there is one.
func (i *instance) submits(who tryAccount, to, subject string) error {
	c, err := smtp.Dial(i.Submission)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		return err
	}
	if err := c.Auth(smtp.PlainAuth("", who.Address, who.Password, "127.0.0.1")); err != nil || subject == "" {
		return err
	}
	if err := errors.Join(c.Mail(who.Address), c.Rcpt(to)); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\nhello\r\n", who.Address, to, subject)
	return w.Close()
}

// TestAppPassword makes an app password on the account page, uses it, demands
// app passwords, and revokes it.
func TestAppPassword(t *testing.T) {
	t.Parallel()
	i := startTry(t)
	alice := i.Accounts[0]
	page := i.signIn(t, alice)
	var app admin.AppPassword
	page.must("POST", "/me/app-passwords", admin.NewAppPassword{Label: "Phone", Protocols: []directory.Protocol{directory.ProtocolIMAP}}, &app)
	phone := tryAccount{alice.Address, strings.ReplaceAll(app.Password, "-", "")}

	session, err := i.rawTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.conn.Close()
	for _, command := range []string{`ID ("name" "Test Mail" "version" "7")`, "LOGIN " + phone.Address + " " + phone.Password, "SELECT INBOX"} {
		if err := session.ok("%s", command); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.submits(phone, "", ""); err == nil || !strings.Contains(err.Error(), "not for SMTP") {
		t.Errorf("an app password for IMAP sends mail: %v", err)
	}
	if err := i.submits(alice, "", ""); err != nil {
		t.Error(err)
	}
	page.must("PATCH", "/me", map[string]bool{"appPasswordsOnly": true}, nil)
	if err := i.submits(alice, "", ""); err == nil || !strings.Contains(err.Error(), "app passwords only") {
		t.Errorf("the password of the account still sends mail: %v", err)
	}
	if _, err := i.rawLogin(nil, alice); err == nil || !strings.Contains(err.Error(), "app passwords only") {
		t.Errorf("the password of the account still reads mail: %v", err)
	}
	if again, err := i.rawLogin(nil, phone); err != nil {
		t.Error(err)
	} else {
		again.conn.Close()
	}

	var devices admin.Page[admin.Device]
	page.must("GET", "/me/devices", nil, &devices)
	var seen []string
	for _, d := range devices.Items {
		seen = append(seen, fmt.Sprintf("%s %s %s", d.Protocol, d.Client, d.Label))
	}
	if all := strings.Join(seen, ", "); !strings.Contains(all, "imap Test Mail 7 Phone") {
		t.Errorf("devices seen: %s", all)
	}
	var logins admin.Page[admin.Login]
	page.must("GET", "/me/logins?limit=100", nil, &logins)
	var reasons []string
	for _, l := range logins.Items {
		reasons = append(reasons, l.Reason)
	}
	if all := strings.Join(reasons, "; "); !strings.Contains(all, "not for SMTP") || !strings.Contains(all, "app passwords only") {
		t.Errorf("failures in the history: %s", all)
	}

	page.must("DELETE", "/me/app-passwords/"+app.ID, nil, nil)
	if r, err := session.response(); err != nil || r.kind != "BYE" {
		t.Errorf("the session after its password was revoked: %+v, %v", r, err)
	}
	if _, err := i.rawLogin(nil, phone); err == nil || !strings.Contains(err.Error(), "wrong") {
		t.Errorf("revoked, it still logs in: %v", err)
	}
}

// TestForwarding lets bob's mail go on to alice and to another server, with a
// copy and without.
func TestForwarding(t *testing.T) {
	t.Parallel()
	i := startTry(t)
	alice, bob := i.Accounts[0], i.Accounts[1]
	page := i.signIn(t, bob)
	page.must("PATCH", "/me", map[string]any{"forward": []string{alice.Address, "friend@slow.test"}, "keepCopy": true}, nil)
	if err := i.submits(alice, bob.Address, "first"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []tryAccount{alice, bob} {
		if got := i.waitMessages(t, who, "INBOX", 1); !strings.Contains(got[0], "first") {
			t.Errorf("%s has %q", who.Address, got)
		}
	}
	eventually(t, "the copy for another server", func() bool {
		return strings.Contains(i.log.String(), "rcpt_to=<friend@slow.test> result=delivered")
	})
	page.must("PATCH", "/me", map[string]any{"forward": []string{alice.Address}, "keepCopy": false}, nil)
	if err := i.submits(alice, bob.Address, "second"); err != nil {
		t.Fatal(err)
	}
	i.waitMessages(t, alice, "INBOX", 2)
	if got := i.waitMessages(t, bob, "INBOX", 1); len(got) != 1 {
		t.Errorf("a copy was kept: %q", got)
	}
}
