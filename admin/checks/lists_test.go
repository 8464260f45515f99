package checks

import (
	"strings"
	"testing"

	"github.com/mailstead/mailstead/smtp/dnsbl"
)

func TestAboutLists(t *testing.T) {
	works := dnsbl.State{List: "a.example", Works: true}
	for _, tt := range []struct {
		name     string
		states   []dnsbl.State
		state    State
		saw, fix string
	}{
		{"none", nil, OK, "no lists are configured", ""},
		{"all", []dnsbl.State{works, works}, OK, "all 2 lists answer", ""},
		{"refused", []dnsbl.State{works, {List: "b.example", Why: "it refuses to answer this resolver (127.255.255.254)"}}, Warn,
			"1 of 2 lists cannot be used: b.example: it refuses to answer this resolver", "do not answer public resolvers"},
		{"key", []dnsbl.State{{List: "{dqs}.b.example", Why: "its key is not in blocklists.keys"}}, Warn, "{dqs}.b.example: its key", "as in dqs=KEY"},
		{"silent", []dnsbl.State{{List: "b.example", Why: "it gives no answer"}}, Warn, "b.example: it gives no answer", "If it stays so"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := aboutLists(tt.states)
			if f.State != tt.state || !strings.Contains(f.Saw, tt.saw) || !strings.Contains(f.Fix, tt.fix) || (f.Fix == "") != (tt.fix == "") {
				t.Errorf("%+v", f)
			}
		})
	}
}
