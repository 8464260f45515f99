package filter

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"mime"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// What is made of scores.
const (
	junkScore  = 5.0  // alone is enough for \Junk
	maxScore   = 15.0 // of one filter, for or against
	maxSymbols = 6    // that are told
	maxText    = 200  // octets of a reply that a filter words
)

// rspamdReply is an answer to /checkv2, as far as it is used. What is an
// object when there is something and something else when there is nothing is
// read later.
type rspamdReply struct {
	Error    string  `json:"error"`
	Skipped  bool    `json:"is_skipped"`
	Action   string  `json:"action"`
	Score    float64 `json:"score"`
	Required float64 `json:"required_score"`
	Subject  string  `json:"subject"`
	Symbols  map[string]struct {
		Score float64 `json:"score"`
	} `json:"symbols"`
	Messages json.RawMessage `json:"messages"`
	Milter   json.RawMessage `json:"milter"`
}

// rspamdMilter are changes of the header.
type rspamdMilter struct {
	Add    map[string]json.RawMessage `json:"add_headers"`
	Remove map[string]json.RawMessage `json:"remove_headers"`
	Reject string                     `json:"reject"`
}

// rspamdResult makes a result of an answer.
func rspamdResult(b []byte, m *Message, scale float64) (Result, error) {
	var reply rspamdReply
	if err := json.Unmarshal(b, &reply); err != nil {
		return Result{}, fmt.Errorf("answer of rspamd: %w", err)
	}
	if reply.Error != "" {
		return Result{}, fmt.Errorf("rspamd answers: %s", plain(reply.Error, maxText))
	}
	var r Result
	if reply.Skipped {
		r.tell(NameRspamd, "rspamd did not look at the message")
		return r, nil
	}
	if reply.Action == "" {
		return Result{}, errors.New("the answer of rspamd has no action")
	}
	reply.act(&r)
	r.Reasons = append(r.Reasons, mail.Reason{Name: NameRspamd, Score: reply.scaled(scale), Text: reply.text()})
	return r, reply.change(&r, m)
}

// scaled is the score in our scale. What rspamd takes for spam is enough for
// \Junk unless something else speaks for the message.
func (reply *rspamdReply) scaled(scale float64) float64 {
	score := min(max(reply.Score*scale, -maxScore), maxScore)
	if reply.Action == "add header" || reply.Action == "rewrite subject" {
		score = max(score, junkScore)
	}
	return math.Round(score*100) / 100
}

// act does what the action asks for. Greylisting is left to smtp/inbound,
// which knows more of the sender.
func (reply *rspamdReply) act(r *Result) {
	said := plain(reply.message("smtp_message"), maxText)
	switch reply.Action {
	case "soft reject":
		r.Action, r.Status, r.Code = Refuse, mail.Status{Class: 4, Subject: 7, Detail: 1}, 451
		r.Text = cmp.Or(said, "not now, try again later")
		r.Why = "rspamd asks the sender to try again later"
	case "reject":
		r.Action, r.Status, r.Code = Refuse, mail.StatusPolicy, 550
		r.Text = cmp.Or(said, "the message looks like spam")
		r.Why = fmt.Sprintf("rspamd takes the message for spam: %.1f points of %.1f", reply.Score, reply.Required)
	case "quarantine", "discard":
		r.Action, r.Why = Quarantine, "rspamd asks to "+reply.Action+" the message"
	}
}

// text says the opinion in one sentence, with the symbols that count most.
func (reply *rspamdReply) text() string {
	names := slices.SortedFunc(maps.Keys(reply.Symbols), func(a, b string) int {
		return cmp.Or(cmp.Compare(math.Abs(reply.Symbols[b].Score), math.Abs(reply.Symbols[a].Score)), cmp.Compare(a, b))
	})
	var said []string
	for _, name := range names {
		if score := reply.Symbols[name].Score; len(said) < maxSymbols && score != 0 {
			said = append(said, fmt.Sprintf("%s %+.1f", symbol(name), score))
		}
	}
	text := fmt.Sprintf("rspamd gives %.1f of %.1f points and says %q", reply.Score, reply.Required, plain(reply.Action, 40))
	if len(said) > 0 {
		text += ": " + strings.Join(said, ", ")
	}
	return text
}

// symbol keeps what names of symbols are made of.
func symbol(name string) string {
	return clip(strings.Map(func(c rune) rune {
		if c == '_' || c == '-' || c == '.' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return c
		}
		return '_'
	}, name), 60)
}

// message returns one of the texts; there may be none, or no object.
func (reply *rspamdReply) message(name string) string {
	var texts map[string]any
	if json.Unmarshal(reply.Messages, &texts) != nil {
		return ""
	}
	s, _ := texts[name].(string)
	return s
}

// change collects the changes of the header.
func (reply *rspamdReply) change(r *Result, m *Message) error {
	c := changes{header: m.Header}
	if reply.Action == "rewrite subject" && reply.Subject != "" {
		if err := r.leaveOut(NameRspamd, c.editField("Subject", 1, encodeText(reply.Subject))); err != nil {
			return err
		}
	}
	var milter rspamdMilter
	if len(reply.Milter) > 0 && reply.Milter[0] == '{' {
		if err := json.Unmarshal(reply.Milter, &milter); err != nil {
			return fmt.Errorf("header changes of rspamd: %w", err)
		}
	}
	if r.Action == Accept && (milter.Reject == "discard" || milter.Reject == "quarantine") {
		r.Action, r.Why = Quarantine, "rspamd asks to "+milter.Reject+" the message"
	}
	if err := milter.change(r, &c); err != nil {
		return err
	}
	r.Add, r.Edit = c.add, c.edit
	return nil
}

func (milter *rspamdMilter) change(r *Result, c *changes) error {
	for _, name := range slices.Sorted(maps.Keys(milter.Remove)) {
		var nth int
		if err := json.Unmarshal(milter.Remove[name], &nth); err != nil {
			return fmt.Errorf("header changes of rspamd: %w", err)
		}
		if err := r.leaveOut(NameRspamd, c.editField(name, nth, "")); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(milter.Add)) {
		values, err := fieldValues(milter.Add[name])
		if err != nil {
			return err
		}
		for _, v := range values {
			if err := r.leaveOut(NameRspamd, c.addField(name, v)); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldValues reads a text, an object with it, or a list of these.
func fieldValues(raw json.RawMessage) ([]string, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var values []string
	for _, item := range list {
		var text string
		if json.Unmarshal(item, &text) != nil {
			var object struct {
				Value string `json:"value"`
			}
			if err := json.Unmarshal(item, &object); err != nil {
				return nil, fmt.Errorf("header changes of rspamd: %w", err)
			}
			text = object.Value
		}
		values = append(values, text)
	}
	return values, nil
}

// encodeText makes encoded-words of what is not ASCII (RFC 2047), and folds.
func encodeText(s string) string {
	s = strings.Map(printableRune, strings.ToValidUTF8(s, "?"))
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", s), "?= =?", "?=\n =?")
}
