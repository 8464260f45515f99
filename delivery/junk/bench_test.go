package junk

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// newsletter is a message of 4 KiB with text and HTML.
func newsletter(r *rand.Rand) incoming {
	word := func() string {
		return fmt.Sprintf("%c%s", 'a'+r.IntN(26), strings.Repeat("on", 1+r.IntN(3))) + fmt.Sprint(r.IntN(40))
	}
	var text, html strings.Builder
	for html.Len() < 2300 {
		fmt.Fprintf(&html, "<p style=\"font-size:14px;color:#333\">%s %s the %s <a href=\"https://www.shop.com/%s?id=%s\">%s</a></p>\n", word(), word(), word(), word(), word(), word())
	}
	for text.Len() < 1100 {
		fmt.Fprintf(&text, "%s %s and the %s of %s\n", word(), word(), word(), word())
	}
	return good("news@shop.com", "To: bo@example.org\nSubject: News "+word()+"\nDate: Sat, 28 Nov 2026 11:00:00 +0000\nMessage-ID: <"+word()+"@shop.com>\n"+
		"List-Unsubscribe: <https://www.shop.com/u>\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n--b\n"+
		"Content-Type: text/plain; charset=utf-8\n\n"+text.String()+"\n--b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"+
		strings.ReplaceAll(html.String(), "=", "=3D")+"\n--b--\n")
}

// BenchmarkScore: a message of 4 KiB for one account, with a base of 400
// messages and history.
func BenchmarkScore(b *testing.B) {
	w := newWorld(b)
	r := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		id := w.deliver(me, newsletter(r), "inbox")
		class := Good
		if id%2 == 0 {
			class = Junk
		}
		if err := w.Learn(b.Context(), me, id, class); err != nil {
			b.Fatal(err)
		}
	}
	m := newsletter(r)
	e := m.evidence(b)
	to := []mailbox.AccountID{me}
	b.SetBytes(int64(len(m.raw)))
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		if o := w.Score(b.Context(), e, to); !strings.Contains(o[0].names(), "words") {
			b.Fatalf("words say nothing: %q", o[0].names())
		}
	}
	b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime is what the process has used: other work on the computer does not
// count.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
