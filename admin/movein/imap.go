package movein

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mailbox"
)

// IMAPOptions say which account of which server mail comes from.
type IMAPOptions struct {
	Host         string
	Port         int
	TLS          string // tls, starttls or none
	User         string
	Password     string
	Token        string // OAuth access token
	TokenFile    string // with the token, read at each login
	TokenCommand string // prints the token, run at each login
	Fingerprint  string // SHA-256 of the certificate; "": it has to be valid
	Connections  int    // at a time
	Flags        bool   // flags that changed there since the last run change here
	Deletions    bool   // what was removed there since is removed here
	Exclude      []string

	Spool string // folder for large messages under way
	Roots *x509.CertPool
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	// Sleep waits, or returns the error of ctx.
	Sleep func(ctx context.Context, d time.Duration) error
}

// How long to wait before the next attempt, and how many there are without a
// message between them.
const (
	firstWait     = time.Second
	maxWait       = 2 * time.Minute
	firstThrottle = 15 * time.Second
	maxThrottle   = 15 * time.Minute
	maxAttempts   = 10
	maxThrottles  = 60
	maxFailures   = 3 // of one message, before it is left out
	maxRefusals   = 8 // to wait, for something that may not be readable at all: half an hour
)

// imapSource is an account on an IMAP server. Connections are made as they are
// needed, one for each folder that is read.
type imapSource struct {
	o IMAPOptions

	mu    sync.Mutex
	idle  []*imapConn
	gmail map[uint64]bool // messages that came from folders that are not Last
}

// OpenIMAP returns an account on an IMAP server as a source. It connects when
// it is asked for something.
func OpenIMAP(o IMAPOptions) (Source, error) {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return &imapSource{o: o, gmail: map[uint64]bool{}}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *imapSource) Name() string {
	return "imap " + strings.ToLower(s.o.Host) + " " + strings.ToLower(s.o.User)
}

func (s *imapSource) Workers() int { return min(max(s.o.Connections, 1), 3) }

// Close ends all connections that are at rest.
func (s *imapSource) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.idle {
		c.send("z LOGOUT") // the answer does not matter
		c.Close()
	}
	s.idle = nil
	return nil
}

// connection returns one that is signed in.
func (s *imapSource) connection(ctx context.Context) (*imapConn, error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	c, err := dialIMAP(ctx, &s.o)
	if err != nil {
		return nil, err
	}
	if err := c.login(ctx, &s.o); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (s *imapSource) giveBack(c *imapConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
}

// attempts counts failures without success between them.
type attempts struct{ failed, throttled int }

func (a *attempts) reset() { *a = attempts{} }

// wait returns how long to wait after err; it is err that goes on if that is
// no use.
func (a *attempts) wait(err error) (time.Duration, error) {
	switch {
	case errors.Is(err, ErrRefused), errors.Is(err, errFolder), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !isTimeout(err):
		return 0, err
	case errors.Is(err, errThrottled):
		if a.throttled++; a.throttled > maxThrottles {
			return 0, err
		}
		d := jitter(firstThrottle, maxThrottle, a.throttled)
		if asked := new(throttleError); errors.As(err, &asked) {
			d = max(d, asked.named())
		}
		return d, nil
	}
	if a.failed++; a.failed > maxAttempts {
		return 0, fmt.Errorf("gave up after %d attempts: %w", maxAttempts, err)
	}
	return jitter(firstWait, maxWait, a.failed), nil
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// jitter is between a half and one and a half of first, doubled each time.
func jitter(first, most time.Duration, n int) time.Duration {
	d := min(first<<min(n-1, 20), most)
	return d/2 + rand.N(d)
}

// with runs fn on a connection, again and again as long as that may help. fn
// resets the attempts when it got somewhere.
func (s *imapSource) with(ctx context.Context, told Waits, fn func(*imapConn, *attempts) error) error {
	var a attempts
	for {
		c, err := s.connection(ctx)
		if err == nil {
			err = fn(c, &a)
			if err == nil || inStep(err) && c.bye == "" {
				s.giveBack(c)
			} else {
				c.Close()
			}
		}
		if err == nil || errors.Is(err, errStop) || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		failure := err
		d, err := a.wait(failure)
		if err != nil {
			return err
		}
		why := "the other server does not answer as it should"
		if errors.Is(failure, errThrottled) {
			why = "the other server asks to wait"
		}
		told(why, d)
		if err := s.o.Sleep(ctx, d); err != nil {
			return err
		}
		told("", 0)
	}
}

// inStep reports whether a connection on which a command ended so is of use.
func inStep(err error) bool {
	var refused *statusError
	return errors.As(err, &refused) || errors.Is(err, errFolder)
}

func (s *imapSource) Folders(ctx context.Context, told Waits) (list []Folder, problems []Problem, err error) {
	err = s.with(ctx, told, func(c *imapConn, _ *attempts) error {
		all, err := c.list(ctx)
		if err == nil {
			list = s.o.folders(all, strings.Contains(c.greeting, "Microsoft Exchange"))
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return s.count(ctx, told, list)
}

// count finds out how many messages folders have, so that the progress can be
// told. Those that may not be opened are left out, with the reason. Others that
// do not open are tried again, and told of, when they are read: the server may
// have been busy.
func (s *imapSource) count(ctx context.Context, told Waits, list []Folder) (open []Folder, problems []Problem, err error) {
	tries := 0 // of the first that is left
	err = s.with(ctx, told, func(c *imapConn, a *attempts) error {
		for ; len(list) > 0; list, tries = list[1:], 0 {
			f := list[0]
			_, err := c.examine(ctx, f.ID)
			refused := new(statusError)
			switch {
			case err == nil:
				f.Messages = int64(c.exists)
				a.reset()
			case errors.As(err, &refused) && refused.forGood():
				problems = append(problems, Problem{f.Name, err.Error()})
				continue
			case errors.As(err, &refused), errors.Is(err, errFolder):
			case ctx.Err() != nil, isTooFast(err):
				return err
			default:
				if tries++; tries < maxFailures {
					return err
				}
				open, list, tries = append(open, f), list[1:], 0
				return err
			}
			open = append(open, f)
		}
		return nil
	})
	return open, problems, err
}

// Messages reads a folder: first what there is, then what the account lacks.
func (s *imapSource) Messages(ctx context.Context, f *Folder, acct *Known) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		r := &folderRead{s: s, f: f, acct: acct, yield: yield, done: &mailbox.UIDSet{}, alone: &mailbox.UIDSet{}, failures: map[uint32]int{}, doubts: map[uint32]doubt{}}
		err := s.with(ctx, acct.Told, func(c *imapConn, a *attempts) error { return r.read(ctx, c, a) })
		switch {
		case err == nil, errors.Is(err, errStop):
		case errors.Is(err, errFolder), r.validity != 0 && errors.Is(err, errThrottled) && !isTooFast(err):
			yield(&Item{Broken: err}, nil)
		default:
			yield(nil, err)
		}
	}
}
