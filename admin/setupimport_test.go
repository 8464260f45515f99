package admin

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/signin"
)

// account is one of a file.
func accountText(address, more string) string {
	return fmt.Sprintf("[[accounts]]\naddress = '%s'\nquota-bytes = 0\nquota-messages = 0\n%s\n", address, more)
}

func TestImportSetupRefuses(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "old.test"}))
	must[Account](t)(a.AddAccount(ctx, NewAccount{Address: "ana@old.test"}))
	before := systemOf(t, a)
	many := func(n int, row string) (text string) {
		for i := range n {
			text += fmt.Sprintf(row, i)
		}
		return text
	}
	const hook, channel = "[[webhooks]]\nurl = 'https://far.example/%d'\nevents = ['alert.fired']\n", "[[alert-channels]]\nkind = 'webhook'\nleast = 'warn'\nto = 'https://far.example/%d'\n"
	for _, tt := range []struct{ name, text, want string }{
		{"forward to nobody here", accountText("x@old.test", "forward = ['nobody@old.test']"), "there is no account or alias nobody@old.test"},
		{"forward to nobody of a new domain", accountText("x@new.test", "forward = ['nobody@new.test']"), "there is no account or alias nobody@new.test"},
		{"alias to one new account and to nobody", accountText("x@new.test", "") + "[[aliases]]\naddress = 'b@new.test'\ntargets = ['x@new.test', 'nobody@new.test']\n", "there is no account or alias nobody@new.test"},
		{"alias in a circle", "[[aliases]]\naddress = 'a@new.test'\ntargets = ['b@new.test']\n[[aliases]]\naddress = 'b@new.test'\ntargets = ['a@new.test']\n", "there is no account or alias"},
		{"domain admin of nothing", accountText("x@old.test", "role = 'domain-admin'"), "say which domains"},
		{"domain admin of a domain that is not", accountText("x@old.test", "role = 'domain-admin'\ndomains = ['far.test']"), "far.test is not a domain"},
		{"role", accountText("x@old.test", "role = 'king'"), "king"},
		{"quota", "[[accounts]]\naddress = 'x@old.test'\nquota-bytes = -1\n", "negative"},
		{"eleven forwards", accountText("x@old.test", "forward = ["+many(11, "'f%d@far.example',")+"]"), "at most 10"},
		{"forward in a circle", accountText("x@old.test", "forward = ['y@old.test']") + accountText("y@old.test", "forward = ['x@old.test']"), "in a circle"},
		{"no address", accountText("x", ""), "not an address"},
		{"catch-all to nobody", "[[domains]]\nname = 'new.test'\ncatch-all = 'nobody@new.test'\n", "nobody@new.test"},
		{"list of nobody", "[[lists]]\naccount = 'nobody@old.test'\nkind = 'block'\nentry = 'x.example'\n", "nobody@old.test"},
		{"list of two", "[[lists]]\ndomain = 'old.test'\naccount = 'ana@old.test'\nkind = 'block'\nentry = 'x.example'\n", "not both"},
		{"kind of a list", "[[lists]]\nkind = 'maybe'\nentry = 'x.example'\n", "allow or block"},
		{"full list", many(5001, "[[lists]]\nkind = 'block'\nentry = 'x%d.example'\n"), "at most 5000 entries"},
		{"policy", "[[junk-policies]]\nmode = 'file'\njunk = 5\nquarantine = 4\nrefuse = 0\n", "below that of junk"},
		{"policy of a domain that is not", "[[junk-policies]]\ndomain = 'far.test'\nmode = 'file'\njunk = 5\nquarantine = 6\nrefuse = 0\n", "far.test is not a domain"},
		{"webhook of a domain that is not", "[[webhooks]]\nurl = 'https://far.example'\nevents = ['alert.fired']\ndomains = ['far.test']\n", "there is no domain far.test here"},
		{"webhook without events", "[[webhooks]]\nurl = 'https://far.example'\n", "name the events"},
		{"label", "[[webhooks]]\nurl = 'https://far.example'\nevents = ['alert.fired']\nlabel = '" + strings.Repeat("x", 101) + "'\n", "at most 100 octets"},
		{"too many webhooks", many(101, hook), "there are 100 webhooks"},
		{"channel to somebody here", "[[alert-channels]]\nkind = 'mail'\nto = 'x@old.test'\nleast = 'warn'\n", "is on this server"},
		{"channel to somebody of a new domain", accountText("x@new.test", "") + "[[alert-channels]]\nkind = 'mail'\nto = 'y@new.test'\nleast = 'warn'\n", "is on this server"},
		{"topic in a topic", "[[alert-channels]]\nkind = 'ntfy'\nto = 'https://ntfy.far.example/a/b'\nleast = 'warn'\n", "with the topic"},
		{"too many channels", many(21, channel), "there are 20 channels"},
		{"secret of what is none", "[[secrets]]\nsetting = 'relay.host'\n", "relay.host is no secret"},
	} {
		for _, dry := range []bool{true, false} {
			r, err := a.ImportSetup(ctx, SetupFile{Text: "message.max-size = '20 MiB'\n" + tt.text, DryRun: dry})
			says := ""
			for _, row := range r.Rows {
				if row.Verdict == SetupRefused {
					says += row.Text + "\n"
				}
			}
			if err != nil || r.Done || r.Refused == 0 || !strings.Contains(says, tt.want) {
				t.Errorf("%s, dry %v: %v %q, want %q", tt.name, dry, err, says, tt.want)
			}
		}
		if !bytes.Equal(systemOf(t, a), before) {
			t.Fatalf("%s has changed something", tt.name)
		}
	}
	for _, text := range []string{"postmaster = 'nobody@new.test'\n" + accountText("x@new.test", ""), "[queue]\nexpires = '3d'\n"} {
		if _, err := a.ImportSetup(ctx, SetupFile{Text: text}); err == nil || !strings.Contains(err.Error(), "settings: ") || !bytes.Equal(systemOf(t, a), before) {
			t.Errorf("%s is %v", text, err)
		}
	}
}

// TestImportSetupTakenBack: when something is refused, nothing is said to be made
// or changed, and there are no links that lead nowhere.
func TestImportSetupTakenBack(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{Web: "https://mail.a.test"})
	a.opts.SignIn = signin.New(signin.Options{Directory: a.opts.Directory})
	text := "message.max-size = '20 MiB'\n[[secrets]]\nsetting = 'relay.password'\n" + accountText("x@new.test", "")
	refused := "[[webhooks]]\nurl = 'https://far.example'\n"
	r := must[SetupReport](t)(a.ImportSetup(ctx, SetupFile{Text: text + refused, Invite: true}))
	if r.Done || r.Made+r.Changed+r.There != 0 || r.Refused != 1 || len(r.Rows) != 4 || len(r.ByHand) != 0 {
		t.Errorf("%+v", r)
	}
	for _, row := range r.Rows {
		if left := row.Verdict == SetupLeftOut && strings.Contains(row.Text, "nothing was changed"); row.Invite != "" || !left && row.Verdict != SetupRefused {
			t.Errorf("%+v", row)
		}
	}
	if dry := must[SetupReport](t)(a.ImportSetup(ctx, SetupFile{Text: text + refused, DryRun: true})); dry.Made != 2 || dry.Changed != 1 || dry.Refused != 1 {
		t.Errorf("a dry run says what would be: %+v", dry)
	}
	r = must[SetupReport](t)(a.ImportSetup(ctx, SetupFile{Text: text, Invite: true}))
	if !r.Done || r.Made != 2 || r.Rows[1].Invite == "" {
		t.Fatalf("%+v", r)
	}
	_, token, _ := strings.Cut(r.Rows[1].Invite, "#")
	must[directory.Link](t)(a.opts.Directory.Link(ctx, token))
}

// TestImportSetupAsKept: what the server keeps in another form than it was
// written in is found again.
func TestImportSetupAsKept(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	text := "postmaster = 'ana@new.test'\n" + accountText("ana@NEW.test", "") +
		"[[lists]]\ndomain = 'NEW.test'\nkind = 'allow'\nentry = 'Far.Example'\nnote = ' x '\n" +
		"[[junk-policies]]\ndomain = 'new.test'\nmode = 'off'\njunk = 5\nquarantine = 6\nrefuse = 0\n" +
		"[[webhooks]]\nurl = 'https://far.example'\nevents = ['check.changed', 'alert.fired', 'alert.fired']\nlabel = ' one '\ndomains = ['NEW.test']\n" +
		"[[alert-channels]]\nkind = 'mail'\nto = 'Ops@Far.Example'\nleast = 'warn'\n" +
		"[[alert-channels]]\nkind = 'ntfy'\nto = 'https://ntfy.far.example/a'\nleast = 'fail'\ndaily = true\nhas-token = true\n"
	dry := must[SetupReport](t)(a.ImportSetup(ctx, SetupFile{Text: text, DryRun: true}))
	r := must[SetupReport](t)(a.ImportSetup(ctx, SetupFile{Text: text}))
	if dry.Done || !r.Done || dry.Made != 6 || r.Made != 6 || r.Changed != 2 || dry.Changed != 2 || r.Refused != 0 {
		t.Errorf("dry\n%+v\nand then\n%+v", dry, r)
	}
	again := must[SetupReport](t)(a.ImportSetup(ctx, SetupFile{Text: text}))
	if again.There != 6 || len(again.Rows) != 6 {
		t.Errorf("again: %+v", again)
	}
	for _, row := range again.Rows {
		if row.Text != "" {
			t.Errorf("again: %+v", row)
		}
	}
	if hooks := must[Page[Webhook]](t)(a.Webhooks(ctx)); len(hooks.Items) != 1 || hooks.Items[0].Label != "one" {
		t.Errorf("webhooks: %+v", hooks)
	}
}

// TestSecretSettings: a setting may have the value that hides a secret.
func TestSecretSettings(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	must[directory.Setting](t)(a.SetSetting(ctx, "relay.login", "[set]"))
	must[directory.Setting](t)(a.SetSetting(ctx, "relay.password", "hush"))
	for name, secret := range map[string]bool{"relay.login": false, "relay.password": true} {
		if st := must[directory.Setting](t)(a.Setting(ctx, name)); st.Secret != secret || st.Value != "[set]" {
			t.Errorf("%+v", st)
		}
	}
}

// What a server has taken another one takes: aliases lead to what a catch-all
// takes, to the postmaster of the settings and to subaddresses of aliases that
// come later.
func TestImportSetupInOrder(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	const domain = "[[domains]]\nname = 'a.test'\n"
	ana := accountText("ana@a.test", "")
	for name, text := range map[string]string{
		"catch-all":           domain + "catch-all = 'ana@a.test'\n" + ana + "[[aliases]]\naddress = 'info@a.test'\ntargets = ['sales@a.test']\n",
		"postmaster":          "postmaster = 'ana@a.test'\n" + domain + ana + "[[aliases]]\naddress = 'host@a.test'\ntargets = ['postmaster@a.test']\n",
		"postmaster, alias":   "postmaster = 'zed@a.test'\n" + domain + ana + "[[aliases]]\naddress = 'zed@a.test'\ntargets = ['ana@a.test']\n[[aliases]]\naddress = 'host@a.test'\ntargets = ['postmaster@a.test']\n",
		"postmaster, default": domain + ana + "[[aliases]]\naddress = 'host@a.test'\ntargets = ['postmaster@a.test']\n",
		"subaddress":          domain + ana + "[[aliases]]\naddress = 'bee@a.test'\ntargets = ['zed+x@a.test']\n[[aliases]]\naddress = 'zed@a.test'\ntargets = ['ana@a.test']\n",
	} {
		a := open(t, t.TempDir(), Options{})
		for _, dry := range []bool{true, false} {
			if r, err := a.ImportSetup(ctx, SetupFile{Text: text, DryRun: dry}); err != nil || r.Refused > 0 || r.Done == dry {
				t.Errorf("%s, dry %v: %+v, %v", name, dry, r, err)
			}
		}
	}
}

// Alerts, which keep their channels in the directory, go on beside an import.
func TestImportSetupBesideAlerts(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	a := open(t, t.TempDir(), Options{})
	c := must[AlertChannel](t)(a.AddAlertChannel(ctx, NewAlertChannel{Kind: "webhook", To: "https://far.example/x"}))
	text := "[[alert-channels]]\nkind = 'webhook'\nleast = 'warn'\nto = 'https://far.example/y'\n"
	for i := range 50 {
		text += accountText(fmt.Sprintf("u%d@a.test", i), "")
	}
	changed := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 50 && err == nil; i++ {
			daily := i%2 == 0
			_, err = a.SetAlertChannel(ctx, c.ID, AlertChannelChange{Daily: &daily})
		}
		changed <- err
	}()
	for range 10 {
		if r, err := a.ImportSetup(ctx, SetupFile{Text: text, DryRun: true}); err != nil || r.Refused > 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
}
