package movein

import (
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// wholeSetup has some of everything.
const wholeSetup = `postmaster = "ana@one.example"

[queue]
expire = "3d"

[[domains]]
name = 'one.example'

[[accounts]]
address = 'ana@one.example'
role = 'admin'
quota-bytes = 0
quota-messages = 0
forward = ['bo@far.example']

[[aliases]]
address = 'a@one.example'
targets = ['z@one.example']

[[aliases]]
address = 'z@one.example'
targets = ['ana@one.example']

[[lists]]
kind = 'block'
entry = 'Spam.Example'

[[lists]]
account = 'ana@one.example'
kind = 'allow'
entry = '192.0.2.0/24'
note = 'the office'

[[junk-policies]]
domain = 'one.example'
mode = 'file'
junk = 5
quarantine = 10.5
refuse = 0

[[webhooks]]
url = 'https://far.example/hook'
events = ['message.received']

[[alert-channels]]
kind = 'ntfy'
to = 'https://ntfy.far.example/topic'
least = 'warn'
has-token = true

[[secrets]]
setting = 'relay.password'
`

func TestParseSetup(t *testing.T) {
	s, err := ParseSetup("\ufeff" + wholeSetup)
	if err != nil {
		t.Fatal(err)
	}
	if s.Lists[0].Entry != "@spam.example" || *s.Policies[0].Quarantine != 10.5 || *s.Policies[0].Junk != 5 || !s.Channels[0].HasToken || s.Secrets[0].Setting != "relay.password" {
		t.Errorf("it is read as %+v", s)
	}
	settings, err := s.SettingsFile()
	if err != nil || !strings.Contains(string(settings), "postmaster = 'ana@one.example'") || !strings.Contains(string(settings), "expire = '3d'") || strings.Contains(string(settings), "example/") {
		t.Errorf("settings: %v\n%s", err, settings)
	}
	if list := s.List(); len(list) != 4 || list[2].Address != "z@one.example" {
		t.Errorf("%+v: the alias that the other leads to is not before it", list)
	}
	if got, err := ParseSetup(""); err != nil || len(got.Settings) != 0 {
		t.Errorf("nothing: %+v, %v", got, err)
	}
}

func TestParseSetupRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"no TOML", "[[lists]]\nkind =", "line 2"},
		{"too large", strings.Repeat("#", MaxSetup+1), "larger than"},
		{"unknown key", "[[lists]]\nkind = 'allow'\nentry = 'a.example'\nnotes = 'x'\n", "line 4: there is no notes in [[lists]]; there are domain, account, kind, entry, note"},
		{"unknown key of an account", "[[accounts]]\naddress = 'a@b.example'\n\n[[accounts]]\nadress = 'x'\n", "line 5: there is no adress in [[accounts]]"},
		{"secret", "[[alert-channels]]\nkind = 'ntfy'\ntoken = 'x'\n", "line 3: there is no token in [[alert-channels]]"},
		{"unknown table", "[[list]]\nkind = 'allow'\n", "nothing that is called [[list]]"},
		{"no table", "lists = 'x'\n", "line 1"},
		{"type", "[[junk-policies]]\njunk = 'five'\n", "line 2"},
		{"entry", "[[lists]]\nentry = '0.0.0.0/0'\nkind = 'block'\n", "whole internet"},
		{"twice", "[[lists]]\nentry = 'a.example'\nkind = 'block'\n[[lists]]\nentry = 'a.example'\nkind = 'allow'\n", "number 2 (@a.example of the server): it is there twice"},
		{"twice in two forms", "[[lists]]\nentry = '@Spam.example'\nkind = 'block'\n[[lists]]\nentry = 'spam.example'\nkind = 'allow'\n", "number 2 (@spam.example of the server): it is there twice"},
		{"too many people", strings.Repeat("[[domains]]\nname = 'a.example'\n", maxUsers+1), "5001 domains, accounts and aliases"},
		{"half a policy", "[[junk-policies]]\nmode = 'file'\njunk = 5\n", "say junk, quarantine and refuse"},
		{"alias", "[[aliases]]\naddress = 'a@b.example'\ntargets = []\n", "leads nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := ParseSetup(tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("it is %+v, %v; want %q", s, err, tt.want)
			}
		})
	}
}

// FuzzParseSetup: what is taken can be written, and is the same when it is read
// again.
func FuzzParseSetup(f *testing.F) {
	f.Add(wholeSetup)
	for part := range strings.SplitSeq(wholeSetup, "\n\n") {
		f.Add(part)
	}
	f.Add("[[lists]]\nkind='allow'\nentry='\\u0000'\n[lists.x]\ny=1979-05-27T07:32:00Z\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSetup(text)
		if err != nil {
			return
		}
		if _, err := s.SettingsFile(); err != nil {
			t.Errorf("settings: %v", err)
		}
		written, err := toml.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseSetup(string(written))
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, written)
		}
		twice, err := toml.Marshal(again)
		if err != nil || string(twice) != string(written) {
			t.Errorf("%v: read again it is\n%s\nand was\n%s", err, twice, written)
		}
	})
}
