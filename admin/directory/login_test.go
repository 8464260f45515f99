package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
	"github.com/mailstead/mailstead/mail/turns"
)

var (
	home   = netip.MustParseAddr("192.0.2.1")
	abroad = netip.MustParseAddr("198.51.100.1")
)

// try logs in with a password and says what came of it.
func try(d *Directory, from netip.Addr, login, password string) string {
	id, err := d.Authenticator(from, "imap").Password(context.Background(), login, password)
	return answer(id, err)
}

func answer(id sasl.Identity, err error) string {
	switch {
	case err == nil:
		return fmt.Sprint(id.Account)
	case errors.Is(err, sasl.ErrFailed):
		return "failed"
	case mail.StatusOf(err).Temporary():
		return "later"
	}
	return err.Error()
}

func TestLogin(t *testing.T) {
	d := town(t)
	if _, err := d.AddAccount(t.Context(), actor, NewAccount{Address: path(t, "new@example.org")}); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct{ login, password, want string }{
		{"ana@example.org", "correct horse", "1"},
		{"ANA@Example.Org", "correct horse", "1"},
		{"info@example.org", "correct horse", "1"},
		{"deep@example.org", "correct horse", "1"},
		{"ana@example.net", "correct horse", "1"},
		{"help@example.net", "correct horse", "2"},
		{"ana@example.org", "correct\u00a0horse", "1"}, // SASLprep: another space
		{"ana@example.org", "Correct horse", "failed"},
		{"ana@example.org", "", "failed"},
		{"ana@example.org", strings.Repeat("x", 5000), "failed"},
		{"ana+x@example.org", "correct horse", "failed"},
		{"staff@example.org", "correct horse", "failed"},
		{"gone@example.org", "correct horse", "failed"},
		{"new@example.org", "correct horse", "failed"},
		{"nobody@dash.org", "correct horse", "failed"},
		{"postmaster@example.org", "correct horse", "failed"},
		{"ana", "correct horse", "failed"},
		{strings.Repeat("a", 5000), "correct horse", "failed"},
	} {
		from := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if got := try(d, from, tt.login, tt.password); got != tt.want {
			t.Errorf("%.40s, %.40q: %s, want %s", tt.login, tt.password, got, tt.want)
		}
	}
	if _, err := d.Authenticator(home, "imap").Token(t.Context(), "ana@example.org", "t"); !errors.Is(err, sasl.ErrFailed) {
		t.Errorf("token: %v", err)
	}
}

// hashes counts the computations that fn needs.
func hashes(d *Directory, fn func()) int64 {
	before := d.hasher.computed.Load()
	fn()
	return d.hasher.computed.Load() - before
}

func TestVerifiedPasswordIsNotHashedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		login := func(password, want string) func() {
			return func() {
				if got := try(d, home, "ana@example.org", password); got != want {
					t.Errorf("%q: %s, want %s", password, got, want)
				}
			}
		}
		for _, step := range []struct {
			name   string
			fn     func()
			hashes int64
		}{
			{"first", login("correct horse", "1"), 1},
			{"again", login("correct horse", "1"), 0},
			{"wrong", login("wrong horse", "failed"), 1},
			{"the same wrong one", login("wrong horse", "failed"), 0},
			{"still right", login("correct horse", "1"), 0},
		} {
			if n := hashes(d, step.fn); n != step.hashes {
				t.Errorf("%s: hashed %d times, want %d", step.name, n, step.hashes)
			}
		}
		time.Sleep(verifiedFor)
		if n := hashes(d, login("correct horse", "1")); n != 1 {
			t.Errorf("after a while: hashed %d times", n)
		}
		if err := d.SetPassword(t.Context(), actor, 1, "wrong horse"); err != nil {
			t.Fatal(err)
		}
		if n := hashes(d, login("correct horse", "failed")); n != 1 {
			t.Errorf("old password: hashed %d times", n)
		}
		// What was wrong for the old password is right now.
		if n := hashes(d, login("wrong horse", "1")); n != 1 {
			t.Errorf("new password: hashed %d times", n)
		}
		yes := true
		if _, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Suspended: &yes}); err != nil {
			t.Fatal(err)
		}
		if n := hashes(d, login("wrong horse", "failed")); n != 1 {
			t.Errorf("suspended: hashed %d times", n)
		}
	})
}

// fail lets a login fail n times, each time with another password, waiting as
// long as it is told.
func fail(t *testing.T, d *Directory, from netip.Addr, login string, n int) {
	t.Helper()
	for i := range n {
		guess := rand.Text()
		for {
			got := try(d, from, login, guess)
			if got == "failed" {
				break
			}
			if got != "later" {
				t.Fatalf("guess %d: %s", i, got)
			}
			time.Sleep(time.Second)
		}
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		start := time.Now()
		fail(t, d, abroad, "ana@example.org", freeOfLogin)
		if time.Since(start) != 0 {
			t.Errorf("the first failures took %v", time.Since(start))
		}
		fail(t, d, abroad, "ana@example.org", 1)
		if got := try(d, abroad, "ana@example.org", "correct horse"); got != "later" {
			t.Errorf("during a penalty: %s", got)
		}
		if got := try(d, home, "ana@example.org", "correct horse"); got != "1" {
			t.Errorf("the owner, at home: %s", got)
		}
		if got := try(d, abroad, "bo@example.org", "correct horse"); got != "2" {
			t.Errorf("somebody else from there: %s", got)
		}
		time.Sleep(penaltyFirst)
		if got := try(d, abroad, "ana@example.org", "correct horse"); got != "1" {
			t.Errorf("after the penalty: %s", got)
		}
	})
}

func TestPenaltyGrowsAndAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		start := time.Now()
		fail(t, d, abroad, "ana@example.org", 5+10)
		if took := time.Since(start); took < 500*time.Second || took > 520*time.Second { // 1 + 2 + … + 256
			t.Errorf("fifteen guesses took %v", took)
		}
		fail(t, d, abroad, "ana@example.org", 10)
		if took := time.Since(start); took > 3*time.Hour {
			t.Errorf("twenty-five guesses took %v: the penalty has no bound", took)
		}
		time.Sleep(failuresAge)
		again := time.Now()
		fail(t, d, abroad, "ana@example.org", freeOfLogin)
		if time.Since(again) != 0 {
			t.Errorf("after an hour: %v", time.Since(again))
		}
	})
}

// TestNetIsThrottled guesses one password for many logins.
func TestNetIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		if got := try(d, home, "bo@example.org", "correct horse"); got != "2" {
			t.Fatalf("bo: %s", got)
		}
		for i := range freeOfNet + 1 {
			if got := try(d, home, fmt.Sprintf("user%d@example.org", i), "letmein!"); got != "failed" {
				t.Fatalf("guess %d: %s", i, got)
			}
		}
		if got := try(d, home, "ana@example.org", "correct horse"); got != "later" {
			t.Errorf("a login that is new here: %s", got)
		}
		if got := try(d, home, "bo@example.org", "correct horse"); got != "2" {
			t.Errorf("a login that is known here: %s", got)
		}
		if got := try(d, abroad, "ana@example.org", "correct horse"); got != "1" {
			t.Errorf("elsewhere: %s", got)
		}
	})
}

// TestOldDevice is a phone at home with the old password beside a computer
// with the new one.
func TestOldDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		for range 1000 {
			if got := try(d, home, "ana@example.org", "the old one"); got != "failed" {
				t.Fatalf("phone: %s", got)
			}
			time.Sleep(time.Second)
		}
		if got := try(d, home, "ana@example.org", "correct horse"); got != "1" {
			t.Errorf("computer: %s", got)
		}
	})
}

func TestKnownLoginIsToleratedMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		if got := try(d, home, "ana@example.org", "correct horse"); got != "1" {
			t.Fatal(got)
		}
		start := time.Now()
		fail(t, d, home, "ana@example.org", freeOfKnown)
		if time.Since(start) != 0 {
			t.Errorf("took %v", time.Since(start))
		}
		fail(t, d, home, "ana@example.org", 20)
		if got := try(d, home, "ana@example.org", "correct horse"); got != "later" {
			t.Errorf("without end: %s", got)
		}
		time.Sleep(penaltyKnown)
		if got := try(d, home, "ana@example.org", "correct horse"); got != "1" {
			t.Errorf("after the penalty: %s", got)
		}
		if got := try(d, home, "bo@example.org", "correct horse"); got != "2" {
			t.Errorf("somebody else at home: %s", got)
		}
	})
}

func TestNoThrottle(t *testing.T) {
	d, err := Open(filepath.Join(t.TempDir(), "system.db"), Options{Cost: cheap, NoThrottle: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i := range 100 {
		if got := try(d, home, "ana@example.org", fmt.Sprintf("guess number %d", i)); got != "failed" {
			t.Fatalf("guess %d: %s", i, got)
		}
	}
}

func TestSourceNet(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":         "192.0.2.1/32",
		"::ffff:192.0.2.1":  "192.0.2.1/32",
		"2001:db8:1:2::3":   "2001:db8:1:2::/64",
		"2001:db8:1:2:9::3": "2001:db8:1:2::/64",
		"fe80::1%eth0":      "fe80::/64",
	} {
		if got := sourceNet(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("%s is in %v, want %s", in, got, want)
		}
	}
	if got := sourceNet(netip.Addr{}); got.IsValid() {
		t.Errorf("no address is in %v", got)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	th := newThrottle(time.Now)
	first := source{login: "first"}
	th.succeeded(first)
	for i := range 3 * throttleHalf {
		th.succeeded(source{login: fmt.Sprint(i)})
		if i%1000 == 0 {
			th.wait(first) // whoever comes back is not forgotten
		}
	}
	if n := len(th.young) + len(th.old); n > 2*throttleHalf {
		t.Errorf("%d entries", n)
	}
	if a := th.get(first, false); a == nil || !a.known {
		t.Error("who came back was forgotten")
	}
}

// TestMechanisms runs exchanges of the real mechanisms, SCRAM with a client of
// another project.
func TestMechanisms(t *testing.T) {
	d := town(t)
	if err := d.SetPassword(t.Context(), actor, 1, "caf\u00e9 cr\u00e8me"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ login, password, want string }{
		{"ana@example.org", "caf\u00e9 cr\u00e8me", "1"},
		{"ANA@example.org", "cafe\u0301 cre\u0300me", "1"}, // decomposed, as a Mac types it
		{"bo@example.org", "correct horse", "2"},
		{"bo@example.org", "wrong horse", "failed"},
		{"nobody@example.org", "correct horse", "failed"},
		{"gone@example.org", "correct horse", "failed"},
	} {
		if got := scramLogin(t, d, tt.login, tt.password); got != tt.want {
			t.Errorf("SCRAM, %s, %q: %s, want %s", tt.login, tt.password, got, tt.want)
		}
		s, err := sasl.New("PLAIN", d.Authenticator(abroad, "smtp"), sasl.Options{Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Next(t.Context(), []byte("\x00"+tt.login+"\x00"+tt.password))
		if got := answer(s.Identity(), err); got != tt.want {
			t.Errorf("PLAIN, %s, %q: %s, want %s", tt.login, tt.password, got, tt.want)
		}
	}
}

func scramLogin(t *testing.T, d *Directory, login, password string) string {
	t.Helper()
	return scramBy(t, d, "imap", login, password)
}

func scramBy(t *testing.T, d *Directory, service, login, password string) string {
	t.Helper()
	c, err := scram.SHA256.NewClient(login, password, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := sasl.New("SCRAM-SHA-256", d.Authenticator(home, service), sasl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conv := c.NewConversation()
	var challenge []byte
	for range 3 {
		response, err := conv.Step(string(challenge))
		if err != nil {
			t.Fatal(err)
		}
		var done bool
		if challenge, done, err = s.Next(t.Context(), []byte(response)); done || err != nil {
			return answer(s.Identity(), err)
		}
	}
	t.Fatal("the exchange has no end")
	return ""
}

// TestSCRAMKeys looks at what an exchange is made of.
func TestSCRAMKeys(t *testing.T) {
	d := town(t)
	auth := d.Authenticator(home, "imap")
	keys, err := auth.SCRAMKeys(t.Context(), "info@example.org")
	if err != nil || len(keys.Salt) != 16 || keys.Iterations != 4096 {
		t.Fatalf("keys = %+v, %v", keys, err)
	}
	own, _ := auth.SCRAMKeys(t.Context(), "ana@example.org")
	if !reflect.DeepEqual(keys, own) {
		t.Error("alias and address have different keys")
	}
	for _, login := range []string{"nobody@example.org", "gone@example.org", "not an address", ""} {
		one, err1 := auth.SCRAMKeys(t.Context(), login)
		two, err2 := d.Authenticator(abroad, "smtp").SCRAMKeys(t.Context(), strings.ToUpper(login))
		if err1 != nil || err2 != nil || !reflect.DeepEqual(one, two) || len(one.Salt) != len(keys.Salt) || one.Iterations != keys.Iterations || len(one.StoredKey) != 32 {
			t.Errorf("made-up keys of %q: %+v %+v %v %v", login, one, two, err1, err2)
		}
		if id, err := auth.SCRAMDone(t.Context(), login, &sasl.SCRAMKey{}); answer(id, err) != "failed" {
			t.Errorf("%q proved: %v, %v", login, id, err)
		}
	}
	if id, err := auth.SCRAMDone(t.Context(), "ana@example.org", &sasl.SCRAMKey{}); answer(id, err) != "1" {
		t.Errorf("proved: %v, %v", id, err)
	}
	if id, err := auth.SCRAMDone(t.Context(), "ana@example.org", nil); answer(id, err) != "failed" {
		t.Errorf("not proved: %v, %v", id, err)
	}
	for range freeOfLogin + 1 {
		auth.SCRAMDone(t.Context(), "bo@example.org", nil)
	}
	if _, err := auth.SCRAMKeys(t.Context(), "bo@example.org"); !mail.StatusOf(err).Temporary() || err == nil {
		t.Errorf("during a penalty: %v", err)
	}
}

// TestLimitPasswordChecks: no more passwords are checked at a time than may be.
func TestLimitPasswordChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		if n := d.PasswordMemory(); n < 1<<10 {
			t.Errorf("a check takes %d octets", n)
		}
		d.LimitPasswordChecks(0) // is one
		if err := d.hasher.turns.Take(t.Context()); err != nil || d.PasswordChecks() != 1 {
			t.Fatal(err, d.PasswordChecks())
		}
		done := make(chan string, 1)
		go func() { done <- try(d, home, "ana@example.org", "correct horse") }()
		synctest.Wait()
		if len(done) > 0 {
			t.Errorf("a second password was checked beside the first: %s", <-done)
		}
		d.LimitPasswordChecks(2)
		if got := <-done; got != "1" {
			t.Errorf("the second: %s", got)
		}
		d.hasher.turns.Give()
	})
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		d.hasher.turns = turns.New(0) // nobody gets a turn
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range cap(d.hasher.queue) {
			wg.Go(func() {
				_, err := d.Authenticator(home, "imap").Password(ctx, fmt.Sprintf("u%d@example.org", i), "correct horse")
				if !errors.Is(err, context.Canceled) {
					t.Errorf("waiting: %v", err)
				}
			})
		}
		synctest.Wait()
		if got := try(d, abroad, "ana@example.org", "correct horse"); got != "later" {
			t.Errorf("one too many: %s", got)
		}
		cancel()
		wg.Wait()
	})
}

func TestGeneratePassword(t *testing.T) {
	d := town(t)
	seen := map[string]bool{}
	for range 100 {
		p := GeneratePassword()
		if seen[p] || len(p) != 23 {
			t.Fatalf("password %q", p)
		}
		seen[p] = true
		if err := d.SetPassword(t.Context(), actor, 1, p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPasswordHashForm(t *testing.T) {
	for _, s := range []string{"", "x", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=8,t=0,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=1,p=1$***$AAAA"} {
		if _, err := (&credentialRecord{Password: s}).credential(); !errors.Is(err, errHashForm) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestConcurrency is for the race detector.
func TestConcurrency(t *testing.T) {
	d := town(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				try(d, home, "ana@example.org", "correct horse")
				d.MaySend(1, mail.Path{Local: "ana", Domain: "example.org"})
				outcome(d, mail.Path{Local: "staff", Domain: "example.org"})
				if i == 0 {
					name := fmt.Sprint(j)
					if _, err := d.SetAccount(t.Context(), actor, 1, AccountChange{Name: &name}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if a, err := d.Account(1); err != nil || a.Name != "9" {
		t.Errorf("account = %+v, %v", a, err)
	}
}
