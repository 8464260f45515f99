package admin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of one lesson. Of a message no more is looked at than its header and
// the first 96 KiB of its text.
const (
	MaxLesson      = 1 << 20   // octets of all messages
	MaxLessonPart  = 256 << 10 // octets of a message that are sent
	MaxLessonItems = 500
)

// JunkLesson is messages of which people know what they are.
type JunkLesson struct {
	Account  string   `json:"account" maxLength:"320" doc:"Address of the account that learns. A part of it counts for everybody."`
	Class    string   `json:"class" enum:"junk,good" doc:"What all messages are."`
	Messages [][]byte `json:"messages" minItems:"1" maxItems:"500" doc:"The messages as they came, each in base64; 1 MiB together, and 256 KiB of each are enough."`
}

// JunkLearned says what became of a lesson.
type JunkLearned struct {
	Learned int `json:"learned" doc:"Messages that were learned."`
	Known   int `json:"known" doc:"Messages of which the same was learned before."`
}

// lessonClasses are the classes that can be taught.
var lessonClasses = map[string]junk.Class{"junk": junk.Junk, "good": junk.Good}

// JunkStats says how much was learned about junk; only a running server knows.
func (a *Admin) JunkStats(ctx context.Context) (junk.Stats, error) {
	if _, err := authorize(ctx, SeeFlow); err != nil {
		return junk.Stats{}, err
	}
	if a.opts.Learner == nil {
		return junk.Stats{}, noLearner()
	}
	return a.opts.Learner.Stats()
}

func noLearner() error {
	return &directory.Problem{Kind: ErrUnavailable, Text: "only a running server knows what was learned; start it first"}
}

// TrainJunk has an account learn messages that are in no mailbox.
func (a *Admin) TrainJunk(ctx context.Context, l JunkLesson) (done JunkLearned, err error) {
	acct, err := a.changeAccount(ctx, l.Account)
	if err != nil {
		return done, At("account", err)
	}
	class, ok := lessonClasses[l.Class]
	if !ok {
		return done, At("class", invalid("a message is junk or good"))
	}
	size := 0
	for _, m := range l.Messages {
		size += len(m)
	}
	switch {
	case len(l.Messages) == 0 || len(l.Messages) > MaxLessonItems || size > MaxLesson:
		return done, At("messages", invalid("send from 1 to %d messages, with no more than %d KiB together", MaxLessonItems, MaxLesson>>10))
	case a.opts.Learner == nil:
		return done, noLearner()
	}
	for _, m := range l.Messages {
		learned, err := a.opts.Learner.Train(ctx, mailbox.AccountID(acct.ID), m, class)
		switch {
		case err != nil:
			return done, err
		case learned:
			done.Learned++
		default:
			done.Known++
		}
	}
	return done, a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), "junk.train", l.Account, map[string]any{"class": l.Class, "learned": done.Learned})
}

// ForgetJunk forgets what an account has learned, or with "" what all have, and
// returns what is left.
func (a *Admin) ForgetJunk(ctx context.Context, account string) (junk.Stats, error) {
	forget, what := func() error { return a.opts.Learner.ForgetAll() }, "all accounts"
	if account == "" {
		if _, err := authorizeSudo(ctx, ChangeSystem); err != nil {
			return junk.Stats{}, err
		}
	} else {
		acct, err := a.changeAccount(ctx, account)
		if err != nil {
			return junk.Stats{}, At("account", err)
		}
		forget, what = func() error { return a.opts.Learner.ForgetAccount(mailbox.AccountID(acct.ID)) }, account
	}
	if a.opts.Learner == nil {
		return junk.Stats{}, noLearner()
	}
	if err := forget(); err != nil {
		return junk.Stats{}, err
	}
	if err := a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), "junk.forget", what, nil); err != nil {
		return junk.Stats{}, err
	}
	return a.opts.Learner.Stats()
}
