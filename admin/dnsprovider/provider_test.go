package dnsprovider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

const secret = "s3cr3t-of-the-test"

// stored is one record set in a fake, with values in the provider's own form.
type stored struct {
	name, kind string
	ttl        int
	values     []string
}

// fake is an API in the form that its provider documents.
type fake struct {
	mu       sync.Mutex
	zone     []stored
	requests int
	busy     int // requests that are told to come later
	header   string
	deny     bool
}

func (f *fake) find(name, kind string) int {
	return slices.IndexFunc(f.zone, func(s stored) bool { return s.name == name && s.kind == kind })
}

// put replaces a set; no values take it away.
func (f *fake) put(s stored) {
	if i := f.find(s.name, s.kind); i >= 0 {
		f.zone = slices.Delete(f.zone, i, i+1)
	}
	if len(s.values) > 0 {
		f.zone = append(f.zone, s)
	}
}

// serve runs an API with the checks that all have: who asks, and how often.
func (f *fake) serve(t *testing.T, denied string, handler func(w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.requests++
		switch {
		case f.busy > 0:
			f.busy--
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"message":"slow down","detail":"slow down"}`)
		case f.deny || f.header != "" && r.Header.Get("Authorization") != f.header:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, strings.ReplaceAll(denied, "SECRET", secret)) // some repeat what they were shown
		default:
			handler(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v)
}

// read decodes a request; unknown fields are errors.
func read(t *testing.T, r *http.Request, v any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL, err)
		return false
	}
	return true
}

// api is a fake of one kind.
type api struct {
	kind  Kind
	login string
	start func(t *testing.T, f *fake) (base string)
	noTLS bool // no TLSA records
}

func apis() []api {
	return []api{
		{kind: Hetzner, start: fakeHetzner}, {kind: DeSEC, start: fakeDeSEC}, {kind: Gandi, start: fakeGandi},
		{kind: Cloudflare, start: fakeCloudflare}, {kind: DigitalOcean, start: fakeDigitalOcean, noTLS: true}, {kind: Route53, start: fakeRoute53, login: "AKIDEXAMPLE"},
	}
}

// texts are records as "name type data".
func texts(recs []libdns.Record) []string {
	list := []string{}
	for _, r := range recs {
		rr := r.RR()
		list = append(list, rr.Name+" "+rr.Type+" "+rr.Data)
	}
	slices.Sort(list)
	return list
}

func same(t *testing.T, what string, got []libdns.Record, want ...string) {
	t.Helper()
	slices.Sort(want)
	if g := texts(got); !slices.Equal(g, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(g, "\n"), strings.Join(want, "\n"))
	}
}

func rr(name, kind, data string) libdns.Record {
	return libdns.RR{Name: name, Type: kind, TTL: time.Hour, Data: data}
}

// exercise does with a provider what admin does.
func exercise(t *testing.T, p Provider, tlsa bool) {
	t.Helper()
	ctx := t.Context()
	must := func(recs []libdns.Record, err error) []libdns.Record {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return recs
	}
	long := "v=DKIM1; k=rsa; p=" + strings.Repeat("A", 392) + `; n="q\"`
	must(p.AppendRecords(ctx, "example.org.", []libdns.Record{rr("_acme-challenge.mail", "TXT", "one")}))
	must(p.AppendRecords(ctx, "example.org", []libdns.Record{rr("_acme-challenge.mail", "TXT", "two")}))
	must(p.AppendRecords(ctx, "example.org", []libdns.Record{rr("_acme-challenge.mail", "TXT", "two")}))
	must(p.SetRecords(ctx, "example.org", []libdns.Record{
		rr("@", "MX", "10 mail.example.org."), rr("s1._domainkey", "TXT", long), rr("_imaps._tcp", "SRV", "0 1 993 mail.example.org."),
		rr("_pop3._tcp", "SRV", "0 0 0 ."), rr("mail", "CAA", `0 issue "letsencrypt.org"`), rr("autoconfig", "CNAME", "mail.example.org."),
	}))
	want := []string{
		"www A 192.0.2.80", "www A 192.0.2.81", `@ TXT google-site-verification=x`, "@ MX 10 mail.example.org.", "s1._domainkey TXT " + long,
		"_imaps._tcp SRV 0 1 993 mail.example.org.", "_pop3._tcp SRV 0 0 0 .", `mail CAA 0 issue "letsencrypt.org"`, "autoconfig CNAME mail.example.org.",
		"_acme-challenge.mail TXT one", "_acme-challenge.mail TXT two",
	}
	if tlsa {
		must(p.SetRecords(ctx, "example.org", []libdns.Record{rr("_25._tcp.mail", "TLSA", "3 1 1 "+strings.Repeat("ab", 32))}))
		want = append(want, "_25._tcp.mail TLSA 3 1 1 "+strings.Repeat("ab", 32))
	}
	same(t, "after the first changes", must(p.GetRecords(ctx, "example.org")), want...)
	must(p.SetRecords(ctx, "example.org", []libdns.Record{rr("autoconfig", "CNAME", "other.example.org.")}))
	must(p.DeleteRecords(ctx, "example.org", []libdns.Record{rr("_acme-challenge.mail", "TXT", "one"), rr("nothing", "TXT", "x"), rr("_pop3._tcp", "SRV", "")}))
	want = slices.DeleteFunc(want, func(s string) bool {
		return strings.HasSuffix(s, "TXT one") || strings.HasPrefix(s, "_pop3") || strings.HasPrefix(s, "autoconfig")
	})
	same(t, "in the end", must(p.GetRecords(ctx, "example.org")), append(want, "autoconfig CNAME other.example.org.")...)
}

func TestProviders(t *testing.T) {
	for _, a := range apis() {
		t.Run(string(a.kind), func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			p, err := New(Spec{Kind: a.kind, Login: a.login, Secret: secret}, Options{Base: a.start(t, f), Now: func() time.Time { return time.Unix(1_700_000_000, 0) }})
			if err != nil {
				t.Fatal(err)
			}
			f.busy = 2 // is waited for
			exercise(t, p, !a.noTLS)
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, a := range apis() {
		t.Run(string(a.kind), func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			base := a.start(t, f)
			p, err := New(Spec{Kind: a.kind, Login: a.login, Secret: secret}, Options{Base: base, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }})
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.GetRecords(t.Context(), "other.example")
			if e := new(Error); !errors.As(err, &e) || e.Status != http.StatusNotFound || !strings.Contains(err.Error(), "no such zone") {
				t.Errorf("another zone: %v", err)
			}
			f.deny = true
			_, err = p.GetRecords(t.Context(), "example.org")
			if e := new(Error); !errors.As(err, &e) || !strings.Contains(err.Error(), "make new ones") || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "wrong key [redacted]") {
				t.Errorf("wrong credentials: %v", err)
			}
			f.deny, f.busy = false, 1000
			before := f.requests
			_, err = p.GetRecords(t.Context(), "example.org")
			if err == nil || !strings.Contains(err.Error(), "try again later") || f.requests != before+maxTries {
				t.Errorf("too many requests: %v after %d requests", err, f.requests-before)
			}
			gone, err := New(Spec{Kind: a.kind, Login: a.login, Secret: secret}, Options{Base: "http://127.0.0.1:1"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = gone.GetRecords(t.Context(), "example.org"); err == nil || !strings.Contains(err.Error(), "could not be reached") {
				t.Errorf("nobody there: %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err = p.GetRecords(ctx, "example.org"); !errors.Is(err, context.Canceled) {
				t.Errorf("given up: %v", err)
			}
		})
	}
}

func TestSpecs(t *testing.T) {
	for _, tt := range []struct {
		spec Spec
		says string
	}{
		{Spec{Kind: "bind"}, "choose one of rfc2136, exec"},
		{Spec{Kind: Cloudflare}, "a token"},
		{Spec{Kind: Route53}, "access key ID"},
		{Spec{Kind: Exec, Server: "dns.sh"}, "whole path"},
		{Spec{Kind: RFC2136, Login: "k", Secret: "bm8="}, "the name server"},
		{Spec{Kind: RFC2136, Server: "127.0.0.1", Login: "k", Secret: "no base64"}, "tsig-keygen"},
		{Spec{Kind: RFC2136, Server: "127.0.0.1", Login: "hmac-md5:k", Secret: "bm8="}, "hmac-sha256"},
		{Spec{Kind: RFC2136, Server: "127.0.0.1", Secret: "bm8="}, "name of a TSIG key"},
	} {
		if _, err := New(tt.spec, Options{}); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v does not say %q", tt.spec, err, tt.says)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", Secret(secret), Spec{Secret: secret}, Spec{Secret: secret}); strings.Contains(s, secret) {
		t.Errorf("a secret is printed: %s", s)
	}
}

// startPrimary runs a name server that takes updates of example.org.
func startPrimary(t *testing.T, zones *dnstest.Zones) string {
	t.Helper()
	addr, stop, err := zones.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return addr
}

const primaryZone = "$ORIGIN example.org.\n@ TXT \"google-site-verification=x\"\nwww A 192.0.2.80\nwww A 192.0.2.81\n"

func TestUpdates(t *testing.T) {
	zones := dnstest.New(primaryZone)
	zones.AllowUpdates("example.org", "update-key", "c2VjcmV0")
	server := startPrimary(t, zones)
	p, err := New(Spec{Kind: RFC2136, Server: server, Login: "update-key", Secret: "c2VjcmV0"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	exercise(t, p, true)
	for _, tt := range []struct {
		name string
		spec Spec
		zone string
		says string
	}{
		{"wrong secret", Spec{Kind: RFC2136, Server: server, Login: "update-key", Secret: "d3Jvbmc="}, "example.org", "does not take the TSIG key"},
		{"unknown key", Spec{Kind: RFC2136, Server: server, Login: "other-key", Secret: "c2VjcmV0"}, "example.org", "does not take the TSIG key"},
		{"zone of others", Spec{Kind: RFC2136, Server: server, Login: "update-key", Secret: "c2VjcmV0"}, "example.net", "allow-update"},
		{"nobody there", Spec{Kind: RFC2136, Server: "127.0.0.1:1", Login: "update-key", Secret: "c2VjcmV0"}, "example.org", "could not be reached"},
	} {
		p, err := New(tt.spec, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.AppendRecords(t.Context(), tt.zone, []libdns.Record{rr("x", "TXT", "y")}); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v does not say %q", tt.name, err, tt.says)
		}
		if _, err := p.GetRecords(t.Context(), tt.zone); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s, asked for its records: %v does not say %q", tt.name, err, tt.says)
		}
	}
	zones.RefuseTransfers(true)
	if _, err := p.GetRecords(t.Context(), "example.org"); !errors.Is(err, ErrCannotList) {
		t.Errorf("a transfer that is not allowed: %v", err)
	}
}

// hook is a program that keeps a zone in a file, one record a line.
const hook = `#!/bin/sh
set -eu
[ "$MAILSTEAD_SECRET" = "` + secret + `" ] || { echo "wrong key $MAILSTEAD_SECRET" >&2; exit 1; }
file=$(dirname "$0")/zone
case $1 in
add)    printf '%s. %s IN %s %s\n' "$3" "$5" "$4" "$6" >>"$file" ;;
remove) if [ -n "$6" ]; then
            grep -vxF "$3. $5 IN $4 $6" "$file" >"$file.new" || true
        else
            grep -v "^$3\. [0-9]* IN $4 " "$file" >"$file.new" || true
        fi
        mv "$file.new" "$file" ;;
list)   [ ! -e "$(dirname "$0")/silent" ] || exit 3
        cat "$file" ;;
esac
`

func TestExec(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "hook")
	for name, text := range map[string]string{program: hook, filepath.Join(dir, "zone"): "example.org. 3600 IN TXT \"google-site-verification=x\"\nwww.example.org. 3600 IN A 192.0.2.80\nwww.example.org. 3600 IN A 192.0.2.81\n"} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p, err := New(Spec{Kind: Exec, Server: program, Secret: secret}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	// It adds what is there already a second time; a person's program may.
	ctx := t.Context()
	for _, step := range []error{
		second(p.AppendRecords(ctx, "example.org", []libdns.Record{rr("_acme-challenge.mail", "TXT", `a "b" c`)})),
		second(p.AppendRecords(ctx, "example.org", []libdns.Record{rr("_acme-challenge.mail", "TXT", "two")})),
		second(p.SetRecords(ctx, "example.org", []libdns.Record{rr("@", "MX", "10 mail.example.org.")})),
		second(p.SetRecords(ctx, "example.org", []libdns.Record{rr("@", "MX", "20 mail.example.org.")})),
		second(p.DeleteRecords(ctx, "example.org", []libdns.Record{rr("_acme-challenge.mail", "TXT", "two")})),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	list, err := p.GetRecords(ctx, "example.org")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "zone", list, "@ TXT google-site-verification=x", "www A 192.0.2.80", "www A 192.0.2.81", `_acme-challenge.mail TXT a "b" c`, "@ MX 20 mail.example.org.")
	if err := os.WriteFile(filepath.Join(dir, "silent"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.GetRecords(ctx, "example.org"); !errors.Is(err, ErrCannotList) {
		t.Errorf("a program that lists nothing: %v", err)
	}
	wrong, err := New(Spec{Kind: Exec, Server: program, Secret: "other"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.AppendRecords(ctx, "example.org", []libdns.Record{rr("x", "TXT", "y")}); err == nil || !strings.Contains(err.Error(), "wrong key [redacted]") {
		t.Errorf("what the program says: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", `a "b" \c`, "\x00\xff", strings.Repeat("x", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := unquote(quote(s)); got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
		unquote(s)
		canonical("CAA", s)
		canonical("SRV", s)
		canonical("TLSA", s)
	})
}

// TestSignature is the example "get-vanilla-query-order-key-case" of Amazon's
// test suite for Signature Version 4.
func TestSignature(t *testing.T) {
	req, err := http.NewRequest(http.MethodGet, "https://example.amazonaws.com/?Param2=value2&Param1=value1", nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	s := signature{key: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region: "us-east-1", service: "service", now: func() time.Time { return at }}
	s.sign(req, nil)
	const want = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
	if got := req.Header.Get("Authorization"); got != want {
		t.Errorf("signature:\n%s\nwant\n%s", got, want)
	}
}
