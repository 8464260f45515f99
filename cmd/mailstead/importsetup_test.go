package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// setupCanaries are secrets of the server that fillSetup sets up.
var setupCanaries = []string{"canary-relay", "canary-s3", "canary-ntfy", "whsec_"}

// fillSetup sets a server up with one of everything that a setup has.
func fillSetup(t *testing.T, data string) {
	t.Helper()
	for _, args := range [][]string{
		{"domain", "add", "one.example"}, {"domain", "add", "two.example"},
		{"account", "add", "ana@one.example", "--name", "Ana \"A.\" Ünal", "--quota", "2GiB", "--generate"},
		{"account", "add", "bo@one.example", "--generate"}, {"account", "add", "cy@two.example", "--generate"},
		{"account", "set", "ana@one.example", "--role", "domain-admin", "--domains", "one.example", "--forward", "bo@one.example"}, // who comes after
		{"account", "suspend", "cy@two.example"},
		{"alias", "add", "zz@one.example", "ana@one.example", "x@far.example"},
		{"alias", "add", "aa@one.example", "zz@one.example"}, // which comes after
		{"domain", "set", "two.example", "--catch-all", "aa@one.example"},
		{"domain", "add", "three.example", "--alias-of", "two.example"},
		{"settings", "set", "postmaster", "ana@one.example"}, {"settings", "set", "queue.expire", "3d"},
		{"settings", "set", "relay.password", "canary-relay"}, {"settings", "set", "backup.s3-secret", "canary-s3"},
		{"list", "block", "spam.example", "--note", "they write \"a lot\""},
		{"list", "allow", "192.0.2.0/24", "--domain", "one.example"}, {"list", "block", "x@far.example", "--account", "ana@one.example"},
		{"junk", "set", "--junk", "4.5"}, {"junk", "set", "--domain", "two.example", "--mode", "tag"},
		{"junk", "set", "--account", "bo@one.example", "--refuse", "0"}, {"junk", "set", "--address", "ana+news@one.example", "--junk", "9"},
		{"webhook", "add", "https://hook.example/a", "message.received", "message.bounced", "--label", "one", "--domain", "one.example"},
		{"webhook", "add", "https://hook.example/a", "alert.fired", "--label", "one"}, // two of one address and label
		{"alert", "channel", "add", "mail", "ops@far.example", "--daily"},
		{"alert", "channel", "add", "webhook", "https://hook.example/alerts", "--least", "fail"},
	} {
		mustMailstead(t, append(args, "--data", data)...)
	}
	withSecret(t, "canary-ntfy", "alert", "channel", "add", "ntfy", "https://ntfy.example/topic", "--token-stdin", "--data", data)
	id := regexp.MustCompile(`"id": "(\w+)"`).FindStringSubmatch(mustMailstead(t, "webhook", "list", "-o", "json", "--data", data))[1]
	mustMailstead(t, "webhook", "pause", id, "--data", data)
}

// withSecret runs a command that reads a secret from standard input.
func withSecret(t *testing.T, secret string, args ...string) string {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return output(t, secret, file, args...)
}

// exportOf is what a server is set up with.
func exportOf(t *testing.T, data string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "setup.toml")
	mustMailstead(t, "export", "--settings", file, "--data", data)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func setupFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "setup.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// says fails for what is not in an output.
func says(t *testing.T, what, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%s does not say %q:\n%s", what, w, out)
		}
	}
}

// TestImportSetup takes all that a server is set up with to another one, which
// then exports the same.
func TestImportSetup(t *testing.T) {
	t.Parallel()
	here, there := t.TempDir(), t.TempDir()
	fillSetup(t, here)
	text := exportOf(t, here)
	for _, canary := range setupCanaries {
		if strings.Contains(text, canary) {
			t.Errorf("%s is in the file:\n%s", canary, text)
		}
	}
	file, empty := setupFile(t, text), exportOf(t, there)

	const first = "17 made, 6 changed, 0 here before, 0 refused"
	dry := mustMailstead(t, "import", "setup", "--dry-run", file, "--data", there)
	says(t, "dry run", dry, first, "This was a dry run: nothing was changed.", "postmaster", "queue.expire", "5d → 3d", "ntfy.example/topic had an access token", "relay.password had a secret", "3 new accounts need a password")
	if now := exportOf(t, there); now != empty {
		t.Errorf("the dry run has changed\n%s\nto\n%s", empty, now)
	}
	out := mustMailstead(t, "import", "setup", file, "--data", there)
	says(t, "import", out, first, "which are not shown again", "- relay.password had a secret: `mailstead settings set relay.password -`", "backup.s3-secret", "3 domains are new")
	if n := strings.Count(out, "whsec_"); n != 3 || strings.Contains(dry, "whsec_") {
		t.Errorf("%d secrets are shown, want 3:\n%s", n, out)
	}

	again := mustMailstead(t, "import", "setup", file, "--data", there)
	says(t, "second import", again, "0 made, 0 changed, 21 here before, 0 refused", "nothing was changed", "relay.password had a secret", "ntfy.example/topic had an access token")
	id := regexp.MustCompile(`channel set (\w+) --token-stdin`).FindStringSubmatch(again)
	if id == nil {
		t.Fatalf("it does not say how the token is put in: %s", again)
	}
	withSecret(t, "canary-ntfy", "alert", "channel", "set", id[1], "--token-stdin", "--data", there)
	mustMailstead(t, "settings", "set", "relay.password", "other", "--data", there)
	mustMailstead(t, "settings", "set", "backup.s3-secret", "other", "--data", there)
	if got := exportOf(t, there); got != text {
		t.Errorf("the other server has\n%s\nwant\n%s", got, text)
	}
	if out := mustMailstead(t, "import", "setup", file, "--data", there); strings.Contains(out, "by hand") {
		t.Errorf("there is nothing left to do: %s", out)
	}
}

// TestImportSetupInto brings a setup into a running server that has things of
// its own, which stay.
func TestImportSetupInto(t *testing.T) {
	t.Parallel()
	here := t.TempDir()
	fillSetup(t, here)
	text := exportOf(t, here)
	there := startTry(t)
	for _, args := range [][]string{
		{"domain", "add", "two.example"}, {"account", "add", "own@two.example", "--generate"}, {"domain", "set", "two.example", "--catch-all", "own@two.example"},
		{"list", "block", "own-list.example"}, {"list", "allow", "spam.example"}, {"junk", "set", "--domain", "two.example", "--mode", "off"},
		{"settings", "set", "queue.expire", "4d"}, {"webhook", "add", "https://hook.example/a", "check.changed", "--label", "one"},
		{"alert", "channel", "add", "mail", "ops@far.example"}, {"alert", "channel", "add", "mail", "own@far.example"},
	} {
		mustMailstead(t, append(args, "--data", there.Data)...)
	}
	before := exportOf(t, there.Data)
	file := setupFile(t, text)
	dry := mustMailstead(t, "import", "setup", "--dry-run", file, "--data", there.Data)
	says(t, "dry run", dry, "4d → 3d", "it leads to own@two.example here, and was left so", "here it is allow, and was left so",
		"it is told of other events or domains here, or paused, and was left so", "it tells of other things here, and was left so", "off, junk")
	if now := exportOf(t, there.Data); now != before {
		t.Errorf("the dry run has changed\n%s\nto\n%s", before, now)
	}
	out := mustMailstead(t, "import", "setup", file, "--invite", "--data", there.Data)
	const sum = "12 made, 6 changed, 5 here before, 0 refused"
	says(t, "dry run", dry, sum)
	says(t, "import", out, sum, "4d → 3d", "/invite#")
	if strings.Count(out, "whsec_") != 2 {
		t.Errorf("secrets of one webhook and one channel were to be shown: %s", out)
	}
	now := exportOf(t, there.Data)
	for _, part := range []string{"own@two.example", "@own-list.example", "own@far.example", "address = 'ana+news@one.example'\nmode = 'file'\njunk = 9.0", "domain = 'two.example'\nmode = 'tag'",
		"kind = 'allow'\nentry = '@spam.example'", "catch-all = 'own@two.example'", "expire = \"3d\"", "forward = ['bo@one.example']", "alias-of = 'two.example'"} {
		says(t, "the server", now, part)
	}
	says(t, "second import", mustMailstead(t, "import", "setup", file, "--data", there.Data), "0 made, 0 changed, ", "nothing was changed")
	if again := exportOf(t, there.Data); again != now {
		t.Errorf("the second import has changed\n%s\nto\n%s", now, again)
	}
}

// TestImportSetupRefuses: what is wrong is said before anything is changed.
func TestImportSetupRefuses(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	mustMailstead(t, "domain", "add", "one.example", "--data", data)
	before := exportOf(t, data)
	const good = "[queue]\nexpire = '3d'\n[[domains]]\nname = 'new.example'\n[[lists]]\nkind = 'block'\nentry = 'spam.example'\n"
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"unknown key", good + "notes = 'x'\n", []string{"line 8: there is no notes in [[lists]]"}},
		{"no TOML", good + "note =\n", []string{"line 8"}},
		{"unknown setting", "[queue]\nexpires = '3d'\n" + good[len("[queue]\n"):], []string{"queue.expires"}},
		{"bad setting", strings.Replace(good, "3d", "soon", 1), []string{"queue.expire"}},
		{"bad policy", good + "[[junk-policies]]\nmode = 'sort'\njunk = 1\nquarantine = 2\nrefuse = 3\n", []string{"of the server", "mode is off, tag or file"}},
		{"nobody's list", good + "[[lists]]\naccount = 'nobody@one.example'\nkind = 'block'\nentry = 'x.example'\n", []string{"nobody@one.example", "1 of the file cannot be"}},
		{"alias to nobody", good + "[[aliases]]\naddress = 'a@one.example'\ntargets = ['nobody@one.example']\n", []string{"there is no account or alias nobody@one.example", "1 of the file cannot be"}},
		{"alias to nobody of a new domain", good + "[[aliases]]\naddress = 'a@new.example'\ntargets = ['x@far.example', 'nobody@new.example']\n", []string{"there is no account or alias nobody@new.example", "1 of the file cannot be"}},
		{"forward to nobody of a new domain", good + "[[accounts]]\naddress = 'a@new.example'\nforward = ['nobody@new.example']\n", []string{"no account or alias nobody@new.example", "1 of the file cannot be"}},
		{"webhook of a domain that is not", good + "[[webhooks]]\nurl = 'https://a.example'\nevents = ['message.received']\ndomains = ['far.example']\n", []string{"there is no domain far.example here"}},
		{"secret of nothing", good + "[[secrets]]\nsetting = 'no.setting'\n", []string{"no.setting"}},
	} {
		code, out := mailstead(t, "import", "setup", setupFile(t, tt.text), "--data", data)
		says(t, tt.name, out, append(tt.want, "nothing was changed")...)
		if code != exitFailed {
			t.Errorf("%s: exit status %d", tt.name, code)
		}
		if now := exportOf(t, data); now != before {
			t.Errorf("%s has changed\n%s\nto\n%s", tt.name, before, now)
		}
	}
	says(t, "the good part", mustMailstead(t, "import", "setup", setupFile(t, good), "--data", data), "2 made, 1 changed, 0 here before, 0 refused")
}

// TestImportSetupParts: the older commands take their part of the file, and
// pass over the rest.
func TestImportSetupParts(t *testing.T) {
	t.Parallel()
	here, there := t.TempDir(), t.TempDir()
	fillSetup(t, here)
	file := setupFile(t, exportOf(t, here))
	says(t, "nothing", mustMailstead(t, "import", "setup", setupFile(t, "queue.expire = '5d'\n"), "--data", there), "0 made, 0 changed", "There is nothing in the file that makes or changes anything.")
	for _, args := range [][]string{{"--dry-run"}, {}} {
		says(t, "import people", mustMailstead(t, slices.Concat([]string{"import", "people", "--domains", file, "--data", there}, args)...), "9 made, 0 here before, 0 refused")
	}
	says(t, "import people again", mustMailstead(t, "import", "people", "--domains", file, "--data", there), "0 made, 9 here before, 0 refused")
	says(t, "settings import", mustMailstead(t, "settings", "import", file, "--data", there), "queue.expire", "postmaster")
	if now := exportOf(t, there); strings.Contains(now, "[[lists]]") || strings.Contains(now, "[[webhooks]]") {
		t.Errorf("more than people and settings were taken:\n%s", now)
	}
}
