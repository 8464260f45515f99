package movein

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/transfer"
)

// maxProblems bounds the problems that are told by name; all are counted.
const maxProblems = 1000

// Source is where mail comes from.
type Source interface {
	// Folders returns the folders, in the order in which they are to be read.
	Folders(ctx context.Context, told Waits) ([]Folder, []Problem, error)
	// Messages yields the messages of a folder. An item with a Problem could
	// not be read; an error ends the run.
	Messages(ctx context.Context, f *Folder, acct *Known) iter.Seq2[*Item, error]
	// Name is part of all keys: what tells this source from others.
	Name() string
	// Workers is how many folders may be read at a time.
	Workers() int
	Close() error
}

// Waits is told why a source lets us wait, and for how long; "": no longer.
type Waits func(why string, most time.Duration)

// Folder is a folder of a source.
type Folder struct {
	ID         string       // what the source knows it by
	Name       string       // in UTF-8, with "/" between levels; "INBOX" is the inbox
	Role       mailbox.Role // if the source tells
	Subscribed bool
	Messages   int64 // 0: not known
	Octets     int64 // of a source that cannot count messages
	// Last is for a folder that shows what others have as well: it is read
	// after them.
	Last bool
	ref  any
}

// Survey is what a source that can say so says of a folder before it is read.
// A later one of the same folder takes the place of the first.
type Survey struct {
	Found   int64 // messages, each of which is an Item, those before a later survey included
	Named   int64 // of those, what the folder has now
	Unnamed int64 // that it says there are besides, and does not name
	// Kept says that nothing is removed here, although that was asked for: what
	// is not named may be there.
	Kept bool
}

// Item is a message of a source. Body is read before the next is asked for.
type Item struct {
	Survey   *Survey // it is no message
	Broken   error   // it is no message: why the folder cannot be read, or not to its end
	Name     string  // for people
	Problem  error   // why it cannot be read; who takes it says here why it is left out
	ID       []byte  // of the key; nil: made from Unique and the octets
	Unique   string
	Flags    mailbox.Flags
	Keywords []string
	Date     time.Time
	Mark     uint64
	Read     int64 // octets of the source, for progress
	// It only counts: the account has it; it has gone since the survey; it is
	// what another folder has as well.
	Known, Gone, Elsewhere bool
	Body                   io.Reader
	// Same reports whether the account has these octets by another name; nil:
	// it has not.
	Same func(mailbox.Hash) bool
	// Change is what has become of a message that the account has.
	Change *mailbox.ImportedChange
}

// Problem is what could not be brought in, and why.
type Problem struct {
	Name  string `json:"name" doc:"The folder or message."`
	Error string `json:"error"`
}

func problem(name string, err error) Problem {
	if u, ok := err.(*transfer.Unreadable); ok {
		return Problem{u.Name, u.Error()[len(u.Name)+2:]}
	}
	return Problem{name, err.Error()}
}

// Options of a run.
type Options struct {
	Source  Source
	Account *mailbox.Account
	Bodies  transfer.Bodies
	// Into is a mailbox below which everything goes, or into which the one
	// folder of an mbox goes; "": to the mailboxes of the same names.
	Into   string
	DryRun bool   // look at everything and file nothing
	Spool  string // folder for large messages under way
	// Disk says whether there is room; while there is not the run waits. nil:
	// there is.
	Disk *disk.Guard
	Now  func() time.Time
	// Told is called with how far the run is, now and then and at the end.
	Told   func(Progress)
	Logger *slog.Logger
}

// Progress is how far a run is. What it counts as added is on stable storage.
type Progress struct {
	Folder       string    `json:"folder,omitempty" doc:"That is being read."`
	Folders      int       `json:"folders" doc:"Done."`
	AllFolders   int       `json:"allFolders"`
	Messages     int64     `json:"messages" doc:"Looked at."`
	AllMessages  int64     `json:"allMessages,omitempty" doc:"0: not known."`
	Octets       int64     `json:"octets" doc:"Of the source, read."`
	AllOctets    int64     `json:"allOctets,omitempty" doc:"0: not known."`
	Added        int64     `json:"added" doc:"New here, and on stable storage."`
	AddedOctets  int64     `json:"addedOctets"`
	Known        int64     `json:"known" doc:"Were here already."`
	LeftOut      int64     `json:"leftOut" doc:"Could not be read, or were empty."`
	Gone         int64     `json:"gone,omitempty" doc:"Removed at the source while they were read."`
	Elsewhere    int64     `json:"elsewhere,omitempty" doc:"Gmail's copies of what other folders have."`
	Changed      int64     `json:"changed,omitempty" doc:"Whose flags were changed as at the source."`
	Removed      int64     `json:"removed,omitempty" doc:"Removed here because they are gone at the source."`
	Verified     int64     `json:"verified" doc:"Read again from the store, and the same."`
	Rate         float64   `json:"rate" doc:"Messages a second."`
	SecondsLeft  int64     `json:"secondsLeft,omitempty"`
	Waiting      string    `json:"waiting,omitempty" doc:"Why it is waiting."`
	WaitingUntil time.Time `json:"waitingUntil,omitzero" doc:"When it goes on, if that is known."`
	Started      time.Time `json:"started"`
}

// estimate fills in rate and time left.
func (p *Progress) estimate(now time.Time) {
	took := now.Sub(p.Started).Seconds()
	if took <= 0 {
		return
	}
	p.Rate = float64(p.Messages) / took
	done, all := float64(p.Messages), float64(p.AllMessages)
	if all == 0 {
		done, all = float64(p.Octets), float64(p.AllOctets)
	}
	p.SecondsLeft = 0
	if done > 0 && all > done {
		p.SecondsLeft = int64(took * (all - done) / done)
	}
}

// FolderReport is what came of one folder.
type FolderReport struct {
	Name    string `json:"name"`
	Mailbox string `json:"mailbox" doc:"Where it went."`
	There   int64  `json:"there" doc:"Messages that the folder has, as the source says."`
	Here    int64  `json:"here" doc:"Of those, what the account has taken in this run or before: added, known and elsewhere."`
	Found   int64  `json:"found" doc:"Messages that the source named: added, known, left out, gone and elsewhere together."`
	Added   int64  `json:"added"`
	Known   int64  `json:"known"`
	LeftOut int64  `json:"leftOut"`
	Gone    int64  `json:"gone,omitempty" doc:"Removed at the source while it was read."`
	// Elsewhere are messages that Gmail shows in another folder as well.
	Elsewhere int64 `json:"elsewhere,omitempty" doc:"Gmail's copies of what other folders have."`
	Unnamed   int64 `json:"unnamed,omitempty" doc:"That the source says there are besides, and does not name."`
	// Taken is what the store says when the folder was read.
	Taken int64 `json:"taken" doc:"Messages that the account has taken from it in all runs, also what the source has no longer."`
}

// Report is what came of a run.
type Report struct {
	Progress
	DryRun   bool           `json:"dryRun,omitempty"`
	Reports  []FolderReport `json:"reports"`
	Problems []Problem      `json:"problems" doc:"The first 1,000."`
	Wrong    []Problem      `json:"wrong" doc:"Messages that are not here as the source gave them."`
	// Incomplete are folders in which messages are missing that nobody can name.
	Incomplete []Problem `json:"incomplete,omitempty" doc:"Folders whose messages are not all accounted for, and by how many."`
	Ended      time.Time `json:"ended"`
}

// Run brings mail in. The report is of what was done, also when an error ended
// the run.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Told == nil {
		o.Told = func(Progress) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &run{o: o, report: Report{DryRun: o.DryRun, Reports: []FolderReport{}, Problems: []Problem{}, Wrong: []Problem{}}}
	r.report.Started = o.Now().UTC()
	err := r.all(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Folder, r.report.Ended = "", o.Now().UTC()
	r.report.Waiting, r.report.WaitingUntil = "", time.Time{}
	r.report.estimate(r.report.Ended)
	r.report.SecondsLeft = 0
	o.Told(r.report.Progress)
	return r.report, err
}

// prefix begins the keys of all messages of a folder that go below a mailbox.
func prefix(source, folder, into string) []byte {
	a, b := sha256.Sum256([]byte(source)), sha256.Sum256([]byte(folder+"\x00"+into))
	return append(a[:8:8], b[:8]...)
}

// Known answers what an account has of a folder.
type Known struct {
	Account *mailbox.Account
	Prefix  []byte
	Told    Waits
}

// Key makes the key of a message.
func (k *Known) Key(id []byte) []byte { return append(k.Prefix[:len(k.Prefix):len(k.Prefix)], id...) }

// Marks returns the marks of those messages that the account has, by key.
func (k *Known) Marks(ctx context.Context, keys [][]byte) (marks map[string]uint64, err error) {
	err = k.Account.View(ctx, func(v *mailbox.View) error {
		marks = make(map[string]uint64, len(keys))
		for _, key := range keys {
			m, ok, err := v.Imported(key)
			if err != nil {
				return err
			}
			if ok {
				marks[string(key)] = m.Mark
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up imported messages: %w", err)
	}
	return marks, nil
}
