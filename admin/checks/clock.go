package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mailstead/mailstead/mail/clock"
)

// Clock skew that is told, and that breaks things.
const (
	skewWarn = 30 * time.Second
	skewFail = 5 * time.Minute
)

const fixClock = "Switch on time synchronisation: `timedatectl set-ntp true`."

// clockCheck asks a web server for the time, unless a jump is not believed:
// that alone is to be told then.
func (s *Server) clockCheck() Check {
	return Check{ID: "clock", Group: Host, Title: "Clock", Want: "right within 30 seconds",
		Why: "With a wrong clock certificates and signatures look expired, and mail is dated wrongly.", Every: 6 * hour,
		Run: func(ctx context.Context) Finding {
			if s.Clock != nil {
				if d, doubted := s.Clock(); doubted {
					return judgeDoubt(d, s.now())
				}
			}
			return s.judgeSkew(ctx)
		}}
}

// judgeDoubt says what to do about a jump that is not believed.
func judgeDoubt(d clock.Doubt, now time.Time) Finding {
	system := moment(now.Add(d.By))
	saw := fmt.Sprintf("the clock of the system has jumped %s to %s", distance(d.By), system)
	if d.Start {
		of := ""
		if d.By > 0 {
			of = " of"
		}
		saw = fmt.Sprintf("the clock of the system is %s%s where it was when this server last ran: %s", distance(d.By), of, system)
	}
	saw += fmt.Sprintf("; it is not believed, and this server goes on at %s, so that nothing is lost for its age", moment(now))
	if d.Wrong {
		return Fail.because("%s; a time server says that the system is wrong", saw).fix("Set the clock of the system right; then it is believed again by itself. " + fixClock)
	}
	f := Fail.because("%s", saw).fix("If it is really %s, say so: `mailstead clock accept`. If not, set the clock right; then it is believed again by itself. "+fixClock, system)
	f.Action = ActionAcceptClock
	return f
}

func moment(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// distance tells a jump in words.
func distance(d time.Duration) string {
	way := "ahead"
	if d < 0 {
		way = "behind"
	}
	switch off := d.Round(time.Minute).Abs(); {
	case off >= 2*365*day:
		return fmt.Sprintf("%d years %s", off/(365*day), way)
	case off >= 2*day:
		return fmt.Sprintf("%d days %s", off/day, way)
	case off >= 2*hour:
		return fmt.Sprintf("%d hours %s", off/hour, way)
	default:
		return fmt.Sprintf("%d minutes %s", off/time.Minute, way)
	}
}

func (s *Server) judgeSkew(ctx context.Context) Finding {
	skew, err := s.skew(ctx)
	if err != nil {
		return unknown("nobody could be asked for the time")
	}
	switch off := skew.Abs().Round(time.Second); {
	case off > skewFail:
		return Fail.because("wrong by %v", off).fix(fixClock)
	case off > skewWarn:
		return Warn.because("wrong by %v", off).fix(fixClock)
	}
	return ok("right")
}

// skew is how far our clock is ahead of the time that a server gives. It
// believes the Date of an answer even if the certificate is not valid: a wrong
// clock is what it looks for, and a check changes nothing.
func (s *Server) skew(ctx context.Context) (time.Duration, error) {
	before := s.now()
	theirs, _, err := s.askTime(ctx)
	after := s.now()
	return before.Add(after.Sub(before) / 2).Sub(theirs), err
}

// ProvenTime asks TimeHost how late it is. Its certificate has to be one that
// is valid at the time that it gives: nobody on the way made that up.
func (s *Server) ProvenTime(ctx context.Context) (time.Time, error) {
	theirs, chain, err := s.askTime(ctx)
	if err != nil {
		return time.Time{}, err
	}
	o := x509.VerifyOptions{DNSName: s.TimeHost, Roots: s.Roots, CurrentTime: theirs, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return time.Time{}, fmt.Errorf("the time of %s is not proven: %w", s.TimeHost, err)
	}
	return theirs, nil
}

// askTime returns the Date of an answer of TimeHost, and the certificates that
// came with it, which are not verified.
func (s *Server) askTime(ctx context.Context) (time.Time, []*x509.Certificate, error) {
	if s.TimeHost == "" {
		return time.Time{}, nil, errors.New("the setting checks.time-host names nobody")
	}
	client := &http.Client{
		Transport: &http.Transport{DialContext: s.dialName, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+s.TimeHost+"/", nil)
	if err != nil {
		return time.Time{}, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return time.Time{}, nil, err
	}
	resp.Body.Close()
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	return theirs, resp.TLS.PeerCertificates, err
}
