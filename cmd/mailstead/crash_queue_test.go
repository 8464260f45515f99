package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"
)

// submitters is how many clients submit mail, and atSink how many recipients
// may wait for the queue before these clients pause.
const (
	submitters = 4
	atSink     = 300
)

// outgoing is a message that was submitted for recipients elsewhere.
type outgoing struct {
	from  string
	rcpts []string
	local *thingID // the copy for one of our own
	state sendState
}

// sendState is what is known of whether a message was accepted.
type sendState int

const (
	unknown  sendState = iota + 1 // no answer came, and nothing is to be seen
	accepted                      // by the answer, or by the local copy
	lost                          // the local copy is not there
)

// recipientOf is the name of the message that a recipient of the sink gets.
func recipientOf(rcpt string) string {
	local, _, _ := strings.Cut(rcpt, "@")
	_, local, _ = strings.Cut(local, ".")
	if i := strings.LastIndexByte(local, '.'); i >= 0 {
		return local[:i]
	}
	return ""
}

// makeRecipients makes up who elsewhere a message is for.
func makeRecipients(name string) (rcpts []string) {
	for k := range 1 + rand.IntN(3) {
		what, domain := "ok", fmt.Sprintf("far%d.test", rand.IntN(6))
		switch n := rand.IntN(20); {
		case n < 2:
			what = "no"
		case n == 2: // in a domain of its own: what comes of it comes of the whole transaction
			what, domain = "never", "never.test"
		}
		rcpts = append(rcpts, fmt.Sprintf("%s.%s.%d@%s", what, name, k, domain))
	}
	return rcpts
}

// submitter sends messages to recipients elsewhere, and to one of our own now
// and then.
func (c *crash) submitter(ctx context.Context, i *instance, worker int) error {
	conn, err := dialSMTP(ctx, i.Submission)
	if err != nil {
		return err
	}
	defer conn.Close()
	who, other := i.Accounts[worker%2], i.Accounts[1-worker%2].Address
	if err := conn.Auth(ctx, who.Address, who.Password); err != nil {
		return err
	}
	for n := 0; ctx.Err() == nil; n++ {
		for c.waiting() > atSink && ctx.Err() == nil {
			time.Sleep(time.Millisecond) // only for the sake of the load
		}
		name := messageName(submitted, c.round, worker, n)
		out := &outgoing{from: who.Address, rcpts: makeRecipients(name), state: unknown}
		to := out.rcpts
		var op *clientOp
		if rand.IntN(4) == 0 {
			out.local = &thingID{other, name}
			op, to = c.create(opMailed, place{"INBOX", ""}, *out.local), append([]string{other}, to...)
		}
		c.submit(name, out)
		if err := sendText(ctx, conn, who.Address, to, messageText(name)); err != nil {
			return err
		}
		if op != nil {
			op.done()
		}
		c.queued(out)
	}
	return nil
}

// waiting is about how many recipients the queue has.
func (c *crash) waiting() int {
	c.mu.Lock()
	n := c.count["recipients queued"]
	c.mu.Unlock()
	return n - c.sink.decided()
}

func (o *oracle) submit(name string, out *outgoing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent[name] = out
}

func (o *oracle) queued(out *outgoing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out.state = accepted
	o.count[opQueued]++
	o.count["recipients queued"] += len(out.rcpts)
}

// report is one recipient of a delivery status notification.
type report struct{ account, action string }

// reportName begins the names of reports, as things of an account.
const reportName = "report "

var reported = regexp.MustCompile(`(?i)Final-Recipient: rfc822; ?(\S+)\r\n(?:[^\r\n]+\r\n)*?Action: (\w+)\r\n`)

// readReport notes whom a report is about; false if it is none.
func (o *oracle) readReport(account string, text []byte) bool {
	if !strings.HasPrefix(headerField(text, "Content-Type"), "multipart/report") {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	about := reported.FindAllSubmatch(text, -1)
	for _, m := range about {
		rcpt := string(m[1])
		o.reports[rcpt] = append(o.reports[rcpt], report{account, string(m[2])})
		o.count["reports, by recipient: "+string(m[2])]++
	}
	return len(about) > 0
}

// wroteDown is what the server logs of an attempt after the queue has written
// its result.
var wroteDown = regexp.MustCompile(`msg="delivery attempt".* rcpt_to="?<([^>]+)>"? result=(\w+)`)

// bury remembers what the log of a process that died says about the queue.
func (c *crash) bury(log string) {
	for _, m := range wroteDown.FindAllStringSubmatch(log, -1) {
		if m[2] == "delivered" && c.written[m[1]] == 0 {
			c.written[m[1]] = c.life.Load()
		}
	}
}

// judgeQueue holds what the sink took and what was reported against what was
// submitted; at the end, when the queue is empty, nothing may be missing.
func (c *crash) judgeQueue(end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	c.problems = append(c.problems, c.sink.problems...)
	c.sink.problems = nil
	for rcpt := range c.sink.took {
		if c.sent[recipientOf(rcpt)] == nil {
			c.bad("the sink took a message for %s, which was never sent", rcpt)
		}
	}
	c.count[doubleUnanswered], c.count[doubleKilled] = 0, 0
	for name, out := range c.sent {
		here := out.state == accepted
		for _, rcpt := range out.rcpts {
			here = here || len(c.sink.took[rcpt]) > 0 || len(c.reports[rcpt]) > 0
		}
		if out.state == unknown && out.local != nil { // there for all recipients, or for none
			out.state = lost
			if len(c.things[*out.local].may[0]) > 0 {
				out.state, here = accepted, true
			}
		}
		if here && out.state == lost {
			c.bad("%s was queued, but is not in the mailbox of %s", name, out.local.account)
		}
		for _, rcpt := range out.rcpts {
			c.judgeRecipient(rcpt, out, end && here)
		}
	}
}

// What SMTP allows a message to be delivered twice for (RFC 5321 section 6.1,
// RFC 1047).
const (
	doubleUnanswered = "delivered again, as the sink gave no answer"
	doubleKilled     = "delivered again, as the kill came before the result was written down"
)

// judgeRecipient looks at one recipient elsewhere; settled says that all has
// come of it that will.
func (c *crash) judgeRecipient(rcpt string, out *outgoing, settled bool) {
	took, failed, delayed := c.sink.took[rcpt], 0, 0
	for _, r := range c.reports[rcpt] {
		if r.account != out.from {
			c.bad("%s is told about %s, of whom %s wrote to", r.account, rcpt, out.from)
		}
		switch r.action {
		case "failed":
			failed++
		case "delayed":
			delayed++
		default:
			c.bad("%s is told that %s is %s", r.account, rcpt, r.action)
		}
	}
	if delayed > 1 || failed > 1 {
		c.bad("%s was reported as delayed %d times and as failed %d times", rcpt, delayed, failed)
	}
	if !strings.HasPrefix(rcpt, "ok.") {
		if len(took) > 0 || settled && failed == 0 {
			c.bad("%s was to be reported as failed: taken %d times, reported %d times", rcpt, len(took), failed)
		}
		return
	}
	if failed > 0 || settled && len(took) == 0 {
		c.bad("%s was to be delivered: taken %d times, reported as failed %d times", rcpt, len(took), failed)
	}
	for k := 1; k < len(took); k++ {
		before, written := took[k-1], c.written[rcpt]
		switch {
		case written != 0 && took[k].life > written, before.answered && took[k].life == before.life:
			c.bad("%s got the message again without a reason: %+v, its delivery was written down in life %d", rcpt, took, written)
		case before.answered:
			c.count[doubleKilled]++
		default:
			c.count[doubleUnanswered]++
		}
	}
}
