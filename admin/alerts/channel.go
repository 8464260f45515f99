package alerts

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/admin/push"
	"github.com/mailstead/mailstead/mail"
)

// Kinds of channels.
const (
	KindMail    = "mail"
	KindWebhook = "webhook"
	KindNtfy    = "ntfy"
)

// Channel is a way to people. Its secrets are for the store alone.
type Channel struct {
	ID      string
	Kind    string       // KindMail, KindWebhook or KindNtfy
	To      string       // an address, or that of a web server; for ntfy with the topic
	Least   checks.State // Warn: of all; Fail: only of what fails
	Daily   bool         // of KindMail: also the daily mail
	Created time.Time
	Token   push.Secret // of KindNtfy: an access token
	Secret  push.Secret // of KindWebhook: what requests are signed with

	Health Health
}

// Health is how a channel does.
type Health struct {
	LastOK  time.Time // when something went out last
	Failing time.Time // since when nothing does; zero: it works
	Problem string    // why, in words
}

// Errors of channels, for errors.Is.
var (
	ErrNoChannel = errors.New("alerts: there is no such channel")
	ErrNoAlert   = errors.New("alerts: there is no such alert")
	ErrInvalid   = errors.New("alerts: invalid")
	ErrOffline   = errors.New("alerts: only a running server sends them")
)

// Invalid says which field of a channel is wrong.
type Invalid struct{ Field, Text string }

func (e *Invalid) Error() string { return e.Text }

// Is makes it an [ErrInvalid].
func (e *Invalid) Is(target error) bool { return target == ErrInvalid }

const (
	maxChannels = 20
	maxToken    = 300 // octets
)

// Check says what is wrong with a channel that somebody wants, and makes it what
// is kept. isLocal reports whether a domain is of this server; nil: none is.
func (c *Channel) Check(isLocal func(mail.Domain) bool) error {
	if c.Least != checks.Warn && c.Least != checks.Fail {
		return &Invalid{"least", "say \"warn\" to be told of all, or \"fail\" of what fails"}
	}
	if len(c.Token) > maxToken || strings.ContainsFunc(string(c.Token), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return &Invalid{"token", "an access token is one word without blanks"}
	}
	c.Daily = c.Daily && c.Kind == KindMail
	switch c.Kind {
	case KindMail:
		p, err := mail.ParseAddress(c.To)
		if err != nil {
			return &Invalid{"to", fmt.Sprintf("%q is not an address; write it as in ana@example.org", c.To)}
		}
		c.To = p.String()
		if isLocal != nil && isLocal(p.Domain) { // when it is in trouble nobody could read there that it is
			return &Invalid{"to", fmt.Sprintf("%s is on this server, where nobody can read that it is in trouble; give an address elsewhere", p)}
		}
		return nil
	case KindWebhook:
		if err := push.CheckURL(c.To); err != nil {
			return &Invalid{"to", err.Error()}
		}
		return nil
	case KindNtfy:
		if _, _, err := ntfyTopic(c.To); err != nil {
			return &Invalid{"to", err.Error()}
		}
		return nil
	}
	return &Invalid{"kind", "say mail, webhook or ntfy"}
}

// CheckRoom refuses one more channel beside as many as there can be.
func CheckRoom(there int) error {
	if there >= maxChannels {
		return &Invalid{"to", fmt.Sprintf("there are %d channels, and no more can be; remove one", maxChannels)}
	}
	return nil
}

// ntfyTopic takes the address of a topic apart: that of the server, and the
// name of the topic.
func ntfyTopic(s string) (server, topic string, err error) {
	if err := push.CheckURL(s); err != nil {
		return "", "", err
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", "", err
	}
	topic = strings.Trim(u.Path, "/")
	if topic == "" || strings.Contains(topic, "/") || u.RawQuery != "" {
		return "", "", errors.New("write the address with the topic, as in https://ntfy.sh/a-name-nobody-guesses")
	}
	u.Path = "/"
	return u.String(), topic, nil
}

// Channels returns all channels, in the order in which they were made.
func (s *Service) Channels(ctx context.Context) ([]Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return slices.Clone(s.channels), nil
}

// AddChannel makes a channel. One to a webhook gets a secret.
func (s *Service) AddChannel(ctx context.Context, c Channel) (Channel, error) {
	if err := c.Check(s.opts.IsLocal); err != nil {
		return Channel{}, err
	}
	c.ID, c.Created, c.Health, c.Secret = strings.ToLower(rand.Text()[:10]), s.opts.Now().UTC(), Health{}, ""
	if c.Kind != KindNtfy {
		c.Token = ""
	}
	if c.Kind == KindWebhook {
		var err error
		if c.Secret, err = push.NewSecret(rand.Reader); err != nil {
			return Channel{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return Channel{}, err
	}
	if err := CheckRoom(len(s.channels)); err != nil {
		return Channel{}, err
	}
	if slices.ContainsFunc(s.channels, func(have Channel) bool { return have.Kind == c.Kind && have.To == c.To }) {
		return Channel{}, &Invalid{"to", "alerts go there already"}
	}
	return c, s.putChannels(ctx, append(slices.Clone(s.channels), c))
}

// SetChannel changes of what a channel tells.
func (s *Service) SetChannel(ctx context.Context, id string, change func(*Channel)) (Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return Channel{}, err
	}
	next := slices.Clone(s.channels)
	i := slices.IndexFunc(next, func(c Channel) bool { return c.ID == id })
	if i < 0 {
		return Channel{}, ErrNoChannel
	}
	change(&next[i])
	if err := next[i].Check(s.opts.IsLocal); err != nil {
		return Channel{}, err
	}
	return next[i], s.putChannels(ctx, next)
}

// RemoveChannel ends a channel, and what waits for it.
func (s *Service) RemoveChannel(ctx context.Context, id string) (Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return Channel{}, err
	}
	i := slices.IndexFunc(s.channels, func(c Channel) bool { return c.ID == id })
	if i < 0 {
		return Channel{}, ErrNoChannel
	}
	gone := s.channels[i]
	if err := s.putNotices(ctx, slices.DeleteFunc(slices.Clone(s.notices), func(n notice) bool { return n.Channel == id })); err != nil {
		return Channel{}, err
	}
	return gone, s.putChannels(ctx, slices.Delete(slices.Clone(s.channels), i, i+1))
}

// channel finds a channel; s.mu is held.
func (s *Service) channel(id string) (Channel, bool) {
	i := slices.IndexFunc(s.channels, func(c Channel) bool { return c.ID == id })
	if i < 0 {
		return Channel{}, false
	}
	return s.channels[i], true
}

// Test sends a message through a channel now, and returns what went wrong, in
// words.
func (s *Service) Test(ctx context.Context, id string) (problem string, err error) {
	s.mu.Lock()
	err = s.load(ctx)
	c, ok := s.channel(id)
	s.mu.Unlock()
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", ErrNoChannel
	case s.opts.Post == nil && s.opts.Mail == nil:
		return "", ErrOffline
	}
	now := s.opts.Now()
	m := message{subject: "Test of alerts", text: "This is a test. Alerts of this server get here.\n", event: "alert.test", priority: 3, tags: []string{"white_check_mark"},
		key: "test-" + strings.ToLower(rand.Text()[:10])}
	err = s.send(ctx, &c, &m, now)
	if herr := s.note(ctx, id, err, now); herr != nil {
		return "", herr
	}
	if err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// send hands a message to its channel.
func (s *Service) send(ctx context.Context, c *Channel, m *message, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, sendFor)
	defer cancel()
	switch c.Kind {
	case KindMail:
		if s.opts.Mail == nil {
			return ErrOffline
		}
		to, err := mail.ParseAddress(c.To)
		if err == nil {
			err = c.Check(s.opts.IsLocal)
		}
		if err != nil {
			return err
		}
		return s.sendMail(ctx, c.ID, to, m)
	case KindWebhook:
		return s.sendWebhook(ctx, c, m, now)
	}
	return s.sendNtfy(ctx, c, m)
}

// sentMail is a mail that is on its way.
type sentMail struct{ id, channel string }

// maxMails bounds how many of them are remembered.
const maxMails = 200

func (s *Service) sendMail(ctx context.Context, channel string, to mail.Path, m *message) error {
	id, err := s.opts.Mail(ctx, to, "["+s.opts.Hostname+"] "+m.subject, m.text+s.footer())
	if err != nil || id == "" {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, sentMail{id, channel})
	s.mails = s.mails[max(0, len(s.mails)-maxMails):]
	return nil
}

// Mailed is told what became of a mail: problem says why it did not get there;
// "" means that it did. Mails that are not ours are ignored.
func (s *Service) Mailed(ctx context.Context, id, problem string) {
	s.mu.Lock()
	i := slices.IndexFunc(s.mails, func(m sentMail) bool { return m.id == id })
	if i < 0 {
		s.mu.Unlock()
		return
	}
	channel := s.mails[i].channel
	s.mails = slices.Delete(s.mails, i, i+1)
	s.mu.Unlock()
	var err error
	if problem != "" {
		err = errors.New("the mail was refused: " + problem)
	}
	if err := s.note(ctx, channel, err, s.opts.Now()); err != nil {
		s.opts.Logger.WarnContext(ctx, "alerts: the fate of a mail could not be written down", "err", err)
	}
}

func (s *Service) sendWebhook(ctx context.Context, c *Channel, m *message, now time.Time) error {
	alerts := m.changes
	if alerts == nil {
		alerts = []Change{}
	}
	body, err := json.Marshal(map[string]any{"type": m.event, "timestamp": now.UTC(), "data": map[string]any{
		"server": s.opts.Hostname, "title": m.subject, "text": m.text, "url": s.console(), "alerts": alerts}})
	if err != nil {
		return err
	}
	h, err := c.Secret.Headers(m.key, now, body)
	if err != nil {
		return err
	}
	return s.post(ctx, push.Request{URL: c.To, Header: h, Body: body})
}

func (s *Service) sendNtfy(ctx context.Context, c *Channel, m *message) error {
	server, topic, err := ntfyTopic(c.To)
	if err != nil {
		return err
	}
	v := map[string]any{"topic": topic, "title": s.opts.Hostname + ": " + m.subject, "message": m.text, "priority": m.priority, "tags": m.tags}
	if to := s.console(); to != "" {
		v["click"] = to
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := map[string]string{"Content-Type": "application/json"}
	if c.Token != "" {
		h["Authorization"] = "Bearer " + string(c.Token)
	}
	return s.post(ctx, push.Request{URL: server, Header: h, Body: body})
}

func (s *Service) post(ctx context.Context, r push.Request) error {
	if s.opts.Post == nil {
		return ErrOffline
	}
	r.Private = s.opts.Settings().Private
	_, err := s.opts.Post(ctx, r)
	return err
}

// note writes down how a channel did.
func (s *Service) note(ctx context.Context, id string, problem error, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := slices.Clone(s.channels)
	i := slices.IndexFunc(next, func(c Channel) bool { return c.ID == id })
	if i < 0 {
		return nil // was removed meanwhile
	}
	h := &next[i].Health
	switch {
	case problem == nil:
		*h = Health{LastOK: now.UTC()}
	case h.Failing.IsZero():
		h.Failing = now.UTC()
		fallthrough
	default:
		h.Problem = clip(problem.Error())
	}
	return s.putChannels(ctx, next)
}
