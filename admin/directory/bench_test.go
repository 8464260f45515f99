package directory

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

// large is a directory with a thousand accounts.
func large(b *testing.B) *Directory {
	d, err := Open(filepath.Join(b.TempDir(), "system.db"), Options{Cost: cheap})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	if _, err := d.AddDomain(b.Context(), actor, NewDomain{Name: "example.org"}); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if _, err := d.AddAccount(b.Context(), actor, NewAccount{Address: mail.Path{Local: fmt.Sprint("user", i), Domain: "example.org"}}); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.SetPassword(b.Context(), actor, 500, "correct horse"); err != nil {
		b.Fatal(err)
	}
	return d
}

// BenchmarkResolve is what each RCPT costs.
func BenchmarkResolve(b *testing.B) {
	d := large(b)
	p := mail.Path{Local: "user500+shop", Domain: "example.org"}
	b.ReportAllocs()
	for b.Loop() {
		if id, _, err := d.Resolve(b.Context(), p); id == 0 || err != nil {
			b.Fatal(id, err)
		}
	}
}

// BenchmarkLogin is a login with a password that was verified before.
func BenchmarkLogin(b *testing.B) {
	d := large(b)
	auth := d.Authenticator(home, "imap")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := auth.Password(b.Context(), "user499@example.org", "correct horse"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAddAlias is what one change costs.
func BenchmarkAddAlias(b *testing.B) {
	d := large(b)
	for i := 0; b.Loop(); i++ {
		p := mail.Path{Local: fmt.Sprint("alias", i), Domain: "example.org"}
		if _, err := d.AddAlias(b.Context(), actor, p, mail.Path{Local: "user500", Domain: "example.org"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppPassword is a login with one of many app passwords.
func BenchmarkAppPassword(b *testing.B) {
	d := large(b)
	var secret string
	for i := range 20 {
		var err error
		if _, secret, err = d.AddAppPassword(b.Context(), actor, 500, NewAppPassword{Label: fmt.Sprint("device ", i)}); err != nil {
			b.Fatal(err)
		}
	}
	auth := d.Authenticator(home, "imap")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := auth.Password(b.Context(), "user499@example.org", secret); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyAPIKey is what each request with a key costs.
func BenchmarkVerifyAPIKey(b *testing.B) {
	d := large(b)
	_, key, err := d.AddAPIKey(b.Context(), actor, NewAPIKey{Label: "bench", Role: RoleSupport})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.VerifyAPIKey(key, home); err != nil {
			b.Fatal(err)
		}
	}
}
