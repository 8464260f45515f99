package store

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/mailstead/mailstead/mail/disk"
)

// Owner is whoever rows and bodies belong to: an account, or 0 for the
// outbound queue.
type Owner uint32

// Queue is the owner of the outbound queue.
const Queue Owner = 0

// Ref says where a body is. It is opaque, comparable and stays the same for
// the life of the body.
type Ref [16]byte

// Limits that callers keep, so that other engines can be built (a value has
// to fit a row of a distributed table).
const (
	MaxValue      = 64 << 10 // octets of one value in a bucket
	MaxMeta       = 8 << 20  // octets of Message.Meta
	MaxExtra      = 1 << 20  // octets of Recipient.Extra
	MaxRecipients = 10_000   // recipients of one Accept
)

var (
	// ErrFull means that the disk has too little room left for new mail: a
	// reserve is kept so that reading, deleting and shutting down still work.
	ErrFull = disk.ErrFull
	// ErrFailed means that a write or sync has failed; the store takes nothing
	// more until it is opened again.
	ErrFailed = errors.New("store: an earlier write failed; restart to recover")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("store: closed")
	// ErrSetAside means that the owner's database is damaged and set aside.
	// Mail for it is still accepted and waits in the log.
	ErrSetAside = errors.New("store: database of this owner is damaged and set aside")
	// ErrNoBody means that the body of a Ref is gone.
	ErrNoBody = errors.New("store: body was reclaimed")
	// ErrDamaged means that stored bytes fail their checksum.
	ErrDamaged = errors.New("store: stored bytes are damaged")
)

// Recipient is one owner that a message is accepted for.
type Recipient struct {
	Owner   Owner
	Mailbox uint32
	Flags   uint32
	Extra   []byte // opaque, handed to Apply; at most MaxExtra octets
}

// Message is what Accept takes. An owner occurs at most once in To.
type Message struct {
	To   []Recipient
	Meta []byte    // encoded message record, shared by all recipients, immutable
	Body io.Reader // read once
	Size int64     // octets of Body; < 0 if unknown
	// Owed says that it follows from mail that was accepted before, such as a
	// delivery report: it may use a part of what is kept of a full disk.
	Owed bool
}

// Accepted is a record of the log on its way into one owner's rows.
type Accepted struct {
	To   Recipient
	Meta []byte
	Ref  Ref
	Size int64 // octets of the body
	// Told is where Apply may leave a number for AcceptApplied.
	Told *uint64
}

// Apply turns an accepted record into rows of one owner. The engine calls it
// once for each record and owner, in the order of acceptance, inside the
// transaction that also remembers that it was done. It depends on nothing but
// its arguments, since recovery calls it again for a transaction that was lost.
type Apply func(rw RW, a Accepted) error

// Body is an open message body. ReadAt may be called concurrently.
type Body interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Store is the contract of an engine; package storetest checks it.
type Store interface {
	// Accept returns when m is on stable storage for all recipients: all of
	// them or none. Every later View or Update of a recipient sees it.
	Accept(ctx context.Context, m *Message) (Ref, error)
	// AcceptApplied is Accept for one recipient, and returns what Apply has left
	// in Told. Those rows become durable a little later, and are the same if
	// recovery has to make them again: the order of acceptance decides.
	AcceptApplied(ctx context.Context, m *Message) (told uint64, err error)
	// AcceptAll accepts messages in this order, as Accept does each, with far
	// fewer syncs. When it fails some of the first may have been accepted.
	AcceptAll(ctx context.Context, msgs []*Message) error
	// Open opens a body. A body stays readable for the grace time after the
	// last Release, so that open sessions can finish reading; on a full disk for
	// a second.
	Open(ctx context.Context, r Ref) (Body, error)
	// OpenAhead opens a body as Open does, cheaply if one after the other is
	// opened in the order of acceptance. The body is valid until the next
	// OpenAhead or the Release of a.
	OpenAhead(ctx context.Context, r Ref, a *ReadAhead) (Body, error)
	// View runs fn on a consistent snapshot of o's rows. While these cannot be
	// written, on a full disk or after a failed write, that of an account lacks
	// what was accepted since; the queue, and an account that had nothing yet,
	// have an error then.
	View(ctx context.Context, o Owner, fn func(Tx) error) error
	// Peek is View without what was accepted and has no durable rows yet: it
	// waits for nobody.
	Peek(ctx context.Context, o Owner, fn func(Tx) error) error
	// Update runs fn in a transaction that is durable when Update returns.
	// Updates of one owner are serialised and may share a commit; fn may run
	// again, so it has no side effects outside rw but assignments it resets.
	Update(ctx context.Context, o Owner, fn func(RW) error) error
	// Watch returns a channel that gets a value after rows of o may have
	// changed. Signals coalesce; readers look into the rows for what changed.
	// A watched owner's accepted mail is applied at once.
	Watch(o Owner) (changed <-chan struct{}, stop func())
	// Owners yields all owners with rows or accepted mail.
	Owners(ctx context.Context) iter.Seq2[Owner, error]
	// Drop removes all rows of o and lets go of its bodies.
	Drop(ctx context.Context, o Owner) error
	// Backup writes a consistent copy while the store is in use.
	Backup(ctx context.Context, to BackupSink) error
	// Close applies what is pending and closes the store.
	Close() error
}

// BackupSink receives the files of a backup. Names are relative slash paths;
// files are written one after the other.
type BackupSink interface {
	Create(name string) (io.WriteCloser, error)
}

// BackupSkipper is a BackupSink that may know a file already, from an earlier
// backup. It is asked for segments of the log that are full, and for large
// bodies.
type BackupSkipper interface {
	// Skip reports whether the file need not be written.
	Skip(name string) bool
}

// Bucket names an ordered table of an owner. Those of an owner are
// independent of each other; letters are given by the packages that use them.
type Bucket byte

// Tx reads rows. Slices are valid until the transaction ends and must not be
// changed.
type Tx interface {
	// Get returns nil if key is not there.
	Get(b Bucket, key []byte) []byte
	// Scan yields the rows with from <= key < to in order; nil to means to the
	// end. ScanBack yields the same rows in reverse.
	Scan(b Bucket, from, to []byte) iter.Seq2[[]byte, []byte]
	ScanBack(b Bucket, from, to []byte) iter.Seq2[[]byte, []byte]
}

// RW reads and writes rows. Rows must not be written in a bucket while a Scan
// of that bucket is under way.
type RW interface {
	Tx
	Put(b Bucket, key, val []byte) error
	Delete(b Bucket, key []byte) error
	// Release says that this owner no longer needs the body; effective with
	// the commit.
	Release(r Ref)
}
