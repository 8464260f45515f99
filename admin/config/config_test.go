package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	text := Describe()
	for _, f := range fields() {
		if f.doc == "" || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s is not explained in sentences", f.name)
		}
	}
	if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "hostname: it is missing") || strings.Contains(err.Error(), "\n") {
		t.Errorf("as it is printed: %v; want the host name to be missing, and nothing else", err)
	}
	filled := strings.Replace(text, `hostname = ""`, `hostname = "mail.example.org"`, 1)
	got, err := Parse([]byte(filled))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Hostname = "mail.example.org"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("described: %+v, default: %+v", got, want)
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mailstead.toml")
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "config describe >") {
		t.Errorf("no file: %v", err)
	}
	text := `
hostname = "mail.example.org"
data = "/srv/mail"
[listen]
smtp = ["192.0.2.1:25", "[2001:db8::1]:25"]
imap = []
proxies = ["10.0.0.0/8", "192.0.2.7"]
[dns]
servers = ["127.0.0.1", "::1", "[::1]:5353", "9.9.9.9:53"]
[tls]
mode = "acme"
agree = true
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	servers, err1 := c.Resolvers()
	nets, err2 := c.ProxyNets()
	if err1 != nil || err2 != nil || len(servers) != 4 || servers[1].String() != "[::1]:53" || len(nets) != 2 || nets[1].String() != "192.0.2.7/32" {
		t.Errorf("servers %v, nets %v, %v, %v", servers, nets, err1, err2)
	}
	if c.Data != "/srv/mail" || len(c.Listen.SMTP) != 2 || len(c.Listen.IMAP) != 0 || len(c.Listen.IMAPS) != 1 || !c.TLS.Agree {
		t.Errorf("config = %+v", c)
	}
}

func TestCAs(t *testing.T) {
	for _, tt := range []struct {
		tls  TLS
		want []string
	}{
		{TLS{}, []string{defaultCA}},
		{TLS{Staging: true}, []string{StagingCA}},
		{TLS{CA: "https://a/", MoreCAs: []string{"https://b/"}}, []string{"https://a/", "https://b/"}},
	} {
		if got := tt.tls.CAs(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.tls, got, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	const ok = "hostname = \"mail.example.org\"\n"
	for _, tt := range []struct {
		name, file string
		says       []string
	}{
		{"syntax", ok + "data = \n", []string{"line 2"}},
		{"wrong type", ok + "data = 5\n", []string{"line 2", "data"}},
		{"unknown with a likeness", ok + "[listen]\nsmpt = [\":25\"]\n", []string{"line 3", "there is no field listen.smpt", "did you mean listen.smtp?"}},
		{"in another table", ok + "mode = \"acme\"\n", []string{"line 2", "did you mean tls.mode?"}},
		{"unknown", ok + "[queue]\nexpire = \"5d\"\n", []string{"queue", "settings list"}},
		{"two unknown", ok + "hostnam = \"a\"\ndate = \"b\"\n", []string{"line 2", "did you mean hostname?", "line 3", "did you mean data?"}},
		{"short host name", "hostname = \"mail\"\n", []string{"hostname: \"mail\" is not a complete host name"}},
		{"bad host name", "hostname = \"-a.example\"\n", []string{"hostname:"}},
		{"relative data", ok + "data = \"mail\"\n", []string{"data:", "/var/lib/mailstead"}},
		{"port alone", ok + "[listen]\nsmtp = [\"25\"]\n", []string{"listen.smtp:", "\":25\""}},
		{"port 0", ok + "[listen]\nimaps = [\":0\"]\n", []string{"listen.imaps:"}},
		{"name", ok + "[listen]\nimaps = [\"localhost:993\"]\n", []string{"listen.imaps:"}},
		{"net", ok + "[listen]\nproxies = [\"10.0.0.0/40\"]\n", []string{"listen.proxies:", "192.0.2.0/24"}},
		{"trusted", ok + "[listen]\ntrusted_proxies = [\"x\"]\n", []string{"listen.trusted_proxies:"}},
		{"resolver", ok + "[dns]\nservers = [\"dns.example\"]\n", []string{"dns.servers:"}},
		{"mode", ok + "[tls]\nmode = \"lets-encrypt\"\n", []string{"tls.mode:", "self-signed"}},
		{"terms", ok + "[tls]\nmode = \"acme\"\n", []string{"tls.agree:"}},
		{"directory", ok + "[tls]\nmode = \"acme\"\nagree = true\nca = \"http://x\"\nemail = \"me\"\n", []string{"tls.ca:", "tls.email:"}},
		{"other directories", ok + "[tls]\nmode = \"acme\"\nagree = true\nmore_cas = [\"zerossl\"]\nchallenge = \"mail\"\n", []string{"tls.more_cas:", "tls.challenge:", "tls-alpn"}},
		{"staging of others", ok + "[tls]\nmode = \"acme\"\nagree = true\nca = \"https://x/\"\nstaging = true\n", []string{"tls.staging:", "tls.ca"}},
		{"no files", ok + "[tls]\nmode = \"files\"\n", []string{"tls.cert_file and tls.key_file:"}},
		{"unused files", ok + "[tls]\ncert_file = \"/x\"\n", []string{"tls.cert_file:", "mode = \"files\""}},
		{"level", ok + "[log]\nlevel = \"all\"\nformat = \"xml\"\n", []string{"log.level:", "log.format:"}},
		{"sandbox", ok + "[sandbox]\nwrite = [\"backup\", \"/\"]\n", []string{"sandbox.write: \"backup\"", "sandbox.write: \"/\""}},
		{"size", ok + strings.Repeat("#", 2<<20), []string{"larger than"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.file))
			if err == nil {
				t.Fatal("was taken")
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Describe()))
	f.Add([]byte("hostname = \"a.b\"\n[listen]\nsmtp=[\":1\"]\nx=1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err == nil && c.Validate() != nil {
			t.Fatal("valid and not valid")
		}
	})
}
