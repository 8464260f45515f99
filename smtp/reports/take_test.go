package reports

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

func TestTake(t *testing.T) {
	google, tls := dmarcFile(t, "google.xml"), strings.ReplaceAll(read(t, "tlsrpt", "testdata", "google.json"), "2026", "2025")
	const told = "DMARC report of google.com about example.test on 2025-11-27, 655 messages"
	bomb := gzipped(t, strings.Repeat("\x00", 20<<20))
	for _, tt := range []struct {
		name   string
		author mail.Domain
		text   string
		want   string
		says   string // of an error
	}{
		{"gzip", "google.com", mailOf(part{"application/gzip", "google.com!example.test!1764201600!1764287999.xml.gz", gzipped(t, google)}), told, ""},
		{"zip", "google.com", mailOf(part{"application/zip", "google.com!example.test!1764201600!1764287999.zip", zipped(t, "r.xml", google)}), told, ""},
		{"plain", "google.com", mailOf(part{"text/xml", "report.xml", google}), told, ""},
		{"wrong media type and name", "google.com", mailOf(part{"image/png", "cat.png", gzipped(t, google)}), told, ""},
		{"text before it", "google.com", mailOf(part{"text/plain", "", "This is a report."}, part{"text/html", "", "<p>This is a report"}, part{"application/gzip", "r.xml.gz", gzipped(t, google)}), told, ""},
		{"the message itself", "google.com", "Subject: x\r\nContent-Type: text/xml\r\n\r\n" + strings.ReplaceAll(google, "\n", "\r\n"), told, ""},
		{"nobody stands for it", "", mailOf(part{"application/gzip", "r.xml.gz", gzipped(t, google)}), told + ": it does not pass DMARC, so that it is listed and not counted", ""},
		{"TLS, gzip", "google.com", mailOf(part{"application/tlsrpt+gzip", "r.json.gz", gzipped(t, tls)}),
			"TLS report of Google Inc. on 2025-11-27, 42 sessions without trouble and 0 with", ""},
		{"TLS, plain", "google.com", mailOf(part{"application/tlsrpt+json", "r.json", tls}), "TLS report of Google Inc. on 2025-11-27, 42 sessions without trouble and 0 with", ""},
		{"two", "google.com", mailOf(part{"application/gzip", "a", gzipped(t, google)}, part{"application/gzip", "b", gzipped(t, tls)}),
			told + "; TLS report of Google Inc. on 2025-11-27, 42 sessions without trouble and 0 with", ""},
		{"no file", "google.com", "Subject: hi\r\n\r\nhello\r\n", "", "neither an XML nor a JSON file"},
		{"advertisement", "shop.test", mailOf(part{"text/html", "", "<html>buy</html>"}), "", `begins with "html"`},
		{"about somebody else", "google.com", mailOf(part{"text/xml", "", strings.ReplaceAll(google, "example.test", "stranger.test")}), "", "about stranger.test, which is no domain of this server"},
		{"TLS about somebody else", "google.com", mailOf(part{"text/json", "", strings.ReplaceAll(tls, "example.test", "stranger.test")}), "", "about stranger.test"},
		{"in the future", "google.com", mailOf(part{"text/xml", "", strings.NewReplacer("1764201600", "1864201600", "1764287999", "1864287999").Replace(google)}), "", "in the future (2029-01-27)"},
		{"long ago", "google.com", mailOf(part{"text/xml", "", strings.NewReplacer("1764201600", "1664201600").Replace(google)}), "", "too long ago (2022-09-26)"},
		{"gzip bomb", "google.com", mailOf(part{"application/gzip", "r.xml.gz", bomb}), "", "too large"},
		{"zip bomb", "google.com", mailOf(part{"application/zip", "r.zip", zipped(t, "r.xml", strings.Repeat(" ", 20<<20))}), "", "too large"},
		{"XML bomb", "google.com", mailOf(part{"text/xml", "r.xml", `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><feedback>&b;</feedback>`}), "", "document type declaration"},
		{"damaged", "google.com", mailOf(part{"application/gzip", "r.xml.gz", gzipped(t, google)[:100]}), "", "broken gzip file"},
		{"more parts than are looked into", "google.com", mailOf(append(make([]part, maxParts), part{"text/xml", "", google})...), "", "neither"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			got, err := w.take(t, tt.author, tt.text)
			if got != tt.want || (err != nil) != (tt.says != "") {
				t.Fatalf("Take = %q, %v; want %q", got, err, tt.want)
			}
			if err != nil && (!is(err, errNoReport) || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("error %v; want one with %q", err, tt.says)
			}
		})
	}
}

// A report counts once, however often and in whatever form it comes; one that
// somebody else sends in its name takes nothing from it.
func TestTakeOnce(t *testing.T) {
	w := newWorld(t)
	google := dmarcFile(t, "google.xml")
	w.mustTake(t, "evil.test", mailOf(part{"text/xml", "", strings.Replace(google, "<count>612", "<count>1", 1)}))
	w.mustTake(t, "", mailOf(part{"text/xml", "", strings.Replace(google, "<count>612", "<count>1", 1)}))
	w.mustTake(t, "google.com", mailOf(part{"application/gzip", "", gzipped(t, google)}))
	for range 3 {
		told, err := w.take(t, "google.com", mailOf(part{"application/zip", "", zipped(t, "x", google)}))
		if err != nil || !strings.HasSuffix(told, ": it was here already") {
			t.Errorf("%q, %v", told, err)
		}
	}
	s := w.summary(t)
	if s.Total.Messages != 655+44 || len(s.Reports) != 3 || s.Unverified != 1 {
		t.Errorf("%d messages in %d reports, %d of them do not count", s.Total.Messages, len(s.Reports), s.Unverified)
	}
}

// Nobody can fill the disk with reports.
func TestTakeIsBounded(t *testing.T) {
	w := newWorld(t)
	yahoo := dmarcFile(t, "yahoo.xml")
	for i := range maxUnverified {
		w.mustTake(t, "", mailOf(part{"text/xml", "", strings.Replace(yahoo, "483210", fmt.Sprint(i), 1)}))
	}
	if _, err := w.take(t, "", mailOf(part{"text/xml", "", yahoo})); !is(err, errNoReport) || !strings.Contains(err.Error(), "50 about example.test came today already") {
		t.Errorf("error %v", err)
	}
	w.mustTake(t, "yahooinc.com", mailOf(part{"text/xml", "", yahoo})) // those that are known have their own share
	w.now = w.now.Add(day)
	w.mustTake(t, "", mailOf(part{"text/xml", "", strings.Replace(yahoo, "483210", "tomorrow", 1)}))

	var rows strings.Builder
	record := yahoo[strings.Index(yahoo, "<record>"):strings.Index(yahoo, "</feedback>")]
	for i := range maxSources + 500 {
		rows.WriteString(strings.Replace(record, "192.0.2.25", fmt.Sprintf("10.1.%d.%d", i/250, i%250), 1))
	}
	w.mustTake(t, "large.test", mailOf(part{"application/gzip", "", gzipped(t, strings.Replace(strings.Replace(yahoo, record, rows.String(), 1), "483210", "large", 1))}))
	s := w.summary(t)
	if want := int64(5 + 5*(maxSources+500)); s.Total.Messages != want {
		t.Errorf("%d messages are counted, want %d", s.Total.Messages, want)
	}
	if n := len(s.Sources); n != maxGroups+1 || s.Sources[maxGroups].Name != "others" {
		t.Errorf("%d sources are told apart", n)
	}
	large := slices.MaxFunc(s.Reports, func(a, b Line) int { return cmp.Compare(a.Messages, b.Messages) })
	r, err := w.Report(t.Context(), large.ID)
	if err != nil || len(r.Report.Rows) != maxKeptRows || r.Left != 500 {
		t.Errorf("%d rows are kept, %d left out, %v", len(r.Report.Rows), r.Left, err)
	}
}

func TestReport(t *testing.T) {
	w := newWorld(t)
	w.mustTake(t, "google.com", mailOf(part{"text/xml", "google.com!stranger.test!1!2.xml", dmarcFile(t, "google.xml")}))
	s := w.summary(t)
	r, err := w.Report(t.Context(), s.Reports[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if r.Report.ID != "9391651994964116463" || r.Sender != "google.com" || r.Trace != "0123456789abcdef" || len(r.Report.Rows) != 3 || r.Report.Rows[2].Reasons[0].Comment != "arc=pass" ||
		len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "stranger.test") {
		t.Errorf("%+v", r)
	}
	for _, wrong := range []string{"", "0123456789abcdef", "../../etc", strings.Repeat("x", 16)} {
		if _, err := w.Report(t.Context(), wrong); !is(err, ErrNotFound) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// TestExpire drops what is too old, and lets the same report come again.
func TestExpire(t *testing.T) {
	w := newWorld(t)
	google := mailOf(part{"text/xml", "", dmarcFile(t, "google.xml")})
	tls := mailOf(part{"text/json", "", strings.ReplaceAll(read(t, "tlsrpt", "testdata", "google.json"), "2026", "2025")})
	w.mustTake(t, "google.com", google)
	w.mustTake(t, "google.com", tls)
	if err := w.expire(t.Context(), now.Add(398*day)); err != nil {
		t.Fatal(err)
	}
	if s := w.summary(t); len(s.Reports) != 1 || s.Total.Messages != 655 {
		t.Fatalf("it went too early: %+v", s)
	}
	if err := w.expire(t.Context(), now.Add(401*day)); err != nil {
		t.Fatal(err)
	}
	s := w.summary(t)
	tlsSummary, err := w.TLS(t.Context(), "example.test", now.AddDate(0, 0, -28), now)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Reports) != 0 || s.Total.Messages != 0 || len(tlsSummary.Reports) != 0 {
		t.Errorf("it is still there: %+v, %+v", s, tlsSummary)
	}
	if told, err := w.take(t, "google.com", google); err != nil || strings.Contains(told, "already") {
		t.Errorf("%q, %v", told, err)
	}
}

// A damaged file costs the reports and nothing else.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("damaged ", 8<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error(err)
	}
	if list, err := b.Sent(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func FuzzTake(f *testing.F) {
	f.Add(mailOf(part{"application/gzip", "a.xml.gz", gzipped(f, dmarcFile(f, "google.xml"))}))
	f.Add(mailOf(part{"application/zip", "a.zip", zipped(f, "a.xml", dmarcFile(f, "yahoo.xml"))}, part{"text/json", "", read(f, "tlsrpt", "testdata", "google.json")}))
	f.Add("Content-Type: text/xml\r\n\r\n<feedback>")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := w.take(t, "google.com", text); err != nil && !is(err, errNoReport) {
			t.Error(err)
		}
	})
}
