package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/api"
)

// command runs the command line in this process.
func command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return out.String(), errs.String(), code
}

// succeed is command for what must not fail.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := command(t, args...)
	if code != exitDone {
		t.Fatalf("%v: exit status %d\n%s%s", args, code, out, errs)
	}
	return out
}

// TestCommands runs every command on a data folder without a server, and once
// more through the socket of one.
func TestCommands(t *testing.T) {
	t.Run("direct", func(t *testing.T) { testCommands(t, t.TempDir()) })
	t.Run("socket", func(t *testing.T) {
		data := t.TempDir()
		startSocket(t, data)
		testCommands(t, data)
	})
}

// startSocket serves the admin socket of a data folder, and nothing else.
func startSocket(t *testing.T, data string) {
	t.Helper()
	op, err := admin.Open(data, admin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { op.Close() })
	if err := os.Mkdir(filepath.Join(data, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := api.Listen(filepath.Join(data, "run", "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	srv, err := api.New(api.Options{Admin: op})
	if err != nil {
		t.Fatal(err)
	}
	go func() { ended <- api.Serve(ctx, l, srv.Socket(), slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func testCommands(t *testing.T, data string) {
	file := filepath.Join(data, "settings.toml")
	for _, tt := range []struct {
		args string // separated by spaces; _ is a space within one
		code int
		says []string // on standard output, or on standard error when it fails
	}{
		{"domain add Exämple.org", 0, []string{"exämple.org", "xn--exmple-cua.org. 3600 IN MX 10 mail.xn--exmple-cua.org", "a guess", "v=spf1 mx -all", "_dmarc.xn--exmple-cua.org", "v=DKIM1; k=rsa"}},
		{"domain add exämple.org", 1, []string{"already"}},
		{"domain add other.org --alias-of exämple.org", 0, []string{"alias of"}},
		{"domain list", 0, []string{"DOMAIN", "other.org", "exämple.org"}},
		{"dkim show other.org", 0, []string{"ed25519", "_domainkey.other.org. IN TXT"}},
		{"account add ana@exämple.org --generate --name Ana_B --quota 5GiB", 0, []string{"ana@xn--exmple-cua.org", "password", "5.0 GiB"}},
		{"account add bo@exämple.org --generate", 0, nil},
		{"account add cy@exämple.org --generate --quota lots", 2, []string{"--quota"}},
		{"account add cy@nowhere.org --generate", 1, []string{"domain add nowhere.org"}},
		{"account list", 0, []string{"ana@xn--exmple-cua.org", "Ana B"}},
		{"account list --domain other.org", 0, []string{"ADDRESS"}},
		{"account set ana@exämple.org --quota 0 --max-messages 10", 0, []string{"no limit", "at most 10"}},
		{"account set ana@exämple.org", 2, []string{"say what to change"}},
		{"account set bo@exämple.org --role domain-admin --domains exämple.org", 0, []string{"domain-admin xn--exmple-cua.org"}},
		{"account set bo@exämple.org --role king", 1, []string{"one of"}},
		{"account set bo@exämple.org --forward bo@elsewhere.example --keep-copy", 0, []string{"bo@elsewhere.example; a copy is kept"}},
		{"account set bo@exämple.org --forward=", 0, nil},
		{"account set bo@exämple.org --app-passwords-only", 0, []string{"app password"}},
		{"account set bo@exämple.org --no-app-passwords-only", 0, nil},
		{"account passwd ana@exämple.org --generate", 0, []string{"password"}},
		{"account suspend bo@exämple.org", 0, []string{"suspended"}},
		{"account resume bo@exämple.org", 0, nil},
		{"account show ana@exämple.org", 0, []string{"uses", "0 B in 0 messages"}},
		{"alias add info@exämple.org ana@exämple.org bo@exämple.org", 0, []string{"→"}},
		{"alias list", 0, []string{"info@xn--exmple-cua.org"}},
		{"alias remove info@exämple.org bo@exämple.org", 0, []string{"no longer leads to"}},
		{"domain set exämple.org --catch-all ana@exämple.org", 0, []string{"catch-all"}},
		{"domain set exämple.org --app-passwords-only", 0, []string{"need an app password"}},
		{"domain set exämple.org --no-app-passwords-only", 0, nil},
		{"domain set exämple.org", 2, []string{"say what to change"}},
		{"domain show exämple.org", 0, []string{"ana@xn--exmple-cua.org"}},
		{"domain check exämple.org", 1, []string{"only a running server"}},
		{"queue list", 0, []string{"The queue is empty."}},
		{"queue show x", 1, []string{"no such message"}},
		{"queue hold", 2, []string{"--all"}},
		{"queue hold x --cause y", 2, []string{"--all"}},
		{"queue hold --all", 0, []string{"hold: 0 messages"}},
		{"queue reroute --all", 2, []string{"--to HOST:PORT, or --direct"}},
		{"queue reroute --all --direct --to smtp.example.org:587", 2, nil},
		{"queue reroute --to smtp.example.org:587", 2, []string{"name messages"}},
		{"queue reroute --all --to nowhere", 1, []string{"write the relay as host:port"}},
		{"queue reroute --all --to smtp.example.org:587", 0, []string{"reroute: 0 messages"}},
		{"queue reroute --all --direct", 0, []string{"reroute: 0 messages"}},
		{"queue retry x", 1, []string{"no such message"}},
		{"queue release x y", 1, []string{"no such message"}},
		{"queue cancel x", 1, []string{"no such message"}},
		{"trace find ana@exämple.org", 0, []string{"No message matches."}},
		{"trace find --since 2d", 0, nil},
		{"trace find --since yesterday", 2, []string{"--since"}},
		{"trace show x", 1, []string{"there is no trace x"}},
		{"settings list", 0, []string{"queue.expire", "5d"}},
		{"settings set queue.expire 3d", 0, []string{"3d"}},
		{"settings set queue.expires 3d", 1, []string{"did you mean queue.expire?"}},
		{"settings get queue.expire", 0, []string{"3d", "5d", "goes back to its sender"}},
		{"settings export", 0, []string{`expire = "3d"   # default: "5d"`}},
		{"settings reset queue.expire", 0, []string{"5d"}},
		{"settings import " + file, 1, []string{"no such file"}},
		{"cert list", 1, []string{"only a running server"}},
		{"ban list", 1, []string{"only a running server"}},
		{"ban lift 192.0.2.1", 1, []string{"only a running server"}},
		{"audit --limit 3", 0, []string{"setting.set", "queue.expire", "cli:"}},
		{"account remove bo@exämple.org", 2, []string{"--yes"}},
		{"account remove bo@exämple.org --yes", 0, []string{"removed"}},
		{"domain remove exämple.org", 1, []string{"alias of"}},
		{"domain remove other.org", 0, nil},
		{"domain remove exämple.org --force", 2, []string{"--yes"}},
		{"domain remove exämple.org --force --yes", 0, nil},
		{"domain add last.org", 0, nil},
		{"account add ana@last.org --generate", 0, []string{"role", "user"}},
		{"account set ana@last.org --role owner", 0, []string{"owner"}},
		{"account set ana@last.org --role user", 1, []string{"account set ADDRESS --role owner"}},
		{"domain list -o xml", 2, []string{"--output"}},
		{"domain frobnicate", 2, []string{"frobnicate"}},
	} {
		var args []string
		for _, a := range strings.Fields(tt.args) {
			args = append(args, strings.ReplaceAll(a, "_", " "))
		}
		out, errs, code := command(t, append(args, "--data", data)...)
		if code != tt.code {
			t.Fatalf("%s: exit status %d, want %d\n%s%s", tt.args, code, tt.code, out, errs)
		}
		if code != 0 {
			out = errs
		}
		for _, s := range tt.says {
			if !strings.Contains(out, s) {
				t.Errorf("%s does not say %q:\n%s", tt.args, s, out)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	data := t.TempDir()
	for _, args := range []string{"domain add example.org", "account add ana@example.org --generate", "alias add info@example.org ana@example.org",
		"domain list", "domain show example.org", "dkim show example.org", "account list", "account show ana@example.org", "account passwd ana@example.org --generate",
		"alias list", "queue list", "trace find", "settings list", "settings export", "settings get trace.keep", "audit"} {
		out := succeed(t, append(strings.Fields(args), "-o", "json", "--data", data)...)
		if !json.Valid([]byte(out)) {
			t.Errorf("%s: %s", args, out)
		}
		if strings.Contains(out, "pkcs8") || strings.Contains(out, "stored_key") {
			t.Errorf("%s shows a secret: %s", args, out)
		}
	}
	if out := succeed(t, "alias", "remove", "info@example.org", "-o", "json", "--data", data); out != "" {
		t.Errorf("a result that is none: %s", out)
	}
}

func TestSettingsFile(t *testing.T) {
	data := t.TempDir()
	succeed(t, "settings", "set", "queue.expire", "3d", "--data", data)
	file := filepath.Join(data, "settings.toml")
	if err := os.WriteFile(file, []byte(succeed(t, "settings", "export", "--data", data)), 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, "settings", "reset", "queue.expire", "--data", data)
	if out := succeed(t, "settings", "import", file, "--data", data); out != "queue.expire: 5d → 3d\n" {
		t.Errorf("import: %s", out)
	}
	if out := succeed(t, "settings", "import", file, "--data", data); out != "Nothing changed.\n" {
		t.Errorf("import again: %s", out)
	}
}

func TestDataDir(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mailstead.toml")
	if err := os.WriteFile(file, []byte("hostname = \"MX.example.org\"\ndata = \"/srv/mail\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.toml")
	if err := os.WriteFile(broken, []byte("hostname = 5"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		target         target
		data, hostname string
		fails          bool
	}{
		{target{Config: file}, "/srv/mail", "mx.example.org", false},
		{target{Config: file, Data: "/x"}, "/x", "mx.example.org", false},
		{target{Config: broken, Data: "/x"}, "/x", "", false},
		{target{Config: broken}, "", "", true},
		{target{Config: filepath.Join(dir, "none.toml")}, "", "", true},
	} {
		data, hostname, err := tt.target.dataDir()
		if data != tt.data || string(hostname) != tt.hostname || (err != nil) != tt.fails {
			t.Errorf("%+v: %q, %q, %v", tt.target, data, hostname, err)
		}
	}
}

func TestClean(t *testing.T) {
	var b bytes.Buffer
	table(&b, []string{"a", "250 ok\x1b[2J"}, []string{"long cell", "x\u202ey"})
	if got := b.String(); strings.ContainsAny(got, "\x1b\u202e") || !strings.HasPrefix(got, "a          250 ok") {
		t.Errorf("table = %q", got)
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 5 << 30: "5.0 GiB"} {
		if got := amount(n); got != want {
			t.Errorf("%d = %q, want %q", n, got, want)
		}
	}
}

func TestFirstLine(t *testing.T) {
	for in, want := range map[string]string{"correct horse\r\nx\n": "correct horse", "a": "a"} {
		if got, err := firstLine(strings.NewReader(in)); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := firstLine(strings.NewReader("\n")); err == nil {
		t.Error("nothing was taken for a password")
	}
}
