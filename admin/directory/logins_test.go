package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// history writes logins as "login protocol ok|reason ×count", the newest first.
func history(t *testing.T, d *Directory, f LoginFilter) []string {
	t.Helper()
	var list []string
	for _, e := range must[Page[LoginEntry]](t)(d.Logins(t.Context(), f)).Items {
		what := e.Reason
		if e.OK {
			what = "ok"
		}
		list = append(list, fmt.Sprintf("%s %s %s %s ×%d", e.Login, e.Protocol, e.Client+"/"+e.Label, what, e.Count))
	}
	return list
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		_, secret := d.mustAppPassword(t, 1, NewAppPassword{Label: "Phone", Protocols: []Protocol{ProtocolIMAP}})
		as := func(from netip.Addr, service, client, who, password string) {
			auth := d.Authenticator(from, service)
			auth.Describe(client)
			auth.Password(t.Context(), who, password)
		}
		for range 5 {
			as(home, "imap", "Thunder\u202ebird\n", "ANA@example.org", "correct horse")
			time.Sleep(time.Minute)
		}
		as(home, "imap", "", "info@example.org", secret)
		as(abroad, "submission", "mx.evil.example", "ana@example.org", "wrong horse")
		as(abroad, "submission", "mx.evil.example", "ana@example.org", "wrong horse")
		as(home, "submission", "", "ana@example.org", secret)
		as(abroad, "imap", "", "nobody@example.org", "letmein!")
		as(abroad, "imap", "", "gone@example.org", "correct horse")
		as(home, "web", "", "ana@example.org", "correct horse") // recorded by whoever asks for the second step
		d.RecordLogin(LoginEntry{Account: 1, Protocol: ProtocolWeb, Method: "passkey", OK: true, IP: home, Client: "Firefox"})
		want := []string{
			"ana@example.org web Firefox/ ok ×1",
			"gone@example.org imap / account is suspended ×1",
			"nobody@example.org imap / unknown login ×1",
			"ana@example.org smtp /Phone this app password is not for SMTP; make one that is on the account page ×1",
			"ana@example.org smtp mx.evil.example/ the same wrong password again ×1",
			"ana@example.org smtp mx.evil.example/ wrong password ×1",
			"info@example.org imap /Phone ok ×1",
			"ana@example.org imap Thunderbird/ ok ×5",
		}
		if got := history(t, d, LoginFilter{}); !slices.Equal(got, want) {
			t.Errorf("history\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		yes, no := true, false
		for _, tt := range []struct {
			name string
			f    LoginFilter
			n    int
		}{
			{"account", LoginFilter{Account: 1}, 6},
			{"ok", LoginFilter{OK: &yes}, 3},
			{"failed", LoginFilter{OK: &no}, 5},
			{"failed, of the account", LoginFilter{Account: 1, OK: &no}, 3},
			{"address", LoginFilter{Query: "198.51.100"}, 4},
			{"client", LoginFilter{Query: "FIREFOX"}, 1},
			{"label", LoginFilter{Query: "phone"}, 2},
			{"domain", LoginFilter{Domains: []mail.Domain{"example.org"}}, 8},
			{"another domain", LoginFilter{Domains: []mail.Domain{"dash.org"}}, 0},
			{"no domain", LoginFilter{Domains: []mail.Domain{}}, 0},
			{"somebody else", LoginFilter{Account: 2}, 0},
		} {
			if got := history(t, d, tt.f); len(got) != tt.n {
				t.Errorf("%s: %d entries, want %d: %q", tt.name, len(got), tt.n, got)
			}
		}
		time.Sleep(loginMerge)
		as(home, "imap", "Thunderbird", "ana@example.org", "correct horse")
		if got := history(t, d, LoginFilter{Account: 1}); len(got) != 7 {
			t.Errorf("a new entry after a while: %q", got)
		}
		file := d.db.Path()
		before := history(t, d, LoginFilter{})
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if after := history(t, openAt(t, file), LoginFilter{}); !slices.Equal(after, before) {
			t.Errorf("reopened: %q, before %q", after, before)
		}
	})
}

// TestClientAfterLogin: an ID that comes after LOGIN is part of the entry, also
// when that was written before.
func TestClientAfterLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		for i, wait := range []time.Duration{0, 2 * loginsLate} {
			auth := d.Authenticator(home, "imap")
			if _, err := auth.Password(t.Context(), "ana@example.org", "correct horse"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(wait)
			auth.Describe("Mutt")
			want := []string{fmt.Sprintf("ana@example.org imap Mutt/ ok ×%d", 1)}
			if i == 1 {
				want = append([]string{"ana@example.org imap Mutt/ ok ×1"}, want...)
			}
			if got := history(t, d, LoginFilter{}); !slices.Equal(got, want) {
				t.Errorf("waited %v: %q, want %q", wait, got, want)
			}
		}
	})
}

func TestHistoryIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		_, secret := d.mustAppPassword(t, 1, NewAppPassword{})
		writes := func() int64 {
			s := d.db.Stats()
			return s.TxStats.GetWrite()
		}
		start := writes()
		for range 1000 {
			if got := login(d, "imap", "ana@example.org", secret); got != "1 by app" {
				t.Fatal(got)
			}
		}
		if n := writes() - start; n != 0 {
			t.Errorf("logins have written %d times", n)
		}
		time.Sleep(loginsLate)
		synctest.Wait()
		once := writes() - start
		if once == 0 {
			t.Error("nothing was written")
		}
		if n := d.journal.lastUse(useOfApp(d.AppPasswords(1)[0].ID)); n.Time.IsZero() {
			t.Error("the last use is not known")
		}
		// A password in use all the time is written once a minute.
		uses := func() (n int) {
			var last string
			for range 300 {
				login(d, "imap", "ana@example.org", secret)
				time.Sleep(time.Second)
				synctest.Wait()
				if now := string(rowOf(t, d, bucketLastUse)); now != last {
					last = now
					n++
				}
			}
			return n
		}
		if n := uses(); n < 4 || n > 6 {
			t.Errorf("in five minutes its use was written %d times", n)
		}
	})
}

// rowOf returns the only row of a bucket.
func rowOf(t *testing.T, d *Directory, bucket []byte) (row []byte) {
	t.Helper()
	tx, err := d.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	_, v := tx.Bucket(bucket).Cursor().First()
	return append(row, v...)
}

func TestHistoryPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		for i := range 120 {
			d.RecordLogin(LoginEntry{Account: uint32(i%2 + 1), Protocol: ProtocolWeb, OK: i%3 == 0, Client: fmt.Sprint(i)})
			time.Sleep(time.Second)
		}
		for account, n := range map[uint32]int{0: 120, 1: 60} {
			var all []string
			f := LoginFilter{Account: account, Limit: 7}
			for {
				page := must[Page[LoginEntry]](t)(d.Logins(t.Context(), f))
				for _, e := range page.Items {
					all = append(all, e.Client)
				}
				if f.Cursor = page.Next; f.Cursor == "" {
					break
				}
			}
			if len(all) != n || all[0] != fmt.Sprint(120-1-int(account)) || slices.Compact(slices.Clone(all))[n-1] != all[n-1] {
				t.Errorf("account %d: %d entries: %q", account, len(all), all)
			}
		}
		for _, cursor := range []string{"x", "AAAA", strings.Repeat("A", 100)} {
			if _, err := d.Logins(t.Context(), LoginFilter{Cursor: cursor}); !errors.Is(err, ErrInvalid) {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		owner := LoginEntry{Account: 1, Protocol: ProtocolIMAP, OK: true, Client: "the owner"}
		d.RecordLogin(owner)
		for i := range 2*maxUnknown + 2*maxLoginsOf {
			e := LoginEntry{Account: 1, Protocol: ProtocolIMAP, Client: fmt.Sprint(i)}
			if i%2 == 0 {
				e.Account, e.Login = 0, fmt.Sprintf("user%d@example.org", i)
			}
			d.RecordLogin(e)
			if i%1000 == 0 {
				d.journal.flush(false)
			}
		}
		d.journal.flush(false)
		count := func() (rows, index int) {
			tx, err := d.db.Begin(false)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			return tx.Bucket(bucketLogins).Stats().KeyN, tx.Bucket(bucketLoginIndex).Stats().KeyN
		}
		want := maxUnknown + maxLoginsOf + 1
		if rows, index := count(); rows != want || index != want || d.journal.log.total != want {
			t.Errorf("%d rows, %d in the index, %d counted; want %d", rows, index, d.journal.log.total, want)
		}
		yes := true
		if got := must[Page[LoginEntry]](t)(d.Logins(t.Context(), LoginFilter{Account: 1, OK: &yes})); len(got.Items) != 1 {
			t.Error("guesses have driven out the login of the owner")
		}
		time.Sleep(loginKeep + time.Hour)
		for range want/maxLoginAged + 1 {
			owner.Client += "!"
			d.RecordLogin(owner)
			d.journal.flush(false)
		}
		if rows, index := count(); rows > want/maxLoginAged+1 || index != rows {
			t.Errorf("after their time: %d rows, %d in the index", rows, index)
		}
	})
}

// More logins than can wait are dropped, not kept.
func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		for i := range maxPending + 100 {
			d.RecordLogin(LoginEntry{Login: fmt.Sprint(i), Protocol: ProtocolIMAP})
		}
		if n := len(d.journal.logins); n != maxPending || d.journal.dropped != 100 {
			t.Errorf("%d wait, %d dropped", n, d.journal.dropped)
		}
	})
}

func TestDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		phone := LoginEntry{Account: 1, OK: true, Protocol: ProtocolIMAP, Client: "iPhone Mail", AppPassword: "abc", Label: "Phone", IP: home}
		d.RecordLogin(phone)
		time.Sleep(time.Hour)
		phone.IP = abroad
		d.RecordLogin(phone)
		d.RecordLogin(LoginEntry{Account: 1, Protocol: ProtocolIMAP, Client: "iPhone Mail", Reason: "wrong password"})
		d.RecordLogin(LoginEntry{Account: 2, OK: true, Protocol: ProtocolIMAP})
		time.Sleep(time.Hour)
		d.RecordLogin(LoginEntry{Account: 1, OK: true, Protocol: ProtocolWeb, Client: "Firefox", IP: home})
		list, err := d.Devices(t.Context(), 1)
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		if got := list[1]; list[0].Client != "Firefox" || got.Label != "Phone" || got.Logins != 2 || got.IP != abroad || got.LastSeen.Sub(got.FirstSeen) != time.Hour {
			t.Errorf("devices %+v", list)
		}
	})
}

func TestCleanClient(t *testing.T) {
	for in, want := range map[string]string{
		"Thunderbird 140":                       "Thunderbird 140",
		"a\r\nb\x00c\u202ed":                    "abcd",
		strings.Repeat("x", 5*maxLoginClient):   strings.Repeat("x", maxLoginClient),
		strings.Repeat("\u20ac", 100):           strings.Repeat("\u20ac", maxLoginClient/3),
		"bad \xff UTF-8":                        "bad \ufffd UTF-8",
		strings.Repeat("\x00", 10_000) + "late": "",
	} {
		if got := cleanClient(in); got != want {
			t.Errorf("%.20q is kept as %q, want %q", in, got, want)
		}
	}
}

func TestBans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		six := netip.MustParseAddr("2001:db8:1:2::3")
		if len(d.Bans()) != 0 {
			t.Errorf("bans at the start: %+v", d.Bans())
		}
		fail(t, d, abroad, "ana@example.org", freeOfLogin+3)
		fail(t, d, six, "bo@example.org", freeOfLogin+1)
		list := d.Bans()
		if len(list) != 2 || list[0].Login != "ana@example.org" || list[0].Net.String() != "198.51.100.1/32" || list[0].Failures != freeOfLogin+3 ||
			list[1].Net.String() != "2001:db8:1:2::/64" || !list[1].Until.Equal(time.Now().Add(penaltyFirst)) {
			t.Errorf("bans %+v", list)
		}
		for _, tt := range []struct {
			net, login string
			err        error
		}{
			{"198.51.100.1/32", "bo@example.org", ErrNotFound},
			{"192.0.2.1/32", "", ErrNotFound},
			{"198.51.100.1/32", "ANA@example.org", nil},
			{"198.51.100.1/32", "ana@example.org", ErrNotFound},
			{"2001:db8:1:2::/64", "", nil},
		} {
			if err := d.LiftBan(t.Context(), actor, netip.MustParsePrefix(tt.net), tt.login); !errors.Is(err, tt.err) {
				t.Errorf("%s %s: %v, want %v", tt.net, tt.login, err, tt.err)
			}
		}
		if got := try(d, abroad, "ana@example.org", "correct horse"); got != "1" || len(d.Bans()) != 0 {
			t.Errorf("lifted: %s, %+v", got, d.Bans())
		}
		e := must[[]AuditEntry](t)(d.Audit(t.Context(), 2))
		if e[0].Object != "2001:db8:1:2::/64" || e[1].Object != "198.51.100.1/32 ana@example.org" || e[1].Action != "ban.lift" {
			t.Errorf("audit %+v", e)
		}
		// A net as a whole: lifting it lets all in.
		for i := range freeOfNet + 1 {
			try(d, home, fmt.Sprintf("user%d@example.org", i), "letmein!")
		}
		if list := d.Bans(); len(list) != 1 || list[0].Login != "" {
			t.Errorf("bans %+v", list)
		}
		if err := d.LiftBan(t.Context(), actor, netip.MustParsePrefix("::ffff:192.0.2.1/128"), ""); err != nil {
			t.Error(err)
		}
		if got := try(d, home, "ana@example.org", "correct horse"); got != "1" {
			t.Errorf("the net is lifted: %s", got)
		}
	})
}
