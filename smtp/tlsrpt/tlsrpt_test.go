package tlsrpt

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var begin = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

func TestParse(t *testing.T) {
	end := begin.Add(24*time.Hour - time.Second)
	for _, tt := range []struct {
		file string
		want Report
	}{
		{"google.json", Report{Org: "Google Inc.", Contact: "smtp-tls-reporting@google.com", ID: "2026-11-27T00:00:00Z_example.test", Begin: begin, End: end,
			Policies: []Policy{{Type: "sts", Domain: "example.test", Strings: []string{"version: STSv1", "mode: testing", "mx: mx.example.test", "max_age: 86400"},
				MXHosts: []string{"mx.example.test"}, Successful: 42}}}},
		{"microsoft.json", Report{Org: "Microsoft Corporation", Contact: "tlsrpt-noreply@microsoft.com", ID: "134087616000000000+example.test", Begin: begin, End: end,
			Policies: []Policy{
				{Type: "sts", Domain: "example.test", Strings: []string{"version: STSv1", "mode: enforce", "mx: mx.example.test", "max_age: 604800"}, Successful: 11, Failed: 3,
					Failures: []Failure{
						{Type: "certificate-host-mismatch", SendingIP: "2001:db8:abcd::12", ReceivingIP: "192.0.2.25", MX: "mx.example.test", Sessions: 2},
						{Type: "sts-webpki-invalid", Sessions: 1, Info: "certificate has expired", Code: "X509_V_ERR"}}},
				{Type: "tlsa", Domain: "example.test", Strings: []string{"3 1 1 0123"}, Successful: 5},
				{Type: "no-policy-found", Domain: "other.test"},
			}}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			got, err := Parse(read(t, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
		})
	}
}

// small is a report with one policy, which tests change.
const small = `{"organization-name":"o.test","date-range":{"start-datetime":"2026-11-27T00:00:00Z","end-datetime":"2026-11-27T23:59:59Z"},"report-id":"1",` +
	`"policies":[{"policy":{"policy-type":"sts","policy-domain":"example.test"},"summary":{"total-successful-session-count":7,"total-failure-session-count":0}}]}`

func TestParseOddities(t *testing.T) {
	change := func(from, to string) string { return strings.Replace(small, from, to, 1) }
	policy := small[strings.Index(small, `{"policy":`) : len(small)-2]
	failures := func(n int) string { return `,"failure-details":[{}` + strings.Repeat(`,{}`, n-1) + `]` }
	manyFailures := func(policies int) string {
		full := policy[:len(policy)-1] + failures(MaxFailures) + "}"
		return change(policy, full+strings.Repeat(","+full, policies-1))
	}
	for _, tt := range []struct {
		name, in   string
		successful int64
		err        error
		says       string
	}{
		{"as it is", small, 7, nil, ""},
		{"byte order mark", "\xef\xbb\xbf" + small, 7, nil, ""},
		{"one MX host without a list", change(`"policy-domain"`, `"mx-host":"mx.example.test","policy-domain"`), 7, nil, ""},
		{"counts in quotes", change(`:7,`, `:"7",`), 7, nil, ""},
		{"report-id as a number", change(`"1"`, `1`), 7, nil, ""},
		{"no failure details", change(`}}]`, `},"failure-details":null}]`), 7, nil, ""},
		{"time without a zone", change("2026-11-27T00:00:00Z", "2026-11-27T00:00:00"), 7, nil, ""},
		{"unknown fields", change(`"report-id"`, `"x":[{"y":[[]]}],"report-id"`), 7, nil, ""},
		{"no JSON", "hello", 0, ErrNotReport, "invalid character"},
		{"nothing", "", 0, ErrNotReport, "unexpected end"},
		{"cut off", small[:50], 0, ErrNotReport, "unexpected end"},
		{"something else", `{"a":1}`, 0, ErrNotReport, "neither"},
		{"a list", `[]`, 0, ErrSyntax, "cannot unmarshal"},
		{"no organization-name", change("o.test", ""), 0, ErrSyntax, "organization-name"},
		{"no report-id", change(`"report-id":"1",`, ""), 0, ErrSyntax, "report-id"},
		{"no policies", change(policy, ""), 0, ErrSyntax, "policies"},
		{"time in words", change("2026-11-27T00:00:00Z", "yesterday"), 0, ErrSyntax, `"yesterday" is not a time`},
		{"ends before it begins", change("2026-11-27T23", "2026-11-26T23"), 0, ErrSyntax, "before it begins"},
		{"domain that is none", change("example.test", "-"), 0, ErrSyntax, "domain name"},
		{"negative count", change(":7,", ":-7,"), 0, ErrSyntax, "-7 is not a number"},
		{"fraction", change(":7,", ":7.5,"), 0, ErrSyntax, "7.5 is not a number"},
		{"policies are no list", change(`[`+policy+`]`, `"x"`), 0, ErrSyntax, "a list was expected"},
		{"at the bound of policies", change(policy, policy+strings.Repeat(","+policy, MaxPolicies-1)), 7 * MaxPolicies, nil, ""},
		{"too many policies", change(policy, policy+strings.Repeat(","+policy, MaxPolicies)), 0, ErrTooLarge, "more than 1000 items"},
		{"at the bound of failures", manyFailures(maxTotal / MaxFailures), 7 * maxTotal / MaxFailures, nil, ""},
		{"too many failures", manyFailures(maxTotal/MaxFailures + 1), 0, ErrTooLarge, "failures"},
		{"too many failures of a policy", change(`}}]`, `}`+failures(MaxFailures+1)+`}]`), 0, ErrTooLarge, "items"},
		{"too long", small + strings.Repeat(" ", MaxSize), 0, ErrTooLarge, "octets"},
		{"deep", strings.Repeat("[", 1<<20), 0, ErrNotReport, "exceeded max depth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Parse([]byte(tt.in))
			if !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error %v; want %v with %q", err, tt.err, tt.says)
			}
			if err != nil {
				return
			}
			if got, _ := r.Sessions(); got != tt.successful {
				t.Errorf("%d sessions, want %d", got, tt.successful)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(read(f, "google.json"))
	f.Add(read(f, "microsoft.json"))
	f.Add([]byte(small))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Parse(in)
		if err != nil {
			if !errors.Is(err, ErrNotReport) && !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("an error without a name: %v", err)
			}
			return
		}
		if r.Org == "" || r.ID == "" || len(r.Policies) == 0 {
			t.Errorf("a report without %+v", r)
		}
		if s, failed := r.Sessions(); s < 0 || failed < 0 {
			t.Errorf("%d and %d sessions", s, failed)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("what was read cannot be kept: %v", err)
		}
	})
}
