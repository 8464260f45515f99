package autoconfig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/mailstead/mailstead/mail"
)

func testService(change func(*Options)) *Service {
	o := Options{Hostname: "mail.example.org", Ports: StandardPorts(), Web: "https://mail.example.org",
		Hosted: func(d mail.Domain) bool { return d == "example.org" || d == "xn--exmple-cua.org" }}
	if change != nil {
		change(&o)
	}
	return New(o)
}

// ask makes a request of the handler.
func ask(s *Service, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestMozilla(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		want         string // domain; "" is 404
	}{
		{"by address", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ana%40example.org", "example.org"},
		{"by host", "https://autoconfig.example.org/mail/config-v1.1.xml", "example.org"},
		{"well-known", "https://example.org:443/.well-known/autoconfig/mail/config-v1.1.xml", "example.org"},
		{"the address decides", "https://autoconfig.other.org/mail/config-v1.1.xml?emailaddress=ana@EXAMPLE.org", "example.org"},
		{"U-label", "https://x.test/mail/config-v1.1.xml?emailaddress=ana@ex%C3%A4mple.org", "xn--exmple-cua.org"},
		{"not hosted", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ana@other.org", ""},
		{"no address", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=%3Cscript%3E", ""},
		{"foreign host", "https://evil.test/mail/config-v1.1.xml", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(testService(nil), "GET", tt.target, "")
			if tt.want == "" {
				if w.Code != http.StatusNotFound {
					t.Errorf("status %d, want 404", w.Code)
				}
				return
			}
			var got clientConfig
			if err := xml.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%d %q: %v", w.Code, w.Body, err)
			}
			if got.Version != "1.1" || got.Provider.Domain != tt.want || got.Provider.ID != tt.want {
				t.Errorf("config = %+v", got)
			}
			in := mozillaServer{"imap", "mail.example.org", 993, "SSL", "password-cleartext", "%EMAILADDRESS%"}
			out := mozillaServer{"smtp", "mail.example.org", 465, "SSL", "password-cleartext", "%EMAILADDRESS%"}
			if len(got.Provider.Incoming) != 2 || got.Provider.Incoming[0] != in || len(got.Provider.Outgoing) != 2 || got.Provider.Outgoing[0] != out {
				t.Errorf("servers = %+v, %+v", got.Provider.Incoming, got.Provider.Outgoing)
			}
			if second := got.Provider.Incoming[1]; second.Port != 143 || second.SocketType != "STARTTLS" {
				t.Errorf("second server = %+v", second)
			}
		})
	}
}

const outlookExample = `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request><EMailAddress>ana@example.org</EMailAddress>
  <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request>
</Autodiscover>`

func TestOutlook(t *testing.T) {
	for _, tt := range []struct {
		name, path, body string
		want, not        string
	}{
		{"as Outlook asks", "/autodiscover/autodiscover.xml", outlookExample, "<LoginName>ana@example.org</LoginName>", "<Error>"},
		{"in another case", "/Autodiscover/Autodiscover.xml", outlookExample, "<Port>993</Port>", "<Error>"},
		{"in capitals", "/AUTODISCOVER/AUTODISCOVER.XML", outlookExample, "<Port>465</Port>", "<Error>"},
		{"without name spaces", "/autodiscover/autodiscover.xml", "<a><Request><EMailAddress> ana@example.org </EMailAddress></Request></a>", "<Encryption>SSL</Encryption>", "<Error>"},
		{"for phones", "/autodiscover/autodiscover.xml", strings.Replace(outlookExample, "outlook/responseschema/2006a", "mobilesync/responseschema/2006", 1), "<ErrorCode>600</ErrorCode>", "<Protocol>"},
		{"not hosted", "/autodiscover/autodiscover.xml", strings.Replace(outlookExample, "ana@example.org", "ana@other.org", 1), "no mail of other.org", "<Protocol>"},
		{"no XML", "/autodiscover/autodiscover.xml", "hello", "<ErrorCode>600</ErrorCode>", "<Protocol>"},
		{"nothing", "/autodiscover/autodiscover.xml", "", "<ErrorCode>600</ErrorCode>", "<Protocol>"},
		{"too long", "/autodiscover/autodiscover.xml", "<a>" + strings.Repeat(" ", maxOutlook) + "</a>", "at most 16384 octets", "<Protocol>"},
		{"an entity", "/autodiscover/autodiscover.xml", `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><a><Request><EMailAddress>&a;</EMailAddress></Request></a>`, "<ErrorCode>600</ErrorCode>", "root:"},
		{"markup", "/autodiscover/autodiscover.xml", strings.Replace(outlookExample, "ana@example.org", "&lt;b&gt;@x", 1), "&lt;b&gt;", "<b>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(testService(nil), "POST", "https://autodiscover.example.org"+tt.path, tt.body)
			got := w.Body.String()
			if w.Code != http.StatusOK || !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
				t.Errorf("status %d, answer %s\nwant %q in it, not %q", w.Code, got, tt.want, tt.not)
			}
			if err := xml.Unmarshal(w.Body.Bytes(), &struct {
				XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
			}{}); err != nil {
				t.Errorf("the answer is no Autodiscover document: %v", err)
			}
		})
	}
	if w := ask(testService(nil), "GET", "https://autodiscover.example.org/autodiscover/autodiscover.xml", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", w.Code)
	}
}

func TestOutlookJSON(t *testing.T) {
	for target, want := range map[string]string{
		"/autodiscover/autodiscover.json?Email=ana@example.org&Protocol=AutodiscoverV1": `{"Protocol":"AutodiscoverV1","Url":"https://mail.example.org/autodiscover/autodiscover.xml"}`,
		"/Autodiscover/Autodiscover.json/v1.0/ana@example.org?protocol=autodiscoverv1":  `{"Protocol":"AutodiscoverV1","Url":"https://mail.example.org/autodiscover/autodiscover.xml"}`,
		"/autodiscover/autodiscover.json?Protocol=ActiveSync":                           `"ErrorCode":"InvalidProtocol"`,
	} {
		if got := ask(testService(nil), "GET", "https://evil.test"+target, "").Body.String(); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

func TestPACC(t *testing.T) {
	s := testService(nil)
	w := ask(s, "GET", "https://ua-auto-config.example.org/.well-known/user-agent-configuration.json", "")
	const want = `{"protocols":{"imap":{"host":"mail.example.org"},"submit":{"host":"mail.example.org"}},"authentication":{"password":true},` +
		`"info":{"provider":{"name":"example.org"},"help":{"documentation":"https://mail.example.org/help"}}}`
	if w.Body.String() != want {
		t.Errorf("document = %s\nwant %s", w.Body, want)
	}
	name, text, err := s.PACCRecord("example.org")
	sum := sha256.Sum256(w.Body.Bytes())
	if err != nil || name != "_ua-auto-config.example.org" || text != "v=UAAC1; a=sha256; d="+base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("record = %s %q, %v", name, text, err)
	}
	if w := ask(s, "GET", "https://ua-auto-config.other.org/.well-known/user-agent-configuration.json", ""); w.Code != http.StatusNotFound {
		t.Errorf("not hosted: status %d", w.Code)
	}
	var c paccConfig
	body, err := testService(func(o *Options) { o.Ports, o.Web = Ports{IMAPS: 993}, "" }).pacc("example.org")
	if err := errors.Join(err, json.Unmarshal(body, &c)); err != nil || len(c.Protocols) != 1 || c.Info.Help != nil {
		t.Errorf("without submission: %s, %v", body, err)
	}
}

// signer makes a certificate with its key.
func signer(t *testing.T) func() (*tls.Certificate, error) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return func() (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}
}

func TestProfile(t *testing.T) {
	s := testService(func(o *Options) { o.Signer = signer(t) })
	ana := mail.Path{Local: "ana", Domain: "example.org"}
	signed, err := s.Profile(Person{Address: ana, Name: `Ana <"&> 'B`, Password: "abcd-efgh"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pkcs7.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(); err != nil {
		t.Errorf("the signature: %v", err)
	}
	values := plistValues(t, p.Content)
	for key, want := range map[string]string{
		"EmailAddress": "ana@example.org", "EmailAccountName": `Ana <"&> 'B`, "IncomingMailServerHostName": "mail.example.org", "IncomingMailServerPortNumber": "993",
		"OutgoingMailServerPortNumber": "465", "IncomingPassword": "abcd-efgh", "PayloadOrganization": "example.org",
	} {
		if values[key] != want {
			t.Errorf("%s = %q, want %q", key, values[key], want)
		}
	}
	plain, err := testService(nil).Profile(Person{Address: ana})
	if !errors.Is(err, ErrUnsigned) || plistValues(t, plain)["IncomingPassword"] != "" || plistValues(t, plain)["EmailAccountName"] != "ana@example.org" {
		t.Errorf("without certificate: %s, %v", plain, err)
	}
	if _, err := testService(func(o *Options) { o.Ports = Ports{} }).Profile(Person{Address: ana}); err == nil || errors.Is(err, ErrUnsigned) {
		t.Errorf("without services: %v", err)
	}
}

// plistValues reads the values of all keys of a property list.
func plistValues(t *testing.T, list []byte) map[string]string {
	t.Helper()
	values, key, text := map[string]string{}, "", ""
	d := xml.NewDecoder(bytes.NewReader(list))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			t.Fatalf("%v in %s", err, list)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			text = ""
		case xml.CharData:
			text += string(tok)
		case xml.EndElement:
			if tok.Name.Local == "key" {
				key = text
			} else if tok.Name.Local == "string" || tok.Name.Local == "integer" {
				values[key] = text
			}
		}
	}
}

func TestProfileDownload(t *testing.T) {
	s := testService(func(o *Options) { o.Signer = signer(t) })
	w := ask(s, "GET", "https://mail.example.org/help/apple.mobileconfig?address=ana%40example.org", "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != typeProfile || !strings.Contains(w.Header().Get("Content-Disposition"), "mail.mobileconfig") {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
	if _, err := pkcs7.Parse(w.Body.Bytes()); err != nil {
		t.Error(err)
	}
	for _, address := range []string{"", "ana", "ana@other.org", strings.Repeat("a", 300) + "@example.org"} {
		if w := ask(s, "GET", "https://mail.example.org/help/apple.mobileconfig?address="+address, ""); w.Code != http.StatusNotFound {
			t.Errorf("%q: status %d", address, w.Code)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		name, target, agent string
		want, not           []string
	}{
		{"nothing said", "/help", "", []string{"mail.example.org", "993", "your whole address"}, []string{"role=\"alert\"", "apple.mobileconfig"}},
		{"an address, on a phone", "/help?address=ana%40example.org", iPhone, []string{"apple.mobileconfig?address=ana%40example.org", "this device"}, []string{"role=\"alert\""}},
		{"not hosted", "/help?address=ana@other.org", "", []string{"no mail of other.org"}, []string{"apple.mobileconfig"}},
		{"markup", "/help?address=%3Cscript%3Ealert(1)%3C/script%3E", "", []string{"is not an address", "&lt;script&gt;"}, []string{"<script"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(testService(nil), "GET", "https://mail.example.org"+tt.target, "", "User-Agent", tt.agent)
			got := w.Body.String()
			if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("status %d, header %v", w.Code, w.Header())
			}
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is missing in %s", want, got)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(got, not) {
					t.Errorf("%q is in %s", not, got)
				}
			}
		})
	}
	if w := ask(testService(nil), "GET", "https://mail.example.org/help/help.css", ""); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("style sheet: %v", w.Header())
	}
}

func TestDevices(t *testing.T) {
	for agent, want := range map[string]device{
		"Mozilla/5.0 (iPad; CPU OS 19_0)": apple, "Mozilla/5.0 (Linux; Android 16)": android, "Mozilla/5.0 (Macintosh; Intel Mac OS X)": apple,
		"Mozilla/5.0 (Windows NT 10.0)": outlook, "Mozilla/5.0 (X11; Linux x86_64)": thunderbird, "curl/8": other,
	} {
		got := sections(deviceOf(agent))
		if got[0] != want || len(got) != 5 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 5 {
			t.Errorf("%s: %v, want %s first", agent, got, want)
		}
	}
}

func TestHandles(t *testing.T) {
	for path, want := range map[string]bool{"/help": true, "/help/help.css": true, "/Autodiscover/Autodiscover.XML": true, "/autodiscover/autodiscover.json/v1.0/x": true,
		mozillaPath: true, mozillaWellKnown: true, paccPath: true, "/helper": false, "/admin/": false, "/": false, "/.well-known/acme-challenge/x": false} {
		if Handles(path) != want {
			t.Errorf("Handles(%q) = %v", path, !want)
		}
	}
}

func FuzzOutlook(f *testing.F) {
	for _, seed := range []string{outlookExample, "", "<a>", "<a><Request><EMailAddress>x@example.org</EMailAddress></Request></a>", "<?xml version='1.0' encoding='UTF-16'?><a/>", "\x00\xff"} {
		f.Add([]byte(seed))
	}
	s := testService(nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		if address, err := parseOutlook(body); err == nil && len(address) > maxOutlook {
			t.Errorf("an address of %d octets", len(address))
		}
		w := ask(s, "POST", "https://mail.example.org/autodiscover/autodiscover.xml", string(body))
		if w.Code != http.StatusOK || xml.Unmarshal(w.Body.Bytes(), new(outlookResponse)) != nil && xml.Unmarshal(w.Body.Bytes(), new(outlookFailure)) != nil {
			t.Errorf("status %d, answer %q", w.Code, w.Body)
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"ana@example.org", "", "@", `"a b"@example.org`, "ana@ex\xc3\xa4mple.org", "<x>@example.org", "\xff@example.org"} {
		f.Add(seed)
	}
	s := testService(func(o *Options) { o.Hosted = func(mail.Domain) bool { return true } })
	f.Fuzz(func(t *testing.T, address string) {
		p, err := s.parse(address)
		if err != nil {
			return
		}
		profile, err := s.Profile(Person{Address: p, Name: address})
		if !errors.Is(err, ErrUnsigned) {
			t.Fatal(err)
		}
		if got := plistValues(t, profile)["EmailAddress"]; got != p.String() && strings.ToValidUTF8(p.String(), "") == p.String() {
			t.Errorf("address in the profile = %q, want %q", got, p)
		}
		if _, err := s.outlook(s.Setup(p)); err != nil {
			t.Error(err)
		}
	})
}
