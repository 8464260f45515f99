package dnsbl

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kind  Kind
		in    string
		lists int
		err   string // a part of it; "" is none
	}{
		{"none", Addresses, "none", 0, ""},
		{"empty", Addresses, " ; ", 0, ""},
		{"one", Addresses, "bl.example.org 127.0.0.2=4", 1, ""},
		{"several", Addresses, "a.example 127.0.0.2-3=3 127.0.0.9=8!; b.example 127.0.*.&8=1.5;", 2, ""},
		{"allow", Allow, "wl.example.org 127.0.*.1=-1 127.0.*.3=-3", 1, ""},
		{"domains", Domains, "dbl.example.org 127.0.1.2-99=4 test=dbltest.com", 1, ""},
		{"key", Addresses, "{dqs}.zen.dq.spamhaus.net 127.0.0.2=4", 1, ""},
		{"no code", Addresses, "bl.example.org", 0, "bl.example.org: write from 1 to 32 codes"},
		{"not a name", Addresses, "blocklist 127.0.0.2=4", 0, `"blocklist" is not the name of a list`},
		{"twice", Addresses, "a.example 127.0.0.2=4; A.example 127.0.0.2=3", 0, "a.example is there twice"},
		{"no score", Addresses, "a.example 127.0.0.2", 0, `"127.0.0.2" is not a code with its score`},
		{"score of nothing", Addresses, "a.example 127.0.0.2=x", 0, "the score must be a number up to 10"},
		{"score too large", Addresses, "a.example 127.0.0.2=11", 0, "the score must be a number up to 10"},
		{"score is no number", Addresses, "a.example 127.0.0.2=NaN", 0, "the score must be a number up to 10"},
		{"blocklist that allows", Addresses, "a.example 127.0.0.2=-1", 0, "scores above 0"},
		{"list of good senders that blocks", Allow, "a.example 127.0.0.2=1", 0, "scores below 0"},
		{"another net", Addresses, "a.example 10.0.0.2=1", 0, "codes are addresses that begin with 127"},
		{"too few octets", Addresses, "a.example 127.0.2=1", 0, "codes are addresses that begin with 127"},
		{"octet too large", Addresses, "a.example 127.0.0.256=1", 0, "an octet is a number up to 255"},
		{"range backwards", Addresses, "a.example 127.0.0.9-2=1", 0, "an octet is a number up to 255"},
		{"no bit", Addresses, "a.example 127.0.0.&0=1", 0, "an octet is a number up to 255"},
		{"test of addresses", Addresses, "a.example 127.0.0.2=1 test=x.example", 0, "the score must be a number"},
		{"test of nothing", Domains, "a.example 127.0.0.2=1 test=", 0, "is not a domain"},
		{"bad placeholder", Addresses, "{d-s}.a.example 127.0.0.2=1", 0, "a name that begins with {"},
		{"open placeholder", Addresses, "{dqs.a.example 127.0.0.2=1", 0, "a name that begins with {"},
		{"too many", Addresses, many(21), 0, "there are 21 lists; 20 are enough"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lists, err := Parse(tt.kind, tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("err = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || len(lists) != tt.lists {
				t.Errorf("%d lists, %v; want %d", len(lists), err, tt.lists)
			}
		})
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat("a", 1+i%10) + ".l" + strings.Repeat("b", 1+i/10) + ".example 127.0.0.2=1;")
	}
	return b.String()
}

// TestKeysAreNotShown: whoever writes a key where it does not belong is told
// so, without the key.
func TestKeysAreNotShown(t *testing.T) {
	const key = "s3cretkey"
	for _, text := range []string{
		key + ".zen.dq.spamhaus.net 127.0.0.2=4", key + "0123456789abcdefgh.example.org 127.0.0.2=4",
		key + "0123456789abcdefgh 127.0.0.2=4", "{dqs}." + key + "0123456789abcdefgh 127.0.0.2=4",
	} {
		if _, err := Parse(Addresses, text); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("Parse: %v", err)
		}
	}
	for _, text := range []string{key, "dqs=" + key + "/x", "d-s=" + key, "dqs=[" + key + "]"} {
		if _, err := ParseKeys(text); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("ParseKeys: %v", err)
		}
	}
	keys, err := ParseKeys("dqs=" + key + " other=abc")
	if err != nil || keys["dqs"] != key || keys["other"] != "abc" {
		t.Errorf("ParseKeys = %v, %v", keys, err)
	}
}

func TestCodes(t *testing.T) {
	lists, err := Parse(Addresses, "a.example 127.0.0.2=4 127.0.0.4-7=3 127.0.*.&64=2 127.0.0.9=8!")
	if err != nil {
		t.Fatal(err)
	}
	for answers, want := range map[string]float64{
		"127.0.0.2": 4, "127.0.0.5": 3, "127.0.0.3": 0, "127.0.0.8": 0, "127.0.9.65": 2, "127.0.9.63": 0, "127.0.0.9": 8, "127.1.0.2": 0,
		"127.0.0.5 127.0.0.2": 4, "127.0.0.200 127.0.0.5": 3,
	} {
		var addrs []netip.Addr
		for a := range strings.FieldsSeq(answers) {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		got := 0.0
		if c, _ := lists[0].find(addrs); c != nil {
			got = c.Score
			if c.Refuse != (want == 8) {
				t.Errorf("%s: Refuse = %v", answers, c.Refuse)
			}
		}
		if got != want {
			t.Errorf("%s: %v, want %v", answers, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("zen.spamhaus.org 127.0.0.2-3=3 127.0.0.9=8!; {dqs}.a.example 127.0.*.&8=1.5 test=x.example")
	f.Add("none")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{Addresses, Domains, Allow} {
			lists, err := Parse(kind, text)
			if err == nil && len(lists) > maxLists {
				t.Errorf("%d lists", len(lists))
			}
			for _, l := range lists {
				l.find([]netip.Addr{alwaysListed, neverListed})
				l.zone(map[string]string{"dqs": "x"})
			}
		}
		ParseKeys(text)
	})
}
