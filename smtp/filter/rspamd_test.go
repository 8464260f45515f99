package filter

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail/message"
)

// rspamdBy is a Rspamd that asks handler.
func rspamdBy(t *testing.T, o RspamdOptions, handler http.HandlerFunc) *Rspamd {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	o.URL = u
	return NewRspamd(o)
}

// TestRspamdRequest: what rspamd is told of a message.
func TestRspamdRequest(t *testing.T) {
	hello := "helo.sender.test"
	f := rspamdBy(t, RspamdOptions{Password: "secret"}, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != testHeader+testBody || r.ContentLength != int64(len(body)) || r.Method != http.MethodPost || r.URL.Path != "/checkv2" {
			t.Errorf("%s %s with %d octets: %q, %v", r.Method, r.URL, r.ContentLength, body, err)
		}
		for name, want := range map[string][]string{
			"Ip": {"192.0.2.7"}, "Helo": {hello}, "Hostname": {"mail.sender.test"}, "From": {"<ana@sender.test>"},
			"Rcpt": {"<bob@example.test>", "<carol@example.test>"}, "Queue-Id": {"01J0ID"}, "Mta-Name": {"mx.example.test"},
			"Tls-Version": {"TLSv1.3"}, "Password": {"secret"}, "User": nil,
		} {
			if got := r.Header.Values(name); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		fmt.Fprint(w, `{"action":"no action","score":-0.5,"required_score":15,"symbols":{}}`)
	})
	m := testMessage(t)
	r, err := f.Run(t.Context(), m)
	if err != nil || r.Action != Accept || len(r.Reasons) != 1 || r.Reasons[0].Score != -0.5 {
		t.Errorf("%+v, %v", r, err)
	}
	m.Client.Hello, hello = "a\r\nRcpt: <x@y.test>", "a  Rcpt: <x@y.test>"
	if _, err := f.Run(t.Context(), m); err != nil {
		t.Errorf("a name that would break a header: %v", err)
	}
}

func TestRspamdResults(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		scale       float64
		action      Action
		answer      string
		score       float64
		text        string
	}{
		{"no action", `{"action":"no action","score":1.25,"required_score":15,"symbols":{"A":{"score":1.5},"B":{"score":-0.25},"C":{"score":0}}}`, 2, Accept, "", 2.5,
			`rspamd gives 1.2 of 15.0 points and says "no action": A +1.5, B -0.2`},
		{"greylist is a score", `{"action":"greylist","score":4,"required_score":15}`, 1, Accept, "", 4, `rspamd gives 4.0 of 15.0 points and says "greylist"`},
		{"add header is enough for Junk", `{"action":"add header","score":6,"required_score":15}`, 0.5, Accept, "", 5, ""},
		{"add header with its own score", `{"action":"add header","score":9,"required_score":15}`, 1, Accept, "", 9, ""},
		{"no filter decides alone", `{"action":"no action","score":-100,"required_score":15}`, 1, Accept, "", -15, ""},
		{"soft reject", `{"action":"soft reject","score":3,"required_score":15,"messages":{"smtp_message":"Ratelimit\r\n250 ok"}}`, 1, Refuse, "451 4.7.1 Ratelimit 250 ok", 3, ""},
		{"soft reject without a text", `{"action":"soft reject","score":3,"messages":[]}`, 1, Refuse, "451 4.7.1 not now, try again later", 3, ""},
		{"reject", `{"action":"reject","score":20,"required_score":15,"messages":{}}`, 1, Refuse, "550 5.7.1 the message looks like spam", 15, ""},
		{"quarantine", `{"action":"quarantine","score":1}`, 1, Quarantine, "", 1, ""},
		{"discard", `{"action":"no action","score":1,"milter":{"reject":"discard"}}`, 1, Quarantine, "", 1, ""},
		{"an action of its own", `{"action":"look twice","score":2}`, 1, Accept, "", 2, ""},
		{"names of symbols are cleaned", `{"action":"no action","score":2,"symbols":{"A b\r\n\u001b<":{"score":2}}}`, 1, Accept, "", 2,
			`rspamd gives 2.0 of 0.0 points and says "no action": A_b____ +2.0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := rspamdResult([]byte(tt.reply), testMessage(t), tt.scale)
			if err != nil || r.Action != tt.action || len(r.Reasons) != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			answer := ""
			if r.Action == Refuse {
				answer = fmt.Sprintf("%d %v %s", r.Code, r.Status, r.Text)
			}
			got := r.Reasons[0]
			if answer != tt.answer || got.Name != "rspamd" || got.Score != tt.score || tt.text != "" && got.Text != tt.text {
				t.Errorf("answer %q, reason %+v", answer, got)
			}
		})
	}
}

func TestRspamdChanges(t *testing.T) {
	r, err := rspamdResult([]byte(`{"action":"rewrite subject","score":7,"subject":"[SPAM] hell\u00f6",
		"milter":{"add_headers":{"X-Spam":{"value":"yes","order":0},"X-Many":["a",{"value":"b\n c"}],"Return-Path":"x","X-Text":"t"},
		"remove_headers":{"X-Two":-1,"From":0}}}`), testMessage(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := "X-Many: a\r\nX-Many: b\r\n c\r\nX-Spam: yes\r\nX-Text: t\r\n"; string(r.Add) != want {
		t.Errorf("added %q", r.Add)
	}
	const want = "Authentication-Results: mx.example.test; spf=pass\r\nSubject: =?utf-8?q?[SPAM]_hell=C3=B6?=\r\nX-Two: 1\r\n\r\n"
	if got := message.EditFields([]byte(testHeader), r.Edit); string(got) != want {
		t.Errorf("edited %q", got)
	}
	if !strings.Contains(reasons(r), "Return-Path: only this server") {
		t.Errorf("reasons %q", reasons(r))
	}
}

// TestRspamdBroken: what is no answer is an error.
func TestRspamdBroken(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		err    string
	}{
		{"an error", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"error":"scan failed"}`) }, "rspamd answers: scan failed"},
		{"a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "HTTP status 403"},
		{"another place", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, "HTTP status 307"},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "answer of rspamd: invalid character"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"action":`)
		}, "unexpected EOF"},
		{"no action", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }, "has no action"},
		{"a score that is none", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"action":"reject","score":1e999}`) }, "answer of rspamd"},
		{"changes that are none", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"action":"no action","milter":{"add_headers":{"X":7}}}`)
		}, "header changes of rspamd"},
		{"too many changes", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"action":"no action","milter":{"add_headers":{"X":["a"%s]}}}`, strings.Repeat(`,"a"`, maxChanges))
		}, "too many changes"},
		{"too long", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(bytes.Repeat([]byte(" "), maxRspamdReply+1))
		}, "longer than"},
		{"closes", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				c.Close()
			}
		}, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := rspamdBy(t, RspamdOptions{}, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				tt.answer(w, r)
			})
			r, err := f.Run(t.Context(), testMessage(t))
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%+v, error %v, want one with %q", r, err, tt.err)
			}
		})
	}
}

func TestRspamdSize(t *testing.T) {
	f := rspamdBy(t, RspamdOptions{MaxSize: 1 << 20}, func(http.ResponseWriter, *http.Request) { t.Error("rspamd was asked") })
	r, err := f.Run(t.Context(), large(testMessage(t), 1<<20+1))
	if want := "rspamd was not asked: the message is larger than 1 MiB"; err != nil || reasons(r) != want {
		t.Errorf("%q, %v", reasons(r), err)
	}
}

func TestRspamdPing(t *testing.T) {
	for reply, ok := range map[string]bool{"pong\r\n": true, "hello": false} {
		f := rspamdBy(t, RspamdOptions{}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/ping" {
				t.Errorf("asked for %s", r.URL)
			}
			io.WriteString(w, reply)
		})
		if err := f.Ping(t.Context()); (err == nil) != ok {
			t.Errorf("%q: %v", reply, err)
		}
	}
}
