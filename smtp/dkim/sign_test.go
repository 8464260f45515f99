package dkim

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// newKeys makes an RSA and an Ed25519 key, and publishes them.
func newKeys(t *testing.T) ([]Key, *dnstest.Zones) {
	t.Helper()
	z := dnstest.New("")
	var keys []Key
	for i, a := range []Algorithm{RSA, Ed25519} {
		signer, err := GenerateKey(a)
		if err != nil {
			t.Fatal(err)
		}
		key := Key{Domain: "example.test", Selector: fmt.Sprintf("s%d", i), Signer: signer}
		record := Record(key)
		half := len(record) / 2
		if err := z.Add(fmt.Sprintf("%s. TXT %q %q", RecordName(key), record[:half], record[half:])); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys, z
}

func TestSign(t *testing.T) {
	keys, z := newKeys(t)
	for _, tt := range []struct{ name, msg string }{
		{"usual", string(message(t, "unsigned"))},
		{"empty body", "From: ana@example.test\r\nSubject: x\r\n\r\n"},
		{"header only", "From: ana@example.test\r\nSubject: x\r\n"},
		{"large body", "From: ana@example.test\r\n\r\n" + strings.Repeat("line \t of  text \r\n", 50_000)},
		{"long field", "From: ana@example.test\r\nReferences:" + strings.Repeat("\r\n <0123456789@example.test>", 1_000) + "\r\n\r\nx\r\n"},
		{"lists", "List-Id: <x.test>\r\nSender: bo@example.test\r\nFrom: ana@example.test\r\n\r\nx\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header, err := Sign(iotest.HalfReader(strings.NewReader(tt.msg)), keys)
			if err != nil {
				t.Fatal(err)
			}
			results := verify(t.Context(), z, append(header, tt.msg...))
			if len(results) != 2 || !results[0].Pass() || !results[1].Pass() {
				t.Errorf("results = %+v", results)
			}
			for line := range strings.SplitSeq(string(header), "\r\n") {
				if len(line) > 998 {
					t.Errorf("line of %d octets", len(line))
				}
			}
		})
	}
}

func TestSignatureBreaksWhenSomethingIsAdded(t *testing.T) {
	keys, z := newKeys(t)
	msg := "From: ana@example.test\r\nTo: bo@example.org\r\nSubject: x\r\n\r\nHello\r\n"
	header, err := Sign(strings.NewReader(msg), keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, added := range []string{
		"From: eve@evil.test", "Subject: y", "To: eve@evil.test", "Cc: eve@evil.test", "Date: now",
		"Reply-To: eve@evil.test", "Content-Type: text/html", "MIME-Version: 1.0",
	} {
		for _, r := range verify(t.Context(), z, []byte(added+"\r\n"+string(header)+msg)) {
			if r.Result != "fail" {
				t.Errorf("with %q added: %s (%s), want fail", added, r.Result, r.Comment)
			}
		}
	}
	for _, added := range []string{"Received: from x by y", "List-Id: <x.test>", "Sender: list@example.net"} {
		for _, r := range verify(t.Context(), z, []byte(added+"\r\n"+string(header)+msg)) {
			if !r.Pass() {
				t.Errorf("with %q added: %s (%s), want pass", added, r.Result, r.Comment)
			}
		}
	}
	if r := verify(t.Context(), z, []byte(string(header)+msg+"more\r\n")); r[0].Result != "fail" {
		t.Errorf("with text added: %s, want fail", r[0].Result)
	}
}

func TestSignErrors(t *testing.T) {
	keys, _ := newKeys(t)
	failure := fmt.Errorf("disk is gone")
	for _, tt := range []struct {
		name string
		in   *bytes.Buffer
		keys []Key
	}{
		{"header beyond the bound", bytes.NewBufferString("From: " + strings.Repeat("a", maxHeader)), keys},
		{"too many fields", bytes.NewBufferString(strings.Repeat("a: b\r\n", maxFields+1) + "\r\n"), keys},
		{"no selector", bytes.NewBufferString("From: a\r\n\r\n"), []Key{keys[0], {Domain: "example.test", Signer: keys[0].Signer}}},
	} {
		if h, err := Sign(tt.in, tt.keys); err == nil {
			t.Errorf("%s: signed as %q", tt.name, h)
		}
	}
	for _, r := range []string{"", "From: a\r\n\r\nbody"} {
		if h, err := Sign(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(r+"xx"))), keys); err == nil {
			t.Errorf("a message that could not be read was signed as %q", h)
		}
	}
	if h, err := Sign(iotest.ErrReader(failure), nil); h != nil || err != nil {
		t.Errorf("without keys: %q, %v", h, err)
	}
}
