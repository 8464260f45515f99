package aggregate

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailstead/mailstead/smtp/dmarc"
)

var (
	addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	begin = time.Unix(1764201600, 0).UTC()
	own   = netip.MustParseAddr("192.0.2.25")
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestParse reads reports of the shapes that large providers send.
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		file string
		want Report
	}{
		{"google.xml", Report{
			Org: "google.com", Email: "noreply-dmarc-support@google.com", Contact: "https://support.google.com/a/answer/2466580", ID: "9391651994964116463",
			Begin: begin, End: begin.Add(24*time.Hour - time.Second),
			Policy: Published{Domain: "example.test", Policy: dmarc.None, Subdomains: dmarc.None, NonExistent: dmarc.None, DKIM: "r", SPF: "r"},
			Rows: []Row{
				{Source: own, Count: 612, Disposition: DispositionPass, DKIM: true, SPF: true, HeaderFrom: "example.test",
					DKIMResults: []DKIMResult{{Domain: "example.test", Selector: "rsa202611", Result: "pass"}, {Domain: "example.test", Selector: "ed202611", Result: "neutral"}},
					SPFResults:  []SPFResult{{Domain: "example.test", Result: "pass"}}},
				{Source: netip.MustParseAddr("198.2.130.7"), Count: 40, Disposition: DispositionNone, HeaderFrom: "example.test",
					DKIMResults: []DKIMResult{{Domain: "mail.bulk.test", Selector: "k2", Result: "pass"}}, SPFResults: []SPFResult{{Domain: "bounce.bulk.test", Result: "pass"}}},
				{Source: netip.MustParseAddr("2001:db8::bad"), Count: 3, Disposition: DispositionNone, HeaderFrom: "news.example.test",
					Reasons: []Reason{{"local_policy", "arc=pass"}}, SPFResults: []SPFResult{{Domain: "spoof.test", Result: "softfail"}}},
			}}},
		{"microsoft.xml", Report{
			Org: "Enterprise Outlook", Email: "dmarcreport@microsoft.com", ID: "0d8f2a5be3a94b0f8bd8ce7a34d2b8b1", Begin: begin, End: begin.Add(24 * time.Hour),
			Policy: Published{Domain: "example.test", Policy: dmarc.Quarantine, Subdomains: dmarc.Quarantine, DKIM: "r", SPF: "r", Failure: "0"},
			Rows: []Row{
				{Source: own, Count: 17, Disposition: DispositionPass, DKIM: true, SPF: true, HeaderFrom: "example.test", EnvelopeFrom: "example.test", EnvelopeTo: "hotmail.test",
					DKIMResults: []DKIMResult{{Domain: "example.test", Selector: "rsa202611", Result: "pass"}},
					SPFResults:  []SPFResult{{Domain: "example.test", Scope: "mfrom", Result: "pass"}}},
				{Source: netip.MustParseAddr("203.0.113.77"), Count: 2, Disposition: DispositionQuarantine, HeaderFrom: "example.test", EnvelopeTo: "hotmail.test",
					DKIMResults: []DKIMResult{{Domain: "example.test", Result: "none"}}, SPFResults: []SPFResult{{Domain: "helo.spoof.test", Scope: "helo", Result: "none"}}},
			}}},
		{"yahoo.xml", Report{
			Org: "Yahoo", Email: "dmarchelp@yahooinc.com", ID: "1764290423.483210", Begin: begin, End: begin.Add(24*time.Hour - time.Second),
			Policy: Published{Domain: "example.test", Policy: dmarc.Reject, DKIM: "r", SPF: "r"},
			Rows: []Row{{Source: own, Count: 5, Disposition: DispositionPass, DKIM: true, HeaderFrom: "example.test", Reasons: []Reason{{Type: "forwarded"}},
				DKIMResults: []DKIMResult{{Domain: "example.test", Selector: "rsa202611", Result: "pass"}}, SPFResults: []SPFResult{{Domain: "list.test", Result: "pass"}}}}}},
		{"rfc9990.xml", Report{
			Namespace: Namespace, Org: "Newer Provider", Email: "reports@newer.test", Contact: "https://newer.test/dmarc", ID: "7f3c9@newer.test",
			Begin: begin, End: begin.Add(24*time.Hour - time.Second), Errors: []string{"two records under _dmarc.news.example.test"}, Generator: "Reporter 2.1",
			Policy: Published{Domain: "example.test", Discovery: "treewalk", Policy: dmarc.Reject, Subdomains: dmarc.Quarantine, NonExistent: dmarc.Reject,
				DKIM: "s", SPF: "r", Failure: "1:d:s", Testing: true},
			Rows: []Row{
				{Source: netip.MustParseAddr("2001:db8::25"), Count: 9, Disposition: DispositionPass, DKIM: true,
					HeaderFrom: "example.test", EnvelopeFrom: "lists.test", EnvelopeTo: "newer.test",
					DKIMResults: []DKIMResult{{Domain: "example.test", Selector: "rsa202611", Result: "pass", Comment: "good signature"}},
					SPFResults:  []SPFResult{{Domain: "lists.test", Scope: "mfrom", Result: "pass"}}},
				{Source: netip.MustParseAddr("203.0.113.77"), Count: 1, Disposition: DispositionQuarantine, HeaderFrom: "example.test", Reasons: []Reason{{Type: "policy_test_mode"}}},
			}}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			got, err := Parse(read(t, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, addrs, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
		})
	}
}

// small is a report with one record, which tests change.
const small = `<feedback><report_metadata><org_name>o.test</org_name><report_id>1</report_id><date_range><begin>1764201600</begin><end>1764287999</end></date_range></report_metadata>` +
	`<policy_published><domain>example.test</domain><p>none</p></policy_published>` +
	`<record><row><source_ip>192.0.2.25</source_ip><count>7</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>` +
	`<identifiers><header_from>example.test</header_from></identifiers><auth_results></auth_results></record></feedback>`

func TestParseOddities(t *testing.T) {
	change := func(from, to string) string { return strings.Replace(small, from, to, 1) }
	record := small[strings.Index(small, "<record>"):strings.Index(small, "</feedback>")]
	for _, tt := range []struct {
		name, in string
		messages int64
		err      error
		says     string
	}{
		{"as it is", small, 7, nil, ""},
		{"byte order mark", "\xef\xbb\xbf" + small, 7, nil, ""},
		{"windows-1252", `<?xml version="1.0" encoding="windows-1252"?>` + change("o.test", "Caf\xe9"), 7, nil, ""},
		{"unknown charset", `<?xml version="1.0" encoding="klingon"?>` + small, 0, ErrNotReport, "klingon"},
		{"prefix of a namespace", strings.NewReplacer("<feedback>", `<d:feedback xmlns:d="urn:x">`, "</feedback>", "</d:feedback>").Replace(small), 7, nil, ""},
		{"no records", change(record, ""), 0, nil, ""},
		{"time with a fraction", change("1764201600", "1764201600.25"), 7, nil, ""},
		{"IPv4 in IPv6", change("192.0.2.25", "::ffff:192.0.2.25"), 7, nil, ""},
		{"text around", change("<record>", "\n hello <record>"), 7, nil, ""},
		{"disposition nobody knows", change("<disposition>none", "<disposition>eaten"), 7, nil, ""},
		{"something else", `<html><body>hi</body></html>`, 0, ErrNotReport, `"html"`},
		{"no XML", "hello", 0, ErrNotReport, "no element"},
		{"nothing", "", 0, ErrNotReport, "no element"},
		{"binary", "\x00\x01\x02", 0, ErrNotReport, "illegal character"},
		{"cut off", small[:len(small)/2], 0, ErrSyntax, "line 1"},
		{"no org_name", change("o.test", ""), 0, ErrSyntax, "org_name"},
		{"no report_id", change("<report_id>1</report_id>", ""), 0, ErrSyntax, "report_id"},
		{"no date_range", change("<begin>1764201600</begin>", ""), 0, ErrSyntax, "date_range"},
		{"time in words", change("1764201600", "yesterday"), 0, ErrSyntax, `"yesterday" is not a time`},
		{"ends before it begins", change("1764287999", "1764201599"), 0, ErrSyntax, "before it begins"},
		{"no domain", change("<domain>example.test</domain>", ""), 0, ErrSyntax, "domain"},
		{"domain that is none", change("<domain>example.test", "<domain>-x-"), 0, ErrSyntax, "domain name"},
		{"no source_ip", change("192.0.2.25", "localhost"), 0, ErrSyntax, `"localhost" is not an IP address`},
		{"no count", change("<count>7</count>", ""), 0, ErrSyntax, "count in record 1"},
		{"negative count", change("<count>7", "<count>-7"), 0, ErrSyntax, `"-7" is not a number`},
		{"huge count", change("<count>7", "<count>9223372036854775807"), 0, ErrSyntax, "is not a number"},
		{"document type", `<!DOCTYPE feedback>` + small, 0, ErrSyntax, "document type declaration"},
		{"entities in entities", `<!DOCTYPE f [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>` + change("o.test", "&b;"), 0, ErrSyntax, "document type declaration"},
		{"external entity", `<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + change("o.test", "&x;"), 0, ErrSyntax, "document type declaration"},
		{"entity nobody declared", change("o.test", "&x;"), 0, ErrSyntax, "invalid character entity"},
		{"at the bound of depth", change("<auth_results></auth_results>", strings.Repeat("<x>", maxDepth-2)+strings.Repeat("</x>", maxDepth-2)), 7, nil, ""},
		{"too deep", change("<auth_results></auth_results>", strings.Repeat("<x>", maxDepth-1)+strings.Repeat("</x>", maxDepth-1)), 0, ErrTooLarge, "deep"},
		{"deep without end", strings.Repeat("<feedback>", 100_000), 0, ErrTooLarge, "deep"},
		{"at the bound of records", change(record, strings.Repeat(record, MaxRows)), 7 * MaxRows, nil, ""},
		{"too many records", change(record, strings.Repeat("<record/>", MaxRows+1)), 0, ErrTooLarge, "records"},
		{"too many elements", change("<auth_results>", "<auth_results>"+strings.Repeat("<a/>", maxElements)), 0, ErrTooLarge, "elements"},
		{"too many attributes", change("<record>", "<record "+strings.Repeat(`a="" `, maxTag/5)+">"), 0, ErrTooLarge, "without a tag"},
		{"long text", change("o.test", strings.Repeat("x", maxTag-100)), 7, nil, ""},
		{"endless text", change("o.test", strings.Repeat("x", 1<<20)), 0, ErrTooLarge, "without a tag"},
		{"many reasons and results", change("<spf>fail</spf>", "<spf>fail</spf>"+strings.Repeat("<reason><type>other</type></reason>", 1000)), 7, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Parse([]byte(tt.in))
			if !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error %v; want %v with %q", err, tt.err, tt.says)
			}
			if err == nil && r.Messages() != tt.messages {
				t.Errorf("%d messages, want %d", r.Messages(), tt.messages)
			}
			if err == nil && len(r.Rows) > 0 && len(r.Rows[0].Reasons) > maxReasons {
				t.Errorf("%d reasons are kept", len(r.Rows[0].Reasons))
			}
		})
	}
}

// TestXML writes reports and reads them again.
func TestXML(t *testing.T) {
	for _, name := range []string{"google.xml", "microsoft.xml", "yahoo.xml", "rfc9990.xml"} {
		t.Run(name, func(t *testing.T) {
			r, err := Parse(read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			text, err := r.XML()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			want := *r
			want.Namespace = Namespace
			for i := range want.Rows {
				var spf []SPFResult
				for _, s := range want.Rows[i].SPFResults {
					if s.Scope != "helo" {
						spf = append(spf, SPFResult{s.Domain, "mfrom", s.Result, s.Comment})
					}
				}
				want.Rows[i].SPFResults = spf
			}
			if diff := cmp.Diff(&want, again, addrs, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestXMLOrder keeps the order of elements that RFC 9990 section 3.1.1 asks for.
func TestXMLOrder(t *testing.T) {
	r, err := Parse(read(t, "rfc9990.xml"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.XML()
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, tag := range []string{`<feedback xmlns="` + Namespace + `">`, "<version>1.0", "<report_metadata>", "<org_name>", "<email>", "<extra_contact_info>", "<report_id>",
		"<date_range>", "<begin>", "<end>", "<error>", "<generator>", "<policy_published>", "<domain>", "<discovery_method>", "<p>", "<sp>", "<np>", "<fo>", "<adkim>", "<aspf>",
		"<testing>y", "<record>", "<row>", "<source_ip>", "<count>", "<policy_evaluated>", "<disposition>pass", "<dkim>", "<spf>", "<identifiers>", "<header_from>",
		"<envelope_from>", "<envelope_to>", "<auth_results>", "<dkim>", "<selector>", "<result>", "<human_result>", "<spf>", "<scope>mfrom", "<reason>"} {
		i := strings.Index(string(text[at:]), tag)
		if i < 0 {
			t.Fatalf("%s does not come after octet %d of\n%s", tag, at, text)
		}
		at += i
	}
}

func TestXMLRefuses(t *testing.T) {
	good, err := Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(r *Report){
		"no rows":   func(r *Report) { r.Rows = nil },
		"no ID":     func(r *Report) { r.ID = "" },
		"no source": func(r *Report) { r.Rows = []Row{{Count: 1}} },
	} {
		r := *good
		spoil(&r)
		if text, err := r.XML(); err == nil {
			t.Errorf("%s: it wrote %s", name, text)
		}
	}
	r := *good
	r.Org = "a <b> & c"
	text, err := r.XML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(text); err != nil || again.Org != r.Org {
		t.Errorf("%v, %v of %s", again, err, text)
	}
}

func TestFileName(t *testing.T) {
	want := FileName{Receiver: "google.com", Policy: "example.test", Begin: begin, End: begin.Add(24*time.Hour - time.Second)}
	withID := want
	withID.ID = "abc123"
	for _, tt := range []struct {
		in   string
		want FileName
		ok   bool
	}{
		{"google.com!example.test!1764201600!1764287999.zip", want, true},
		{"google.com!example.test!1764201600!1764287999.xml.gz", want, true},
		{"google.com!example.test!1764201600!1764287999.XML", want, true},
		{"google.com!example.test!1764201600!1764287999!abc123.xml.gz", withID, true},
		{"google.com!example.test!1764201600!1764287999!../../x.xml.gz", FileName{}, false},
		{"google.com!example.test!1764201600.xml.gz", FileName{}, false},
		{"google.com!example.test!yesterday!today.xml.gz", FileName{}, false},
		{"report.xml", FileName{}, false},
		{"google.com!example.test!1764201600!1764287999.exe", FileName{}, false},
		{strings.Repeat("!", 2000) + ".xml", FileName{}, false},
		{"", FileName{}, false},
	} {
		if got, ok := ParseFileName(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("ParseFileName(%.60q) = %+v, %v", tt.in, got, ok)
		}
	}
	for _, f := range []FileName{want, withID} {
		if got, ok := ParseFileName(f.String()); got != f || !ok {
			t.Errorf("%v is read as %+v, %v", f, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"google.xml", "microsoft.xml", "yahoo.xml", "rfc9990.xml"} {
		f.Add(read(f, name))
	}
	f.Add([]byte(small))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><feedback>&a;</feedback>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Parse(in)
		if err != nil {
			if !errors.Is(err, ErrNotReport) && !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("an error without a name: %v", err)
			}
			return
		}
		if len(r.Rows) == 0 {
			return
		}
		text, err := r.XML()
		if err != nil {
			t.Fatalf("what was read is not written: %v", err)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, text)
		}
		if again.Messages() != r.Messages() || len(again.Rows) != len(r.Rows) || again.Policy.Domain != r.Policy.Domain {
			t.Errorf("differs: %s", fmt.Sprint(again, r))
		}
	})
}
