package reports

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/boltfile"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/dns"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/smtp/dkim"
)

var (
	bucketReport  = []byte("report")
	bucketDay     = []byte("day")
	bucketTLS     = []byte("tls")
	bucketID      = []byte("id")
	bucketArrived = []byte("arrived")
	bucketName    = []byte("name")
	bucketSeen    = []byte("seen")
	bucketPolicy  = []byte("policy")
	bucketSent    = []byte("sent")
)

var buckets = [][]byte{bucketReport, bucketDay, bucketTLS, bucketID, bucketArrived, bucketName, bucketSeen, bucketPolicy, bucketSent}

// version of all values.
const version = 1

const day = 24 * time.Hour

// ErrNotFound means that there is no such report, or no longer.
var ErrNotFound = errors.New("reports: no such report")

// Deliverer takes our own reports; *delivery.MDA.
type Deliverer interface {
	Deliver(ctx context.Context, m delivery.Mail) error
}

// Options are what a Book works with. Hosted is needed to take reports;
// Deliver, Resolver, From and Hostname to send some.
type Options struct {
	// Address says whether an address takes reports.
	Address func(p mail.Path) bool
	// Hosted says which domains are ours.
	Hosted func(d mail.Domain) bool
	// Keep is how long reports are kept; nil: 400 days.
	Keep func() time.Duration

	Resolver dns.Resolver // for names of sources, and for those who want reports
	Hostname mail.Domain
	// Own says which addresses are those of this server; nil: not known.
	Own func() []netip.Addr

	// Send says whether we send reports; nil: no.
	Send func() bool
	// From is the domain that sends our reports; "" if there is none.
	From    func() mail.Domain
	Keys    func(d mail.Domain) []dkim.Key
	Deliver Deliverer
	Product string // name and version of the program
	// Disk says how full the disk is: while it is low nothing is counted for
	// reports of ours, and when it gets lower those of others are put off. nil:
	// there is room.
	Disk  *disk.Guard
	Trace *trace.Log

	Now    func() time.Time
	Rand   io.Reader // nil: crypto/rand
	Logger *slog.Logger
}

// Book keeps reports. Its methods may be called concurrently.
type Book struct {
	opts Options
	db   *bolt.DB

	mu   sync.Mutex
	seen map[seenKey]*seenRow // not yet written
	told map[policyKey]*published

	sending sync.Mutex // held by SendDay

	names chan netip.Addr // that somebody should look up
}

// Open opens or creates the file at path. One that is damaged is put aside as
// path.damaged: the reports of others are lost with it, and no mail.
func Open(path string, o Options) (*Book, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Keep == nil {
		o.Keep = func() time.Duration { return 400 * day }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := boltfile.Open(path, boltfile.Options{What: "reports", Buckets: buckets, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("open reports: %w", err)
	}
	return &Book{opts: o, db: db, seen: map[seenKey]*seenRow{}, told: map[policyKey]*published{}, names: make(chan netip.Addr, nameBacklog)}, nil
}

// Close closes the file.
func (b *Book) Close() error { return b.db.Close() }

// id tells reports apart: those of one reporter with one name for it.
type id [8]byte

func (i id) String() string { return hex.EncodeToString(i[:]) }

func parseID(s string) (i id, ok bool) {
	if len(s) != hex.EncodedLen(len(i)) {
		return i, false
	}
	_, err := hex.Decode(i[:], []byte(s))
	return i, err == nil
}

// domainKey begins the keys of a domain.
func domainKey(d mail.Domain) []byte { return append([]byte(d), 0) }

// timeKey appends a time to a key.
func timeKey(k []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(k, uint64(max(t.Unix(), 0)))
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(day) }

// timeAt reads the time that stands in a key at an offset.
func timeAt(k []byte, at int) time.Time {
	if len(k) < at+8 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(k[at:])), 0).UTC()
}

// cutDomain splits a key behind the domain that it begins with.
func cutDomain(k []byte) (d mail.Domain, rest int) {
	i := bytes.IndexByte(k, 0)
	if i < 0 {
		return "", len(k)
	}
	return mail.Domain(k[:i]), i + 1
}

func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append([]byte{version}, text...), err
}

func decode(b []byte, v any) error {
	if len(b) == 0 || b[0] != version {
		return errors.New("reports: a value of another version")
	}
	return json.Unmarshal(b[1:], v)
}

// pack is encode for what is large.
func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte(version)
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

func unpacked(b []byte, v any) error {
	if len(b) == 0 || b[0] != version {
		return errors.New("reports: a value of another version")
	}
	z, err := gzip.NewReader(bytes.NewReader(b[1:]))
	if err != nil {
		return err
	}
	return json.NewDecoder(z).Decode(v)
}

// next is the first key behind all that begin with prefix, which ends in 0.
func next(prefix []byte) []byte {
	k := bytes.Clone(prefix)
	k[len(k)-1]++
	return k
}

// Backup writes a consistent copy of the file.
func (b *Book) Backup(w io.Writer) error { return boltfile.Copy(b.db, w) }
