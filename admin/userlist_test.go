package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/movein"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

// tired is a context that ends after it was asked some times.
type tired struct {
	context.Context
	left int
}

func (c *tired) Err() error {
	if c.left == 0 {
		return context.Canceled
	}
	c.left--
	return nil
}

// systemOf are all octets of a directory.
func systemOf(t *testing.T, a *Admin) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := a.opts.Directory.Backup(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const forwards = `[[domains]]
name = 'a.test'

[[accounts]]
address = 'ana@a.test'
quota-bytes = 0
quota-messages = 0
forward = ['bo@a.test']
keep-copy = true

[[accounts]]
address = 'bo@a.test'
quota-bytes = 1048576
quota-messages = 0
forward = ['x@far.example']

[[aliases]]
address = 'all@a.test'
targets = ['ana@a.test', 'bo@a.test']
`

// TestImportPeopleIsWhole ends an import at each moment at which it looks
// whether to end: it has made nothing then, or all with its forwarding.
func TestImportPeopleIsWhole(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	before := systemOf(t, a)
	ctx := AsOwner(t.Context(), "tester")
	for n := 0; ; n++ {
		r, err := a.ImportPeople(&tired{ctx, n}, PeopleList{Text: forwards, Domains: true})
		if err != nil {
			if !errors.Is(err, context.Canceled) || len(r.Rows) > 0 || !bytes.Equal(systemOf(t, a), before) {
				t.Fatalf("interrupted at %d: %+v, %v; something has changed", n, r, err)
			}
			continue
		}
		if n < 8 || r.Made != 4 {
			t.Errorf("after %d: %+v", n, r)
		}
		break
	}
	for address, to := range map[string]string{"ana@a.test": "bo@a.test", "bo@a.test": "x@far.example"} {
		if got := must[Account](t)(a.Account(ctx, address)); fmt.Sprint(got.Forward) != "["+to+"]" || got.KeepCopy != (address == "ana@a.test") {
			t.Errorf("%s forwards to %v", address, got.Forward)
		}
	}
	bo := must[Account](t)(a.Account(ctx, "bo@a.test"))
	if got := quota(t, a, bo.ID); got.LimitBytes != 1<<20 {
		t.Errorf("the quota of bo is %+v", got)
	}
}

// TestImportPeopleDiffers: what is here otherwise stays, and the row says so.
func TestImportPeopleDiffers(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	ctx := AsOwner(t.Context(), "tester")
	list := PeopleList{Text: forwards, Domains: true}
	must[PeopleResult](t)(a.ImportPeople(ctx, list))
	again := must[PeopleResult](t)(a.ImportPeople(ctx, list))
	for _, row := range again.Rows {
		if row.Verdict != "there" || row.Text != "" {
			t.Errorf("again: %+v", row)
		}
	}
	none, role := []string{}, "support"
	must[Account](t)(a.SetAccount(ctx, "ana@a.test", AccountChange{Forward: &none, Role: &role}))
	off := "off"
	must[Domain](t)(a.SetDomain(ctx, "a.test", DomainChange{Separator: &off}))
	before := must[[]directory.AuditEntry](t)(a.opts.Directory.Audit(ctx, 0))
	r := must[PeopleResult](t)(a.ImportPeople(ctx, list))
	for at, want := range []string{"it is set up otherwise here, and was left so", "here it has another role, forwarding, and was left so", "", ""} {
		if row := r.Rows[at]; row.Verdict != "there" || row.Text != want {
			t.Errorf("%+v, want %q", row, want)
		}
	}
	if after := must[[]directory.AuditEntry](t)(a.opts.Directory.Audit(ctx, 0)); r.There != 4 || r.Made+r.Refused != 0 || len(after) != len(before) {
		t.Errorf("something has changed: %+v", r)
	}
}

// TestImportPeopleOtherKind: an address that is something else here is refused
// with the reason: it is not there as what the list wants.
func TestImportPeopleOtherKind(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "a.test"}))
	must[Account](t)(a.AddAccount(ctx, NewAccount{Address: "bob@a.test"}))
	must[Alias](t)(a.AddAlias(ctx, "sales@a.test", []string{"bob@a.test"}))
	before := must[[]directory.AuditEntry](t)(a.opts.Directory.Audit(ctx, 0))
	want := map[string]string{
		"sales@a.test": "sales@a.test is an alias already; `mailstead alias remove sales@a.test` makes room",
		"bob@a.test":   "there is an account bob@a.test already, which is no alias: `mailstead account set bob@a.test --forward ADDRESS` lets its mail go on",
	}
	text := accountText("sales@a.test", "role = 'support'") + "[[aliases]]\naddress = 'bob@a.test'\ntargets = ['x@far.example', 'y@far.example']\n"
	for format, text := range map[movein.ListFormat]string{movein.ListMailstead: text, movein.ListMailInABox: "sales@a.test\nbob@a.test\tx@far.example,y@far.example\n"} {
		r := must[PeopleResult](t)(a.ImportPeople(ctx, PeopleList{Format: format, Text: text}))
		for _, row := range r.Rows {
			if row.Verdict != "refused" || row.Text != want[row.Address] {
				t.Errorf("%s: %+v", format, row)
			}
		}
		if len(r.Rows) != 2 || r.Refused != 2 || r.There != 0 {
			t.Errorf("%s: %+v", format, r)
		}
	}
	if r := must[SetupReport](t)(a.ImportSetup(ctx, SetupFile{Text: text})); r.Done || r.Refused != 2 || r.There != 0 {
		t.Errorf("a setup: %+v", r)
	}
	if after := must[[]directory.AuditEntry](t)(a.opts.Directory.Audit(ctx, 0)); len(after) != len(before) {
		t.Errorf("something has changed: %+v", after)
	}
}

// TestImportPeopleMeanwhile: accounts that were here before get the mailboxes
// they lack as they are now: some may be gone, or have another quota.
func TestImportPeopleMeanwhile(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	data := t.TempDir()
	a := open(t, data, Options{})
	mailOf := func(acct Account) []byte {
		b, err := os.ReadFile(filepath.Join(data, "store", "acct", fmt.Sprint(acct.ID), "mail.db"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return b
	}
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "a.test"}))
	small, large := int64(1<<20), int64(1<<30)
	add := func(name string) Account {
		return must[Account](t)(a.AddAccount(ctx, NewAccount{Address: name + "@a.test", QuotaBytes: &small}))
	}
	gone, raised, same, lacks := add("gone"), add("raised"), add("same"), add("lacks")
	if err := a.opts.Mailboxes.DropAccount(ctx, mailbox.AccountID(lacks.ID)); err != nil {
		t.Fatal(err)
	}
	before := mailOf(same)
	l := PeopleList{Text: "gone@a.test\nraised@a.test\nsame@a.test\nlacks@a.test\n"}
	p := must[*peopleImport](t)(a.newPeopleImport(ctx, must[[]movein.ListEntry](t)(movein.ParseList(l.Format, l.Text)), l))
	if err := a.together(ctx, false, p.run); err != nil || p.result.There != 4 {
		t.Fatalf("%+v, %v", p.result, err)
	}
	if err := a.RemoveAccount(ctx, "gone@a.test"); err != nil {
		t.Fatal(err)
	}
	must[Account](t)(a.SetAccount(ctx, "raised@a.test", AccountChange{QuotaBytes: &large}))
	a.createPeople(ctx, p)
	if mailOf(gone) != nil {
		t.Error("an account that is gone has mailboxes again")
	}
	if got := quota(t, a, raised.ID); got.LimitBytes != large {
		t.Errorf("a quota that was raised is %+v", got)
	}
	if got := quota(t, a, lacks.ID); got.LimitBytes != small || mailOf(lacks) == nil {
		t.Errorf("mailboxes that were missing have %+v", got)
	}
	if !bytes.Equal(mailOf(same), before) {
		t.Error("what lacks nothing was written")
	}
}

// TestImportPeopleRehearsal: a dry run says what comes of it, also of what leads
// to others of the list.
func TestImportPeopleRehearsal(t *testing.T) {
	const text = "address,aliases\nana@a.test,ok@a.test\nbo@b.test,\nbad@a.test,bad@\n"
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "a.test"}))
	before := systemOf(t, a)
	dry := must[PeopleResult](t)(a.ImportPeople(ctx, PeopleList{Text: text, Domains: true, DryRun: true}))
	if !bytes.Equal(systemOf(t, a), before) {
		t.Error("the dry run has changed something")
	}
	made := must[PeopleResult](t)(a.ImportPeople(ctx, PeopleList{Text: text, Domains: true}))
	if fmt.Sprint(dry) != fmt.Sprint(made) || made.Made != 5 || made.Refused != 1 {
		t.Errorf("the dry run says\n%+v\nand then\n%+v", dry, made)
	}
	if d := must[Domain](t)(a.Domain(ctx, "b.test")); len(d.Keys) != 2 {
		t.Errorf("the new domain has the keys %+v", d.Keys)
	}
	if _, err := a.ImportPeople(ctx, PeopleList{Text: text, Invite: true, DryRun: true}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("links without a server: %v", err)
	}
	if _, err := a.ImportPeople(t.Context(), PeopleList{Text: text}); err == nil || strings.Contains(err.Error(), "a.test") {
		t.Errorf("somebody unknown: %v", err)
	}
}

// An account that may not be used yet does not become one that may because
// something else is wrong with it.
func TestImportPeopleSuspended(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	text := "[[domains]]\nname = 'a.test'\n" + accountText("ana@a.test", "suspended = true\napp-passwords-only = true\nforward = ['nobody@a.test']")
	r, err := a.ImportPeople(ctx, PeopleList{Domains: true, Text: text})
	if err != nil || r.Refused != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if ana := must[Account](t)(a.Account(ctx, "ana@a.test")); !ana.Suspended || !ana.AppPasswordsOnly {
		t.Errorf("%+v", ana)
	}
}

// Whoever has domains of their own learns nothing of others'.
func TestImportPeopleOfOthers(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "a.test"}))
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "secret.test"}))
	narrow := WithPrincipal(t.Context(), Principal{Kind: KindUser, Account: 1, Address: "x@a.test", Role: directory.RoleDomainAdmin, Domains: []mail.Domain{"a.test"}})
	told := map[string]string{}
	for _, domain := range []string{"secret.test", "no.test"} {
		text := ""
		for _, more := range []string{"", "disabled = true\n"} {
			text += fmt.Sprintf("[[domains]]\nname = '%s'\n%s", domain, more)
		}
		text += accountText("x@"+domain, "")
		r, err := a.ImportPeople(narrow, PeopleList{Domains: true, DryRun: true, Text: text})
		if err != nil || r.Refused != len(r.Rows) || len(r.Rows) == 0 {
			t.Errorf("%s: %+v, %v", domain, r, err)
		}
		told[domain] = strings.ReplaceAll(fmt.Sprint(r), domain, "DOMAIN")
	}
	if told["secret.test"] != told["no.test"] {
		t.Errorf("of a domain that is here it is told\n%s\nof one that is not\n%s", told["secret.test"], told["no.test"])
	}
	r, err := a.ImportPeople(narrow, PeopleList{Domains: true, DryRun: true, Text: "[[domains]]\nname = 'a.test'\n"})
	if err != nil || r.There != 1 {
		t.Errorf("their own: %+v, %v", r, err)
	}
}
