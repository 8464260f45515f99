package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/config"
	"github.com/mailstead/mailstead/admin/setup"
	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// setupConfig is a configuration whose resolver knows nothing but z, with no
// ports.
func setupConfig(t *testing.T, z *dnstest.Zones) (file, data string) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- z.Serve(ctx, pc, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	data = t.TempDir()
	file = filepath.Join(data, "mailstead.toml")
	text := fmt.Sprintf("hostname = \"mail.example.test\"\ndata = %q\n[dns]\nservers = [%q]\n", filepath.Join(data, "data"), pc.LocalAddr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, filepath.Join(data, "data")
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "answers.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSetupWithAnswers(t *testing.T) {
	file, data := setupConfig(t, dnstest.New("mail.example.test. A 192.0.2.1"))
	secret := write(t, "correct horse\n")
	answers := write(t, fmt.Sprintf("address = \"ana@example.test\"\nname = \"Ana\"\npassword_file = %q\nreceive_only = true\n", secret))
	out := succeed(t, "setup", "--config", file, "--answers", answers)
	for _, want := range []string{"example.test. 3600 IN MX 10 mail.example.test.", "ana@example.test is the owner", "account passwd ana@example.test", "mailstead serve"} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "correct horse") {
		t.Error("the password is printed")
	}
	if out := succeed(t, "account", "show", "ana@example.test", "--data", data); !strings.Contains(out, "owner") {
		t.Errorf("account:\n%s", out)
	}
	if _, errs, code := command(t, "setup", "--config", file, "--answers", answers); code != exitFailed || !strings.Contains(errs, "set up already") {
		t.Errorf("again: %d %s", code, errs)
	}
}

func TestSetupRefusesAnswers(t *testing.T) {
	file, data := setupConfig(t, dnstest.New(""))
	for name, tt := range map[string]struct{ text, says string }{
		"unknown key":    {"adress = \"ana@example.test\"\n", "there is no answer adress"},
		"no password":    {"address = \"ana@example.test\"\n", "choose a password"},
		"no address":     {"password = \"correct horse\"\n", "is not an address"},
		"short host":     {"address = \"ana@example.test\"\npassword = \"correct horse\"\nhost = \"post\"\n", "you: \"post\" is not a complete name"},
		"terms as text":  {"address = \"ana@example.test\"\naccept_terms = \"yes\"\n", "line 2: accept_terms has a value of the wrong kind"},
		"no TOML":        {"address ana", "answers.toml"},
		"file not there": {"address = \"ana@example.test\"\npassword_file = \"/nowhere/x\"\n", "/nowhere/x"},
	} {
		if _, errs, code := command(t, "setup", "--config", file, "--answers", write(t, tt.text)); code != exitFailed || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
	if out := succeed(t, "account", "list", "--data", data); strings.Contains(out, "ana@") {
		t.Errorf("a refused answer made an account:\n%s", out)
	}
}

func TestSetupMakesConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "etc", "mailstead.toml")
	out := succeed(t, "setup", "--config", file, "--hostname", "mail.example.test", "--dry-run")
	if !strings.Contains(out, "Would write") || fileExists(file) {
		t.Errorf("dry run: %s", out)
	}
	if _, errs, code := command(t, "setup", "--config", file, "--hostname", "mail", "--yes"); code != exitUsage || !strings.Contains(errs, "not a complete name") {
		t.Errorf("short name: %d %s", code, errs)
	}
	c := setupCmd{Config: file, Hostname: "mail.example.test", Yes: true}
	if err := c.makeConfig(t.Context(), streams{os.Stdout, os.Stderr}); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "config", "check", "--config", file); !strings.Contains(out, "fine") {
		t.Errorf("check: %s", out)
	}
	if out := succeed(t, "setup", "--config", file, "--dry-run"); !strings.Contains(out, "with the wizard open") {
		t.Errorf("dry run: %s", out)
	}
}

// A server that runs gives the link out by its socket.
func TestSetupLinkOfRunningServer(t *testing.T) {
	i := startTry(t, "--setup")
	file := configOf(t, i)
	out := succeed(t, "setup", "--config", file)
	_, after, ok := strings.Cut(out, "/setup/#")
	if code, _, _ := strings.Cut(after, "\n"); !ok || len(code) != len("K7P4-9QXD-22MB") {
		t.Fatalf("no link:\n%s", out)
	}
	answers := write(t, "address = \"ana@example.test\"\npassword = \"correct horse\"\n")
	if out := succeed(t, "setup", "--config", file, "--answers", answers); !strings.Contains(out, "ana@example.test is the owner") {
		t.Errorf("answers:\n%s", out)
	}
	if _, errs, code := command(t, "setup", "--config", file); code != exitFailed || !strings.Contains(errs, "set up already") {
		t.Errorf("again: %d %s", code, errs)
	}
}

// TestSetupHereNamesTheServer: without a server, too, what is left to do is
// about the name that was chosen.
func TestSetupHereNamesTheServer(t *testing.T) {
	file, data := setupConfig(t, dnstest.New("mail.example.test. A 192.0.2.1"))
	answers := write(t, "address = \"ana@example.test\"\npassword = \"correct horse\"\nhost = \"post.example.test\"\naccept_terms = true\n")
	out := succeed(t, "setup", "--config", file, "--answers", answers)
	for _, want := range []string{"example.test. 3600 IN MX 10 post.example.test.", "certificate by itself as soon as the DNS has its address under post.example.test", file, "mailstead serve"} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	if cfg, err := (configPlace{file: file}).load(); err != nil || cfg.Hostname != "post.example.test" {
		t.Errorf("configuration: %q, %v", cfg.Hostname, err)
	}
	if out := succeed(t, "account", "show", "ana@example.test", "--data", data); !strings.Contains(out, "owner") {
		t.Errorf("account:\n%s", out)
	}
}

// configOf is a configuration file that leads to the data of i.
func configOf(t *testing.T, i *instance) string {
	t.Helper()
	return write(t, fmt.Sprintf("hostname = \"mail.example.test\"\ndata = %q\n", i.Data))
}

// publish has the DNS of i say what its wizard wants, or the text in place of
// it.
func publish(t *testing.T, i *instance, text string) {
	t.Helper()
	b := newBrowser(t, i)
	if text == "" {
		b.do("GET", i.Setup.Control+"/zone", nil, &text)
	}
	if got := b.do("POST", i.Setup.Control+"/zone", text, nil); got != http.StatusNoContent {
		t.Fatalf("zone: %d", got)
	}
}

// awaitCertificate waits until the server shows a certificate of the simulated
// authority for the name.
func awaitCertificate(t *testing.T, i *instance, name string) {
	t.Helper()
	client := trusting(t, i)
	eventually(t, "the certificate of "+name, func() bool {
		resp, err := client.Get("https://" + name + "/api/v1/session")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// TestSetupNameAndCertificate: a file of answers does what the pages do, with
// a server that begins anew in the middle.
func TestSetupNameAndCertificate(t *testing.T) {
	for name, tt := range map[string]struct{ zone, says string }{
		"the name leads here":   {"post.example.test. A 127.0.0.1", "The server gets a certificate for post.example.test"},
		"the name is not there": {"", "as soon as the DNS has its address under post.example.test"},
	} {
		t.Run(name, func(t *testing.T) {
			i := startTry(t, "--setup")
			if tt.zone != "" {
				publish(t, i, tt.zone)
			}
			answers := write(t, "address = \"ana@example.test\"\npassword = \"correct horse\"\nhost = \"Post.example.test\"\naccept_terms = true\n")
			out := succeed(t, "setup", "--config", configOf(t, i), "--answers", answers)
			for _, want := range []string{"MX 10 post.example.test.", tt.says, "is written into " + filepath.Join(i.Data, "mailstead.toml"), "ana@example.test is the owner"} {
				if !strings.Contains(out, want) {
					t.Errorf("does not say %q:\n%s", want, out)
				}
			}
			if tt.zone == "" {
				publish(t, i, "")
			}
			awaitCertificate(t, i, "post.example.test")
			cfg, err := (configPlace{filepath.Join(i.Data, "mailstead.toml"), i.Data}).load()
			if err != nil || cfg.TLS.Mode != config.ModeACME || !cfg.TLS.Agree || cfg.TLS.Email != "ana@example.test" {
				t.Errorf("configuration: %+v, %v", cfg.TLS, err)
			}
		})
	}
}

// TestSetupByText answers in the terminal.
func TestSetupByText(t *testing.T) {
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ input, host, says string }{
		"what is suggested, and no": {"ana@example.org\nAna\ncorrect horse\n\nn\n", "mail.example.org", "the server's own: browsers and mail programs warn"},
		"a name, and yes after all": {"ana@example.org\nAna\ncorrect horse\npost.example.org\nperhaps\nyes\n", "post.example.org", "as soon as the DNS has its address under post.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			i := startTry(t, "--setup")
			cmd := exec.CommandContext(t.Context(), program, "setup", "--text", "--config", configOf(t, i))
			cmd.Stdin = strings.NewReader(tt.input)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range []string{"The name of this server [mail.example.org]: ", "/acme/directory", "Do you accept the terms?", "MX 10 " + tt.host + ".", tt.says, "is the owner"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("does not say %q:\n%s", want, out)
				}
			}
			if greeting := firstLineOf(t, i.SMTP); !strings.Contains(greeting, tt.host) {
				t.Errorf("port 25 greets with %q", greeting)
			}
		})
	}
}

func TestSetupCertificateAnswer(t *testing.T) {
	yes, no := true, false
	terms, accepted := setup.View{}, setup.View{Answers: setup.Answers{AcceptTerms: true}}
	terms.Certificate.Terms = "https://authority.example/terms"
	automatic := setup.View{Certificate: setup.CertificateView{Automatic: true}}
	for name, tt := range map[string]struct {
		accept *bool
		view   setup.View
		want   *setup.Input
		fails  bool
	}{
		"nobody has said":         {nil, terms, nil, false},
		"yes":                     {&yes, terms, &setup.Input{ACME: &setup.ACME{AcceptTerms: true, Contact: "ana@example.test"}}, false},
		"no":                      {&no, terms, &setup.Input{OwnCertificate: &yes}, false},
		"no, after all":           {&no, accepted, &setup.Input{OwnCertificate: &yes}, false},
		"the server has one":      {&yes, automatic, nil, false},
		"yes to what nobody asks": {&yes, setup.View{}, nil, true},
		"no to what nobody asks":  {&no, setup.View{}, nil, false},
	} {
		a := answers{Address: "ana@example.test", AcceptTerms: tt.accept}
		if got, err := a.certificate(tt.view); !reflect.DeepEqual(got, tt.want) || (err != nil) != tt.fails {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestSuggestHost(t *testing.T) {
	for _, tt := range []struct{ address, is, want string }{
		{"ana@example.org", "mail.example.test", "mail.example.org"},
		{"ana@Example.org", "post.example.org", "post.example.org"},
		{"ana@mail.example.org", "localhost", "mx1.example.org"},
		{"ana", "mail.example.test", "mail.example.test"},
	} {
		if got := suggestHost(tt.address, tt.is); got != tt.want {
			t.Errorf("%s on %s: %s, want %s", tt.address, tt.is, got, tt.want)
		}
	}
}
