package directory

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

// cheap makes hashing fast; what is tested does not depend on it.
var cheap = Cost{MemoryKiB: 8, Time: 1}

const actor = "test"

var ctx = context.Background()

func open(t *testing.T) *Directory {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "system.db"))
}

func openAt(t *testing.T, path string) *Directory {
	t.Helper()
	d, err := Open(path, Options{Cost: cheap})
	if err != nil {
		t.Fatal(err)
	}
	d.db.NoSync = true // nothing here is about power failures
	t.Cleanup(func() { d.Close() })
	return d
}

func path(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (d *Directory) mustDomain(t *testing.T, n NewDomain) {
	t.Helper()
	if _, err := d.AddDomain(t.Context(), actor, n); err != nil {
		t.Fatal(err)
	}
}

func (d *Directory) mustAccount(t *testing.T, address string) uint32 {
	t.Helper()
	a, err := d.AddAccount(t.Context(), actor, NewAccount{Address: path(t, address), Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

func (d *Directory) mustAlias(t *testing.T, address string, targets ...string) {
	t.Helper()
	var to []mail.Path
	for _, s := range targets {
		to = append(to, path(t, s))
	}
	if _, err := d.AddAlias(t.Context(), actor, path(t, address), to...); err != nil {
		t.Fatal(err)
	}
}

// town is a directory with one of everything.
func town(t *testing.T) *Directory {
	d := open(t)
	d.mustDomain(t, NewDomain{Name: "example.org"})
	d.mustDomain(t, NewDomain{Name: "example.net", AliasOf: "example.org"})
	d.mustDomain(t, NewDomain{Name: "dash.org", Separator: "-"})
	d.mustDomain(t, NewDomain{Name: "none.org", Separator: NoSeparator})
	d.mustDomain(t, NewDomain{Name: "closed.org"})
	d.mustAccount(t, "ana@example.org")  // 1
	d.mustAccount(t, "bo@example.org")   // 2
	d.mustAccount(t, "cy@dash.org")      // 3
	d.mustAccount(t, "di@none.org")      // 4
	d.mustAccount(t, "gone@example.org") // 5
	d.mustAlias(t, "info@example.org", "ana@example.org")
	d.mustAlias(t, "staff@example.org", "ana@example.org", "bo@example.org")
	d.mustAlias(t, "away@example.org", "ana@elsewhere.example")
	d.mustAlias(t, "help@example.net", "bo@example.org")
	d.mustAlias(t, "deep@example.org", "info@example.org")
	yes := true
	if _, err := d.SetAccount(t.Context(), actor, 5, AccountChange{Suspended: &yes}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetDomain(t.Context(), actor, "closed.org", DomainChange{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	all := path(t, "cy@dash.org")
	if _, err := d.SetDomain(t.Context(), actor, "dash.org", DomainChange{CatchAll: &all}); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestResolve(t *testing.T) {
	d := town(t)
	for _, tt := range []struct {
		address string
		want    string // account number, targets, or status
	}{
		{"ana@example.org", "1"},
		{"ANA@example.org", "1"},
		{"ana+shop@example.org", "1"},
		{"ana+shop+x@example.org", "1"},
		{"+ana@example.org", "5.1.1"},
		{"ana-shop@example.org", "5.1.1"},
		{"cy-shop@dash.org", "3"},
		{"cy+shop@dash.org", "[cy@dash.org]"}, // by catch-all
		{"di+shop@none.org", "5.1.1"},
		{"info@example.org", "[ana@example.org]"},
		{"info+x@example.org", "[ana@example.org]"},
		{"staff@example.org", "[ana@example.org bo@example.org]"},
		{"away@example.org", "[ana@elsewhere.example]"},
		{"ana@example.net", "[ana@example.org]"},
		{"help@example.net", "[bo@example.org]"},
		{"nobody@example.net", "[nobody@example.org]"},
		{"nobody@example.org", "5.1.1"},
		{"nobody@dash.org", "[cy@dash.org]"},
		{"gone@example.org", "5.2.1"},
		{"any@closed.org", "5.2.1"},
		{"ana@elsewhere.example", "5.7.1"},
		{"ana@[192.0.2.1]", "5.7.1"},
		{"postmaster@example.org", "1"},
		{"Abuse@none.org", "4"},
		{"postmaster@dash.org", "3"},
		{"postmaster@example.net", "[postmaster@example.org]"},
	} {
		if got := outcome(d, path(t, tt.address)); got != tt.want {
			t.Errorf("%s = %s, want %s", tt.address, got, tt.want)
		}
	}
	if got := outcome(d, mail.Path{Local: "Postmaster"}); got != "1" {
		t.Errorf("Postmaster alone = %s", got)
	}
	if got := outcome(d, mail.Path{Local: "ana"}); got != "5.7.1" {
		t.Errorf("a local-part alone = %s", got)
	}
}

func outcome(d *Directory, p mail.Path) string {
	id, targets, err := d.Resolve(context.Background(), p)
	switch {
	case err != nil:
		return mail.StatusOf(err).String()
	case id != 0 && targets != nil:
		return fmt.Sprint(id, targets)
	case id != 0:
		return fmt.Sprint(id)
	}
	return fmt.Sprint(targets)
}

func TestPostmasterSetting(t *testing.T) {
	d := town(t)
	set := func(value string) {
		t.Helper()
		if _, err := d.SetSetting(t.Context(), actor, string(Postmaster), value); err != nil {
			t.Fatal(err)
		}
	}
	set("bo@example.org")
	if got := outcome(d, path(t, "abuse@none.org")); got != "[bo@example.org]" {
		t.Errorf("with the setting: %s", got)
	}
	set("ana@elsewhere.example")
	if got := outcome(d, path(t, "abuse@none.org")); got != "[ana@elsewhere.example]" {
		t.Errorf("elsewhere: %s", got)
	}
	set("bo@example.org")
	if err := d.RemoveAccount(t.Context(), actor, 2); err != nil {
		t.Fatal(err)
	}
	if got := outcome(d, path(t, "abuse@none.org")); got != "4" {
		t.Errorf("after the account has gone: %s", got)
	}
	d.mustAlias(t, "postmaster@none.org", "ana@example.org")
	if got := outcome(d, path(t, "postmaster@none.org")); got != "[ana@example.org]" {
		t.Errorf("alias: %s", got)
	}
}

func TestMaySend(t *testing.T) {
	d := town(t)
	for _, tt := range []struct {
		account uint32
		address string
		want    bool
	}{
		{1, "ana@example.org", true},
		{1, "Ana+x@example.org", true},
		{1, "bo@example.org", false},
		{1, "info@example.org", true},
		{1, "deep@example.org", true},
		{1, "staff@example.org", true},
		{2, "staff@example.org", true},
		{3, "staff@example.org", false},
		{1, "ana@example.net", true},
		{1, "away@example.org", false},
		{2, "help@example.net", true},
		{1, "nobody@example.org", false},
		{3, "nobody@dash.org", true},
		{1, "nobody@dash.org", false},
		{1, "postmaster@example.org", true},
		{2, "postmaster@example.org", false},
		{1, "ana@elsewhere.example", false},
		{5, "gone@example.org", false},
		{9, "ana@example.org", false},
	} {
		if got := d.MaySend(tt.account, path(t, tt.address)); got != tt.want {
			t.Errorf("account %d as %s: %v, want %v", tt.account, tt.address, got, tt.want)
		}
	}
	if d.MaySend(1, mail.Path{}) || d.MaySend(1, mail.Path{Local: "postmaster"}) {
		t.Error("may send as nobody")
	}
}

func TestRefusals(t *testing.T) {
	d := town(t)
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		err  error
		kind error
		says string
	}{
		{"domain twice", second(d.AddDomain(ctx, actor, NewDomain{Name: "example.org"})), ErrExists, "already"},
		{"no domain", second(d.AddDomain(ctx, actor, NewDomain{Name: "a b"})), ErrInvalid, "not a domain name"},
		{"literal", second(d.AddDomain(ctx, actor, NewDomain{Name: "[192.0.2.1]"})), ErrInvalid, "not a domain name"},
		{"short domain", second(d.AddDomain(ctx, actor, NewDomain{Name: "localhost"})), ErrInvalid, "complete"},
		{"alias of nothing", second(d.AddDomain(ctx, actor, NewDomain{Name: "x.org", AliasOf: "y.org"})), ErrNotFound, "add it before"},
		{"alias of an alias", second(d.AddDomain(ctx, actor, NewDomain{Name: "x.org", AliasOf: "example.net"})), ErrInvalid, "itself an alias"},
		{"separator", second(d.AddDomain(ctx, actor, NewDomain{Name: "x.org", Separator: "a"})), ErrInvalid, "separate"},
		{"catch-all unknown", second(d.AddDomain(ctx, actor, NewDomain{Name: "x.org", CatchAll: path(t, "no@example.org")})), ErrNotFound, "account add"},
		{"bad key", second(d.AddDomain(ctx, actor, NewDomain{Name: "x.org", Keys: []DKIMKey{{Selector: "s", PKCS8: []byte("x")}}})), ErrInvalid, "DKIM key s"},
		{"domain with accounts", second(d.RemoveDomain(ctx, actor, "example.org", false)), ErrInUse, "alias of example.org"},
		{"dash with accounts", second(d.RemoveDomain(ctx, actor, "dash.org", false)), ErrInUse, "--force"},
		{"unknown domain", second(d.RemoveDomain(ctx, actor, "x.org", true)), ErrNotFound, "domain add"},
		{"account twice", second(d.AddAccount(ctx, actor, NewAccount{Address: path(t, "ANA@example.org")})), ErrExists, "already"},
		{"account over alias", second(d.AddAccount(ctx, actor, NewAccount{Address: path(t, "info@example.org")})), ErrExists, "alias remove"},
		{"account elsewhere", second(d.AddAccount(ctx, actor, NewAccount{Address: path(t, "ana@x.org")})), ErrNotFound, "domain add x.org"},
		{"name with line end", second(d.AddAccount(ctx, actor, NewAccount{Address: path(t, "x@example.org"), Name: "a\nb"})), ErrInvalid, "one line"},
		{"negative quota", second(d.AddAccount(ctx, actor, NewAccount{Address: path(t, "x@example.org"), QuotaBytes: -1})), ErrInvalid, "negative"},
		{"short password", second(d.AddAccount(ctx, actor, NewAccount{Address: path(t, "x@example.org"), Password: "seven77"})), ErrInvalid, "at least 8"},
		{"address as password", d.SetPassword(ctx, actor, 1, "ANA@example.org"), ErrInvalid, "first guess"},
		{"control character", d.SetPassword(ctx, actor, 1, "correct\x07horse"), ErrInvalid, "control characters"},
		{"long password", d.SetPassword(ctx, actor, 1, strings.Repeat("x", 1001)), ErrInvalid, "too long"},
		{"password of nobody", d.SetPassword(ctx, actor, 99, "correct horse"), ErrNotFound, "99"},
		{"account that is an alias", second(d.AccountByAddress(path(t, "info@example.org"))), ErrNotFound, "leads to ana@example.org"},
		{"alias to nobody", second(d.AddAlias(ctx, actor, path(t, "x@example.org"), path(t, "no@example.org"))), ErrNotFound, "no account or alias"},
		{"alias to nothing", second(d.AddAlias(ctx, actor, path(t, "x@example.org"))), ErrInvalid, "say where"},
		{"alias to itself", second(d.AddAlias(ctx, actor, path(t, "x@example.org"), path(t, "X@example.org"))), ErrInvalid, "itself"},
		{"circle", second(d.AddAlias(ctx, actor, path(t, "info@example.org"), path(t, "deep@example.org"))), ErrInvalid, "circle"},
		{"alias over account", second(d.AddAlias(ctx, actor, path(t, "ana@example.org"), path(t, "bo@example.org"))), ErrExists, "account"},
		{"alias unknown", d.RemoveAlias(ctx, actor, path(t, "x@example.org")), ErrNotFound, "alias list"},
		{"target unknown", d.RemoveAlias(ctx, actor, path(t, "info@example.org"), path(t, "bo@example.org")), ErrNotFound, "does not lead"},
		{"postmaster unknown", second(d.SetSetting(ctx, actor, "postmaster", "no@example.org")), ErrNotFound, "no account or alias"},
	} {
		if tt.err == nil || !errors.Is(tt.err, tt.kind) || !strings.Contains(tt.err.Error(), tt.says) {
			t.Errorf("%s: %v; want %v that says %q", tt.name, tt.err, tt.kind, tt.says)
		}
	}
	if n := len(d.Accounts()); n != 5 {
		t.Errorf("%d accounts after refusals", n)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRemoveAccountTakesWhatLeadsToIt(t *testing.T) {
	d := town(t)
	if err := d.RemoveAccount(t.Context(), actor, 1); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, a := range d.Aliases() {
		left = append(left, fmt.Sprint(a.Address, a.Targets))
	}
	want := []string{"help@example.net [bo@example.org]", "away@example.org [ana@elsewhere.example]", "staff@example.org [bo@example.org]"}
	if !slices.Equal(left, want) {
		t.Errorf("aliases = %q, want %q", left, want)
	}
	if err := d.RemoveAccount(t.Context(), actor, 3); err != nil {
		t.Fatal(err)
	}
	if dom, err := d.Domain("dash.org"); err != nil || !dom.CatchAll.IsNull() {
		t.Errorf("dash.org = %+v, %v", dom, err)
	}
}

func TestRemoveDomain(t *testing.T) {
	d := town(t)
	if _, err := d.RemoveDomain(t.Context(), actor, "example.net", false); err != nil {
		t.Fatal(err)
	}
	removed, err := d.RemoveDomain(t.Context(), actor, "example.org", true)
	if err != nil || len(removed) != 3 || removed[0].ID != 1 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if d.IsLocal("example.org") || len(d.Aliases()) != 0 || len(d.Accounts()) != 2 {
		t.Errorf("left: %v %v %v", d.Domains(), d.Aliases(), d.Accounts())
	}
}

func TestNumbersAreNotUsedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "system.db")
	d := openAt(t, file)
	d.mustDomain(t, NewDomain{Name: "example.org"})
	if id := d.mustAccount(t, "ana@example.org"); id != 1 {
		t.Errorf("first account has number %d", id)
	}
	if err := d.RemoveAccount(t.Context(), actor, 1); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if id := openAt(t, file).mustAccount(t, "ana@example.org"); id != 2 {
		t.Errorf("second account has number %d", id)
	}
}

// testKey makes a DKIM key.
func testKey(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestReopen reads back everything that a snapshot has.
func TestReopen(t *testing.T) {
	d := town(t)
	der := testKey(t)
	d.mustDomain(t, NewDomain{Name: "keys.org", Keys: []DKIMKey{{Selector: "s1", Algorithm: "ed25519", PKCS8: der}}})
	if _, err := d.SetSetting(t.Context(), actor, "queue.expire", "3d"); err != nil {
		t.Fatal(err)
	}
	file := d.db.Path()
	before := fmt.Sprint(d.Domains(), d.Accounts(), d.Aliases(), d.Settings())
	if _, err := Open(file, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openAt(t, file)
	if after := fmt.Sprint(d.Domains(), d.Accounts(), d.Aliases(), d.Settings()); after != before {
		t.Errorf("after reopening:\n%s\nbefore:\n%s", after, before)
	}
	dom, err := d.Domain("keys.org")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := dom.Keys[0].Signer(); err != nil || !key.(ed25519.PrivateKey).Equal(s) {
		t.Errorf("signer = %v, %v", s, err)
	}
	if strings.Contains(before, string(der)) || !strings.Contains(before, "[redacted]") {
		t.Error("printing a domain prints its key")
	}
}

func TestAudit(t *testing.T) {
	d := open(t)
	d.mustDomain(t, NewDomain{Name: "example.org"})
	d.mustAccount(t, "ana@example.org")
	name := "Ana"
	if _, err := d.SetAccount(t.Context(), "ops", 1, AccountChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetSetting(t.Context(), "ops", "relay.password", "hush-hush"); err != nil {
		t.Fatal(err)
	}
	list, err := d.Audit(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Actor+" "+e.Action+" "+e.Object)
		if e.Time.IsZero() {
			t.Errorf("%s has no time", e.Action)
		}
	}
	want := []string{"ops setting.set relay.password", "ops account.set ana@example.org",
		"test account.password ana@example.org", "test account.add ana@example.org", "test domain.add example.org"}
	if !slices.Equal(got, want) {
		t.Errorf("audit = %q, want %q", got, want)
	}
	if string(list[0].Before) != `""` || string(list[0].After) != `"[set]"` {
		t.Errorf("secret: %s → %s", list[0].Before, list[0].After)
	}
	var before, after map[string]any
	if json.Unmarshal(list[1].Before, &before) != nil || json.Unmarshal(list[1].After, &after) != nil || before["name"] != nil || after["name"] != "Ana" {
		t.Errorf("change: %s → %s", list[1].Before, list[1].After)
	}
	if list[3].Before != nil {
		t.Errorf("before an account was there: %s", list[3].Before)
	}
	if few, err := d.Audit(t.Context(), 2); err != nil || len(few) != 2 {
		t.Errorf("two entries: %v, %v", few, err)
	}
}

// TestRecords reads a row of every version that was ever written. A file is
// named by its kind of record, and what follows a hyphen.
func TestRecords(t *testing.T) {
	files, err := filepath.Glob("testdata/v*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var version byte
		if _, err := fmt.Sscanf(filepath.Base(filepath.Dir(file)), "v%d", &version); err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		record, err := readRecord(kind, append([]byte{version}, b...))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		again, err := encode(record)
		if err != nil || string(again[1:]) != strings.TrimSpace(string(b)) {
			t.Errorf("%s is written as %s, %v", file, again[1:], err)
		}
	}
	if err := decode([]byte{recordVersion + 1, '{', '}'}, &domainRecord{}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a newer row: %v", err)
	}
	if err := decode(nil, &domainRecord{}); err == nil {
		t.Error("an empty row was read")
	}
}

// readRecord reads a row and returns what would be written of it.
func readRecord(kind string, row []byte) (any, error) {
	s := newSnapshot()
	var err error
	read := func(f func(k, v []byte) error) { err = f([]byte{0, 0, 0, 7}, row) }
	switch kind {
	case "domain":
		read(s.readDomain)
		for _, d := range s.domains {
			return d.record(), err
		}
	case "account":
		read(s.readAccount)
		for _, a := range s.accounts {
			return a.record(), err
		}
	case "credential":
		read(s.readCredential)
		for _, c := range s.credentials {
			return c.record(), err
		}
	case "alias":
		read(s.readAlias)
		for _, a := range s.aliases {
			return a.record(), err
		}
	case "setting":
		read(s.readSetting)
		for _, v := range s.settings {
			return v, err
		}
	case "app_password":
		read(s.readAppPassword)
		for _, p := range s.appPasswords {
			return p.record(), err
		}
	case "rules":
		read(s.readRules)
		for _, r := range s.rules {
			return r.record(), err
		}
	case "dns_provider":
		read(s.readDNSProvider)
		for _, p := range s.dnsProviders {
			return (*dnsProviderRecord)(p), err
		}
	case "api_key":
		read(s.readAPIKey)
		for _, k := range s.apiKeys {
			return k.record(), err
		}
	case "login":
		var e LoginEntry
		err = decode(row, &e)
		return e, err
	case "last_use":
		var u use
		err = decode(row, &u)
		return u, err
	case "audit":
		var e AuditEntry
		err = decode(row, &e)
		return e.stored(), err
	}
	return nil, errors.Join(err, fmt.Errorf("there is no record of the kind %q", kind))
}

func TestFailedChangeChangesNothing(t *testing.T) {
	d := town(t)
	before := fmt.Sprint(d.Domains(), d.Accounts(), d.Aliases())
	// The second target is refused after the first was added.
	if _, err := d.AddAlias(t.Context(), actor, path(t, "info@example.org"), path(t, "bo@example.org"), path(t, "no@example.org")); err == nil {
		t.Fatal("was taken")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.AddAlias(canceled, actor, path(t, "x@example.org"), path(t, "bo@example.org")); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if after := fmt.Sprint(d.Domains(), d.Accounts(), d.Aliases()); after != before {
		t.Errorf("after:\n%s\nbefore:\n%s", after, before)
	}
}

func TestBackup(t *testing.T) {
	d := town(t)
	file := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Backup(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	if copied := openAt(t, file); len(copied.Accounts()) != 5 {
		t.Errorf("accounts in the copy: %v", copied.Accounts())
	}
}
