package mailbox

import (
	"errors"
	"io"
	"iter"
	"time"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox/store"
)

// AccountID is the owner of mailboxes in the store; never 0.
type AccountID = store.Owner

type (
	ID          uint32 // a mailbox within its account; stable over renames
	UID         uint32 // RFC 9051 section 2.3.1.1
	UIDValidity uint32
	ModSeq      uint64 // RFC 7162 section 3.1; one sequence an account
	EmailID     uint64 // the same for all copies of a message (RFC 8474)
	ThreadID    uint64
)

// Inbox is the ID of every account's INBOX.
const Inbox ID = 1

var (
	ErrNotFound        = errors.New("mailbox: no such mailbox")
	ErrNoMessage       = errors.New("mailbox: no such message")
	ErrExists          = errors.New("mailbox: mailbox exists already")
	ErrOverQuota       = errors.New("mailbox: over quota")
	ErrName            = errors.New("mailbox: name is not allowed")
	ErrHasChildren     = errors.New("mailbox: mailbox has children")
	ErrTooManyKeywords = errors.New("mailbox: account has too many different keywords")
	ErrTooManyBoxes    = errors.New("mailbox: account has too many mailboxes")
	ErrNoAccount       = errors.New("mailbox: no such account")
)

// Flags is a set of system flags.
type Flags uint32

const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft
)

// Role is the special use of a mailbox (RFC 6154).
type Role uint8

const (
	NoRole Role = iota
	RoleInbox
	RoleArchive
	RoleDrafts
	RoleJunk
	RoleSent
	RoleTrash
	RoleAll
	RoleFlagged
	RoleImportant
	// RoleQuarantine is a mailbox that no client sees: it is in no list and has
	// a name that nobody can say. Only MailboxByRole finds it.
	RoleQuarantine
)

// Mailbox is what is known of a mailbox without looking at its messages. Name
// is UTF-8 in NFC with "/" between levels.
type Mailbox struct {
	ID            ID
	Name          string
	Role          Role
	Subscribed    bool
	UIDValidity   UIDValidity
	UIDNext       UID
	HighestModSeq ModSeq
	Exists        uint32
	Unseen        uint32
	Deleted       uint32
	Size          int64
	ObjectID      string // MAILBOXID of RFC 8474
}

// NewMessage is a message on its way in. Index belongs to exactly the octets
// of Body.
type NewMessage struct {
	Body         io.Reader
	Size         int64
	Index        *message.Index
	InternalDate time.Time // zero: now
	Flags        Flags
	Keywords     []string
	Owed         bool // as in store.Message; of deliveries
}

// Target is where one account gets a message that was delivered.
type Target struct {
	Account  AccountID
	Mailbox  ID // 0: the mailbox with Role, made if it is not there; neither: INBOX
	Role     Role
	Flags    Flags
	Keywords []string
	// Header is put before the message for this account alone, such as
	// Delivered-To: complete lines ending in CRLF, at most 4 KiB.
	Header []byte
}

// FlagOp says what a FlagChange does with its flags.
type FlagOp uint8

const (
	SetFlags FlagOp = iota
	AddFlags
	RemoveFlags
)

// FlagChange is the argument of STORE.
type FlagChange struct {
	Op       FlagOp
	Flags    Flags
	Keywords []string
}

// BodyRef opens the octets of a message, Header first, also after the View
// that gave it has ended.
type BodyRef struct {
	Ref    store.Ref
	Header []byte
	Size   int64 // of Header and body together
}

// ChangeKind says what happened to a message.
type ChangeKind uint8

const (
	Changed ChangeKind = iota + 1 // added, or its flags changed
	Expunged
)

// Change is the newest thing that happened to a message of a mailbox.
type Change struct {
	ModSeq  ModSeq
	Mailbox ID
	UID     UID
	Kind    ChangeKind
	Email   EmailID
}

// Usage is what an account uses and may use; a limit of 0 means none.
type Usage struct {
	Bytes, Messages           int64
	LimitBytes, LimitMessages int64
}

// Reader is the reading half of an account, inside one consistent snapshot.
// *View implements it.
type Reader interface {
	Mailbox(id ID) (Mailbox, error)
	MailboxByName(name string) (Mailbox, error) // INBOX in any case
	MailboxByRole(role Role) (Mailbox, error)
	// Mailboxes returns those that clients see, sorted by name, INBOX first.
	Mailboxes() ([]Mailbox, error)
	// Subscriptions yields subscribed names, also of deleted mailboxes.
	Subscriptions() ([]string, error)
	ModSeq() ModSeq // of the account
	// Floor is the oldest mod-sequence from which Changes is complete.
	Floor() ModSeq
	KeywordNames(bits uint64) []string
	Keywords() []string // all in use in the account, by bit
	// UIDs appends the UIDs of box in order.
	UIDs(box ID, to []UID) []UID
	// Messages walks the messages of box whose UIDs are in set (nil: all), in
	// order, from UID from on.
	Messages(box ID, set *UIDSet, from UID) iter.Seq2[*Message, error]
	Message(box ID, uid UID) (*Message, error)
	// Changes yields what happened in box (0: in any) after since, oldest
	// first, each message once with its newest change.
	Changes(box ID, since ModSeq) iter.Seq2[Change, error]
	Usage() Usage
}

// AppendResult is what APPENDUID tells (RFC 9051 section 7.1).
type AppendResult struct {
	UIDValidity UIDValidity
	UIDs        []UID
}

// FlagResult says what StoreFlags did. Modified lists the messages left alone
// because they changed after unchangedSince (0 < unchangedSince; use
// AnyModSeq to change regardless). ModSeq is the mailbox's highest afterwards;
// it belongs to this change if Changed says that there was one.
type FlagResult struct {
	Modified *UIDSet
	ModSeq   ModSeq
	Changed  bool
}

// AnyModSeq as unchangedSince changes messages whatever their mod-sequence.
const AnyModSeq ModSeq = 1<<64 - 1

// CopyResult is what COPYUID tells; Source and Dest have the same length.
type CopyResult struct {
	UIDValidity UIDValidity
	Source      []UID
	Dest        []UID
	ModSeq      ModSeq
}

// ExpungeResult lists what Expunge removed.
type ExpungeResult struct {
	UIDs   *UIDSet
	ModSeq ModSeq
}
