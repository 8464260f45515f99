package junk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

// Options of a Classifier; the zero value scores and learns nothing.
type Options struct {
	// Boxes is where mail is learned from; without it only what is told by hand
	// in other ways could be, so nothing is.
	Boxes *mailbox.Boxes
	// Hostname is our name in Authentication-Results: what stands there is
	// believed when a message is learned.
	Hostname mail.Domain
	// Delay is how long the trainer waits for more after an account was touched;
	// 1 second if 0.
	Delay time.Duration
	// Exists says whether there still is an account; what was learned for others
	// is forgotten in time. nil: all are there.
	Exists func(mailbox.AccountID) bool
	// Links says what speaks against domains that links of a message lead to,
	// those of its author and sender left out. It may wait for the DNS. nil:
	// nobody is asked.
	Links func(ctx context.Context, domains []mail.Domain) []mail.Reason
	// Words says how many words of accounts may be in memory, beside those of all
	// and those of the account at hand; nil: 400,000. It is asked when words come in.
	Words func() int
	// Learn says whether mail is learned from at all; nil: it is.
	Learn  func() bool
	Now    func() time.Time
	Rand   io.Reader // for the key of a new file
	Logger *slog.Logger
}

// Classifier is the Scorer that learns. Its methods may be called concurrently.
type Classifier struct {
	opts   Options
	db     *bolt.DB
	key    hashKey
	layers *layers

	study sync.Mutex // held while something is learned: one writer

	mu      sync.Mutex
	touched map[mailbox.AccountID]bool
	wake    chan struct{}
	idle    *sync.Cond // of mu; nothing is touched, and nothing at work
	working bool
}

var _ Scorer = (*Classifier)(nil)

// Open opens or creates junk.db at path.
func Open(path string, opts Options) (*Classifier, error) {
	if opts.Delay == 0 {
		opts.Delay = time.Second
	}
	if opts.Exists == nil {
		opts.Exists = func(mailbox.AccountID) bool { return true }
	}
	if opts.Learn == nil {
		opts.Learn = func() bool { return true }
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Rand == nil {
		opts.Rand = rand.Reader
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	db, key, err := openFile(path, opts)
	if err != nil {
		return nil, fmt.Errorf("open what was learned about junk: %w", err)
	}
	c := &Classifier{opts: opts, db: db, key: key, layers: newLayers(db, opts.Words), touched: map[mailbox.AccountID]bool{}, wake: make(chan struct{}, 1)}
	c.idle = sync.NewCond(&c.mu)
	if err := c.loadTouched(); err != nil {
		return nil, errors.Join(fmt.Errorf("open what was learned about junk: %w", err), db.Close())
	}
	return c, nil
}

// Close closes the file, with a note of the accounts whose mail was not learned
// from yet. Run has to have returned.
func (c *Classifier) Close() error {
	c.study.Lock()
	defer c.study.Unlock()
	return errors.Join(c.saveTouched(), c.db.Close())
}

// Score implements Scorer.
func (c *Classifier) Score(ctx context.Context, e *Evidence, accounts []mailbox.AccountID) []Opinion {
	l := c.letter(e, accounts)
	defer l.release()
	common := append(l.rules(), c.linked(ctx, l)...)
	opinions := make([]Opinion, len(accounts))
	for i, id := range accounts {
		o := &opinions[i]
		o.Reasons = append(append(make([]mail.Reason, 0, len(e.Reasons)+len(common)+3), e.Reasons...), common...)
		if r, ok := c.words(id, l.tokens.list); ok {
			o.Reasons = append(o.Reasons, r)
		}
		o.addSender(c.sender(id, l))
		for j := range o.Reasons {
			o.Score += o.Reasons[j].Score
		}
		o.Score = round(o.Score)
	}
	return opinions
}

// letter reads a message, its words only where they count for somebody.
func (c *Classifier) letter(e *Evidence, accounts []mailbox.AccountID) *letter {
	counts := false
	for _, id := range accounts {
		c.layers.read(id, func(base, own *layer) { counts = counts || enough(base, own) })
	}
	if counts {
		return readLetter(c.key, e, c.opts.Now())
	}
	return readFacts(e, c.opts.Now())
}

// enough reports whether so much was learned that words count: by all, or by
// one account. Most of what is in one is in the other, too.
func enough(base, own *layer) bool {
	return totals{max(base.totals.Junk, own.totals.Junk), max(base.totals.Good, own.totals.Good)}.enough()
}

// rules returns the reasons of the table that hit, but for those that a check
// before has given already.
func (l *letter) rules() []mail.Reason {
	reasons := make([]mail.Reason, 0, len(l.hit))
	for _, i := range l.hit {
		if r := &rules[i]; !l.given(r.name) {
			reasons = append(reasons, mail.Reason{Name: r.name, Score: r.score, Text: r.text})
		}
	}
	return reasons
}

// sameFact has the reasons of checks before that say what a rule says in other
// words: a fact counts once.
var sameFact = map[string][]string{
	"helo.form": {"helo.address", "helo.literal", "helo.unknown"},
	"helo.ours": {"helo.domain"},
}

func (l *letter) given(name string) bool {
	return slices.ContainsFunc(l.e.Reasons, func(r mail.Reason) bool {
		return r.Name == name || slices.Contains(sameFact[name], r.Name)
	})
}

// linked asks about the domains that links lead to.
func (c *Classifier) linked(ctx context.Context, l *letter) []mail.Reason {
	if c.opts.Links == nil || l.e.Exempt {
		return nil
	}
	known := []string{l.fields.org, authorOrg(l.e.Envelope.ReversePath)} // were asked about before
	var domains []mail.Domain
	for _, list := range [][]link{l.links.hosts, l.imageLinks.hosts} {
		for _, to := range list {
			if d := mail.Domain(to.host); !slices.Contains(known, to.org) && !slices.Contains(domains, d) {
				domains = append(domains, d)
			}
		}
	}
	if len(domains) == 0 {
		return nil
	}
	return c.opts.Links(ctx, domains)
}

// words judges tokens by what was learned. ok is false as long as that is not
// enough, and if they say nothing.
func (c *Classifier) words(id mailbox.AccountID, tokens []uint64) (r mail.Reason, ok bool) {
	var room [maxTokens]float64
	probs := room[:0]
	c.layers.read(id, func(base, own *layer) {
		if !enough(base, own) {
			return
		}
		for _, t := range tokens {
			p := odds(base.words[t], own.words[t], base.totals, own.totals)
			if math.Abs(p-0.5) >= minDistance {
				probs = append(probs, p)
			}
		}
	})
	if len(probs) == 0 {
		return mail.Reason{}, false
	}
	score := round(wordScore(combine(probs)))
	switch {
	case score > 0:
		return mail.Reason{Name: "words", Score: score, Text: "Words and form are like those of mail that people here have moved to Junk."}, true
	case score < 0:
		return mail.Reason{Name: "words", Score: score, Text: "Words and form are like those of mail that people here have kept."}, true
	}
	return mail.Reason{}, false
}

// round keeps one digit, which is all that is shown: sums stay what they seem.
func round(score float64) float64 { return math.Round(score*10) / 10 }

// Stats is what was learned.
type Stats struct {
	Junk     int `json:"junk" doc:"Messages learned as junk that count for everybody."`
	Good     int `json:"good" doc:"Messages learned as good that count for everybody."`
	Needed   int `json:"needed" doc:"Messages of each class from which on words count."`
	Words    int `json:"words" doc:"Different words and other signs that are known."`
	Accounts int `json:"accounts" doc:"Accounts whose mail was learned from."`
}

// Stats says how much was learned.
func (c *Classifier) Stats() (Stats, error) {
	ids, err := c.accounts()
	s := Stats{Needed: minTrained, Accounts: len(ids)}
	c.layers.read(shared, func(base, _ *layer) {
		s.Junk, s.Good, s.Words = int(base.totals.Junk), int(base.totals.Good), len(base.words)
	})
	return s, err
}

// Words is how many words are in memory: of all and of accounts.
func (c *Classifier) Words() int { return c.layers.inMemory() }
