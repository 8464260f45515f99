package directory

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// freeOfCode is how many wrong codes for one thing are free, from all nets
// together. A code has six digits: without this bound, somebody who knows the
// password could guess from many nets.
const freeOfCode = 50

// Throttled is the cause of an error that says to come again later.
type Throttled struct{ Wait time.Duration }

func (t *Throttled) Error() string {
	return fmt.Sprintf("too many failed attempts, try again in %v", t.Wait)
}

// putOff is the error of an attempt that is not looked at yet.
func putOff(wait time.Duration) error {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return &mail.Error{Status: mail.Status{Class: 4, Subject: 7}, Code: 454,
		Text: fmt.Sprintf("too many failed logins, try again in %v", wait), Err: &Throttled{wait}}
}

// tryCode looks at a code for what unless too many were wrong: from the net it
// comes from or, where that net never had a right one, from everywhere.
func (d *Directory) tryCode(what string, from netip.Addr, check func() (bool, error)) (bool, error) {
	s := source{sourceNet(from), "code " + what}
	if wait := d.throttle.waitForCode(s); wait > 0 && !d.opts.NoThrottle {
		return false, putOff(wait)
	}
	ok, err := check()
	switch {
	case err != nil:
		return false, err
	case ok:
		d.throttle.codeSucceeded(s)
	default:
		d.throttle.codeFailed(s)
	}
	return ok, nil
}

// everywhere is the source of codes for one thing from all nets. The prefix is
// one that sourceNet never returns.
func (s source) everywhere() source {
	return source{netip.PrefixFrom(netip.IPv4Unspecified(), 0), s.login}
}

func (t *throttle) waitForCode(s source) time.Duration {
	wait := t.wait(s)
	t.mu.Lock()
	defer t.mu.Unlock()
	if own := t.get(s, false); own != nil && own.known {
		return wait
	}
	if all := t.get(s.everywhere(), false); all != nil {
		wait = max(wait, all.left(t.now()))
	}
	return wait
}

func (t *throttle) codeFailed(s source) {
	t.failed(s, nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.get(s, true).known {
		t.get(s.everywhere(), true).count(t.now(), freeOfCode, penaltyMost)
	}
}

func (t *throttle) codeSucceeded(s source) {
	t.succeeded(s)
	t.mu.Lock()
	defer t.mu.Unlock()
	if all := t.get(s.everywhere(), false); all != nil {
		all.failures, all.until = 0, time.Time{}
	}
}
