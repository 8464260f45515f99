package movein

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail/verdict"
)

// MaxSetup bounds the file of a setup, in octets.
const MaxSetup = 8 << 20

// Setup is the file that `mailstead export --settings` writes: what a server is
// set up with, but for secrets. A table without rows is not written: it would
// be a key of the table before it.
type Setup struct {
	People
	Lists    []SetupList    `toml:"lists,omitempty"`
	Policies []SetupPolicy  `toml:"junk-policies,omitempty"`
	Webhooks []SetupWebhook `toml:"webhooks,omitempty"`
	Channels []SetupChannel `toml:"alert-channels,omitempty"`
	Secrets  []SetupSecret  `toml:"secrets,omitempty"`

	// Settings are all other keys and tables.
	Settings map[string]any `toml:"-"`
}

// SetupList is an entry of an allow and block list: that of a domain, of an
// account, or of the server if neither is named.
type SetupList struct {
	Domain  string       `toml:"domain,omitempty"`
	Account string       `toml:"account,omitempty"`
	Kind    verdict.Verb `toml:"kind"`
	Entry   string       `toml:"entry"`
	Note    string       `toml:"note,omitempty"`
}

// SetupPolicy is what is done at which score with the mail of a domain, an
// account, an address, or the server. All thresholds are said: one that is
// forgotten must not mean never.
type SetupPolicy struct {
	Domain     string       `toml:"domain,omitempty"`
	Account    string       `toml:"account,omitempty"`
	Address    string       `toml:"address,omitempty"`
	Mode       verdict.Mode `toml:"mode"`
	Junk       *float64     `toml:"junk"`
	Quarantine *float64     `toml:"quarantine"`
	Refuse     *float64     `toml:"refuse"`
}

// Policy is the policy itself.
func (p *SetupPolicy) Policy() verdict.Policy {
	return verdict.Policy{Mode: p.Mode, Junk: *p.Junk, Quarantine: *p.Quarantine, Refuse: *p.Refuse}
}

// SetupWebhook is a web server that is told of events; what its requests are
// signed with is not here.
type SetupWebhook struct {
	URL     string   `toml:"url"`
	Label   string   `toml:"label,omitempty"`
	Events  []string `toml:"events"`
	Domains []string `toml:"domains,omitempty"` // none: all
	Paused  bool     `toml:"paused,omitempty"`
}

// SetupChannel is a way by which people are told of alerts.
type SetupChannel struct {
	Kind     string `toml:"kind"`
	To       string `toml:"to"`
	Least    string `toml:"least"`
	Daily    bool   `toml:"daily,omitempty"`
	HasToken bool   `toml:"has-token,omitempty"` // which is to be put in by hand
}

// SetupSecret names a setting that has a secret, which is to be put in by hand.
type SetupSecret struct {
	Setting string `toml:"setting"`
}

// ParseSetup reads such a file and says what is wrong with its form. Whether
// what it says can be, only the server knows.
func ParseSetup(text string) (*Setup, error) {
	if len(text) > MaxSetup {
		return nil, fmt.Errorf("the file is larger than %d octets; divide it", MaxSetup)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	var s Setup
	d := toml.NewDecoder(strings.NewReader(text))
	if err := setupError(d.DisallowUnknownFields().Decode(&s)); err != nil {
		return nil, err
	}
	if err := toml.Unmarshal([]byte(text), &s.Settings); err != nil {
		return nil, setupError(err)
	}
	maps.DeleteFunc(s.Settings, func(name string, _ any) bool { return slices.Contains(directory.BesideSettings(), name) })
	if n := len(s.Domains) + len(s.Accounts) + len(s.Aliases); n > maxUsers {
		return nil, fmt.Errorf("it has %d domains, accounts and aliases, which are more than %d; divide it", n, maxUsers)
	}
	if err := errors.Join(noTable(s.Settings), s.check()); err != nil {
		return nil, err
	}
	return &s, nil
}

// noTable refuses tables of rows that are of nothing: settings have none.
func noTable(settings map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if rows, ok := settings[name].([]any); ok && len(rows) > 0 {
			return fmt.Errorf("there is nothing that is called [[%s]]; there are %s", name, strings.Join(directory.BesideSettings(), ", "))
		}
	}
	return nil
}

// setupError names the line that is wrong. Keys that only the server knows are
// not.
func setupError(err error) error {
	if missing := new(toml.StrictMissingError); errors.As(err, &missing) {
		for _, e := range missing.Errors {
			if key := e.Key(); len(key) > 1 && slices.Contains(directory.BesideSettings(), key[0]) {
				line, _ := e.Position()
				return fmt.Errorf("line %d: there is no %s in [[%s]]; there are %s", line, strings.Join(key[1:], "."), key[0], strings.Join(setupKeys(key[0]), ", "))
			}
		}
		return nil
	}
	if wrong := new(toml.DecodeError); errors.As(err, &wrong) {
		line, column := wrong.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

// SettingsFile is the settings alone, as `mailstead settings import` takes
// them; nil if there are none.
func (s *Setup) SettingsFile() ([]byte, error) {
	if len(s.Settings) == 0 {
		return nil, nil
	}
	return toml.Marshal(s.Settings)
}
