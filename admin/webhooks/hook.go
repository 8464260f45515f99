package webhooks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail"
)

// Kinds of events.
const (
	MessageReceived    = "message.received"    // came from outside, and was accepted
	MessageFiled       = "message.filed"       // is in a mailbox
	MessageRefused     = "message.refused"     // was not accepted
	MessageQuarantined = "message.quarantined" // waits for somebody to say whether it is wanted
	MessageQueued      = "message.queued"      // is on its way to others
	MessageDelivered   = "message.delivered"   // their server has it
	MessageDeferred    = "message.deferred"    // is tried again
	MessageBounced     = "message.bounced"     // was given up
	AccountAdded       = "account.added"
	AccountChanged     = "account.changed"
	AccountRemoved     = "account.removed"
	AlertFired         = "alert.fired"
	AlertResolved      = "alert.resolved"
	CheckChanged       = "check.changed"

	test = "webhook.test"
)

// Events are all kinds of events that one can ask for.
func Events() []string {
	return []string{MessageReceived, MessageFiled, MessageRefused, MessageQuarantined, MessageQueued, MessageDelivered, MessageDeferred, MessageBounced,
		AccountAdded, AccountChanged, AccountRemoved, AlertFired, AlertResolved, CheckChanged}
}

// Hook is a web server that wants to know of events.
type Hook struct {
	ID      string
	Label   string
	URL     string
	Events  []string      // kinds
	Domains []mail.Domain // nil: all
	Secret  push.Secret
	Paused  bool // somebody wants it to be quiet
	// Wide says that it was made by somebody of all domains, so that the owner's
	// leave to reach private networks is for it, too.
	Wide    bool
	Creator string
	Created time.Time
}

// wants reports whether a hook is to be told of an event.
func (h *Hook) wants(e *Event) bool {
	if h.Paused || !slices.Contains(h.Events, e.Type) {
		return false
	}
	return h.Domains == nil || slices.ContainsFunc(e.Domains, func(d mail.Domain) bool { return slices.Contains(h.Domains, d) })
}

// Event is something that happened.
type Event struct {
	Type    string
	Time    time.Time
	Domains []mail.Domain // whose business it is
	// Data is what a hook is told, as JSON; nil: nothing. It is called before
	// Emit returns.
	Data func(h *Hook) any
}

// Errors, for errors.Is.
var (
	ErrNoHook     = errors.New("webhooks: there is no such webhook")
	ErrNoDelivery = errors.New("webhooks: there is no such delivery")
	ErrInvalid    = errors.New("webhooks: invalid")
	ErrOffline    = errors.New("webhooks: only a running server sends them")
)

// Invalid says which field of a webhook is wrong.
type Invalid struct{ Field, Text string }

func (e *Invalid) Error() string { return e.Text }

// Is makes it an [ErrInvalid].
func (e *Invalid) Is(target error) bool { return target == ErrInvalid }

// Bounds of webhooks.
const (
	maxHooks = 100
	maxLabel = 100 // octets
	maxNames = 200 // domains of one
)

// Check says what is wrong with a webhook that somebody wants, and makes it what
// is kept.
func (h *Hook) Check() error {
	if err := push.CheckURL(h.URL); err != nil {
		return &Invalid{"url", err.Error()}
	}
	if len(h.Events) == 0 {
		return &Invalid{"events", "name the events to be told, such as " + MessageReceived}
	}
	for _, e := range h.Events {
		if !slices.Contains(Events(), e) {
			return &Invalid{"events", fmt.Sprintf("there is no event %q; choose from %s", e, strings.Join(Events(), ", "))}
		}
	}
	if h.Label = strings.TrimSpace(h.Label); len(h.Label) > maxLabel || strings.ContainsFunc(h.Label, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return &Invalid{"label", fmt.Sprintf("a label is one line of at most %d octets", maxLabel)}
	}
	if len(h.Domains) > maxNames {
		return &Invalid{"domains", fmt.Sprintf("name at most %d domains, or none for all", maxNames)}
	}
	slices.Sort(h.Events)
	h.Events = slices.Compact(h.Events)
	return nil
}

// CheckRoom refuses one more webhook beside as many as there can be.
func CheckRoom(there int) error {
	if there >= maxHooks {
		return &Invalid{"url", fmt.Sprintf("there are %d webhooks, and no more can be; remove one", maxHooks)}
	}
	return nil
}

// rowHooks is where system.db has the webhooks.
const rowHooks = "webhooks"

// all returns the hooks as they are.
func (b *Book) all() []Hook { return *b.hooks.Load() }

func (b *Book) find(id string) (Hook, error) {
	list := b.all()
	i := slices.IndexFunc(list, func(h Hook) bool { return h.ID == id })
	if i < 0 {
		return Hook{}, ErrNoHook
	}
	return list[i], nil
}

// put makes a list of hooks the one that counts.
func (b *Book) put(ctx context.Context, list []Hook) error {
	if err := b.opts.Store.PutState(ctx, rowHooks, list); err != nil {
		return err
	}
	b.hooks.Store(&list)
	b.rouse()
	return nil
}

// Status is a webhook with how it does.
type Status struct {
	Hook
	Health
	Waiting int // deliveries
}

// Hooks returns all webhooks, in the order in which they were made.
func (b *Book) Hooks() []Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Status
	for _, h := range b.all() {
		list = append(list, b.status(h))
	}
	return list
}

// Hook returns one webhook.
func (b *Book) Hook(id string) (Status, error) {
	h, err := b.find(id)
	if err != nil {
		return Status{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status(h), nil
}

func (b *Book) status(h Hook) Status {
	l := b.lines[h.ID]
	if l == nil {
		return Status{Hook: h}
	}
	return Status{h, l.Health, l.waiting}
}

// Add makes a webhook with a secret of its own.
func (b *Book) Add(ctx context.Context, h Hook) (Hook, error) {
	if err := h.Check(); err != nil {
		return Hook{}, err
	}
	var err error
	if h.Secret, err = push.NewSecret(rand.Reader); err != nil {
		return Hook{}, err
	}
	h.ID, h.Created = strings.ToLower(rand.Text()[:idLength]), b.opts.Now().UTC()
	b.changing.Lock()
	defer b.changing.Unlock()
	list := b.all()
	if err := CheckRoom(len(list)); err != nil {
		return Hook{}, err
	}
	return h, b.put(ctx, append(slices.Clone(list), h))
}

// Set changes a webhook. One that was switched off is switched on again, unless
// it is to be paused.
func (b *Book) Set(ctx context.Context, id string, change func(*Hook)) (Hook, error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	list := slices.Clone(b.all())
	i := slices.IndexFunc(list, func(h Hook) bool { return h.ID == id })
	if i < 0 {
		return Hook{}, ErrNoHook
	}
	change(&list[i])
	if err := list[i].Check(); err != nil {
		return Hook{}, err
	}
	if !list[i].Paused {
		if err := b.revive(id); err != nil {
			return Hook{}, err
		}
	}
	return list[i], b.put(ctx, list)
}

// Remove ends a webhook, with all that it was to be told.
func (b *Book) Remove(ctx context.Context, id string) (Hook, error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	h, err := b.find(id)
	if err != nil {
		return Hook{}, err
	}
	if err := b.put(ctx, slices.DeleteFunc(slices.Clone(b.all()), func(h Hook) bool { return h.ID == id })); err != nil {
		return Hook{}, err
	}
	return h, b.drop(id)
}
