package directory

import (
	"encoding/base32"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestTOTPVectors are those of RFC 6238 appendix B for SHA-1; six digits are
// the last of the eight there.
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := TOTPCode(secret, time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// totp makes an account ask for codes.
func (d *Directory) totp(t *testing.T, account uint32) []byte {
	t.Helper()
	secret, err := d.NewTOTPSecret()
	if err != nil {
		t.Fatal(err)
	}
	if len(base32.StdEncoding.EncodeToString(secret)) != 32 {
		t.Errorf("a secret has %d octets", len(secret))
	}
	ok, err := d.SetTOTP(t.Context(), actor, account, secret, TOTPCode(secret, time.Now()))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return secret
}

func TestTOTPSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		secret := d.totp(t, 1)
		time.Sleep(time.Hour)
		use := func(what string, offset time.Duration, want bool) {
			t.Helper()
			ok, err := d.UseTOTP(t.Context(), 1, TOTPCode(secret, time.Now().Add(offset)), home)
			if err != nil || ok != want {
				t.Errorf("%s: %v, %v", what, ok, err)
			}
		}
		use("two steps ago", -2*TOTPPeriod, false)
		use("two steps ahead", 2*TOTPPeriod, false)
		use("one step ago", -TOTPPeriod, true)
		use("one step ago, again", -TOTPPeriod, false)
		use("now", 0, true)
		use("now, again", 0, false)
		use("before the one that was used", -TOTPPeriod, false)
		use("one step ahead", TOTPPeriod, true)
		time.Sleep(TOTPPeriod)
		use("used ahead of its time", 0, false)
		if ok, err := d.UseTOTP(t.Context(), 2, TOTPCode(secret, time.Now()), home); ok || err != nil {
			t.Errorf("account without TOTP: %v, %v", ok, err)
		}
	})
}

func TestSetTOTP(t *testing.T) {
	d := town(t)
	secret, err := d.NewTOTPSecret()
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"", "000000000000", "12345", "x"} {
		if ok, err := d.SetTOTP(t.Context(), actor, 1, secret, code); ok || err != nil {
			t.Errorf("%q: %v, %v", code, ok, err)
		}
	}
	if err := d.RemoveTOTP(t.Context(), actor, 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("remove what is not there: %v", err)
	}
	if _, err := d.NewRecoveryCodes(t.Context(), actor, 1); !errors.Is(err, ErrInvalid) {
		t.Errorf("recovery codes without TOTP: %v", err)
	}
	d.totp(t, 1)
	if _, err := d.NewRecoveryCodes(t.Context(), actor, 1); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveTOTP(t.Context(), actor, 1); err != nil {
		t.Fatal(err)
	}
	if f, err := d.Factors(t.Context(), 1); err != nil || f != (Factors{}) {
		t.Errorf("after removal: %+v, %v", f, err)
	}
}

func TestRecoveryCodes(t *testing.T) {
	d := town(t)
	d.totp(t, 1)
	old, err := d.NewRecoveryCodes(t.Context(), actor, 1)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := d.NewRecoveryCodes(t.Context(), actor, 1)
	if err != nil || len(codes) != recoveryCodes {
		t.Fatal(codes, err)
	}
	use := func(code string, want bool) {
		t.Helper()
		if ok, err := d.UseRecoveryCode(t.Context(), 1, code, home); ok != want || err != nil {
			t.Errorf("%q: %v, %v", code, ok, err)
		}
	}
	use(old[0], false)
	use("", false)
	use("K7P4", false)
	for i, c := range codes {
		use(c, true)
		use(c, false)
		if f, err := d.Factors(t.Context(), 1); err != nil || f.RecoveryCodes != recoveryCodes-1-i {
			t.Errorf("after %d: %+v, %v", i+1, f, err)
		}
	}
}

// TestCodeOnce: of many who use a code at a time, one gets in.
func TestCodeOnce(t *testing.T) {
	d := town(t)
	d.opts.NoThrottle = true // they all fail but one
	secret := d.totp(t, 1)
	recovery, err := d.NewRecoveryCodes(t.Context(), actor, 1)
	if err != nil {
		t.Fatal(err)
	}
	link, _, err := d.AddLink(t.Context(), actor, 2, Invite)
	if err != nil {
		t.Fatal(err)
	}
	setup, _, err := d.NewSetupCode(t.Context(), actor, SetupCodeFor)
	if err != nil {
		t.Fatal(err)
	}
	next := TOTPCode(secret, time.Now().Add(TOTPPeriod))
	for name, use := range map[string]func() (bool, error){
		"TOTP":     func() (bool, error) { return d.UseTOTP(t.Context(), 1, next, home) },
		"recovery": func() (bool, error) { return d.UseRecoveryCode(t.Context(), 1, recovery[0], home) },
		"link": func() (bool, error) {
			_, err := d.UseLink(t.Context(), link, "another horse")
			return err == nil, unless(err, ErrLink)
		},
		"setup": func() (bool, error) {
			_, _, err := d.RedeemSetupCode(t.Context(), setup, home)
			return err == nil, unless(err, ErrSetupCode)
		},
	} {
		var winners atomic.Int32
		var g sync.WaitGroup
		for range 16 {
			g.Go(func() {
				ok, err := use()
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if ok {
					winners.Add(1)
				}
			})
		}
		g.Wait()
		if n := winners.Load(); n != 1 {
			t.Errorf("%s: %d got in", name, n)
		}
	}
}

// unless returns an error that is not of a kind.
func unless(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// TestCodeThrottle: guessing is hopeless, also from many nets, and does not
// keep out whoever is at home.
func TestCodeThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := town(t)
		secret := d.totp(t, 1)
		net := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}) }
		use := func(code string, from netip.Addr) string {
			ok, err := d.UseTOTP(t.Context(), 1, code, from)
			var put *Throttled
			switch {
			case errors.As(err, &put):
				return "later"
			case err != nil:
				t.Fatal(err)
			}
			return fmt.Sprint(ok)
		}
		right := func() string { return TOTPCode(secret, time.Now()) }
		time.Sleep(time.Minute)
		if got := use(right(), home); got != "true" {
			t.Fatal(got)
		}
		for i := range freeOfLogin + 1 {
			if got := use("x", abroad); got != "false" {
				t.Fatalf("try %d: %s", i, got)
			}
		}
		if got := use(right(), abroad); got != "later" {
			t.Errorf("after %d failures: %s", freeOfLogin+1, got)
		}
		looked := 0
		for i := range 1000 {
			if use("x", net(i)) == "false" {
				looked++
			}
		}
		if looked > freeOfCode {
			t.Errorf("%d guesses from many nets were looked at", looked)
		}
		time.Sleep(TOTPPeriod)
		if got := use(right(), home); got != "true" {
			t.Errorf("at home: %s", got)
		}
		if got := use("x", net(5000)); got != "false" {
			t.Errorf("after the owner was in: %s", got)
		}
	})
}
