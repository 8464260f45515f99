package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/delivery/junk"
	"github.com/mailstead/mailstead/mailbox"
)

// Learner learns from what people say of a message, and tells how much it has
// learned; *junk.Classifier.
type Learner interface {
	Stats() (junk.Stats, error)
	Learn(ctx context.Context, id mailbox.AccountID, email mailbox.EmailID, class junk.Class) error
	// Train learns a message of a file; false: it was known.
	Train(ctx context.Context, id mailbox.AccountID, raw []byte, class junk.Class) (bool, error)
	ForgetAccount(id mailbox.AccountID) error
	ForgetAll() error
}

// maxQuarantineIDs bounds how many messages one request names.
const maxQuarantineIDs = 500

// QuarantineSelection names messages and says what else is to be done.
type QuarantineSelection struct {
	IDs   []string `json:"ids" minItems:"1" maxItems:"500" doc:"Messages, as they are listed."`
	Train bool     `json:"train,omitempty" doc:"With release: learn that such mail is wanted."`
}

// ReleaseQuarantined moves messages to the inboxes of their accounts, with
// their dates, and returns how many there were.
func (a *Admin) ReleaseQuarantined(ctx context.Context, sel QuarantineSelection) (int, error) {
	return a.changeQuarantine(ctx, "quarantine.release", sel, a.release)
}

// DeleteQuarantined removes messages for good and returns how many there were.
func (a *Admin) DeleteQuarantined(ctx context.Context, sel QuarantineSelection) (int, error) {
	return a.changeQuarantine(ctx, "quarantine.delete", sel, a.remove)
}

// ReleaseMyQuarantined and DeleteMyQuarantined do the same with one's own mail.
func (a *Admin) ReleaseMyQuarantined(ctx context.Context, sel QuarantineSelection) (int, error) {
	return a.changeMyQuarantine(ctx, "quarantine.release", sel, a.release)
}

func (a *Admin) DeleteMyQuarantined(ctx context.Context, sel QuarantineSelection) (int, error) {
	return a.changeMyQuarantine(ctx, "quarantine.delete", sel, a.remove)
}

// quarantineChange is done with messages of one account.
type quarantineChange func(ctx context.Context, id mailbox.AccountID, uids []mailbox.UID, train bool) (int, error)

func (a *Admin) changeQuarantine(ctx context.Context, action string, sel QuarantineSelection, do quarantineChange) (int, error) {
	p, err := authorize(ctx, ChangePeople)
	if err != nil {
		return 0, err
	}
	return a.changeQuarantineOf(ctx, action, sel, func(acct directory.Account) bool { return p.sees(acct.Address.Domain) }, do)
}

func (a *Admin) changeMyQuarantine(ctx context.Context, action string, sel QuarantineSelection, do quarantineChange) (int, error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return 0, err
	}
	return a.changeQuarantineOf(ctx, action, sel, func(acct directory.Account) bool { return acct.ID == p.Account }, do)
}

func (a *Admin) changeQuarantineOf(ctx context.Context, action string, sel QuarantineSelection, may func(directory.Account) bool, do quarantineChange) (int, error) {
	if err := a.errNoQuarantine(); err != nil {
		return 0, err
	}
	if len(sel.IDs) == 0 || len(sel.IDs) > maxQuarantineIDs {
		return 0, At("ids", invalid("name between 1 and %d messages", maxQuarantineIDs))
	}
	byAccount := map[mailbox.AccountID][]mailbox.UID{}
	var order []mailbox.AccountID
	for _, s := range sel.IDs {
		id, uid, err := parseQuarantineID(s)
		if err != nil {
			return 0, err
		}
		acct, err := a.opts.Directory.Account(uint32(id))
		if err != nil || !may(acct) {
			return 0, noQuarantined(s)
		}
		if byAccount[id] == nil {
			order = append(order, id)
		}
		byAccount[id] = append(byAccount[id], uid)
	}
	n := 0
	for _, id := range order {
		done, err := do(ctx, id, byAccount[id], sel.Train)
		n += done
		if errors.Is(err, mailbox.ErrNotFound) { // it has no quarantine
			continue
		}
		if err != nil {
			return n, err
		}
	}
	if n == 0 {
		return 0, noQuarantined(sel.IDs[0])
	}
	ids := slices.Clone(sel.IDs[:min(len(sel.IDs), maxAudited)])
	return n, a.opts.Directory.Record(context.WithoutCancel(ctx), Actor(ctx), action, ids[0], ids)
}

func (a *Admin) release(ctx context.Context, id mailbox.AccountID, uids []mailbox.UID, train bool) (int, error) {
	released, err := a.opts.Quarantine.Release(ctx, id, uids)
	if err != nil {
		return 0, err
	}
	class := junk.None // or it would be learned from where it is now
	if train {
		class = junk.Good
	}
	if a.opts.Learner != nil {
		for _, r := range released {
			if err := a.opts.Learner.Learn(ctx, id, r.Email, class); err != nil {
				a.opts.Logger.Warn("learn from a released message", "account", id, "err", err)
			}
		}
	}
	return len(released), nil
}

func (a *Admin) remove(ctx context.Context, id mailbox.AccountID, uids []mailbox.UID, _ bool) (int, error) {
	return a.opts.Quarantine.Delete(ctx, id, uids)
}
