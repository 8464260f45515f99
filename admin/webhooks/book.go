package webhooks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail/boltfile"
)

// Bounds of what waits.
const (
	maxBuffer  = 10_000          // in memory, to be written
	maxWaiting = 10_000          // deliveries of one webhook
	maxEnded   = 1_000           // deliveries of one webhook that are kept
	writeDelay = time.Second / 4 // so that a busy server writes a few times a second
)

// Store remembers webhooks; *directory.Directory.
type Store interface {
	State(ctx context.Context, name string, v any) (found bool, err error)
	PutState(ctx context.Context, name string, v any) error
}

// Options of a Book. Store is needed.
type Options struct {
	Store Store
	// Post sends a request; *push.Sender. nil: nothing is sent.
	Post func(ctx context.Context, r push.Request) (push.Answer, error)
	// Private reports whether webhooks may reach private networks.
	Private func() bool
	// Changed is told of a webhook that was switched off, or works again.
	Changed func(id string)

	Hostname string
	Now      func() time.Time
	Logger   *slog.Logger
}

// Book has the webhooks of a server, and what they are to be told. Its methods
// may be called concurrently.
type Book struct {
	opts Options
	db   *bolt.DB

	hooks    atomic.Pointer[[]Hook]
	changing sync.Mutex // of hooks, one at a time

	some chan struct{} // there is something to write
	wake chan struct{} // there may be something to send

	mu      sync.Mutex
	buffer  []queued
	dropped int // that did not fit into it
	lines   map[string]*line
}

// queued is a delivery on its way into the file.
type queued struct {
	hook string
	d    Delivery
}

// line is what is kept in memory of a webhook.
type line struct {
	Health
	waiting, ended int
	busy           bool // somebody sends
	notBefore      time.Time
}

// Backup writes a consistent copy of the database to w.
func (b *Book) Backup(w io.Writer) error { return boltfile.Copy(b.db, w) }

// Open opens or creates webhooks.db at path.
func Open(path string, o Options) (*Book, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Book{opts: o, some: make(chan struct{}, 1), wake: make(chan struct{}, 1), lines: map[string]*line{}}
	var hooks []Hook
	if _, err := o.Store.State(context.Background(), rowHooks, &hooks); err != nil {
		return nil, err
	}
	b.hooks.Store(&hooks)
	var err error
	b.db, err = boltfile.Open(path, boltfile.Options{What: "webhooks", Buckets: [][]byte{bucketDeliveries, bucketDue, bucketEnded, bucketHealth}, Init: b.read, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Close writes what waits in memory and closes the file.
func (b *Book) Close() error {
	if b == nil {
		return nil
	}
	b.flush()
	return b.db.Close()
}

func (b *Book) rouse() { signal(b.wake) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Emit tells those who want to know of an event. It never waits for anything.
func (b *Book) Emit(e Event) {
	if b == nil {
		return
	}
	list := b.all()
	for i := range list {
		h := &list[i]
		if !h.wants(&e) {
			continue
		}
		data := e.Data(h)
		if data == nil {
			continue
		}
		body, err := json.Marshal(payload{e.Type, e.Time.UTC(), b.opts.Hostname, data})
		if err != nil {
			b.opts.Logger.Error("webhook: event cannot be written", "event", e.Type, "err", err)
			continue
		}
		now := b.opts.Now().UTC()
		b.take(queued{h.ID, Delivery{ID: messageID(), Type: e.Type, Time: e.Time.UTC(), Body: body, State: Waiting, Next: now, Until: now.Add(giveUp)}})
	}
}

// payload is what is sent.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Server    string    `json:"server"`
	Data      any       `json:"data"`
}

func messageID() string { return "msg_" + strings.ToLower(rand.Text()) }

// take puts a delivery into memory; if there are too many it is lost.
func (b *Book) take(q queued) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lines[q.hook]; l != nil && l.Off != "" {
		return
	}
	if len(b.buffer) >= maxBuffer {
		b.dropped++
		return
	}
	b.buffer = append(b.buffer, q)
	if len(b.buffer) == 1 {
		signal(b.some)
	}
}

// Run writes and sends until ctx is done.
func (b *Book) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() { b.write(ctx) })
	for {
		timer := time.NewTimer(b.dispatch(ctx, &wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-b.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// write writes what comes in until ctx is done.
func (b *Book) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.some:
		}
		delay := time.NewTimer(writeDelay)
		select {
		case <-ctx.Done():
			delay.Stop()
			return // Close writes the rest
		case <-delay.C:
		}
		b.flush()
		b.rouse()
	}
}

// flush writes what waits in memory.
func (b *Book) flush() {
	b.mu.Lock()
	group, dropped := b.buffer, b.dropped
	b.buffer, b.dropped = nil, 0
	b.mu.Unlock()
	if dropped > 0 {
		b.opts.Logger.Warn("webhooks: more events than can be written down", "dropped", dropped)
	}
	if len(group) == 0 {
		return
	}
	if err := b.add(group); err != nil {
		b.opts.Logger.Error("webhooks: events were not written, and are lost", "events", len(group), "err", err)
	}
}
