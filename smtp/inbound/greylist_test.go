package inbound_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestGreylisting: who sends something doubtful and has nothing good to show
// comes again, once.
func TestGreylisting(t *testing.T) {
	const stranger, server = "198.51.100.25", "203.0.113.25" // the latter has SPF for sender.net
	synctest.Test(t, func(t *testing.T) {
		h := openHouse(t, nil)
		h.settings.Greylist, h.settings.GreylistDelay, h.settings.GreylistScore = true, 5*time.Minute, 2.5
		is := func(from, sender, subject, want string) {
			t.Helper()
			if got := h.send(from, sender, subject); !strings.HasPrefix(got, want) {
				t.Errorf("%s from %s, %q: got %q, want %q", sender, from, subject, got, want)
			}
		}
		const again = "451 4.7.1 mail like this has not come from your network before; please send it again in "
		is(stranger, "ana@nospf.net", "hello", "250")     // nothing against it
		is(stranger, "ana@nospf.net", "score 7", "250")   // goes to Junk
		is(server, "ana@sender.net", "score 3", "250")    // proved by SPF
		is(stranger, "known@nospf.net", "score 3", "250") // expected
		is("10.0.0.1", "ana@nospf.net", "score 3", "250") // our own net
		is(stranger, "ana@nospf.net", "score 3", again+"5 m")
		h.tells(stranger, "refused 4.7.1 greylist: nothing good is known of the sender")
		h.ahead += 4 * time.Minute
		is(stranger, "ana@nospf.net", "score 3", again+"1 minute")
		h.ahead += time.Minute
		is("198.51.100.26", "ana@nospf.net", "score 3", "250") // another server of the net
		is(stranger, "eve@text.net", "score 3", "250")         // it comes again, as is known
		is("192.0.2.25", "ana@nospf.net", "score 3", again)
		h.ahead += 3 * 24 * time.Hour
		is("192.0.2.25", "ana@nospf.net", "score 3", again) // too late: forgotten
		is(stranger, "eve@nospf.net", "score 3", "250")
		h.ahead += 37 * 24 * time.Hour
		is(stranger, "eve@nospf.net", "score 3", again)
		h.settings.Greylist = false
		is(stranger, "eve@nospf.net", "score 3", "250")
	})
}
