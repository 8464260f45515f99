package filter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
)

// Filter asks one program about messages. Its methods return when ctx is done
// at the latest and may be called concurrently.
type Filter interface {
	// Name is of a closed set, and what reasons are called: "rspamd", "clamd"
	// or "milter".
	Name() string
	// Run shows a message to the program. An error means that there was no
	// answer that can be used.
	Run(ctx context.Context, m *Message) (Result, error)
	// Ping asks whether the program is there.
	Ping(ctx context.Context) error
}

// Message is what a filter may know.
type Message struct {
	ID       string      // of our queue and trace
	Hostname mail.Domain // ours
	Client   Client
	Envelope mail.Envelope
	// Header is what came, without what only we may write, and our
	// Authentication-Results before it; with the empty line after it.
	Header []byte
	Body   func() io.Reader // what comes after Header, from its start
	Size   int64            // of both
}

// Client is who sent a message.
type Client struct {
	Addr   netip.Addr
	Name   string // confirmed both ways; "" if there is none
	Hello  string // argument of HELO or EHLO
	TLS    string // version, as in TLSv1.3; "" without
	Cipher string
}

// name is the client's name, or its address in brackets.
func (c *Client) name() string {
	if c.Name != "" {
		return c.Name
	}
	return "[" + c.addr() + "]"
}

func (c *Client) addr() string { return c.Addr.Unmap().WithZone("").String() }

// read returns a reader of the whole message.
func (m *Message) read() io.Reader {
	return io.MultiReader(bytes.NewReader(m.Header), m.Body())
}

// Action is what a filter does with a message by itself, from mild to strict.
type Action uint8

const (
	Accept Action = iota // its reasons count, nothing else
	Quarantine
	Refuse // answer 4xx or 5xx
)

func (a Action) String() string { return [...]string{"accept", "quarantine", "refuse"}[a] }

// Result is what a filter makes of a message.
type Result struct {
	Action Action
	// What the client is told, with Refuse.
	Status mail.Status
	Code   int    // reply code, if Status does not imply it
	Text   string // one line, ASCII
	Why    string // why not Accept, in one line for people here

	Reasons []mail.Reason
	Add     []byte              // fields to put before the message
	Edit    []message.FieldEdit // of the fields of Message.Header
	Sender  *mail.Path          // another reverse-path, if not nil
	Err     error               // why there was no answer; for the log
}

// Merge makes one result of several: the strictest action, the first of
// equals, and all else of all.
func Merge(results []Result) Result {
	var all Result
	for _, r := range results {
		if r.Action > all.Action {
			all.Action, all.Status, all.Code, all.Text, all.Why = r.Action, r.Status, r.Code, r.Text, r.Why
		}
		all.Reasons = append(all.Reasons, r.Reasons...)
		all.Add = append(all.Add, r.Add...)
		all.Edit = append(all.Edit, r.Edit...)
		if r.Sender != nil {
			all.Sender = r.Sender
		}
		all.Err = errors.Join(all.Err, r.Err)
	}
	return all
}

// tell adds a reason that has no score.
func (r *Result) tell(name, format string, a ...any) {
	r.Reasons = append(r.Reasons, mail.Reason{Name: name, Text: fmt.Sprintf(format, a...)})
}

// leaveOut tells of a change of the header that is not made, such as one of a
// field that only this server writes. Other errors it returns.
func (r *Result) leaveOut(name string, err error) error {
	if err == nil || errors.Is(err, errTooManyChanges) {
		return err
	}
	r.tell(name, "%s asks for a change of the header that is not made: %v", title(name), err)
	return nil
}
