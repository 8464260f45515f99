package queue

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/dsn"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mailbox/store"
)

// The buckets of owner 0. An item key is the message's ID; it gets a suffix in
// the case that two messages have the same. A job is the part of an item that
// goes to one domain; every job that is not held has one row in fresh or next,
// which is what the scheduler reads.
//
//	item   item key                            → item
//	job    item key, 0, number u32             → job
//	fresh  sequence u64                        → job key, domain: never tried yet
//	next   time of the attempt u64, job key    → domain
//	owed   item key, 0, number u32             → report that is to be made
//	state  "fresh"                             → last sequence u64
const (
	bucketItem  store.Bucket = 'q'
	bucketJob   store.Bucket = 'j'
	bucketFresh store.Bucket = 'f'
	bucketNext  store.Bucket = 'n'
	bucketOwed  store.Bucket = 'o'
	bucketState store.Bucket = 's'
)

// Bounds that keep a row below store.MaxValue.
const (
	maxJobRecipients = 100
	maxJobAddresses  = 36_000 // octets of a job's recipients, with their MX
	recipientReserve = 280    // of these, for MX name and numbers
	maxReplies       = 24_000 // octets of a row's replies
	maxReply         = 1_000
	minReply         = 200
	maxORcpt         = 1_000 // longer ones are not kept
)

// Versions of rows. A job that goes to the MX hosts of its domain is written
// as version 1.
const (
	rowVersion = 1
	jobVersion = 2 // has a relay
)

// item is a message.
type item struct {
	ref      store.Ref
	size     int64
	created  time.Time
	envelope mail.Envelope // without recipients
	scanned  bool          // traits are known
	traits   message.Traits
	open     uint64 // jobs and owed reports; at 0 the item ends
	reports  uint64 // made so far, the number of the next
	failed   bool   // some recipient was not reached
	double   bool   // it reports a bounce that could not be delivered
}

func (it *item) encode() []byte {
	e := encoder{}
	e.uint(rowVersion)
	e.b = append(e.b, it.ref[:]...)
	e.uint(uint64(it.size))
	e.time(it.created)
	e.envelope(&it.envelope)
	e.bool(it.scanned)
	e.uint(uint64(it.traits))
	e.uint(it.open)
	e.uint(it.reports)
	e.bool(it.failed)
	e.bool(it.double)
	return e.b
}

func decodeItem(b []byte) (*item, error) {
	d := decoder{b: b}
	d.version(rowVersion)
	it := &item{}
	if len(d.b) < len(it.ref) {
		d.fail()
	}
	d.b = d.b[copy(it.ref[:], d.b):]
	it.size = int64(d.small(1<<63 - 1))
	it.created = d.time()
	it.envelope = d.envelope()
	it.scanned = d.bool()
	it.traits = message.Traits(d.small(1<<16 - 1))
	it.open = d.uint()
	it.reports = d.small(1<<32 - 1)
	it.failed = d.bool()
	it.double = d.bool()
	return it, d.end()
}

// job is the recipients of an item in one domain that are not done.
type job struct {
	domain     mail.Domain
	attempts   int
	last       time.Time // attempt
	next       time.Time // attempt; counts if fresh is 0
	fresh      uint64    // sequence; 0 after the first attempt
	held       bool
	noticed    bool // the delay was reported
	recipients []recipient
	relay      string // host:port that takes it; empty: the MX hosts of the domain
}

// recipient is one of a job, with what came of the last attempt.
type recipient struct {
	mail.Recipient
	status mail.Status
	reply  string
	mx     string
}

// taken reports whether all recipients have the message, and only the rest of
// record is missing. Jobs are otherwise rid of such recipients.
func (j *job) taken() bool {
	for i := range j.recipients {
		if j.recipients[i].status.Class != 2 {
			return false
		}
	}
	return true
}

func (j *job) encode() []byte {
	e := encoder{}
	if j.relay == "" {
		e.uint(rowVersion)
	} else {
		e.uint(jobVersion)
	}
	e.string(string(j.domain))
	e.uint(uint64(j.attempts))
	e.time(j.last)
	e.time(j.next)
	e.uint(j.fresh)
	e.bool(j.held)
	e.bool(j.noticed)
	e.uint(uint64(len(j.recipients)))
	for i := range j.recipients {
		r := &j.recipients[i]
		e.recipient(r.Recipient)
		e.status(r.status)
		e.string(clip(r.reply, len(j.recipients)))
		e.string(r.mx)
	}
	if j.relay != "" {
		e.string(j.relay)
	}
	return e.b
}

func decodeJob(b []byte) (*job, error) {
	d := decoder{b: b}
	version := d.version(jobVersion)
	j := &job{
		domain:   mail.Domain(d.string()),
		attempts: int(d.small(1 << 31)),
		last:     d.time(),
		next:     d.time(),
		fresh:    d.uint(),
		held:     d.bool(),
		noticed:  d.bool(),
	}
	for range d.count() {
		j.recipients = append(j.recipients, recipient{Recipient: d.recipient(), status: d.status(), reply: d.string(), mx: d.string()})
		if d.err != nil {
			break
		}
	}
	if version >= jobVersion {
		if j.relay = d.string(); j.relay == "" {
			d.fail()
		}
	}
	return j, d.end()
}

// clip shortens a reply so that n of them fit in a row.
func clip(s string, n int) string {
	most := min(max(maxReplies/max(n, 1), minReply), maxReply)
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xc0 == 0x80 { // not within a rune
		most--
	}
	return s[:most]
}

// report is a delivery status notification that is to be made. It is owed
// until it is a message in the queue itself.
type report struct {
	id         ID // of the notification
	to         mail.Path
	action     dsn.Action
	double     bool
	date       time.Time
	retryUntil time.Time // of Delayed
	recipients []recipient
}

func (r *report) encode() []byte {
	e := encoder{}
	e.uint(rowVersion)
	e.string(string(r.id))
	e.path(r.to)
	e.string(string(r.action))
	e.bool(r.double)
	e.time(r.date)
	e.time(r.retryUntil)
	e.uint(uint64(len(r.recipients)))
	for i := range r.recipients {
		p := &r.recipients[i]
		e.recipient(p.Recipient)
		e.status(p.status)
		e.string(clip(p.reply, len(r.recipients)))
		e.string(p.mx)
	}
	return e.b
}

func decodeReport(b []byte) (*report, error) {
	d := decoder{b: b}
	d.version(rowVersion)
	r := &report{
		id:         ID(d.string()),
		to:         d.path(),
		action:     dsn.Action(d.string()),
		double:     d.bool(),
		date:       d.time(),
		retryUntil: d.time(),
	}
	for range d.count() {
		r.recipients = append(r.recipients, recipient{Recipient: d.recipient(), status: d.status(), reply: d.string(), mx: d.string()})
		if d.err != nil {
			break
		}
	}
	return r, d.end()
}

// entry is what Apply makes an item of: the Extra of an Accept.
type entry struct {
	id       ID
	created  time.Time
	double   bool
	reports  string // key of the owed report that this is; else empty
	settles  string // key of the job whose recipients have the message by the same Accept; else empty
	envelope mail.Envelope
}

// settlesMark begins the key of a job where that of an owed report may stand:
// no item key begins so.
const settlesMark = "\x00"

func (t *entry) encode() []byte {
	e := encoder{}
	e.uint(rowVersion)
	e.string(string(t.id))
	e.time(t.created)
	e.bool(t.double)
	if t.settles != "" {
		e.string(settlesMark + t.settles)
	} else {
		e.string(t.reports)
	}
	e.envelope(&t.envelope)
	e.uint(uint64(len(t.envelope.Recipients)))
	for _, r := range t.envelope.Recipients {
		if len(r.ORcpt) > maxORcpt {
			r.ORcpt = ""
		}
		e.recipient(r)
	}
	return e.b
}

func decodeEntry(b []byte) (*entry, error) {
	d := decoder{b: b}
	d.version(rowVersion)
	t := &entry{
		id:       ID(d.string()),
		created:  d.time(),
		double:   d.bool(),
		reports:  d.string(),
		envelope: d.envelope(),
	}
	if key, ok := strings.CutPrefix(t.reports, settlesMark); ok {
		t.reports, t.settles = "", key
	}
	for range d.count() {
		t.envelope.Recipients = append(t.envelope.Recipients, d.recipient())
		if d.err != nil {
			break
		}
	}
	return t, d.end()
}

// subKey is the key of a job or owed report of an item.
func subKey(itemKey string, n uint64) string {
	return string(binary.BigEndian.AppendUint32(append([]byte(itemKey), 0), uint32(n)))
}

// itemKeyOf is the item key of a sub key.
func itemKeyOf(subKey string) string {
	if len(subKey) < 5 {
		return ""
	}
	return subKey[:len(subKey)-5]
}

// subKeys is the range of all sub keys of an item.
func subKeys(itemKey string) (from, to []byte) {
	return append([]byte(itemKey), 0), append([]byte(itemKey), 1)
}

func freshKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func nextKey(t time.Time, jobKey string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(max(t.UnixNano(), 1))), jobKey...)
}

// timeOfNext is the time in a key of bucketNext.
func timeOfNext(key []byte) (t time.Time, jobKey string) {
	if len(key) < 8 {
		return time.Time{}, ""
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(key))).UTC(), string(key[8:])
}

// traceID is the ID under which the story of an item is told.
func traceID(itemKey string) ID {
	const length = 16
	if len(itemKey) > length {
		itemKey = itemKey[:length]
	}
	return trace.ID(itemKey)
}

// getItem reads an item; nil if it is not there.
func getItem(tx store.Tx, key string) (*item, error) {
	b := tx.Get(bucketItem, []byte(key))
	if b == nil {
		return nil, nil
	}
	it, err := decodeItem(b)
	if err != nil {
		return nil, fmt.Errorf("item %s: %w", key, err)
	}
	return it, nil
}

// getJob reads a job; nil if it is not there.
func getJob(tx store.Tx, key string) (*job, error) {
	b := tx.Get(bucketJob, []byte(key))
	if b == nil {
		return nil, nil
	}
	j, err := decodeJob(b)
	if err != nil {
		return nil, fmt.Errorf("job %q: %w", key, err)
	}
	return j, nil
}

// index writes the row by which the scheduler finds a job; unindex removes it.
func (j *job) index(rw store.RW, key string) error {
	switch {
	case j.held:
		return nil
	case j.fresh != 0:
		e := encoder{}
		e.string(key)
		e.string(string(j.domain))
		return rw.Put(bucketFresh, freshKey(j.fresh), e.b)
	}
	return rw.Put(bucketNext, nextKey(j.next, key), []byte(j.domain))
}

func (j *job) unindex(rw store.RW, key string) error {
	switch {
	case j.held:
		return nil
	case j.fresh != 0:
		return rw.Delete(bucketFresh, freshKey(j.fresh))
	}
	return rw.Delete(bucketNext, nextKey(j.next, key))
}

// closeOne notes that a job or owed report of an item is done; the last one
// ends the item and lets go of the body.
func (it *item) closeOne(rw store.RW, key string) error {
	it.open--
	if it.open > 0 {
		return rw.Put(bucketItem, []byte(key), it.encode())
	}
	rw.Release(it.ref)
	return rw.Delete(bucketItem, []byte(key))
}
